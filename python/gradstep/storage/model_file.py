"""A trained model as one file: safetensors for the arrays, JSON for the rest.

The tensors are ``W0``, ``b0``, ``W1``, ... (weights as (in, out)), ``mean`` and ``scale`` of the
standardisation, ``target_mean`` and ``target_scale`` where the targets are real, ``history/<column>`` for
every column, ``learning_rates`` (of every update done) where the schedule was a function, and where the
training can go on those of `gradstep.storage.checkpoints`. The JSON text
holds the format's version, the estimator's class and parameters, and what was learned besides arrays.
`gradstep.storage.container` says where it stands and how a changed file is told. Callbacks are not kept, nor
are functions among `metrics` (their columns are), nor a RandomState as `random_state`: that becomes None.
What is written has been read once, so that it can be read again; reading runs nothing that the file says.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from gradstep import backends
from gradstep.datasets.schema import Schema
from gradstep.errors import CorruptFileError, GradstepError, InvalidDataError
from gradstep.nn import schedules
from gradstep.nn.activations import Activation
from gradstep.nn.losses import Loss
from gradstep.nn.metrics import SPLITS, Metric
from gradstep.nn.schedules import PerEpoch, Recorded, Schedule
from gradstep.nn.scorers import can_be_kept
from gradstep.plan.class_weights import as_plain, from_plain
from gradstep.plan.network import Layers
from gradstep.plan.settings import OWNERS, Settings
from gradstep.plan.standardization import Standardization
from gradstep.plan.targets import Indicators, Labels, Targets, Values
from gradstep.storage import checkpoints
from gradstep.storage.container import Arrays, check_version, pack, unpack
from gradstep.storage.entries import count, typed
from gradstep.training.fitted import Fitted
from gradstep.training.history import History
from gradstep.training.result import TrainingResult
from gradstep.training.status import Status
from gradstep.utils.concepts import Concept, plain, restored
from gradstep.utils.files import open_regular, write_atomically

#: Version of the format that this module writes, and the only one that it reads.
VERSION = 7

# What reading raises where a file says what it must not.
_UNREADABLE = (GradstepError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError)
_LABEL_TYPES = re.compile(r"[<>]?([biu][1248]|f[248])|U|O")

# Parameters that a file has not, and what they are in a model that was read.
_NOT_KEPT = {"callbacks": (), "checkpoint": None}

# Letters that an array of labels may have whatever is in it.
_LABEL_ROOM = 1_000_000

Parameters = Mapping[str, Any]
C = TypeVar("C", bound=Concept)


def save(owner: str, parameters: Parameters, result: TrainingResult, path: str | os.PathLike[str]) -> None:
    """Write what a training came to, and the parameters of its estimator, in one step.

    Parameters
    ----------
    owner : str
        Class of the estimator, one of `gradstep.plan.settings.OWNERS`.
    parameters : mapping
        All of its parameters.
    result : TrainingResult
    path : str or path-like

    Raises
    ------
    InvalidDataError
        The class labels are objects other than strings, or the model is one that could not be read again:
        its weights are not finite, or a parameter was set to what it must not be.
    OSError
        The file cannot be written.
    """
    arrays = _arrays(result) | checkpoints.arrays_of(result)
    rates = _rates_of_a_function(parameters["learning_rate"], result)
    if rates is not None:
        arrays["learning_rates"] = rates
    try:
        content = pack(_header(owner, parameters, result), arrays)
        _read(owner, *unpack(io.BytesIO(content)))
    except InvalidDataError:
        raise
    except _UNREADABLE as error:
        raise InvalidDataError(
            f"this {owner} cannot be saved, for it could not be loaded: {error}"
        ) from error
    write_atomically(path, content)


def load(owner: str | None, path: str | os.PathLike[str]) -> tuple[str, dict[str, Any], TrainingResult]:
    """Return class and parameters of an estimator, and what its training came to.

    Parameters
    ----------
    owner : str, or None
        The class that it must be of; None takes any.
    path : str or path-like

    Raises
    ------
    CorruptFileError
        The file is damaged, truncated, altered, or not a model of this class.
    OSError
        There is no such file, it is a folder, a pipe or a device, or it cannot be read.
    """
    try:
        with open_regular(path) as file:
            return _read(owner, *unpack(file))
    except (*_UNREADABLE, MemoryError) as error:
        reason = str(error) or type(error).__name__
        raise CorruptFileError(f"{os.fspath(path)} is not a whole gradstep model: {reason}") from error


def _arrays(result: TrainingResult) -> Arrays:
    fitted, arrays = result.fitted, {}
    for layer, (W, b) in enumerate(zip(fitted.coefs, fitted.intercepts, strict=True)):
        arrays[f"W{layer}"], arrays[f"b{layer}"] = np.ascontiguousarray(W), np.ascontiguousarray(b)
    arrays["mean"], arrays["scale"] = fitted.standardization.mean, fitted.standardization.scale
    if isinstance(fitted.targets, Values):
        arrays["target_mean"], arrays["target_scale"] = fitted.targets.mean, fitted.targets.scale
    history = result.history
    return arrays | {f"history/{column}": history[column] for column in history.keys()}  # noqa: SIM118


def _rates_of_a_function(rule: Any, result: TrainingResult) -> npt.NDArray[np.float64] | None:
    if isinstance(rule, Recorded):
        return np.array(rule.rates, dtype=np.float64)
    if not _is_function(rule):
        return None
    updates = int(result.history["update"].max(initial=0))
    return schedules.evaluate(rule, updates, result.updates_per_epoch)


def _is_function(rule: Any) -> bool:
    """Whether a learning rate has a function in it, which a file cannot have."""
    return callable(rule) and (isinstance(rule, PerEpoch) or not isinstance(rule, Schedule))


def _is_mostly_padding(labels: Sequence[str]) -> bool:
    """Whether an array that gives every label the room of the longest is large, and nearly empty."""
    room = len(labels) * max(map(len, labels), default=0)
    return room > max(_LABEL_ROOM, 100 * sum(map(len, labels)))


def _header(owner: str, parameters: Parameters, result: TrainingResult) -> dict[str, Any]:
    fitted = result.fitted
    return {
        "version": VERSION,
        "estimator": owner,
        "params": _encode_params(parameters),
        "sizes": list(fitted.layers.sizes),
        "dtype": fitted.block.dtype.name,
        "loss": plain(fitted.loss),
        "activations": plain(fitted.activations),
        "l2": fitted.l2,
        "metrics": plain(fitted.metrics),
        "targets": _encode_targets(fitted.targets),
        "feature_names": None if fitted.feature_names is None else [str(n) for n in fitted.feature_names],
        "schema": None if fitted.schema is None else fitted.schema.to_dict(),
        "weighted": list(result.history.weighted),
        "n_iter": result.n_iter,
        "batch_size": result.batch_size,
        "updates_per_epoch": result.updates_per_epoch,
        "backend": result.backend,
        "n_threads": result.n_threads,
        "status": result.status.value,
        "checkpoint": checkpoints.entries_of(result),
    }


def _encode_params(parameters: Parameters) -> dict[str, Any]:
    encoded = {name: plain(value) for name, value in parameters.items() if name not in _NOT_KEPT}
    encoded["metrics"] = [plain(metric) for metric in parameters["metrics"] if can_be_kept(metric)]
    rate = parameters["learning_rate"]
    if isinstance(rate, Recorded) or _is_function(rate):
        encoded["learning_rate"] = {"schedule": "Recorded"}
    if isinstance(parameters["random_state"], np.random.RandomState):
        encoded["random_state"] = None
    if "class_weight" in encoded:
        encoded["class_weight"] = as_plain(parameters["class_weight"])
    return encoded


def _encode_targets(targets: Targets) -> dict[str, Any]:
    if isinstance(targets, Labels):
        return {"kind": "labels", "classes": _encode_labels(targets.classes)}
    if isinstance(targets, Values):
        least = None if np.isneginf(targets.least) else targets.least
        return {"kind": "values", "one_axis": targets.one_axis, "least": least}
    return {"kind": targets.kind}


def _encode_labels(classes: npt.NDArray[Any]) -> dict[str, Any]:
    values = classes.tolist()
    dtype = "U" if classes.dtype.kind == "U" else classes.dtype.str.lstrip("|")
    if dtype == "U" and _is_mostly_padding(values):
        dtype = "O"
    if not _LABEL_TYPES.fullmatch(dtype) or (
        classes.dtype == object and not all(isinstance(value, str) for value in values)
    ):
        raise InvalidDataError(
            f"class labels must be numbers, booleans or strings to be saved, got {values[0]!r} "
            f"of dtype {classes.dtype}"
        )
    return {"dtype": dtype, "values": values}


def _read(
    owner: str | None, header: dict[str, Any], arrays: Arrays
) -> tuple[str, dict[str, Any], TrainingResult]:
    check_version(header, VERSION)
    found, sizes = header["estimator"], header["sizes"]
    if found != owner and (owner is not None or found not in OWNERS):
        raise CorruptFileError(f"it is a model of {found!r}, not of {owner or ' or '.join(OWNERS)}")
    if not isinstance(sizes, list) or len(sizes) < 2 or not all(isinstance(s, int) and s >= 1 for s in sizes):
        raise CorruptFileError(f"its layer sizes must be two ints >= 1 or more, got {sizes!r}")
    if header["dtype"] not in ("float32", "float64"):
        raise CorruptFileError(f"its precision must be float32 or float64, got {header['dtype']!r}")
    take = _Taker(arrays)
    fitted = _read_fitted(header, take)
    history = take.history(fitted.metrics, _weighted(header["weighted"]))
    parameters = _decode_params(found, header["params"], take)
    checkpoint = checkpoints.checkpoint_of(header["checkpoint"], fitted, history, take)
    take.nothing_is_left()
    backend = typed(header, "backend", str)
    if backend not in backends.NAMES:
        raise CorruptFileError(f"its backend must be one of {', '.join(backends.NAMES)}, got {backend!r}")
    result = TrainingResult(
        fitted,
        history,
        Status(typed(header, "status", str)),
        n_iter=count(header, "n_iter", 0),
        batch_size=count(header, "batch_size", 1),
        updates_per_epoch=count(header, "updates_per_epoch", 1),
        backend=backend,
        n_threads=count(header, "n_threads", 1),
        checkpoint=checkpoint,
    )
    return found, parameters, result


def _read_fitted(header: dict[str, Any], take: _Taker) -> Fitted:
    sizes, dtype = header["sizes"], header["dtype"]
    layers = Layers(tuple(sizes))
    weights = [take(f"W{i}", dtype, sizes[i : i + 2]) for i in range(layers.count)]
    biases = [take(f"b{i}", dtype, sizes[i + 1 : i + 2]) for i in range(layers.count)]
    block = np.empty(layers.parameters, dtype=dtype)
    for layer in range(layers.count):
        layers.weights(block, layer)[...] = weights[layer]
        layers.biases(block, layer)[...] = biases[layer]
    standardization = Standardization(take("mean", "float64", sizes[:1]), take("scale", "float64", sizes[:1]))
    if not (standardization.scale > 0).all():
        raise CorruptFileError("its tensor 'scale' must be > 0")
    loss, activations = _member(Loss, header["loss"]), _members(Activation, header["activations"])
    metrics, targets = (
        _members(Metric, header["metrics"]),
        _decode_targets(header["targets"], sizes[-1], take),
    )
    if len(activations) != layers.count - 1:
        raise CorruptFileError(f"its activations must be {layers.count - 1}, got {len(activations)}")
    if loss.takes != targets.kind:
        raise CorruptFileError(f"its loss takes {loss.takes}, its targets are {targets.kind}")
    l2 = typed(header, "l2", float)
    if not 0 <= l2 < np.inf:
        raise CorruptFileError(f"its entry 'l2' must be >= 0 and finite, got {l2}")
    names = header["feature_names"]
    return Fitted(
        layers,
        block,
        loss,
        activations,
        l2,
        metrics,
        standardization,
        targets,
        None if names is None else _names(names, sizes[0]),
        None if header["schema"] is None else Schema.from_dict(header["schema"], sizes[0], sizes[-1]),
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

    def history(self, metrics: Sequence[Metric], weighted: Sequence[str]) -> History:
        columns: Arrays = {}
        for name in History(metrics).keys():  # noqa: SIM118
            shape = columns["update"].shape if columns else None
            dtype = "int64" if name == "update" else "float64"
            may_be_nan = name.startswith(("train", "validation", "running"))
            columns[name] = self(f"history/{name}", dtype, shape, nan=may_be_nan)
            # Only before the first update there is nothing to tell of batches.
            if name.startswith("running") and np.isnan(columns[name][columns["update"] > 0]).any():
                raise CorruptFileError(f"its tensor 'history/{name}' must be finite")
            # The train rows are evaluated for every row of the history or for none.
            if name in ("train_loss", "train_cost") and not (
                np.isfinite(columns[name]).all() or np.isnan(columns[name]).all()
            ):
                raise CorruptFileError(f"its tensor 'history/{name}' must be finite, or NaN throughout")
        return History(metrics, columns, weighted)

    def nothing_is_left(self) -> None:
        if self.arrays:
            raise CorruptFileError(f"it has unknown tensors: {', '.join(self.arrays)}")


def _decode_params(owner: str, encoded: Any, take: _Taker) -> dict[str, Any]:
    params = dict(encoded)
    if set(params) != set(OWNERS[owner][0]) - set(_NOT_KEPT):
        raise CorruptFileError(f"its parameters are not those of {owner}: {', '.join(params)}")
    rate = params["learning_rate"]
    if isinstance(rate, dict) and rate.get("schedule") == "Recorded":
        rates = take("learning_rates", "float64", None)
        if (rates < 0).any():
            raise CorruptFileError("its tensor 'learning_rates' must be >= 0")
        params["learning_rate"] = {"schedule": "Recorded", "rates": rates.tolist()}
    weights = {"class_weight": from_plain(params.pop("class_weight"))} if "class_weight" in params else {}
    params = {name: restored(value) for name, value in params.items()} | _NOT_KEPT | weights
    Settings.of(owner, params)
    return params


def _member(family: type[C], encoded: Any) -> C:
    value = restored(encoded)
    if not isinstance(value, family):
        raise CorruptFileError(f"it must name a {family.family}, got {encoded!r}")
    return value


def _members(family: type[C], encoded: Any) -> tuple[C, ...]:
    if not isinstance(encoded, list):
        raise CorruptFileError(
            f"it must have a list of values of the family {family.family}, got {encoded!r}"
        )
    return tuple(_member(family, item) for item in encoded)


def _decode_targets(encoded: Any, k: int, take: _Taker) -> Targets:
    if encoded["kind"] == "labels":
        return Labels(_decode_labels(encoded["classes"], k))
    if encoded["kind"] == "indicators":
        return Indicators(k)
    if encoded["kind"] != "values":
        raise CorruptFileError(f"its targets must be labels, indicators or values, got {encoded['kind']!r}")
    mean, scale = take("target_mean", "float64", [k]), take("target_scale", "float64", [k])
    if not (scale > 0).all():
        raise CorruptFileError("its tensor 'target_scale' must be > 0")
    least = -np.inf if encoded["least"] is None else typed(encoded, "least", float)
    return Values(mean, scale, typed(encoded, "one_axis", bool), least)


def _decode_labels(encoded: Any, k: int) -> npt.NDArray[Any]:
    dtype, values = encoded["dtype"], encoded["values"]
    if not isinstance(dtype, str) or not _LABEL_TYPES.fullmatch(dtype) or not isinstance(values, list):
        raise CorruptFileError("its class labels are not numbers, booleans or strings")
    kind: type | tuple[type, ...] = {"b": bool, "i": int, "u": int, "f": float}.get(np.dtype(dtype).kind, str)
    if not all(isinstance(value, kind) for value in values):
        raise CorruptFileError("its class labels do not fit their dtype")
    if dtype == "U" and _is_mostly_padding(values):
        raise CorruptFileError("its class labels would take far more memory than the file")
    classes = np.array(values, dtype=dtype)
    if classes.shape != (k,) or len(set(values)) != k or classes.tolist() != values:
        raise CorruptFileError(f"its class labels must be {k} different ones, got {len(values)}")
    return classes


def _names(names: Any, d: int) -> npt.NDArray[Any]:
    if not isinstance(names, list) or len(names) != d or not all(isinstance(name, str) for name in names):
        raise CorruptFileError(f"its feature names must be {d} strings")
    return np.array(names, dtype=object)


def _weighted(splits: Any) -> list[str]:
    if not isinstance(splits, list) or not all(split in SPLITS for split in splits):
        raise CorruptFileError(f"its weighted splits must be among {', '.join(SPLITS)}, got {splits!r}")
    return splits
