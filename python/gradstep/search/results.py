"""What came out of a search: a row for every trial, columns as NumPy arrays."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.nn import initializers, schedules
from gradstep.training.recorder import COMPLETE
from gradstep.utils.files import write_atomically

if TYPE_CHECKING:
    import pandas

# What comes before what in a ranking.
_PARTS = {**dict.fromkeys(COMPLETE, 0), "interrupted": 1}

# Rows that a printed table has at most, and its columns after the parameters.
_SHOWN = 30
_PRINTED = (
    *("status", "score", "score_std", "best_epoch", "validation_loss", "validation_accuracy"),
    *("train_loss", "train_accuracy", "updates", "seconds"),
)


class Results(Mapping[str, npt.NDArray[Any]]):
    """Columns by name; printing shows the most telling ones, in the order of `ranking`.

    Parameters
    ----------
    columns : mapping of str to sequence of n_trials values
    parameters : sequence of str
        Which columns are parameters.
    larger_is_better : bool, default=False
        Of the column `score`.
    """

    def __init__(
        self, columns: Mapping[str, Sequence[Any]], parameters: Sequence[str], larger_is_better: bool = False
    ) -> None:
        self._columns = {name: _column(values) for name, values in columns.items()}
        self.parameters, self.larger_is_better = tuple(parameters), larger_is_better
        if len({len(column) for column in self._columns.values()}) > 1:
            lengths = {name: len(column) for name, column in self._columns.items()}
            raise InvalidDataError(f"the columns of Results must have one length, got {lengths}")

    @property
    def n_trials(self) -> int:
        """Number of rows."""
        return len(next(iter(self._columns.values()), ()))

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name not in self._columns:
            raise InvalidParameterError(f"Results have no column {name!r}; they have {', '.join(self)}")
        return self._columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield every trial as a dict of plain numbers, strings and objects."""
        columns = [column.tolist() for column in self._columns.values()]
        for values in zip(*columns, strict=True):
            yield dict(zip(self._columns, values, strict=True))

    def ranking(self) -> npt.NDArray[np.intp]:
        """Return the rows' numbers, best first.

        Trials that came to their own ends stand first, then what was interrupted, then all others: figures
        of a model that was dropped are those of fewer epochs. Among each of them the best score is
        first, and who has none last.
        """
        score = -self["score"] if self.larger_is_better else self["score"]
        if "status" not in self:
            return np.argsort(score, kind="stable")
        parts = np.array([_PARTS.get(status, 2) for status in self["status"].tolist()])
        return np.lexsort((score, parts))

    def to_pandas(self) -> pandas.DataFrame:
        """Return the table as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame({name: pandas.Series(column) for name, column in self._columns.items()})

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table as CSV, in one step; what has no value is an empty cell."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self)
        for row in self.rows():
            writer.writerow(["" if _is_nan(value) else value for value in row.values()])
        write_atomically(path, text.getvalue().encode())

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the table as JSON, a list of objects, in one step; numbers that are not finite are null."""
        rows = [{name: plain(value) for name, value in row.items()} for row in self.rows()]
        write_atomically(path, json.dumps(rows, indent=1, allow_nan=False).encode())

    def __str__(self) -> str:
        wanted = ("round", "trial", *self.parameters, *_PRINTED)
        names = [name for name in wanted if name in self and _says_something(self[name])]
        order = self.ranking() if "score" in self else np.arange(self.n_trials)
        lines = [names] + [[cell(self[name][row]) for name in names] for row in order[:_SHOWN]]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
        )
        hidden = self.n_trials - _SHOWN
        return text + (f"\n... and {hidden} more" if hidden > 0 else "")

    def __repr__(self) -> str:
        return f"Results({self.n_trials} trials; {', '.join(self)})"


def concatenate(tables: Sequence[Results], name: str) -> Results:
    """Put tables one below the other, with a first column `name` that counts them from 1."""
    names = list(dict.fromkeys(column for table in tables for column in table))
    columns: dict[str, list[Any]] = {name: []}
    columns[name] = [number for number, table in enumerate(tables, 1) for _ in range(table.n_trials)]
    for column in names:
        columns[column] = []
        for table in tables:
            columns[column] += table[column].tolist() if column in table else [math.nan] * table.n_trials
    parameters = list(dict.fromkeys(parameter for table in tables for parameter in table.parameters))
    return Results(columns, parameters, tables[0].larger_is_better)


# Types of which a column of numbers can be, by the types of its values.
_NUMBERS: dict[frozenset[type], type[np.generic]] = {
    frozenset({bool}): np.bool_,
    frozenset({int}): np.int64,
    frozenset({float}): np.float64,
    frozenset({int, float}): np.float64,
}


def _column(values: Sequence[Any]) -> npt.NDArray[Any]:
    """Return numbers as an array of numbers, anything else as one of objects."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    dtype = _NUMBERS.get(frozenset(type(value) for value in values))
    return column if dtype is None else column.astype(dtype)


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    described: Callable[[Any], Any] = repr
    if isinstance(value, schedules.PLAIN):
        described = schedules.to_dict
    elif isinstance(value, initializers.Init):
        described = initializers.to_dict
    return described(value)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _says_something(column: npt.NDArray[Any]) -> bool:
    return not all(_is_nan(value) for value in column.tolist())


def cell(value: Any) -> str:
    """Return a value as a line of text has it."""
    if _is_nan(value):
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
