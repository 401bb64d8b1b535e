"""Columns of a result table, which has a row per training and a column per parameter or metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidParameterError
from gradstep.nn.metrics import SPLITS, Metric, metric_of
from gradstep.training.status import Status
from gradstep.utils import text

#: Anything with ``table.keys()`` and ``table["l2"]`` will do, such as a pandas DataFrame.
Table = Mapping[str, Sequence[Any]]

#: What metrics are of: those of a history, and the rows that a model is tested on.
SPLIT_NAMES = {**SPLITS, "test": "test"}

# What parameters are called, where that is not their name, and the units of columns.
_NAMES = {
    "l2": "L2 strength λ",
    "hidden": "hidden units",
}
_UNITS = {"batch_size": "rows", "seconds": "s"}


# How columns of scikit-learn's searches begin that are scores: of these more is better, whatever they are.
_SCORES = ("mean_test_", "mean_train_")


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

    The column `status`, by which `complete` judges, is among them where the table has one.

    Raises
    ------
    InvalidParameterError
        It is no table, has no such column, no row, columns of different lengths, or a `status` that is
        no `Status`.
    """
    if not (hasattr(table, "keys") and hasattr(table, "__getitem__")):
        tables = [name for name in ("results_", "cv_results_") if hasattr(table, name)]
        hint = f"; give its {tables[0]}" if tables else ""
        raise InvalidParameterError(
            f"`table` of {whose} must map column names to columns, got {text.given(table)}{hint}"
        )
    # Iterating over a History gives rows.
    there = list(table.keys())
    columns = {}
    for role, name in [*wanted, *([("status", "status")] if "status" in there else [])]:
        if name not in there:
            raise InvalidParameterError(
                f"`{role}` of {whose} must be a column of the table, got {name!r}; "
                f"there are {', '.join(map(str, there)) or 'none'}"
            )
        column: Any = table[name]
        # What is masked, as parameters that a setting does not name are, has no value.
        columns[name] = column.tolist() if isinstance(column, np.ma.MaskedArray) else list(column)
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidParameterError(f"`table` of {whose} must have columns of one length, got {lengths}")
    if not min(lengths.values()):
        raise InvalidParameterError(f"`table` of {whose} must have at least one row, got none")
    for status in columns.get("status", []):
        if status not in tuple(Status):
            raise InvalidParameterError(
                f"the column 'status' of {whose} must have {', '.join(Status)} alone, got {status!r}"
            )
    return columns


def complete(columns: Mapping[str, Sequence[Any]]) -> npt.NDArray[np.bool_]:
    """Return which rows of columns that were read were trained to their own end.

    Without a column `status` all were. A training that was pruned, say, has metrics of an epoch on
    its way, which must not be compared with those that others ended with.
    """
    if "status" not in columns:
        return np.ones(len(next(iter(columns.values()))), dtype=np.bool_)
    return np.array([Status(status).is_complete for status in columns["status"]])


def numbers(values: Sequence[Any]) -> npt.NDArray[np.float64] | None:
    """Return a column as numbers; None where one of them is none."""
    return np.array(values, dtype=np.float64) if all(map(_is_number, values)) else None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def metric_values(values: Sequence[Any], name: str, whose: str) -> npt.NDArray[np.float64]:
    """Return a column of a metric, of which one value at least is finite."""
    found = numbers(values)
    if found is None or not np.isfinite(found).any():
        raise InvalidParameterError(
            f"`metric` of {whose} must be a column of numbers, one of them finite, got {name!r}"
        )
    return found


def levels(values: Sequence[Any]) -> Levels:
    """Return the different values of a column."""
    found = numbers(values)
    if found is not None:
        distinct, places = np.unique(found, return_inverse=True)
        return Levels(text.alike(distinct.tolist()), places, distinct)
    ordered = list(values)
    if all(map(_is_sizes, values)):
        ordered.sort(key=lambda sizes: (len(sizes), tuple(sizes)))
    numbered = {name: number for number, name in enumerate(dict.fromkeys(map(text.short, ordered)))}
    return Levels(list(numbered), np.array([numbered[text.short(value)] for value in values]), None)


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
    """Return whether several rows share a place."""
    return len(places) > len(np.unique(places))


def count_missing(columns: Iterable[Sequence[float]]) -> str:
    """Return a note on how many values of metrics are not finite; empty if all are."""
    finite = np.isfinite(np.array(list(columns), dtype=np.float64))
    return "" if finite.all() else f"{int((~finite).sum())} of {finite.size} without a result"


def is_share(column: str) -> bool:
    """Return whether a column is of a metric that is a share, to be shown in percent."""
    metric = metric_of(column)
    return metric is not None and metric.is_share


def higher_is_better(column: str) -> bool | None:
    """Return whether more of a column is better; None where nobody knows."""
    if column.startswith(_SCORES):
        return True
    metric = metric_of(column)
    return None if metric is None else metric.better == "higher"


def best(column: str, values: npt.NDArray[np.float64], places: npt.NDArray[np.intp]) -> int | None:
    """Return the place whose mean is best, of equal ones that which comes first in the table.

    Rows whose value is not finite do not count. None where no row counts, or nobody knows what is
    better.
    """
    higher, found = higher_is_better(column), means(values, places)
    if higher is None or np.isnan(found).all():
        return None
    top = np.nanmax(found) if higher else np.nanmin(found)
    return int(places[np.argmax(np.isfinite(values) & (found[places] == top))])


def quantity(column: str) -> str:
    """Return what a column is of, whatever the rows: the name of its metric, or its last word."""
    metric = metric_of(column)
    return column.rpartition("_")[2] if metric is None else metric.name


def words(column: str) -> str:
    """Return what a column is called.

    >>> words("validation_subset_accuracy"), words("l2"), words("min_rate")
    ('validation subset accuracy', 'L2 strength λ', 'min rate')
    >>> words("param_l2"), words("mean_test_score")
    ('L2 strength λ', 'mean test score')
    >>> words("optimizer__beta1")
    'optimizer beta1'
    """
    split, _, name = column.partition("_")
    metric = metric_of(column)
    if metric is not None and metric.name == name and split in SPLIT_NAMES:
        return f"{SPLIT_NAMES[split]} {_title(metric)}"
    name = column.removeprefix("param_")
    return _NAMES.get(name, name.replace("__", " ").replace("_", " "))


def _title(metric: type[Metric]) -> str:
    is_whole = metric.name in Metric.short_names()
    return Metric.resolve(metric.name).title if is_whole else metric.name.replace("_", " ")


def capitalised(title: str) -> str:
    """Return a title with a capital letter.

    >>> capitalised("mean absolute error")
    'Mean absolute error'
    """
    return title[:1].upper() + title[1:]


def heading(column: str) -> str:
    """Return what a column is called, as a title."""
    return capitalised(words(column))


def label(column: str) -> str:
    """Return what a column is called along an axis: with its unit, if it has one."""
    unit = "%" if is_share(column) else _UNITS.get(column)
    return f"{words(column)} ({unit})" if unit else words(column)
