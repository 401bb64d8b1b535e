"""One's own tables, in .csv files."""

from __future__ import annotations

import csv
import math
import os
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.datasets.sets import TASK, DataSet, Rows, class_names, existing_file, split
from gradstep.errors import CorruptFileError, InvalidDataError, InvalidParameterError
from gradstep.utils.constraints import Constraint, check

_DELIMITER = Constraint(
    "one character, no quote and no line end",
    lambda value: isinstance(value, str) and len(value) == 1 and value not in '"\r\n',
    ("", ";;", '"', "\n", 3, None),
)
_INT64 = np.iinfo(np.int64)


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
    check("load_csv", "task", task, [TASK])
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
    return DataSet(file.stem, *parts, class_names(y), (*names[:place], *names[place + 1 :]))


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
