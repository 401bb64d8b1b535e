"""Tables: columns by name; what they are as text, in notebooks and in files."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.utils import text
from gradstep.utils.concepts import plain
from gradstep.utils.files import write_atomically
from gradstep.utils.printed_table import PrintedTable

if TYPE_CHECKING:
    import pandas


class Tabular:
    """What has columns by name; prints as a table, and is one in notebooks and in files.

    Derived classes have `keys` and ``self[name]``, and by `shown` say which of their columns and rows tell
    most and how their values are written. Files have values at full precision where machines read them
    (CSV, JSON), and as they are printed where people do (Markdown, LaTeX).
    """

    def keys(self) -> Collection[str]:
        """Return the names of the columns."""
        raise NotImplementedError

    def column(self, name: str) -> list[Any]:
        """Return the values of a column as plain numbers, strings and objects."""
        values: list[Any] = self[name].tolist()  # type: ignore[index]
        return values

    def shown(self, columns: Sequence[str] | None = None, most: int | None = None) -> PrintedTable:
        """Return some columns as text, by default those that are printed, of `most` rows at most."""
        names = list(self.keys()) if columns is None else list(columns)
        return printed_table({name: self.column(name) for name in names}, most)

    def to_pandas(self) -> pandas.DataFrame:
        """Return the table as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame({name: pandas.Series(self.column(name)) for name in self.keys()})

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """Write all columns as CSV, at full precision; what has no value is an empty cell.

        Parameters
        ----------
        path : str or path, optional
            The file to write, in one step. The text is returned when there is none.
        """
        content = io.StringIO()
        writer = csv.writer(content, lineterminator="\n")
        writer.writerow(self.keys())
        columns = [self.column(name) for name in self.keys()]
        for row in zip(*columns, strict=True):
            writer.writerow(map(_csv_cell, row))
        return _written(content.getvalue(), path)

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str | None:
        """Write all columns as JSON, a list of objects; numbers that are not finite are null.

        Parameters
        ----------
        path : str or path, optional
            The file to write, in one step. The text is returned when there is none.
        """
        columns = [map(as_json, self.column(name)) for name in self.keys()]
        rows = [dict(zip(self.keys(), row, strict=True)) for row in zip(*columns, strict=True)]
        return _written(json.dumps(rows, indent=1, allow_nan=False), path)

    def to_markdown(
        self, path: str | os.PathLike[str] | None = None, *, columns: Sequence[str] | None = None
    ) -> str | None:
        """Write the table as Markdown, as it is printed but with all rows.

        Parameters
        ----------
        path : str or path, optional
            The file to write, in one step. The text is returned when there is none.
        columns : sequence of str, optional
            Which columns, in this order; by default those that are printed.
        """
        return _written(self.shown(columns).markdown() + "\n", path)

    def to_latex(
        self, path: str | os.PathLike[str] | None = None, *, columns: Sequence[str] | None = None
    ) -> str | None:
        """Write the table as a LaTeX `tabular` that needs no package, as it is printed but with all rows.

        Parameters
        ----------
        path : str or path, optional
            The file to write, in one step. The text is returned when there is none.
        columns : sequence of str, optional
            Which columns, in this order; by default those that are printed.
        """
        return _written(self.shown(columns).latex() + "\n", path)

    def __str__(self) -> str:
        return self.shown(most=MOST_SHOWN).plain()

    def _repr_html_(self) -> str:
        """Return what notebooks show."""
        return self.shown(most=MOST_SHOWN).html()


#: Rows that a printed table has at most.
MOST_SHOWN = 30


class Table(Mapping[str, npt.NDArray[Any]], Tabular):
    """Columns by name, all of one length; numbers as arrays of numbers, anything else as objects.

    Parameters
    ----------
    columns : mapping of str to sequence of values

    >>> print(Table({"name": ["a", "b"], "share": [0.5, 0.25]}))
    name  share
    a       0.5
    b      0.25
    """

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self._columns = {name: _column(values) for name, values in columns.items()}
        lengths = {name: len(column) for name, column in self._columns.items()}
        if len(set(lengths.values())) > 1:
            raise InvalidDataError(
                f"the columns of {type(self).__name__} must have one length, got {lengths}"
            )

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self._columns.values()), ()))

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name not in self._columns:
            raise InvalidParameterError(
                f"{type(self).__name__} has no column {name!r}; it has {', '.join(self)}"
            )
        return self._columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield every row as a dict of plain numbers, strings and objects."""
        columns = [column.tolist() for column in self._columns.values()]
        for values in zip(*columns, strict=True):
            yield dict(zip(self._columns, values, strict=True))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.n_rows} rows, {len(self)} columns)"


def printed_table(columns: Mapping[str, Sequence[Any]], most: int | None = None) -> PrintedTable:
    """Return columns of values as text: the first rows, and how many more there are."""
    size = len(next(iter(columns.values()), ()))
    count = size if most is None else min(size, most)
    cells = [list(map(cell, values[:count])) for values in columns.values()]
    left = [any(isinstance(value, str) for value in values) for values in columns.values()]
    notes = [f"... and {size - count} more"] if size > count else []
    return PrintedTable(list(columns), list(map(list, zip(*cells, strict=True))), left, notes)


def as_json(value: Any) -> Any:
    """Return a value as JSON has it: as `plain`, with null for what is not finite and else its repr.

    >>> as_json([1, (2.5, float("inf"))])
    [1, [2.5, None]]
    """
    value = plain(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {name: as_json(item) for name, item in value.items()}
    return repr(value)


def cell(value: Any) -> str:
    """Return a value as a line of text has it."""
    return text.number(value) if isinstance(value, float) else text.setting(value)


def is_nan(value: object) -> bool:
    """Whether a value is a float that is none."""
    return isinstance(value, float) and math.isnan(value)


def _csv_cell(value: Any) -> Any:
    """Return a value as CSV has it; what is an object by its name, never by an address."""
    if is_nan(value):
        return ""
    return value if value is None or isinstance(value, (bool, int, float, str)) else text.setting(value)


def _written(content: str, path: str | os.PathLike[str] | None) -> str | None:
    """Write a text to a file if there is one, else return it."""
    if path is None:
        return content
    write_atomically(path, content.encode("utf-8", "backslashreplace"))
    return None


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
