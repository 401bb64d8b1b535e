"""A trained model as one file: safetensors for the arrays, JSON for the rest.

The tensors are ``W0``, ``b0``, ``W1``, ... (weights as (in, out)), ``mean`` and ``scale`` of the
standardisation, ``history/<column>`` for every column, and ``learning_rates`` (of every update
done) where the schedule was a function. The JSON text stands in safetensors' own metadata under
the key ``gradstep``; it holds the format's version, the parameters of Trainer and what was learned
besides arrays. Its first entry is the SHA-256 of the whole file, taken with 64 zeros in its place,
so that no byte can change unnoticed. Callbacks are not kept, nor is a RandomState as
`random_state`: that becomes None. Reading runs nothing that the file says.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from gradstep import backends
from gradstep.errors import CorruptFileError, GradstepError, InvalidDataError
from gradstep.nn import augment, initializers, schedules
from gradstep.plan.rows import Standardization
from gradstep.plan.settings import TRAINER, check_parameters
from gradstep.training.history import COLUMNS, History
from gradstep.training.observers import EarlyStopping
from gradstep.utils.files import write_atomically

if TYPE_CHECKING:
    from gradstep.estimators.trainer import Trainer

#: Version of the format that this module writes, and the only one that it reads.
VERSION = 4

_NO_DIGEST = "0" * 64
_DIGEST = re.compile(rb'sha256\\": *\\"([0-9a-f]{64})\\"')
_LABEL_TYPES = re.compile(r"[<>]?([biu][1248]|f[248])|U|O")

Arrays = dict[str, npt.NDArray[Any]]


def save(trainer: Trainer, path: str | os.PathLike[str]) -> None:
    """Write a fitted Trainer to `path` in one step.

    Raises
    ------
    InvalidDataError
        The class labels are objects other than strings.
    OSError
        The file cannot be written; an older one at `path` is untouched.
    """
    arrays = _arrays(trainer)
    rates = _rates_of_a_function(trainer)
    if rates is not None:
        arrays["learning_rates"] = rates
    names = getattr(trainer, "feature_names_in_", None)
    header = {
        "sha256": _NO_DIGEST,
        "version": VERSION,
        "params": _encode_params(trainer.get_params(deep=False)),
        "sizes": [trainer.n_features_in_, *(W.shape[1] for W in trainer.coefs_)],
        "dtype": trainer.coefs_[0].dtype.name,
        "classes": _encode_labels(trainer.classes_),
        "feature_names": None if names is None else [str(name) for name in names],
        "n_iter": trainer.n_iter_,
        "batch_size": trainer.batch_size_,
        "backend": trainer.backend_,
        "interrupted": trainer.interrupted_,
    }
    content = safetensors.save(arrays, metadata={"gradstep": json.dumps(header)})
    digest = hashlib.sha256(content).hexdigest()
    write_atomically(path, content.replace(_NO_DIGEST.encode(), digest.encode(), 1))


def load(trainer: Trainer, path: str | os.PathLike[str]) -> None:
    """Give a new Trainer the parameters and the learned attributes that a file holds.

    Raises
    ------
    CorruptFileError
        The file is damaged, truncated, altered, or not a gradstep model.
    FileNotFoundError
        There is no such file.
    """
    content = Path(path).read_bytes()
    try:
        header = _header(content)
        arrays = {name: array.copy() for name, array in safetensors.load(content).items()}
        _fill(trainer, header, arrays)
    except (SafetensorError, GradstepError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise CorruptFileError(f"{os.fspath(path)} is not a whole gradstep model: {error}") from error


def _arrays(trainer: Trainer) -> Arrays:
    arrays: Arrays = {}
    for layer, (W, b) in enumerate(zip(trainer.coefs_, trainer.intercepts_, strict=True)):
        arrays[f"W{layer}"], arrays[f"b{layer}"] = np.ascontiguousarray(W), np.ascontiguousarray(b)
    arrays["mean"], arrays["scale"] = trainer.standardization_.mean, trainer.standardization_.scale
    return arrays | {f"history/{column}": trainer.history_[column] for column in COLUMNS}


def _rates_of_a_function(trainer: Trainer) -> npt.NDArray[np.float64] | None:
    rule, updates = trainer.learning_rate, trainer.history_["update"]
    if isinstance(rule, schedules.Recorded):
        return np.array(rule.rates, dtype=np.float64)
    if not callable(rule) or isinstance(rule, schedules.PLAIN):
        return None
    return schedules.evaluate(rule, int(updates.max(initial=0)), 1)


def _encode_params(params: dict[str, Any]) -> dict[str, Any]:
    encoded = {
        name: value.item() if isinstance(value, np.generic) else value for name, value in params.items()
    }
    del encoded["callbacks"]
    encoded["hidden"] = [int(units) for units in params["hidden"]]
    rate, rule, random_state = params["learning_rate"], params["early_stopping"], params["random_state"]
    if callable(rate):
        plain = isinstance(rate, schedules.PLAIN)
        encoded["learning_rate"] = schedules.to_dict(rate) if plain else {"schedule": "Recorded"}
    if isinstance(params["init"], initializers.Init):
        encoded["init"] = initializers.to_dict(params["init"])
    encoded["augment"] = params["augment"] and augment.to_dict(params["augment"])
    encoded["early_stopping"] = rule and asdict(rule)
    if isinstance(random_state, np.random.RandomState):
        encoded["random_state"] = None
    return encoded


def _encode_labels(classes: npt.NDArray[Any]) -> dict[str, Any]:
    values = classes.tolist()
    dtype = "U" if classes.dtype.kind == "U" else classes.dtype.str.lstrip("|")
    if not _LABEL_TYPES.fullmatch(dtype) or (
        classes.dtype == object and not all(isinstance(value, str) for value in values)
    ):
        raise InvalidDataError(
            f"class labels must be numbers, booleans or strings to be saved, got {values[0]!r} "
            f"of dtype {classes.dtype}"
        )
    return {"dtype": dtype, "values": values}


def _header(content: bytes) -> dict[str, Any]:
    """Return the JSON part of a file whose digest is right."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 + length:
        raise CorruptFileError(f"it has {len(content)} bytes, fewer than its header says")
    try:
        header = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["gradstep"])
        version = header["version"]
    except (RecursionError, LookupError, TypeError, ValueError) as error:
        raise CorruptFileError("its header is not that of a gradstep model") from error
    if version != VERSION:
        raise CorruptFileError(f"its format is version {version!r}, this gradstep reads version {VERSION}")
    place = _DIGEST.search(content, 8, 8 + length)
    if place is None:
        raise CorruptFileError("its header has no SHA-256")
    start, end = place.span(1)
    whole = hashlib.sha256(content[:start] + _NO_DIGEST.encode() + content[end:])
    if whole.hexdigest().encode() != place[1]:
        raise CorruptFileError("its content does not have the SHA-256 that it names")
    return dict(header)


