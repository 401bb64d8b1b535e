"""One's own arrays, in .npz and .npy files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.datasets.array_files import map_npy, npz_keys, read_npy, read_npz
from gradstep.datasets.images import CHANNELS, ImageShape, as_rows
from gradstep.datasets.sets import TASK, DataSet, Rows, class_names, existing_file, held_out, split
from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.utils.constraints import FLAG, NONE, WHOLE, at_least, check, either
from gradstep.utils.names import known_parameters
from gradstep.utils.text import printable

_INT64 = np.iinfo(np.int64)

# Types of rows that no training copies.
_TRAINED_AS_THEY_LIE = {np.dtype(kind).str for kind in ("uint8", "float32", "float64")}

# A class of whose rows so many are expected among some rows is missing there for a reason.
_TELLING = 20


@known_parameters
def load_npz(
    path: str | os.PathLike[str],
    X: str = "X",
    y: str = "y",
    *,
    task: str = "classification",
    X_test: str | None = None,
    y_test: str | None = None,
    feature_names: str | None = None,
    image_shape: ImageShape | None = None,
    channels: str | None = None,
    validation: float | None = None,
    test: float | None = None,
    random_state: int | None = 0,
    max_bytes: int | None = None,
) -> DataSet:
    """Load arrays from an .npz file, as written by `numpy.savez`. Nothing in the file is run.

    Parameters
    ----------
    path : path
    X, y : str
        Keys of the arrays: numbers of shape (n, d), or images of shape (n, height, width),
        (n, channels, height, width) or (n, height, width, channels); and what is to be answered.
    task : {"classification", "regression"}
        What y is: n labels, integers, strings or whole numbers, (n,) or (n, 1), or indicators (n, k) of 0
        and 1; or real values (n,) or (n, k).
    X_test, y_test : str, optional
        Keys of the test rows. Where `X` and `y` have "train" in their names and `test` is None, arrays of
        the same names with "test" are taken.
    feature_names : str, optional
        Key of an array of d strings, the names of the columns.
    image_shape : tuple of int, optional
        ``(channels, height, width)`` where the d values of a row are an image.
    channels : {"first", "last"}, optional
        Where the channels of images stand. By default where the shape tells it: on an axis of length 1, 3 or
        4. Images with channels last are copied, so that each channel of a row lies in one piece.
    validation, test : int, float or None
        Number or share of rows to hold out, drawn with the classes of labels in the same proportions.
    random_state : int >= 0, or None
        The same number draws the same rows on every machine; None draws anew.
    max_bytes : int, optional
        The most memory that the arrays may take, as small files can stand for large ones; by default 1 GiB,
        or 100 times the size of the file where that is more.

    Returns
    -------
    DataSet
        X (n, d) of the dtype in the file, and y (n,) or (n, k): labels of the dtype in the file or int64,
        int64 indicators or float64 values.

    Raises
    ------
    DatasetNotFoundError
        When there is no such file.
    CorruptFileError
        When it is damaged, no .npz file, or needs pickle.
    InvalidDataError
        When a key is missing, shapes or types are not as above, or the arrays would take more than
        `max_bytes`.
    InvalidParameterError
        When the parts are not to be had.
    """
    owner = "load_npz"
    file = existing_file(path, owner)
    reading = _Reading(owner, task, image_shape, channels)
    check(owner, "max_bytes", max_bytes, [either(NONE, WHOLE), at_least(1)])
    if X_test is None and y_test is None and test is None:
        X_test, y_test = npz_test_keys(file, X, y) or (None, None)
    keys = {"X": X, "y": y, "X_test": X_test, "y_test": y_test, "feature_names": feature_names}
    given = {parameter: key for parameter, key in keys.items() if key is not None}
    _check_own_test(owner, [name for name in ("X_test", "y_test") if name in given], test)
    arrays = read_npz(file, given, owner, max_bytes)
    whose = {parameter: f"array {key!r} of {file}" for parameter, key in given.items()}
    rows = reading.rows(arrays["X"], arrays["y"], whose["X"], whose["y"])
    names = None
    if feature_names is not None:
        names = _names(arrays["feature_names"], rows.X.shape[1], whose["feature_names"])
    train, held, tested = split(rows, validation, test, random_state, owner)
    if "X_test" in given:
        tested = reading.rows(arrays["X_test"], arrays["y_test"], whose["X_test"], whose["y_test"])
        _check_same(rows, tested, whose["X_test"], whose["y_test"])
        reading.note(f"the {len(tested)} rows of {X_test!r} and {y_test!r} are the test rows")
    parts = (train, held, tested)
    return DataSet(printable(file.stem), *parts, class_names(rows.y), names, reading.notes)


@known_parameters
def load_npy(
    X: str | os.PathLike[str],
    y: str | os.PathLike[str],
    *,
    task: str = "classification",
    image_shape: ImageShape | None = None,
    channels: str | None = None,
    validation: float | None = None,
    test: float | None = None,
    copy: bool = False,
    random_state: int | None = 0,
) -> DataSet:
    """Load arrays from two .npy files, as written by `numpy.save`; X stays on the disk.

    X is mapped into memory, which holds of it what is being read, so that a file larger than the memory can
    be trained on. The rows held out are the last ones of the file, for only so is nothing copied.

    Parameters
    ----------
    X, y : path
        Numbers of shape (n, d), or images of shape (n, height, width), (n, channels, height, width) or
        (n, height, width, channels); and what is to be answered, as with `load_npz`.
    task : {"classification", "regression"}
        What y is: n labels, integers, strings or whole numbers, (n,) or (n, 1), or indicators (n, k) of 0
        and 1; or real values (n,) or (n, k).
    image_shape : tuple of int, optional
        ``(channels, height, width)`` where the d values of a row are an image.
    channels : {"first", "last"}, optional
        Where the channels of images stand. By default where the shape tells it: on an axis of length 1, 3 or
        4. Images with channels last are copied into memory.
    validation, test : int, float or None
        Number or share of rows to hold out: the last of the file are the test rows, those before them the
        validation rows.
    copy : bool
        Whether to copy all rows into memory and draw those held out, as `load_npz` does.
    random_state : int >= 0, or None
        With `copy` the same number draws the same rows on every machine; None draws anew.

    Returns
    -------
    DataSet
        X (n, d) of the dtype in the file, mapped, and y (n,) or (n, k) in memory: labels of the dtype in the
        file or int64, int64 indicators or float64 values.

    Raises
    ------
    DatasetNotFoundError
        When a file is not there.
    CorruptFileError
        When it is damaged, no .npy file, or needs pickle.
    InvalidDataError
        When shapes or types are not as above, or the last rows lack a class that the others have, or have
        one more: the rows of the file are sorted.
    InvalidParameterError
        When the parts are not to be had.
    """
    owner = "load_npy"
    files = existing_file(X, owner, "X"), existing_file(y, owner, "y")
    reading = _Reading(owner, task, image_shape, channels)
    check(owner, "copy", copy, [FLAG])
    rows = reading.rows(map_npy(files[0]), read_npy(files[1]), str(files[0]), str(files[1]))
    if copy:
        parts = split(rows, validation, test, random_state, owner)
    else:
        parts = _cut(rows, validation, test, owner)
        for name, part in (("validation", parts[1]), ("test", parts[2])):
            if part is not None:
                _check_unsorted(parts[0], part, name, str(files[1]))
                place = "the last" if name == "test" or parts[2] is None else "those before the last"
                reading.note(f"{name} rows: {place} {len(part)} of the file (`copy` draws them)")
        if rows.X.dtype.str not in _TRAINED_AS_THEY_LIE or rows.X.strides[1] != rows.X.itemsize:
            reading.note(
                f"training copies these rows into memory: of type {rows.X.dtype.str}, "
                f"{'row by row' if rows.X.flags.c_contiguous else 'not row by row'}; "
                f"uint8, float32 and float64, row by row, stay on the disk"
            )
    return DataSet(printable(files[0].stem), *parts, class_names(rows.y), None, reading.notes)


def read_arrays(
    path: str | os.PathLike[str],
    X: str = "X",
    y: str | os.PathLike[str] | None = None,
    *,
    task: str,
    image_shape: ImageShape | None = None,
    channels: str | None = None,
    max_bytes: int | None = None,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None, tuple[str, ...]]:
    """Read further rows for a model from an .npz file, or from .npy files.

    Parameters
    ----------
    path : path
        Of an .npz file, or of an .npy file with X.
    X : str
        Key of X in an .npz file.
    y : str, path or None
        Key of the targets, or the .npy file that they are; None reads none.
    task : {"classification", "regression"}
    image_shape : tuple of int, optional
    channels : {"first", "last"}, optional
    max_bytes : int, optional
        As of `load_npz`.

    Returns
    -------
    X : ndarray of shape (n, d)
    y : ndarray of shape (n,) or (n, k), or None
    notes : tuple of str
        What was taken where the file does not say.

    Raises
    ------
    As `load_npz` and `load_npy`.
    """
    is_npz = Path(path).suffix.lower() == ".npz"
    owner = "load_npz" if is_npz else "load_npy"
    file = existing_file(path, owner, "path" if is_npz else "X")
    reading = _Reading(owner, task, image_shape, channels)
    if is_npz:
        keys = {"X": X} if y is None else {"X": X, "y": str(y)}
        arrays = read_npz(file, keys, owner, max_bytes)
        whose = {parameter: f"array {key!r} of {file}" for parameter, key in keys.items()}
    else:
        arrays, whose = {"X": map_npy(file)}, {"X": str(file), "y": str(y)}
        if y is not None:
            arrays["y"] = read_npy(existing_file(y, owner, "y"))
    rows, _ = reading.inputs(arrays["X"], whose["X"])
    targets = reading.targets(arrays["y"], len(rows), f"{whose['y']} must hold") if "y" in arrays else None
    return rows, targets, reading.notes


def npz_test_keys(file: Path, X: str, y: str) -> tuple[str, str] | None:
    """Return the keys of the test rows beside those of the train rows, where they have such names."""
    pair = tuple(key.replace("train", "test") for key in (X, y))
    is_there = pair[0] != X and pair[1] != y and set(pair) <= set(npz_keys(file))
    return (pair[0], pair[1]) if is_there else None


class _Reading:
    """How arrays become rows; it keeps what it took where nobody said it."""

    def __init__(self, owner: str, task: str, image_shape: ImageShape | None, channels: str | None) -> None:
        check(owner, "task", task, [TASK])
        check(owner, "channels", channels, [CHANNELS])
        self.owner, self.task, self.image_shape, self.channels = owner, task, image_shape, channels
        self.notes: tuple[str, ...] = ()

    def note(self, note: str) -> None:
        """Keep a note, once."""
        if note and note not in self.notes:
            self.notes = (*self.notes, note)

    def rows(self, X: npt.NDArray[Any], y: npt.NDArray[Any], whose_X: str, whose_y: str) -> Rows:
        """Return the rows that two arrays are."""
        rows, shape = self.inputs(X, whose_X)
        return Rows(rows, self.targets(y, len(X), f"{whose_y} must hold"), shape)

    def inputs(self, X: npt.NDArray[Any], whose_X: str) -> tuple[npt.NDArray[Any], ImageShape | None]:
        """Return an array in the form (n, d), and the shape of its images."""
        if X.dtype.kind not in "biuf" or X.ndim not in (2, 3, 4) or 0 in X.shape:
            raise InvalidDataError(
                f"{whose_X} must hold numbers of shape (n, d), (n, height, width), "
                f"(n, channels, height, width) or (n, height, width, channels), "
                f"got {X.dtype} of shape {X.shape}"
            )
        rows, shape, note = as_rows(X, self.image_shape, self.channels, self.owner, whose_X)
        self.note(note)
        return rows, shape

    def targets(self, y: npt.NDArray[Any], n: int, whose: str) -> npt.NDArray[Any]:
        """Return what an array says of n rows for the task."""
        is_long = y.shape[:1] == (n,)
        given = f"got {y.dtype} of shape {y.shape}"
        if self.task == "regression":
            if y.dtype.kind not in "iuf" or y.ndim not in (1, 2) or not is_long or 0 in y.shape:
                raise InvalidDataError(f"{whose} real numbers of shape ({n},) or ({n}, k), {given}")
            return y.astype(np.float64)
        if is_long and y.shape == (n, 1):
            y = y[:, 0]
        if y.dtype.kind == "f" and is_long and y.ndim == 1:
            return self._whole(y, whose)
        if y.ndim == 2 and is_long and y.dtype.kind in "biuf" and y.size and ((y == 0) | (y == 1)).all():
            return y.astype(np.int64)
        if y.dtype.kind not in "biuU" or not is_long or y.ndim != 1:
            raise InvalidDataError(
                f"{whose} {n} integers or strings, or indicators ({n}, k) of 0 and 1, {given}"
            )
        return y

    def _whole(self, y: npt.NDArray[Any], whose: str) -> npt.NDArray[np.int64]:
        """Return labels that are written as floats."""
        n, classes = len(y), len(np.unique(y))
        is_whole = np.isfinite(y).all() and (y == np.round(y)).all() and abs(y).max() < _INT64.max
        if not is_whole or (2 * classes > n >= _TELLING):
            kind = f"{classes} different values" if is_whole else "values that are not whole"
            raise InvalidDataError(
                f"{whose} {n} integers or strings, or indicators ({n}, k) of 0 and 1, got {y.dtype} with "
                f"{kind}: `task=regression` is for measurements"
            )
        self.note(f"whole numbers of type {y.dtype} are taken as classes (`task=regression` takes values)")
        return y.astype(np.int64)


def _names(names: npt.NDArray[Any], d: int, whose: str) -> tuple[str, ...]:
    if names.size != d:
        raise InvalidDataError(f"{whose} must name {d} columns, got {names.size}")
    return tuple(str(name) for name in names.ravel())


def _check_own_test(owner: str, given: Sequence[str], test: float | None) -> None:
    """Raise unless the test rows come from one place."""
    if len(given) == 1:
        raise InvalidParameterError(
            f"`{given[0]}` of {owner} must be given with `{'y_test' if given[0] == 'X_test' else 'X_test'}`"
        )
    if given and test is not None:
        raise InvalidParameterError(
            f"`test` of {owner} must be None with `X_test` and `y_test`, got {test!r}"
        )


def _check_same(rows: Rows, tested: Rows, whose_X: str, whose_y: str) -> None:
    """Raise unless test rows are of the same kind as the others."""
    if tested.X.shape[1] != rows.X.shape[1] or tested.image_shape != rows.image_shape:
        raise InvalidDataError(
            f"{whose_X} must have rows as those to train on, of {rows.X.shape[1]} values, "
            f"got {tested.X.shape[1]}"
        )
    if tested.y.shape[1:] != rows.y.shape[1:]:
        raise InvalidDataError(f"{whose_y} must have the form of that to train on, got {tested.y.shape}")
    if rows.y.ndim == 1 and rows.y.dtype.kind != "f":
        new = np.setdiff1d(tested.y, rows.y).tolist()
        if new:
            raise InvalidDataError(f"{whose_y} must have the labels of that to train on, got {new[0]!r}")


def _cut(
    rows: Rows, validation: float | None, test: float | None, owner: str
) -> tuple[Rows, Rows | None, Rows | None]:
    """Hold out the last rows; all parts are views."""
    n = len(rows)
    n_test, n_validation = held_out(test, "test", owner, n), held_out(validation, "validation", owner, n)
    if n_test + n_validation >= n:
        raise InvalidParameterError(
            f"`validation` and `test` of {owner} must leave rows to train on, "
            f"got {n_validation} + {n_test} of {n} rows"
        )
    ends = (0, n - n_validation - n_test, n - n_test, n)
    train, held, tested = (
        Rows(rows.X[start:end], rows.y[start:end], rows.image_shape) if start < end else None
        for start, end in pairwise(ends)
    )
    assert train is not None  # at least one row is left
    return train, held, tested


def _check_unsorted(train: Rows, part: Rows, name: str, whose: str) -> None:
    """Raise where rows that were cut off have other classes than the rest: the file is sorted."""
    if train.y.ndim != 1 or train.y.dtype.kind == "f":
        return
    labels, counts = np.unique(train.y, return_counts=True)
    new, expected = np.setdiff1d(part.y, labels).tolist(), counts * len(part) / len(train)
    missing = labels[(expected >= _TELLING) & ~np.isin(labels, part.y)].tolist()
    if new or missing:
        what = f"alone have the class {new[0]!r}" if new else f"lack the class {missing[0]!r}"
        raise InvalidDataError(
            f"{whose} is sorted: its {len(part)} last rows, for `{name}`, {what}. `copy=True` draws the rows "
            f"to hold out, and copies all; shuffled files need no copy"
        )
