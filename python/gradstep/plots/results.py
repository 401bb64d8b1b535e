"""Columns of a result table, which has a row per training and a column per parameter or figure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidParameterError

#: Anything with ``table.keys()`` and ``table["l2"]`` will do, such as a pandas DataFrame.
Table = Mapping[str, Sequence[Any]]

# What columns are called, where that is not their name, and the unit of a column's last word.
_NAMES = {
    "l2": "L2 strength λ",
    "hidden": "hidden units",
}
_PARTS = {"train": "training", "running": "training (running)", "validation": "validation", "test": "test"}
_UNITS = {"loss": "nats", "cost": "nats", "accuracy": "%", "size": "rows", "seconds": "s"}
_HIGHER_IS_BETTER = {"accuracy": True, "loss": False, "cost": False}
# What the column `status` says of a training that did not come to its own end.
_UNFINISHED = ("waiting", "running", "dropped", "diverged", "interrupted")


@dataclass(frozen=True)
class Levels:
    """The different values of a column: numbers ascending, layer sizes by depth and then by size.

    Anything else stands in the order in which it comes.

    Attributes
    ----------
    names : list of str
        How each value is written.
    places : ndarray of shape (n,), int
        Which value each row has.
    numbers : ndarray of shape (levels,) or None
        The values where all are numbers.
    """

    names: list[str]
    places: npt.NDArray[np.intp]
    numbers: npt.NDArray[np.float64] | None


def read(table: Table, whose: str, wanted: Iterable[tuple[str, str]]) -> dict[str, list[Any]]:
    """Return columns of a table; `wanted` gives pairs of what one is wanted for and its name.

    The column `status`, by which `whole` judges, is among them where the table has one.

    Raises
    ------
    InvalidParameterError
        It is no table, has no such column, no row, or columns of different lengths.
    """
    if not (hasattr(table, "keys") and hasattr(table, "__getitem__")):
        raise InvalidParameterError(f"`table` of {whose} must map column names to columns, got {table!r}")
    # Iterating over a History gives rows.
    there = list(table.keys())
    columns = {}
    for role, name in [*wanted, *([("status", "status")] if "status" in there else [])]:
        if name not in there:
            raise InvalidParameterError(
                f"`{role}` of {whose} must be a column of the table, got {name!r}; "
                f"there are {', '.join(map(str, there)) or 'none'}"
            )
        columns[name] = list(table[name])
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidParameterError(f"`table` of {whose} must have columns of one length, got {lengths}")
    if not min(lengths.values()):
        raise InvalidParameterError(f"`table` of {whose} must have at least one row, got none")
    return columns


def whole(columns: Mapping[str, Sequence[Any]]) -> npt.NDArray[np.bool_]:
    """Tell which rows of columns that were read were trained to their own end.

    Without a column `status` all were. A training that was dropped, say, has figures of an epoch on
    its way, which must not be compared with those that others ended with.
    """
    if "status" not in columns:
        return np.ones(len(next(iter(columns.values()))), dtype=np.bool_)
    return np.array([status not in _UNFINISHED for status in columns["status"]])


def numbers(values: Sequence[Any]) -> npt.NDArray[np.float64] | None:
    """Return a column as numbers; None where one of them is none."""
    return np.array(values, dtype=np.float64) if all(map(_is_number, values)) else None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def figures(values: Sequence[Any], name: str, whose: str) -> npt.NDArray[np.float64]:
    """Return a column of figures, of which one at least is finite."""
    found = numbers(values)
    if found is None or not np.isfinite(found).any():
        raise InvalidParameterError(
            f"`figure` of {whose} must be a column of numbers, one of them finite, got {name!r}"
        )
    return found


def levels(values: Sequence[Any]) -> Levels:
    """Return the different values of a column."""
    found = numbers(values)
    if found is not None:
        distinct, places = np.unique(found, return_inverse=True)
        return Levels([text(value) for value in distinct.tolist()], places, distinct)
    if all(map(_is_sizes, values)):
        names = [text(value) for value in sorted(values, key=lambda sizes: (len(sizes), tuple(sizes)))]
    else:
        names = [text(value) for value in values]
    numbered = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return Levels(list(numbered), np.array([numbered[text(value)] for value in values]), None)


def _is_sizes(value: object) -> bool:
    return isinstance(value, (tuple, list)) and all(map(_is_number, value))


def means(values: npt.NDArray[np.float64], places: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Return the mean of the finite values at every place; NaN where there is none."""
    finite = np.isfinite(values)
    size = int(places.max()) + 1
    totals = np.bincount(places[finite], values[finite], size)
    counts = np.bincount(places[finite], minlength=size)
    found: npt.NDArray[np.float64] = np.divide(totals, counts, out=np.full(size, np.nan), where=counts > 0)
    return found


