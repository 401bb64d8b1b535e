"""What a model keeps of the data it was trained on: how the columns of a table become inputs, and names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidDataError

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cells:
    """A table as it was read: numbers, and texts as numbers that stand for words.

    Attributes
    ----------
    names : tuple of str, length p
    values : ndarray of shape (n, p), float64
        NaN where a number is missing; for a column of texts the place of each in its words.
    words : dict of str to list of str
        The different texts of every column of texts, by its name; a missing text is "".
    """

    names: tuple[str, ...]
    values: Values
    words: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers: one input.

    Attributes
    ----------
    name : str
    fill : float
        What stands for a missing number: the median of the train rows.
    """

    name: str
    fill: float

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs that it becomes."""
        return (self.name,)


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories: an input for each, 1 where a row has it and 0 elsewhere.

    Attributes
    ----------
    name : str
    categories : tuple of str
        Those of the train rows, sorted; all inputs of a row with another one are 0.
    """

    name: str
    categories: tuple[str, ...]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs that it becomes."""
        return tuple(f"{self.name}={category}" for category in self.categories)


@dataclass(frozen=True)
class Schema:
    """What a model keeps of the data it was trained on, beside numbers.

    Attributes
    ----------
    columns : tuple of NumberColumn or CategoryColumn
        Of the table, in the order of the inputs; empty where the data was no table.
    target : str, or None
        The column that is answered.
    class_names : tuple of str
        In the order of the sorted labels; empty for real values.
    """

    columns: tuple[NumberColumn | CategoryColumn, ...] = ()
    target: str | None = None
    class_names: tuple[str, ...] = ()

    @classmethod
    def learn(cls, train: Cells, target: str, class_names: tuple[str, ...]) -> Schema:
        """Return the schema of a table, with medians and categories of the train rows."""
        columns = (
            CategoryColumn(name, _categories(values, train.words[name]))
            if name in train.words
            else NumberColumn(name, _median(values))
            for name, values in zip(train.names, train.values.T, strict=True)
        )
        return cls(tuple(columns), target, class_names)

    @classmethod
    def from_dict(cls, plain: Any, inputs: int, outputs: int) -> Schema:
        """Return a schema that `to_dict` wrote, of a model with so many inputs and outputs.

        Raises
        ------
        InvalidDataError
            It is none, or that of another model.
        """
        if not isinstance(plain, dict) or set(plain) != {"columns", "target", "class_names"}:
            raise InvalidDataError("a schema has columns, target and class_names")
        if not isinstance(plain["columns"], list):
            raise InvalidDataError("the columns of a schema must be a list")
        columns = tuple(map(_column_of, plain["columns"]))
        if not isinstance(plain["target"], str | None):
            raise InvalidDataError(f"the target of a schema must be a name, got {plain['target']!r}")
        names = _strings(plain["class_names"], "class names")
        schema = cls(columns, plain["target"], names)
        if columns and (len(schema.inputs) != inputs or len({c.name for c in columns}) < len(columns)):
            raise InvalidDataError(f"the columns of a schema must make {inputs} inputs")
        if names and len(names) != outputs:
            raise InvalidDataError(f"a schema must name {outputs} classes, got {len(names)}")
        return schema

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain lists, numbers and strings."""
        return asdict(self)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the model's inputs, as ``age`` and ``plan=basic``."""
        return tuple(name for column in self.columns for name in column.inputs)

    def encode(self, cells: Cells) -> Values:
        """Return the inputs (n, d) of a table that has all columns of this one, in any order."""
        values = cells.values
        is_plain = all(isinstance(column, NumberColumn) for column in self.columns)
        in_order = cells.names == tuple(column.name for column in self.columns)
        if is_plain and in_order and not np.isnan(values).any():
            return values
        X = np.zeros((len(values), len(self.inputs)))
        place = dict(zip(cells.names, values.T, strict=True))
        start = 0
        for column in self.columns:
            end = start + len(column.inputs)
            if isinstance(column, NumberColumn):
                found = place[column.name]
                X[:, start] = np.where(np.isnan(found), column.fill, found)
            else:
                _put_ones(X[:, start:end], place[column.name], cells.words[column.name], column.categories)
            start = end
        return X


def _put_ones(X: Values, codes: Values, words: Sequence[str], categories: Sequence[str]) -> None:
    """Put a 1 into each row of X (n, c), in the place of its category if that is known."""
    known = {category: place for place, category in enumerate(categories)}
    place = np.array([known.get(word, -1) for word in words], dtype=np.int64)[codes.astype(np.int64)]
    rows = np.flatnonzero(place >= 0)
    X[rows, place[rows]] = 1


def _median(values: Values) -> float:
    present = values[~np.isnan(values)]
    if not len(present):
        return 0.0
    # Halves, as the mean of two of the largest numbers is no longer finite.
    return 2 * float(np.median(present / 2)) if np.abs(present).max() > 1e300 else float(np.median(present))


def _categories(codes: Values, words: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(words[code] for code in np.unique(codes.astype(np.int64))))


def _column_of(plain: Any) -> NumberColumn | CategoryColumn:
    if isinstance(plain, dict) and isinstance(plain.get("name"), str):
        if set(plain) == {"name", "categories"}:
            categories = _strings(plain["categories"], "categories")
            if len(set(categories)) == len(categories):
                return CategoryColumn(plain["name"], categories)
        elif set(plain) == {"name", "fill"} and type(plain["fill"]) is float and math.isfinite(plain["fill"]):
            return NumberColumn(plain["name"], plain["fill"])
    raise InvalidDataError("a column of a schema must have a name, and categories or a number for gaps")


def _strings(plain: Any, what: str) -> tuple[str, ...]:
    if not isinstance(plain, list | tuple) or not all(isinstance(item, str) for item in plain):
        raise InvalidDataError(f"{what} of a schema must be a list of strings")
    return tuple(plain)
