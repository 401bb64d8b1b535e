"""The names of columns: whether the first line has them, and which column somebody means."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from gradstep.datasets.tables.cells import number
from gradstep.datasets.tables.text import TextTable
from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.utils.names import hint
from gradstep.utils.text import given

_UNNAMED = re.compile(r"Unnamed: \d+(_level_\d+)?")
# Names that a message lists.
_LISTED = 20


def read_names(table: TextTable, header: bool | None, fewest: int = 2) -> tuple[tuple[str, ...], bool]:
    """Return the names of all columns, and whether the first line has them.

    Parameters
    ----------
    table : TextTable
    header : bool, or None
        Whether the first line has the names; None asks by an error where it may be a row.
    fewest : int
        Columns that there must be: of rows to train on an input and the target.

    Raises
    ------
    InvalidDataError
        The file is empty, has too few columns, no unique names, or a first line that may be a row.
    """
    file = table.file
    _, cells = next(table.rows(), (0, []))
    # What pandas calls a column without a name has none.
    names = tuple("" if _UNNAMED.fullmatch(cell.strip()) else cell.strip() for cell in cells)
    if not any(names):
        names = ()
    if not names:
        raise InvalidDataError(f"{file} must begin with a line of column names, but that is empty")
    if len(names) < fewest:
        raise InvalidDataError(
            f"{file} must have two columns or more between delimiters {table.delimiter!r}, got only "
            f"{given(names[0])}; `delimiter` names another"
        )
    if header is False:
        return tuple(f"x{place}" for place in range(len(names))), False
    numbers = [name for name in names if name and number(name) is not None]
    if header is None and numbers:
        some = "only numbers" if len(numbers) == len(names) else f"the number {numbers[0]!r}"
        raise InvalidDataError(
            f"the first line of {file} must hold column names, got {some}: `header=False` takes it for a "
            "row, `header=True` for names"
        )
    twice = [name for name, count in Counter(filter(None, names)).items() if count > 1]
    if twice:
        raise InvalidDataError(
            f"the column names of {file} must be unique, got {twice[0]!r} twice"
            + ("; `header=False` takes the first line for a row" if header is None else "")
        )
    return names, True


def place_of(column: str | int, names: Sequence[str], whose: str, file: Path) -> int:
    """Return the place of a column that somebody named, or counted from 0 where no name is this number.

    Raises
    ------
    InvalidParameterError
        There is no such column.
    """
    if isinstance(column, str):
        if column in names:
            return names.index(column)
        if column.removeprefix("-").isdecimal():
            column = int(column)
    if isinstance(column, int) and not isinstance(column, bool) and -len(names) <= column < len(names):
        return column % len(names)
    raise InvalidParameterError(
        f"{whose} must be a column of {file} ({listed(names)}) "
        f"or its place from 0 to {len(names) - 1}, got {column!r}"
        + (f"; {hint(column, names)}" if isinstance(column, str) and hint(column, names) else "")
    )


def listed(names: Iterable[str]) -> str:
    """Return names for a message, not too many of them."""
    names = list(names)
    more = f", ... and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
