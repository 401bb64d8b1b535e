"""What came out of a search: a row for every trial, columns as NumPy arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.nn.metrics import Cost, is_column, parse_column
from gradstep.training.status import Status
from gradstep.utils.printed_table import PrintedTable
from gradstep.utils.table import Table, is_nan, printed_table


class Results(Table):
    """Columns by name; printing shows the most telling ones, in the order of `ranking`.

    Parameters
    ----------
    columns : mapping of str to sequence of n_trials values
    parameters : sequence of str
        Which columns are parameters.
    larger_is_better : bool, default=False
        Of the column `score`.
    """

    parameters: tuple[str, ...]

    def __init__(
        self, columns: Mapping[str, Sequence[Any]], parameters: Sequence[str], larger_is_better: bool = False
    ) -> None:
        super().__init__(columns)
        self.parameters = tuple(parameters)
        self.larger_is_better = larger_is_better

    @property
    def n_trials(self) -> int:
        """Number of trials, one a row."""
        return self.n_rows

    def ranking(self) -> npt.NDArray[np.intp]:
        """Return the rows' numbers, best first.

        Trials that came to their own ends stand first, then what was interrupted, then all others: metrics
        of a trial that was pruned are those of fewer epochs. Among each of them the best score is
        first, and who has none last.
        """
        score = -self["score"] if self.larger_is_better else self["score"]
        if "status" not in self:
            return np.argsort(score, kind="stable")
        parts = np.array([_part(Status(status)) for status in self["status"].tolist()])
        return np.lexsort((score, parts))

    def shown(self, columns: Sequence[str] | None = None, most: int | None = None) -> PrintedTable:
        """Return some columns as text, best trial first; by default the most telling ones."""
        order = self.ranking() if "score" in self else np.arange(self.n_trials)
        if columns is None:
            columns = [name for name in self._telling() if not all(map(is_nan, self[name].tolist()))]
        return printed_table({name: self[name][order].tolist() for name in columns}, most)

    def __repr__(self) -> str:
        return f"Results({self.n_trials} trials, {len(self)} columns)"

    def _telling(self) -> list[str]:
        """Return the columns that are printed, where they have values."""
        measured = [
            name
            for split in ("validation", "train")
            for name in self
            if is_column(name) and parse_column(name)[0] == split and parse_column(name)[1] is not Cost
        ]
        before = ("round", "batch", "trial", *self.parameters, "status", "score", "score_std", "best_epoch")
        return [name for name in (*before, *measured, "updates", "seconds") if name in self]


def concatenate(tables: Sequence[Results], name: str) -> Results:
    """Put tables one below the other, with a first column `name` that counts them from 1."""
    names = list(dict.fromkeys(column for table in tables for column in table))
    columns: dict[str, list[Any]] = {
        name: [number for number, table in enumerate(tables, 1) for _ in range(table.n_trials)]
    }
    for column in names:
        columns[column] = []
        for table in tables:
            columns[column] += table[column].tolist() if column in table else [math.nan] * table.n_trials
    parameters = list(dict.fromkeys(parameter for table in tables for parameter in table.parameters))
    return Results(columns, parameters, tables[0].larger_is_better)


def _part(status: Status) -> int:
    """Return what comes before what in a ranking."""
    if status.is_complete:
        return 0
    return 1 if status is Status.INTERRUPTED else 2
