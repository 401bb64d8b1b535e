"""A table: columns as NumPy arrays, by name; what it is as text and in files."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.utils import text
from gradstep.utils.concepts import plain
from gradstep.utils.files import write_atomically

if TYPE_CHECKING:
    import pandas


class Table(Mapping[str, npt.NDArray[Any]]):
    """Columns by name, all of one length; numbers as arrays of numbers, anything else as objects.

    Parameters
    ----------
    columns : mapping of str to sequence of values

    >>> print(Table({"name": ["a", "b"], "share": [0.5, 0.25]}))
    name  share
       a    0.5
       b   0.25
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

    def to_pandas(self) -> pandas.DataFrame:
        """Return the table as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame({name: pandas.Series(column) for name, column in self._columns.items()})

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table as CSV, in one step; what has no value is an empty cell."""
        content = io.StringIO()
        writer = csv.writer(content, lineterminator="\n")
        writer.writerow(self)
        for row in self.rows():
            writer.writerow(["" if is_nan(value) else value for value in row.values()])
        write_atomically(path, content.getvalue().encode())

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the table as JSON, a list of objects, in one step; numbers that are not finite are null."""
        rows = [{name: as_json(value) for name, value in row.items()} for row in self.rows()]
        write_atomically(path, json.dumps(rows, indent=1, allow_nan=False).encode())

    def __str__(self) -> str:
        return self.lines(list(self), range(self.n_rows))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.n_rows} rows; {', '.join(self)})"

    def lines(self, names: Sequence[str], rows: Sequence[int] | range) -> str:
        """Return some columns of some rows as text, with the names above them."""
        cells = [[cell(value) for value in self[name][list(rows)].tolist()] for name in names]
        return text.aligned([list(names), *map(list, zip(*cells, strict=True))])


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
