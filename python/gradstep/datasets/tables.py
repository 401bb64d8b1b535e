"""One's own data: arrays in .npz files and tables in .csv files."""

from __future__ import annotations

import csv
import math
import os
import struct
import zipfile
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.datasets.sets import DataSet, Rows, existing_file, split
from gradstep.errors import CorruptFileError, InvalidDataError, InvalidParameterError
from gradstep.utils.constraints import Constraint, check, one_of

_DELIMITER = Constraint(
    "one character, no quote and no line end",
    lambda value: isinstance(value, str) and len(value) == 1 and value not in '"\r\n',
    ("", ";;", '"', "\n", 3, None),
)
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
_INT64 = np.iinfo(np.int64)
_TASK = one_of("classification", "regression")


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
    check("load_npz", "task", task, [_TASK])
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
    return DataSet(file.stem, *parts, _class_names(targets), names)


def load_csv(
    path: str | os.PathLike[str],
    target: str | int = -1,
    *,
    task: str = "classification",
    delimiter: str = ",",
    image_shape: tuple[int, int, int] | None = None,
    validation: float | None = None,
    test: float | None = None,
    random_state: int | None = 0,
) -> DataSet:
    """Load a table from a text file (UTF-8) whose first line names the columns.

    Parameters
    ----------
    path : path
    target : str or int
        The column that is to be answered, by name or by place; by default the last.
    task : {"classification", "regression"}
        What the target is: labels, integers where every one is written as one, else strings; or real
        values.
    delimiter : str
        The character between two cells.
    image_shape : tuple of int, optional
        ``(channels, height, width)`` where the d values of a row are an image in that order.
    validation, test : int, float or None
        Number or share of rows to hold out, drawn with the classes of labels in the same proportions.
    random_state : int >= 0, or None
        The same number draws the same rows on every machine; None draws anew.

    Returns
    -------
    DataSet
        X (n, d), float64, of all other columns; y (n,), int64, strings or float64.

    Raises
    ------
    DatasetNotFoundError
        When there is no such file.
    CorruptFileError
        When it is not UTF-8 text.
    InvalidDataError
        When a cell is missing or no finite number, rows differ in length, or names are missing or
        not unique; the message names row and column.
    InvalidParameterError
        On an unknown target, or when the parts are not to be had.
    """
    file = existing_file(path, "load_csv")
    check("load_csv", "task", task, [_TASK])
    check("load_csv", "delimiter", delimiter, [_DELIMITER])
    # utf-8-sig also reads the byte order mark that spreadsheets write.
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, delimiter=delimiter, strict=True)
        try:
            names = _header(next(reader, []), file, delimiter)
            place = _target_place(target, names)
            X, cells = _body(reader, names, place, file)
        except UnicodeDecodeError as error:
            raise CorruptFileError(f"{file} must be UTF-8 text: {error}") from error
        except csv.Error as error:
            raise InvalidDataError(f"{file} is no table at line {reader.line_num}: {error}") from error
    y = _labels(cells) if task == "classification" else _values(cells, names[place], file)
    parts = split(Rows(X, y, image_shape), validation, test, random_state, "load_csv")
    return DataSet(file.stem, *parts, _class_names(y), (*names[:place], *names[place + 1 :]))


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


def _header(cells: Sequence[str], file: Path, delimiter: str) -> tuple[str, ...]:
    names = tuple(cell.strip() for cell in cells)
    if not any(names):
        raise InvalidDataError(f"{file} must begin with a line of column names, but that is empty")
    if len(names) < 2:
        raise InvalidDataError(
            f"{file} must have two columns or more between delimiters {delimiter!r}, got only {names[0]!r}"
        )
    for place, name in enumerate(names):
        if not name:
            raise InvalidDataError(f"column {place + 1} of {file} must have a name in the first line")
        if name in names[:place]:
            raise InvalidDataError(f"the column names of {file} must be unique, got {name!r} twice")
    if all(_is_number(name) for name in names):
        raise InvalidDataError(f"the first line of {file} must hold column names, got only numbers")
    return names


def _target_place(target: str | int, names: Sequence[str]) -> int:
    if isinstance(target, str) and target in names:
        return names.index(target)
    if isinstance(target, int) and not isinstance(target, bool) and -len(names) <= target < len(names):
        return target % len(names)
    raise InvalidParameterError(
        f"`target` of load_csv must be a column of the file ({', '.join(names)}) "
        f"or its place from 0 to {len(names) - 1}, got {target!r}"
    )


def _body(
    rows: Iterator[list[str]], names: Sequence[str], place: int, file: Path
) -> tuple[npt.NDArray[np.float64], list[str]]:
    """Read the rows below the header: X (n, d) and the n cells of the target."""
    values = array("d")
    labels: list[str] = []
    for cells in rows:
        if not cells:
            continue  # a blank line
        where = f"row {len(labels) + 1} of {file}"
        if len(cells) != len(names):
            raise InvalidDataError(
                f"{where} must have {len(names)} cells as the header has, got {len(cells)}"
            )
        label = cells.pop(place).strip()
        if not label:
            raise InvalidDataError(f"{where} must have a target in column {names[place]!r}, but it is empty")
        labels.append(label)
        try:
            numbers = [float(cell) for cell in cells]
        except ValueError:
            numbers = []
        # One sum tells NaN and infinity; float() would take 1_000 for a number.
        if not numbers or not math.isfinite(sum(numbers)) or "_" in "".join(cells):
            _check_cells(cells, [*names[:place], *names[place + 1 :]], where)
        values.extend(numbers)
    if not labels:
        raise InvalidDataError(f"{file} must have rows below its column names, but there are none")
    return np.frombuffer(values, dtype=np.float64).reshape(len(labels), len(names) - 1), labels


def _check_cells(cells: Sequence[str], names: Sequence[str], where: str) -> None:
    for cell, name in zip(cells, names, strict=True):
        if not cell.strip():
            raise InvalidDataError(f"{where} must have a number in column {name!r}, but the cell is empty")
        if not _is_number(cell) or not math.isfinite(float(cell)):
            raise InvalidDataError(f"{where} must have a finite number in column {name!r}, got {cell!r}")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _labels(cells: Sequence[str]) -> npt.NDArray[Any]:
    """Return labels as int64 where each is written as such an integer, else as strings."""
    try:
        whole = all(str(int(cell)) == cell and _INT64.min <= int(cell) <= _INT64.max for cell in set(cells))
    except ValueError:
        whole = False
    return np.array([int(cell) for cell in cells], dtype=np.int64) if whole else np.array(cells)


def _values(cells: Sequence[str], name: str, file: Path) -> npt.NDArray[np.float64]:
    """Return the cells of the target as numbers."""
    for row, cell in enumerate(cells, 1):
        _check_cells([cell], [name], f"row {row} of {file}")
    return np.array([float(cell) for cell in cells])


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


def _class_names(y: npt.NDArray[Any]) -> tuple[str, ...]:
    if y.dtype.kind == "f":
        return ()
    labels = np.unique(y) if y.ndim == 1 else np.arange(y.shape[1])
    return tuple(str(label) for label in labels)