def is_repeated(places: npt.NDArray[np.intp]) -> bool:
    """Tell whether several rows share a place."""
    return len(places) > len(np.unique(places))


def count_missing(columns: Iterable[Sequence[float]]) -> str:
    """Return a note on how many figures are not finite; empty if all are."""
    finite = np.isfinite(np.array(list(columns), dtype=np.float64))
    return "" if finite.all() else f"{int((~finite).sum())} of {finite.size} without a result"


def text(value: Any) -> str:
    """Return a value as few characters: numbers with at most four digits, layers joined by dashes.

    >>> [text(value) for value in (1e-5, 0.25, 12000.0, (50, 30), (), None, "sigmoid")]
    ['1e-5', '0.25', '12000', '50-30', 'none', 'None', 'sigmoid']
    """
    if isinstance(value, (tuple, list)):
        return "-".join(map(str, value)) or "none"
    if not _is_number(value):
        return str(value)
    number = float(value)
    if number.is_integer() and abs(number) < 1e6:
        return str(int(number))
    if 0.01 <= abs(number) < 1e6 or not math.isfinite(number):
        return f"{number:.4g}"
    mantissa, _, exponent = f"{number:.3e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def is_share(figure: str) -> bool:
    """Tell whether a figure is a share, to be shown in percent."""
    return figure.rpartition("_")[2] == "accuracy"


def higher_is_better(figure: str) -> bool | None:
    """Tell whether more of a figure is better; None where nobody knows."""
    return _HIGHER_IS_BETTER.get(figure.rpartition("_")[2])


def best(figure: str, values: npt.NDArray[np.float64], places: npt.NDArray[np.intp]) -> int | None:
    """Return the place whose mean is best, of equal ones that which comes first in the table.

    Rows whose value is not finite do not count. None where no row counts, or nobody knows what is
    better.
    """
    higher, found = higher_is_better(figure), means(values, places)
    if higher is None or np.isnan(found).all():
        return None
    top = np.nanmax(found) if higher else np.nanmin(found)
    return int(places[np.argmax(np.isfinite(values) & (found[places] == top))])


def figure_text(figure: str, value: float) -> str:
    """Return a figure as it is written in a sentence, with its unit."""
    if is_share(figure):
        return f"{100 * value:.2f} %"
    return f"{value:.4g} {_UNITS.get(figure.rpartition('_')[2], '')}".rstrip()


def words(column: str) -> str:
    """Return what a column is called.

    >>> words("validation_accuracy"), words("l2"), words("min_rate")
    ('validation accuracy', 'L2 strength λ', 'min rate')
    """
    part, _, quantity = column.rpartition("_")
    if part in _PARTS and quantity in _UNITS:
        return f"{_PARTS[part]} {quantity}"
    return _NAMES.get(column, column.replace("_", " "))


def heading(column: str) -> str:
    """Return what a column is called, as a title."""
    return words(column)[:1].upper() + words(column)[1:]


def label(column: str) -> str:
    """Return what a column is called along an axis: with its unit, if it has one."""
    unit = _UNITS.get(column.rpartition("_")[2])
    return f"{words(column)} ({unit})" if unit else words(column)
