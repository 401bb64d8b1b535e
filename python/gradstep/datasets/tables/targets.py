"""What a table's target says: labels or real values, and which of the two where nobody does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.datasets.sets import FEW_CLASSES
from gradstep.datasets.tables.cells import GAPS, Frame, comma_hint, number, where
from gradstep.datasets.tables.header import listed
from gradstep.errors import InvalidDataError

_INT64 = np.iinfo(np.int64)
# How a missing answer is written; others that stand for a missing number may well be classes.
_MISSING = GAPS - {"none", "-"}

Array = npt.NDArray[Any]


def labels(cells: Sequence[str], frame: Frame, name: str, given: bool) -> Array:
    """Return the labels (n,): int64 where each is written as such an integer, else strings.

    Parameters
    ----------
    cells : sequence of str, length n
    frame : Frame
    name : str
        Of the target.
    given : bool
        Whether somebody said that these are classes.

    Raises
    ------
    InvalidDataError
        A cell is empty, or nobody said that these are classes and they look like something else.
    """
    for row, cell in enumerate(cells):
        if not cell:
            raise InvalidDataError(
                f"{where(row, frame)} must have a target in column {name!r}, but it is empty"
            )
    found = sorted(set(cells))
    numbers = [number(cell, frame.decimal) for cell in found]
    missing = [cell for cell in found if cell.lower() in _MISSING]
    if missing and not given:
        raise InvalidDataError(
            f"{where(cells.index(missing[0]), frame)} may have no answer in column {name!r}, got "
            f"{missing[0]!r}: rows without one must be taken away, `task=classification` takes it for a class"
        )
    if None in numbers and not given and all(number(cell, ",") is not None for cell in found):
        example = found[numbers.index(None)]
        raise InvalidDataError(
            f"the target {name!r} has numbers with commas, as {example!r}: `decimal=,` takes these for "
            "decimal ones, `task=classification` each for a class"
        )
    if not given:
        _check_classes(found, numbers, len(cells), name)
    if all(_is_int(cell) for cell in found):
        return np.array([int(cell) for cell in cells], dtype=np.int64)
    return np.array(cells)


def _check_classes(found: Sequence[str], numbers: Sequence[float | None], n: int, name: str) -> None:
    """Ask where labels may be real values, or no target at all."""
    values = [value for value in numbers if value is not None]
    many = len(found) > max(FEW_CLASSES, n // 2)
    if len(values) == len(found) and not all(value.is_integer() for value in values):
        raise InvalidDataError(
            f"the target {name!r} has real values, {len(found)} different ones: `task=regression` is for "
            "these, `target` names another column, `task=classification` takes each for a class"
        )
    if many:
        what = "integers" if len(values) == len(found) else "texts"
        other = "`task=regression` is for real values, " if what == "integers" else ""
        raise InvalidDataError(
            f"the target {name!r} has {len(found)} different {what} in {n} rows: {other}"
            "`target` names another column, `task=classification` takes each for a class"
        )


def values(cells: Sequence[str], frame: Frame, name: str) -> Array:
    """Return the real values (n,) of a target.

    Raises
    ------
    InvalidDataError
        A cell is empty or no finite number.
    """
    found = np.empty(len(cells))
    for row, cell in enumerate(cells):
        value = number(cell, frame.decimal)
        if not cell:
            raise InvalidDataError(
                f"{where(row, frame)} must have a target in column {name!r}, but it is empty"
            )
        if value is None or math.isnan(value):
            raise InvalidDataError(
                f"{where(row, frame)} must have a finite number in column {name!r}, got {cell!r}"
                + comma_hint(cell)
            )
        found[row] = value
    return found


def as_trained(cells: Sequence[str], classes: Array, frame: Frame, name: str) -> Array:
    """Return the labels (n,) of other rows, as the classes of a model are written.

    Raises
    ------
    InvalidDataError
        A label that the model does not know.
    """
    known = {str(label): label for label in classes.tolist()}
    for row, cell in enumerate(cells):
        if cell not in known:
            raise InvalidDataError(
                f"{where(row, frame)} must have a class that the model knows in column {name!r}, "
                f"got {cell!r}; it knows {listed(known)}: `target` names another column"
            )
    return np.array([known[cell] for cell in cells], dtype=classes.dtype)


def _is_int(cell: str) -> bool:
    try:
        return str(int(cell)) == cell and _INT64.min <= int(cell) <= _INT64.max
    except ValueError:
        return False