def _fill(trainer: Trainer, header: dict[str, Any], arrays: Arrays) -> None:
    sizes = header["sizes"]
    if not isinstance(sizes, list) or len(sizes) < 2 or not all(isinstance(s, int) and s >= 1 for s in sizes):
        raise CorruptFileError(f"its layer sizes must be two ints >= 1 or more, got {sizes!r}")
    if header["dtype"] not in ("float32", "float64"):
        raise CorruptFileError(f"its precision must be float32 or float64, got {header['dtype']!r}")
    layers = range(len(sizes) - 1)
    take = _Taker(arrays)
    trainer.coefs_ = [take(f"W{i}", header["dtype"], sizes[i : i + 2]) for i in layers]
    trainer.intercepts_ = [take(f"b{i}", header["dtype"], sizes[i + 1 : i + 2]) for i in layers]
    trainer.standardization_ = Standardization(
        take("mean", "float64", sizes[:1]), take("scale", "float64", sizes[:1])
    )
    if not (trainer.standardization_.scale > 0).all():
        raise CorruptFileError("its tensor 'scale' must be > 0")
    trainer.history_ = take.history()
    trainer.set_params(**_decode_params(header["params"], take))
    take.nothing_is_left()
    trainer.classes_ = _decode_labels(header["classes"], sizes[-1])
    trainer.n_features_in_ = sizes[0]
    if header["feature_names"] is not None:
        trainer.feature_names_in_ = _names(header["feature_names"], sizes[0])
    trainer.n_iter_ = _count(header, "n_iter", 0)
    trainer.batch_size_ = _count(header, "batch_size", 1)
    trainer.interrupted_ = _typed(header, "interrupted", bool)
    trainer.backend_ = _typed(header, "backend", str)
    if trainer.backend_ not in backends.NAMES:
        raise CorruptFileError(
            f"its backend must be one of {', '.join(backends.NAMES)}, got {trainer.backend_!r}"
        )


