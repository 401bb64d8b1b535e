"""What was measured while training: rows in time order, columns as NumPy arrays."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.nn.metrics import SPLITS, TIME, Accuracy, Metric, columns, parse_column, value_text
from gradstep.utils import text
from gradstep.utils.printed_table import PrintedTable
from gradstep.utils.table import Tabular


def column_names(metrics: Sequence[Metric]) -> tuple[str, ...]:
    """Return the columns of a history that tells of these metrics beside loss and cost."""
    return (*TIME, *columns(metrics))


def available_splits(row: Mapping[str, float] | History) -> list[str]:
    """Return the splits that a row or a history tells of; "running" only where "train" has no metrics."""
    splits = [
        split
        for split in SPLITS
        if any(np.isfinite(row[name]).any() for name in row.keys() if name.startswith(f"{split}_"))  # noqa: SIM118
    ]
    return [split for split in splits if split != "running" or "train" not in splits]


class HistoryRows(Sequence[dict[str, float]]):
    """Rows as dicts, each made when it is asked for.

    They are kept as one array of numbers: searches have thousands of histories, and as dicts these take
    eight times the memory.

    Parameters
    ----------
    names : sequence of str
        The columns.
    values : iterable of float, default=()
        Those of the first row in the order of the columns, then those of the second, ...
    """

    def __init__(self, names: Sequence[str], values: Iterable[float] = ()) -> None:
        self._names = tuple(names)
        self._values = array("d", values)

    def append(self, row: Mapping[str, float]) -> None:
        """Add a row that has all columns."""
        self._values.extend([float(row[name]) for name in self._names])

    def extend(self, rows: Iterable[Mapping[str, float]]) -> None:
        """Add rows that have all columns."""
        for row in rows:
            self.append(row)

    def cut(self, count: int) -> None:
        """Forget all rows but the first so many."""
        del self._values[count * len(self._names) :]

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """Return the values of a column."""
        return np.array(self._values[self._names.index(name) :: len(self._names)])

    def numbers(self) -> npt.NDArray[np.float64]:
        """Return all values, (n, columns)."""
        return np.array(self._values).reshape(len(self), len(self._names))

    def __len__(self) -> int:
        return len(self._values) // max(len(self._names), 1)

    def __repr__(self) -> str:
        return repr(list(self))

    @overload
    def __getitem__(self, place: int) -> dict[str, float]: ...
    @overload
    def __getitem__(self, place: slice) -> HistoryRows: ...
    def __getitem__(self, place: int | slice) -> dict[str, float] | HistoryRows:
        chosen = range(len(self))[place]
        if not isinstance(chosen, range):
            # One NaN for all, so that rows with the same values are equal.
            values = [math.nan if math.isnan(value) else value for value in self._of(chosen)]
            return dict(zip(self._names, values, strict=True))
        return HistoryRows(self._names, chain.from_iterable(self._of(row) for row in chosen))

    def _of(self, row: int) -> array[float]:
        width = len(self._names)
        return self._values[row * width : (row + 1) * width]


class History(Tabular):
    """What was measured: ``history["train_loss"]`` is a column, iterating gives the rows; prints as a table.

    Parameters
    ----------
    metrics : sequence of Metric, optional
        What its columns tell beside loss and cost; the accuracy by default.
    columns : mapping of str to array-like of shape (n_rows,), optional
        Exactly the columns of these metrics; an empty history by default.
    weighted : sequence of str, default=()
        Splits whose metrics are weighted means, since the rows had weights.
    """

    metrics: tuple[Metric, ...]
    weighted: tuple[str, ...]

    def __init__(
        self,
        metrics: Sequence[Metric] = (Accuracy(),),
        columns: Mapping[str, npt.ArrayLike] | None = None,
        weighted: Sequence[str] = (),
    ) -> None:
        self.metrics = tuple(metrics)
        self.weighted = tuple(weighted)
        self._names = column_names(self.metrics)
        self.rows: HistoryRows = HistoryRows(self._names)
        if columns is not None:
            self._fill(columns)

    def _fill(self, given: Mapping[str, npt.ArrayLike]) -> None:
        names = self.keys()
        if set(given) != set(names):
            raise InvalidDataError(f"the columns of a History must be {names}, got {tuple(given)}")
        try:
            arrays = [np.asarray(given[name], dtype=np.float64) for name in names]
        except (ArithmeticError, TypeError, ValueError) as error:
            raise InvalidDataError(f"the columns of a History must be numbers: {error}") from error
        if any(array.shape != (arrays[0].size,) for array in arrays):
            shapes = {name: array.shape for name, array in zip(names, arrays, strict=True)}
            raise InvalidDataError(f"the columns of a History must have one length, got {shapes}")
        for values in zip(*arrays, strict=True):
            self.append(**dict(zip(names, values, strict=True)))

    def append(self, **row: float) -> None:
        """Add a row; every column must be named."""
        if tuple(row) != self._names and row.keys() != set(self._names):
            raise InvalidDataError(f"a row of a History needs {self._names}, got {tuple(row)}")
        self.rows.append(row)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        names = self.keys()
        if name not in names:
            raise InvalidParameterError(f"a History has no column {name!r}; it has {', '.join(names)}")
        values = self.rows.column(name)
        return values.astype(np.int64) if name == "update" else values

    def __contains__(self, name: object) -> bool:
        return name in self.keys()

    def keys(self) -> tuple[str, ...]:
        """Return the column names, so that ``dict(history)`` gives all columns."""
        return self._names

    def __iter__(self) -> Iterator[dict[str, float]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def shown(self, columns: Sequence[str] | None = None, most: int | None = None) -> PrintedTable:
        """Return some columns as text, by default those with a value; of many rows the first and last."""
        if columns is None:
            columns = [name for name in self.keys() if not self.rows or not np.isnan(self[name]).all()]
        cells = [[_cell(name, value) for value in self.column(name)] for name in columns]
        rows = list(map(list, zip(*cells, strict=True)))
        if most is not None and len(rows) > most:
            rows = [*rows[: most // 2], ["..."] * len(columns), *rows[len(rows) - most // 2 :]]
            return PrintedTable(columns, rows, notes=[f"{len(self.rows)} rows"])
        return PrintedTable(columns, rows)

    def __repr__(self) -> str:
        if not self.rows:
            return "History(no rows)"
        last = self.rows[-1]
        told = [f"epoch={last['epoch']:g}"]
        for split in available_splits(last):
            told += [f"{name}={text.number(last[name])}" for name in metric_columns(self, split)]
        return f"History({len(self.rows)} rows; last: {', '.join(told)})"

    def copy(self) -> History:
        """Return a history with the same rows, to which others can be added."""
        copy = History(self.metrics, weighted=self.weighted)
        copy.rows = self.rows[:]
        return copy


def metric_columns(history: History, split: str) -> list[str]:
    """Return the columns that tell of one split.

    >>> metric_columns(History(), "running")
    ['running_loss', 'running_accuracy']
    """
    return [name for name in columns(history.metrics) if parse_column(name)[0] == split]


def _cell(name: str, value: float) -> str:
    """Return a value of a column as text."""
    if name == "update":
        return str(value)
    if name == "seconds":
        return text.decimals(value, 2)
    return text.short(value) if name in TIME else value_text(name, value)
