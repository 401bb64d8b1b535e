"""One's own arrays, in .npz files."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.datasets.sets import TASK, DataSet, Rows, class_names, existing_file, split
from gradstep.errors import CorruptFileError, InvalidDataError
from gradstep.utils.constraints import check

# What zipfile and NumPy raise on a damaged file; MemoryError is a header that lies about a shape.
_DAMAGE = (
    zipfile.BadZipFile,
    ValueError,
    TypeError,
    struct.error,
    zlib.error,
    EOFError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    OSError,
)


def load_npz(
    path: str | os.PathLike[str],
    X: str = "X",
    y: str = "y",
    *,
    task: str = "classification",
    feature_names: str | None = None,
    image_shape: tuple[int, int, int] | None = None,
    validation: float | None = None,
    test: float | None = None,
    random_state: int | None = 0,
) -> DataSet:
    """Load arrays from an .npz file, as written by `numpy.savez`. Nothing in the file is run.

    Parameters
    ----------
    path : path
    X, y : str
        Keys of the arrays: numbers of shape (n, d), or images of shape (n, height, width) or
        (n, channels, height, width); and what is to be answered.
    task : {"classification", "regression"}
        What y is: n labels, integers or strings, or indicators (n, k) of 0 and 1; or real values (n,) or
        (n, k).
    feature_names : str, optional
        Key of an array of d strings, the names of the columns.
    image_shape : tuple of int, optional
        ``(channels, height, width)`` where the d values of a row are an image in that order.
    validation, test : int, float or None
        Number or share of rows to hold out, drawn with the classes of labels in the same proportions.
    random_state : int >= 0, or None
        The same number draws the same rows on every machine; None draws anew.

    Returns
    -------
    DataSet
        X (n, d) of the dtype in the file, and y (n,) or (n, k): labels of the dtype in the file, int64
        indicators or float64 values.

    Raises
    ------
    DatasetNotFoundError
        When there is no such file.
    CorruptFileError
        When it is damaged, no .npz file, or needs pickle.
    InvalidDataError
        When a key is missing, or shapes or types are not as above.
    InvalidParameterError
        When the parts are not to be had.
    """
    file = existing_file(path, "load_npz")
    check("load_npz", "task", task, [TASK])
    keys = {"X": X, "y": y} if feature_names is None else {"X": X, "y": y, "feature_names": feature_names}
    arrays = _read_npz(file, keys)
    data = arrays["X"]
    if data.dtype.kind not in "biuf" or data.ndim not in (2, 3, 4) or 0 in data.shape:
        raise InvalidDataError(
            f"array {X!r} of {file} must hold numbers of shape (n, d), (n, height, width) or "
            f"(n, channels, height, width), got {data.dtype} of shape {data.shape}"
        )
    targets = _targets(arrays["y"], len(data), task, f"array {y!r} of {file} must hold")
    if data.ndim > 2 and image_shape is None:
        image_shape = (1, *data.shape[1:]) if data.ndim == 3 else data.shape[1:]
    rows = Rows(data.reshape(len(data), -1), targets, image_shape)
    names = None
    if feature_names is not None:
        names = tuple(str(name) for name in arrays["feature_names"].ravel())
        if len(names) != rows.X.shape[1]:
            raise InvalidDataError(
                f"array {feature_names!r} of {file} must name {rows.X.shape[1]} columns, got {len(names)}"
            )
    parts = split(rows, validation, test, random_state, "load_npz")
    return DataSet(file.stem, *parts, class_names(targets), names)


def _read_npz(file: Path, keys: Mapping[str, str]) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of an .npz file by parameter name."""
    with file.open("rb") as stream:
        try:
            archive = zipfile.ZipFile(stream)
            members = {member.removesuffix(".npy"): member for member in archive.namelist()}
            arrays = {
                parameter: _read_array(archive, members[key])
                for parameter, key in keys.items()
                if key in members
            }
        except _DAMAGE as error:
            raise CorruptFileError(
                f"{file} must be an .npz file of plain arrays, but it cannot be read: {error}"
            ) from error
    for parameter, key in keys.items():
        if parameter not in arrays:
            raise InvalidDataError(
                f"`{parameter}` of load_npz must be a key of {file}, got {key!r}; "
                f"it has {', '.join(members) or 'none'}"
            )
    return arrays


def _read_array(archive: zipfile.ZipFile, member: str) -> npt.NDArray[Any]:
    # Not np.load: by the first bytes of a file it may take it for a pickle or a single array.
    with archive.open(member) as stream:
        values: npt.NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return values


def _targets(y: npt.NDArray[Any], n: int, task: str, whose: str) -> npt.NDArray[Any]:
    """Return what an array says of n rows for a task."""
    is_long = y.shape[:1] == (n,)
    given = f"got {y.dtype} of shape {y.shape}"
    if task == "regression":
        if y.dtype.kind not in "iuf" or y.ndim not in (1, 2) or not is_long or 0 in y.shape:
            raise InvalidDataError(f"{whose} real numbers of shape ({n},) or ({n}, k), {given}")
        return y.astype(np.float64)
    if y.ndim == 2 and is_long and y.dtype.kind in "biuf" and y.shape[1] > 0 and ((y == 0) | (y == 1)).all():
        return y.astype(np.int64)
    if y.dtype.kind not in "biuU" or not is_long or y.ndim != 1:
        raise InvalidDataError(f"{whose} {n} integers or strings, or indicators ({n}, k) of 0 and 1, {given}")
    return y