class _Taker:
    """Hands out tensors, each once, after a look at dtype, shape and values."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays

    def __call__(
        self, name: str, dtype: str, shape: Sequence[int] | None, nan: bool = False
    ) -> npt.NDArray[Any]:
        if name not in self.arrays:
            raise CorruptFileError(f"it lacks the tensor {name!r}")
        array = self.arrays.pop(name)
        if array.dtype.name != dtype or (array.ndim != 1 if shape is None else array.shape != tuple(shape)):
            wanted = "(any,)" if shape is None else tuple(shape)
            raise CorruptFileError(
                f"its tensor {name!r} must be {dtype} of shape {wanted}, got {array.dtype} of {array.shape}"
            )
        if not nan and not np.isfinite(array).all():
            raise CorruptFileError(f"its tensor {name!r} must be finite")
        return array

    def history(self) -> History:
        columns: Arrays = {}
        for name in COLUMNS:
            shape = columns["update"].shape if columns else None
            dtype = "int64" if name == "update" else "float64"
            may_be_nan = name.startswith(("train", "validation"))
            columns[name] = self(f"history/{name}", dtype, shape, nan=may_be_nan)
            # The train rows are evaluated for every row of the history or for none.
            if name.startswith("train") and not (
                np.isfinite(columns[name]).all() or np.isnan(columns[name]).all()
            ):
                raise CorruptFileError(f"its tensor 'history/{name}' must be finite, or NaN throughout")
        return History(columns)

    def nothing_is_left(self) -> None:
        if self.arrays:
            raise CorruptFileError(f"it has unknown tensors: {', '.join(self.arrays)}")


def _decode_params(encoded: Any, take: _Taker) -> dict[str, Any]:
    params = dict(encoded)
    if set(params) != set(TRAINER) - {"callbacks"}:
        raise CorruptFileError(f"its parameters are not those of Trainer: {', '.join(params)}")
    params["callbacks"] = ()
    params["hidden"] = tuple(params["hidden"])
    rate, weights, rule = params["learning_rate"], params["init"], params["early_stopping"]
    if isinstance(rate, dict):
        if rate.get("schedule") == "Recorded":
            rates = take("learning_rates", "float64", None)
            if (rates < 0).any():
                raise CorruptFileError("its tensor 'learning_rates' must be >= 0")
            rate = {"schedule": "Recorded", "rates": rates.tolist()}
        params["learning_rate"] = schedules.from_dict(rate)
    if isinstance(weights, dict):
        params["init"] = initializers.from_dict(weights)
    if isinstance(params["augment"], dict):
        params["augment"] = augment.from_dict(params["augment"])
    if isinstance(rule, dict):
        params["early_stopping"] = EarlyStopping(**rule)
    check_parameters(params)
    return params


def _decode_labels(encoded: Any, k: int) -> npt.NDArray[Any]:
    dtype, values = encoded["dtype"], encoded["values"]
    if not isinstance(dtype, str) or not _LABEL_TYPES.fullmatch(dtype) or not isinstance(values, list):
        raise CorruptFileError("its class labels are not numbers, booleans or strings")
    kind: type | tuple[type, ...] = {"b": bool, "i": int, "u": int, "f": float}.get(np.dtype(dtype).kind, str)
    if not all(isinstance(value, kind) for value in values):
        raise CorruptFileError("its class labels do not fit their dtype")
    classes = np.array(values, dtype=dtype)
    if classes.shape != (k,) or len(set(values)) != k or classes.tolist() != values:
        raise CorruptFileError(f"its class labels must be {k} different ones, got {len(values)}")
    return classes


def _names(names: Any, d: int) -> npt.NDArray[Any]:
    if not isinstance(names, list) or len(names) != d or not all(isinstance(name, str) for name in names):
        raise CorruptFileError(f"its feature names must be {d} strings")
    return np.array(names, dtype=object)


def _typed(header: dict[str, Any], name: str, kind: type) -> Any:
    if type(header[name]) is not kind:
        raise CorruptFileError(f"its entry {name!r} must be of type {kind.__name__}, got {header[name]!r}")
    return header[name]


def _count(header: dict[str, Any], name: str, least: int) -> int:
    count = int(_typed(header, name, int))
    if count < least:
        raise CorruptFileError(f"its entry {name!r} must be >= {least}, got {count}")
    return count
