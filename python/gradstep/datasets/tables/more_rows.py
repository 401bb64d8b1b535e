"""Further rows for a model: a table with the columns that its schema names, in any order."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.datasets.schema import CategoryColumn, Cells, NumberColumn, Schema
from gradstep.datasets.sets import existing_file
from gradstep.datasets.tables import targets
from gradstep.datasets.tables.cells import Frame, read, where
from gradstep.datasets.tables.header import listed, place_of
from gradstep.datasets.tables.layout import Layout
from gradstep.errors import InvalidDataError

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class TableRows:
    """Rows of a table as inputs of a model.

    Attributes
    ----------
    X : ndarray of shape (n, d)
    feature_names : tuple of str, length d
        Names of the columns of X.
    target : sequence of str, length n, or None
        The cells of the target, where the table has it.
    notes : list of str
        What was left out, and what stands for gaps and unknown categories.
    """

    X: Array
    feature_names: tuple[str, ...]
    target: Sequence[str] | None
    notes: list[str]
    frame: Frame = field(repr=False)

    def to_pandas(self) -> Any:
        """Return X as a pandas DataFrame with its names, which a model that has names asks for.

        Raises
        ------
        ImportError
            There is no pandas.
        """
        import pandas

        return pandas.DataFrame(self.X, columns=list(self.feature_names))

    def labels(self, classes: Array) -> Array:
        """Return the labels (n,), as the classes of a model (k,) are written.

        Raises
        ------
        InvalidDataError
            There is no target, or it has a label that is none of the classes.
        """
        cells, name = self._target()
        return targets.as_trained(cells, classes, self.frame, name)

    def values(self) -> Array:
        """Return the real values of the target (n,).

        Raises
        ------
        InvalidDataError
            There is no target, or a cell is no finite number.
        """
        cells, name = self._target()
        return targets.values(cells, self.frame, name)

    def _target(self) -> tuple[Sequence[str], str]:
        if self.target is None or self.frame.target is None:
            raise InvalidDataError(f"{self.frame.table.file} has no column with the target")
        return self.target, self.frame.names[self.frame.target]


def load_rows(
    path: str | os.PathLike[str],
    schema: Schema,
    *,
    target: str | int | None = None,
    delimiter: str | None = None,
    decimal: str = ".",
    encoding: str | None = None,
    header: bool | None = None,
) -> TableRows:
    """Load further rows for a model: a table with the columns of another, in any order and among others.

    Gaps and categories are filled and encoded as those that the model was trained on.

    Parameters
    ----------
    path : path
    schema : Schema
        That of the data trained on: `schema` of what `load_csv` returned, or `schema_` of a model.
    target : str or int, optional
        The column with the answers, by name or by place from 0; by default that of the schema. It need not be
        there.
    delimiter, decimal, encoding, header
        As for `load_csv`. Rows without a header and without the target are taken in the order of the schema.

    Returns
    -------
    TableRows
        Its `X` (n, d), float64, is for the model; ``labels(model.classes_)`` and ``values()`` are the
        answers.

    Raises
    ------
    DatasetNotFoundError
        When there is no such file.
    CorruptFileError
        When it cannot be unpacked, or is no text in its encoding.
    InvalidDataError
        When a column of the schema is missing, or a cell of a column of numbers holds a text.

    Examples
    --------
    >>> data = load_csv("customers.csv", target="left")  # doctest: +SKIP
    >>> model = Trainer().fit(data.train.X, data.train.y).remember(data)  # doctest: +SKIP
    >>> model.predict_proba(load_rows("new.csv", model.schema_).to_pandas())  # doctest: +SKIP
    """
    layout = Layout(delimiter, decimal, encoding, header, "load_rows")
    return read_rows(path, schema, layout, target=target)


def read_rows(
    path: str | os.PathLike[str],
    schema: Schema,
    layout: Layout,
    *,
    target: str | int | None = None,
    needs_target: bool = False,
) -> TableRows:
    """Read a table with the columns of a schema, in any order and among others.

    Parameters
    ----------
    path : path
    schema : Schema
    layout : Layout
    target : str, int or None
        The column that is answered, where it is another than the schema says.
    needs_target : bool
        Whether the target must be there, too.

    Raises
    ------
    InvalidDataError
        A column is missing, or a cell of a column of numbers holds a text.
    """
    frame = layout.open(existing_file(path, layout.owner), fewest=1)
    file, names = frame.table.file, [column.name for column in schema.columns]
    if not frame.has_header and len(frame.names) == len(names):
        frame = replace(frame, names=tuple(names))  # rows without names and without the target
    place = {name: place for place, name in enumerate(frame.names)}
    missing = [name for name in names if name not in place]
    if missing:
        raise InvalidDataError(
            f"{file} must have the columns of the model, but lacks {listed(missing)}; "
            f"it has {listed(frame.names)}{_one_alone(frame)}"
        )
    answered = (
        place.get(schema.target or "")
        if target is None
        else place_of(target, frame.names, f"`target` of {layout.owner}", file)
    )
    if needs_target and answered is None:
        raise InvalidDataError(
            f"{file} must have the target {schema.target!r}; it has {listed(frame.names)}: "
            "`target` names another column"
        )
    places = tuple(place[name] for name in names)
    text = {p for p, column in zip(places, schema.columns, strict=True) if isinstance(column, CategoryColumn)}
    frame = replace(frame, places=places, target=answered)
    reading = read(frame, text, is_closed=True)
    words = {frame.names[place]: list(texts) for place, texts in reading.words.items()}
    cells = Cells(tuple(names), reading.values, words)
    X = schema.encode(cells)
    _check_gaps(X, frame, schema)
    used = {*places, answered}
    extra = [name or f"column {p + 1}" for p, name in enumerate(frame.names) if p not in used]
    notes = [f"left out, as the model does not know them: {listed(extra)}"] if extra else []
    cells_of_target = None if answered is None else reading.target
    return TableRows(X, schema.inputs, cells_of_target, notes + told_of(cells, schema), frame)


def schema_by_place(
    path: str | os.PathLike[str], layout: Layout, inputs: int, target: str | int | None, *, needs_target: bool
) -> Schema:
    """Return the schema of a model that knows no names: its inputs are the columns in the order of a table.

    Parameters
    ----------
    path : path
    layout : Layout
    inputs : int
        Of the model.
    target : str, int or None
        The column that is answered; None takes the last, where it is needed or there is one column more.
    needs_target : bool

    Raises
    ------
    InvalidDataError
        The table has another number of columns.
    """
    frame = layout.open(existing_file(path, layout.owner), fewest=1)
    names, file = list(frame.names), frame.table.file
    if target is None and (needs_target or len(names) == inputs + 1):
        target = len(names) - 1
    answered = (
        None if target is None else names.pop(place_of(target, names, f"`target` of {layout.owner}", file))
    )
    if len(names) != inputs:
        beside = "" if answered is None else f" beside the target {answered!r}"
        raise InvalidDataError(
            f"{file} must have a column for each of the {inputs} inputs of the model{beside}, "
            f"got {len(names)}{_one_alone(frame)}"
        )
    return Schema(tuple(NumberColumn(name, math.nan) for name in names), answered)


def _one_alone(frame: Frame) -> str:
    """Return, of a table with one column, what stands between cells: it may be another."""
    if len(frame.names) > 1:
        return ""
    return f" alone between delimiters {frame.table.delimiter!r}; `delimiter` names another"


def _check_gaps(X: Array, frame: Frame, schema: Schema) -> None:
    """Refuse a gap that no median of the model stands for."""
    gaps = np.argwhere(np.isnan(X)).tolist()
    if gaps:
        row, column = gaps[0]
        raise InvalidDataError(
            f"{where(row, frame)} must have a number in column {schema.inputs[column]!r}, but there is none, "
            "and the model has no median that could stand for it"
        )


def told_of(cells: Cells, schema: Schema) -> list[str]:
    """Return notes on what stands for gaps and unknown categories in the rows of a table."""
    filled, unknown = [], []
    of_names = dict(zip(cells.names, cells.values.T, strict=True))
    for column in schema.columns:
        values = of_names[column.name]
        if isinstance(column, CategoryColumn):
            texts = cells.words[column.name]
            known = np.array([text in set(column.categories) for text in texts], dtype=bool)
            strangers = int((~known[values.astype(np.int64)]).sum())
            if strangers:
                example = next(text for text, is_known in zip(texts, known, strict=True) if not is_known)
                unknown.append(f"{column.name} ({strangers} rows, as {example!r})")
        else:
            gaps = int(np.isnan(values).sum())
            if gaps and not math.isnan(column.fill):
                filled.append(f"{column.name} ({gaps} by {column.fill:g})")
    notes = [f"gaps filled by the median of the train rows: {listed(filled)}"] if filled else []
    if unknown:
        notes.append(f"categories that the train rows have not, all inputs of which are 0: {listed(unknown)}")
    return notes
