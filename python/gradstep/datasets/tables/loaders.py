"""One's own tables, in .csv files: a data set of one."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.datasets.schema import Schema
from gradstep.datasets.sets import TASK, DataSet, Rows, class_names, existing_file, note_of_classes, split
from gradstep.datasets.tables import columns, targets
from gradstep.datasets.tables.cells import Frame, Reading, read
from gradstep.datasets.tables.header import place_of
from gradstep.datasets.tables.layout import Layout
from gradstep.datasets.tables.more_rows import read_rows, told_of
from gradstep.datasets.tables.text import PACKED
from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.utils import memory
from gradstep.utils.constraints import NONE, check, either
from gradstep.utils.names import known_parameters
from gradstep.utils.text import printable

# What people call the column that is to be answered, in small letters.
_TARGETS = frozenset({"label", "labels", "class", "target", "y"})

Columns = str | int | Sequence[str | int]


@known_parameters
def load_csv(
    path: str | os.PathLike[str],
    target: str | int | None = None,
    *,
    task: str | None = None,
    delimiter: str | None = None,
    decimal: str = ".",
    encoding: str | None = None,
    header: bool | None = None,
    ignore: Columns = (),
    categorical: Columns = (),
    image_shape: tuple[int, int, int] | None = None,
    validation: float | str | os.PathLike[str] | None = None,
    test: float | str | os.PathLike[str] | None = None,
    random_state: int | None = 0,
) -> DataSet:
    """Load a table from a text file: .csv, or .tsv with tabs, also packed as .gz, .bz2 or .xz.

    Columns of numbers are inputs as they are, True and False 1 and 0. A number may be missing (an empty
    cell, NA, nan, null, none, ?); the median of the train rows stands for it. Columns of texts are
    categories, an input for each that the train rows have; a missing text is a category, too. What is taken
    where the file does not say stands in `notes` of the result; where a column may be two things, or a first
    line a row, an error asks.

    Parameters
    ----------
    path : path
    target : str or int, optional
        The column that is to be answered, by name or by place from 0; by default the last.
    task : {"classification", "regression"}, optional
        What the target is: labels, integers where every one is written as one, else strings; or real
        values. By default labels, where these do not look like something else.
    delimiter : str, optional
        The character between two cells; by default a tab in .tsv files, and elsewhere a comma, or that
        of semicolon, tab and bar which splits all of the first rows alike.
    decimal : {".", ","}
        What stands before the decimals of a number.
    encoding : str, optional
        By default what the file's first bytes say, else UTF-8.
    header : bool, optional
        Whether the first line has the names of the columns; by default it does, and an error asks where it
        may be a row. Without a header columns are x0, x1, ...
    ignore : str, int or sequence of these
        Columns to leave out. One without a name that numbers the rows, as pandas writes it, is left out
        anyway.
    categorical : str, int or sequence of these
        Columns whose values are categories though they are numbers, dates or many.
    image_shape : tuple of int, optional
        ``(channels, height, width)`` where the d values of a row are an image in that order.
    validation, test : int, float, path or None
        Number or share of rows to hold out, drawn with the classes of labels in the same proportions; or
        another table with the same columns, in any order.
    random_state : int >= 0, or None
        The same number draws the same rows on every machine; None draws anew.

    Returns
    -------
    DataSet
        X (n, d), float64, of all other columns; y (n,), int64, strings or float64. Its `schema` says how
        columns became inputs.

    Raises
    ------
    DatasetNotFoundError
        When there is no such file.
    CorruptFileError
        When it cannot be unpacked, or is no text in its encoding.
    InvalidDataError
        When a column is neither numbers nor categories, rows differ in length, or names are missing or not
        unique; the message names row and column, and the parameter that helps.
    InvalidParameterError
        On an unknown column, or when the parts are not to be had.
    """
    file = existing_file(path, "load_csv")
    check("load_csv", "task", task, [either(TASK, NONE)])
    for part in filter(_is_path, (validation, test)):
        existing_file(str(part), "load_csv")
    layout = Layout(delimiter, decimal, encoding, header)
    frame, notes = _roles(layout.open(file), target, ignore)
    chosen = {
        place_of(column, frame.names, "`categorical` of load_csv", file) for column in several(categorical)
    }
    reading = read(frame, chosen)
    columns.check_texts(reading, frame, chosen)
    cells, left_out = columns.useful(reading, frame)
    rows = Rows(cells.values, _read_targets(reading, frame, task))
    train, *held_out = split(rows, _drawn(validation), _drawn(test), random_state, "load_csv")
    names = class_names(rows.y)
    trained_on = replace(cells, values=train.X)
    schema = Schema.learn(trained_on, frame.names[frame.target or 0], names)
    _check_size(len(rows), schema)

    def encoded(part: Rows) -> Rows:
        return Rows(schema.encode(replace(cells, values=part.X)), part.y, image_shape)

    notes += [*left_out, *columns.describe(cells, reading, frame)]
    notes += told_of(cells, schema)
    if task is None and (note := note_of_classes(rows.y)):
        notes.append(note)
    others: dict[str, Rows | None] = {}
    for name, given, drawn in zip(("validation", "test"), (validation, test), held_out, strict=True):
        others[name] = drawn and encoded(drawn)
        if _is_path(given):
            found = read_rows(str(given), schema, layout, needs_target=True)
            answers = found.values() if task == "regression" else found.labels(np.unique(train.y))
            others[name] = Rows(found.X, answers, image_shape)
            notes += [f"{name}: {note}" for note in found.notes]
    return DataSet(
        _name(file),
        encoded(train),
        **others,
        class_names=names,
        feature_names=schema.inputs,
        notes=tuple(notes),
        schema=schema,
        cells=None if schema.encode(trained_on) is train.X else trained_on,
    )


def _check_size(n: int, schema: Schema) -> None:
    """Refuse categories that would make more inputs than there is memory for."""
    kinds = {len(column.inputs): column.name for column in schema.columns}
    size, free = 8 * n * len(schema.inputs), memory.available()
    if max(kinds) > 1 and free is not None and size > free:
        most = max(kinds)
        raise InvalidDataError(
            f"categories would take {size} bytes as inputs, more than the memory that is free; "
            f"{kinds[most]!r} has {most}: `ignore={kinds[most]}` leaves it out"
        )


def _is_path(part: Any) -> bool:
    return isinstance(part, str | os.PathLike)


def _drawn(part: Any) -> Any:
    """Return which rows of the table itself are held out for a part."""
    return None if _is_path(part) else part


def _name(file: Path) -> str:
    """Return the name of a file without its ends, that of packing included."""
    packed = file.suffix.lower() in PACKED
    return printable(Path(file.stem).stem if packed else file.stem)


def _roles(frame: Frame, target: str | int | None, ignore: Columns) -> tuple[Frame, list[str]]:
    """Return which columns of a file are inputs and which is the target, and notes on what was taken."""
    file, names = frame.table.file, frame.names
    left = {place_of(column, names, "`ignore` of load_csv", file) for column in several(ignore)}
    notes = []
    if frame.table.guessed:
        notes.append(f"between cells: {frame.table.delimiter!r} (`delimiter` says another)")
    if target is None:
        place = max((p for p in range(len(names)) if p not in left and names[p]), default=None)
        if place is None:
            raise InvalidParameterError(f"`ignore` of load_csv must leave columns of {file}")
        _check_last(names, place, left, file)
        notes.append(f"target: {names[place]}, the last column (`target` names another)")
    else:
        place = place_of(target, names, "`target` of load_csv", file)
        if place in left:
            raise InvalidParameterError(
                f"`ignore` of load_csv must not have the target, got {names[place]!r}"
            )
    places = tuple(p for p in frame.places if p not in left and p != place)
    if not places:
        raise InvalidDataError(
            f"{file} must have a column beside the target {names[place]!r}, but there is none"
        )
    return replace(frame, places=places, target=place), notes


def _check_last(names: Sequence[str], last: int, left: Collection[int], file: Path) -> None:
    """Ask for the target where another column than the last has the name of one."""
    telling = [name for place, name in enumerate(names) if name.lower() in _TARGETS and place not in left]
    if telling and names[last] not in telling:
        raise InvalidDataError(
            f"{file} has a column {telling[0]!r}, but its last is {names[last]!r}: `target` says which is "
            "answered"
        )


def several(given: Columns) -> list[str | int]:
    """Return one column or several as a list."""
    return [given] if isinstance(given, str | int) else list(given)


def _read_targets(reading: Reading, frame: Frame, task: str | None) -> npt.NDArray[Any]:
    assert frame.target is not None
    name = frame.names[frame.target]
    if task == "regression":
        return targets.values(reading.target, frame, name)
    return targets.labels(reading.target, frame, name, given=task is not None)
