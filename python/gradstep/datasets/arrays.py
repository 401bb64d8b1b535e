"""One's own arrays, in .npz and .npy files."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.datasets.array_files import map_npy, npz_keys, read_npy, read_npz
from gradstep.datasets.array_rows import ArrayReader, check_known, check_unsorted, cut
from gradstep.datasets.images import ImageShape
from gradstep.datasets.sets import DataSet, Rows, class_names, existing_file, note_of_classes, split
from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.utils import text
from gradstep.utils.constraints import FLAG, NONE, WHOLE, at_least, check, either
from gradstep.utils.names import known_parameters

# Types of rows that no training copies.
_TRAINED_AS_THEY_LIE = {np.dtype(kind).str for kind in ("uint8", "float32", "float64")}


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
    validation: float | str | os.PathLike[str] | None = None,
    test: float | str | os.PathLike[str] | None = None,
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
    validation, test : int, float, path or None
        Number or share of rows to hold out, drawn with the classes of labels in the same proportions; or
        another file with arrays of the same keys.
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
    reading = ArrayReader(owner, task, image_shape, channels)
    check(owner, "max_bytes", max_bytes, [either(NONE, WHOLE), at_least(1)])
    if X_test is None and y_test is None and test is None:
        X_test, y_test = npz_test_keys(file, X, y) or (None, None)
    keys = {"X": X, "y": y, "X_test": X_test, "y_test": y_test, "feature_names": feature_names}
    given = {parameter: key for parameter, key in keys.items() if key is not None}
    _check_own_test(owner, [name for name in ("X_test", "y_test") if name in given], test)
    arrays = read_npz(file, given, owner, max_bytes)
    reading.note(_unread(file, given.values()))
    whose = {parameter: f"array {key!r} of {file}" for parameter, key in given.items()}
    rows = reading.rows(arrays["X"], arrays["y"], whose["X"], whose["y"])
    reading.note(note_of_classes(arrays["y"]) if task == "classification" else "")
    names = None
    if feature_names is not None:
        names = _names(arrays["feature_names"], rows.X.shape[1], whose["feature_names"])
    train, held, tested = split(rows, _drawn(validation), _drawn(test), random_state, owner)
    check_known(train, (held, tested), whose["y"])
    if "X_test" in given:
        tested = reading.more_rows(
            rows, (arrays["X_test"], arrays["y_test"]), (whose["X_test"], whose["y_test"])
        )
        reading.note(f"the {len(tested)} rows of {X_test!r} and {y_test!r} are the test rows")
    if isinstance(validation, (str, os.PathLike)):
        other = existing_file(validation, owner, "validation")
        held = _of_another_file(reading, rows, other, (X, y), max_bytes)
    if isinstance(test, (str, os.PathLike)):
        other = existing_file(test, owner, "test")
        tested = _of_another_file(reading, rows, other, (X, y), max_bytes)
    parts = (train, held, tested)
    return DataSet(text.printable(file.stem), *parts, class_names(rows.y), names, reading.notes)


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
    reading = ArrayReader(owner, task, image_shape, channels)
    check(owner, "copy", copy, [FLAG])
    answers = read_npy(files[1])
    rows = reading.rows(map_npy(files[0]), answers, str(files[0]), str(files[1]))
    reading.note(note_of_classes(answers) if task == "classification" else "")
    if copy:
        parts = split(rows, validation, test, random_state, owner)
        check_known(parts[0], parts[1:], str(files[1]))
    else:
        parts = cut(rows, validation, test, owner)
        for name, part in (("validation", parts[1]), ("test", parts[2])):
            if part is not None:
                check_unsorted(parts[0], part, name, str(files[1]))
                place = "the last" if name == "test" or parts[2] is None else "those before the last"
                reading.note(f"{name} rows: {place} {len(part)} of the file (`copy` draws them)")
        if rows.X.dtype.str not in _TRAINED_AS_THEY_LIE or rows.X.strides[1] != rows.X.itemsize:
            reading.note(
                f"training copies these rows into memory: of type {rows.X.dtype.str}, "
                f"{'row by row' if rows.X.flags.c_contiguous else 'not row by row'}; "
                f"uint8, float32 and float64, row by row, stay on the disk"
            )
    return DataSet(text.printable(files[0].stem), *parts, class_names(rows.y), None, reading.notes)


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
    reading = ArrayReader(owner, task, image_shape, channels)
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


def _unread(file: Path, read: Collection[str]) -> str:
    """Return a note of the arrays of a file that nobody asked for; test rows may be among them."""
    left = [key for key in npz_keys(file) if key not in read]
    test = " (`X_test` and `y_test` name test rows)" if any("test" in key.lower() for key in left) else ""
    return f"arrays that are not read: {text.given(left)}{test}" if left else ""


def _drawn(value: float | str | os.PathLike[str] | None) -> float | None:
    """Return how many rows are to be drawn where a parameter may name a file as well."""
    return None if isinstance(value, (str, os.PathLike)) else value


def _of_another_file(
    reading: ArrayReader, rows: Rows, file: Path, keys: tuple[str, str], max_bytes: int | None
) -> Rows:
    """Return the rows of an .npz file with arrays of the same keys."""
    arrays = read_npz(file, dict(zip(("X", "y"), keys, strict=True)), reading.owner, max_bytes)
    whose = (f"array {keys[0]!r} of {file}", f"array {keys[1]!r} of {file}")
    return reading.more_rows(rows, (arrays["X"], arrays["y"]), whose)


def _names(names: npt.NDArray[Any], d: int, whose: str) -> tuple[str, ...]:
    if names.size != d:
        raise InvalidDataError(f"{whose} must name {d} columns, got {names.size}")
    return tuple(str(name) for name in names.ravel())


def _check_own_test(owner: str, given: Sequence[str], test: Any) -> None:
    """Raise unless the test rows come from one place."""
    if len(given) == 1:
        raise InvalidParameterError(
            f"`{given[0]}` of {owner} must be given with `{'y_test' if given[0] == 'X_test' else 'X_test'}`"
        )
    if given and test is not None:
        raise InvalidParameterError(
            f"`test` of {owner} must be None with `X_test` and `y_test`, got {test!r}"
        )
