"""From rows of text to numbers, block by block: a number where all cells of a column are, else its words.

A number may be missing, and True and False are 1 and 0. Whether a column is one of numbers shows at its last
cell; the few that turn out to be no such are read again, as texts.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gradstep.datasets.tables.text import TextTable
from gradstep.errors import InvalidDataError

#: How a missing number is written, in small letters.
GAPS = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "?", "-"})
#: A number with a decimal comma.
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")

_FLAGS = {"true": 1.0, "false": 0.0}

# float64 tells integers apart below this.
_LARGEST = 2**53
# As many cells as stay in a processor's second cache: columns of a larger block are read from memory.
_CELLS_OF_A_BLOCK = 2**12

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """Which cells of a table are read, and how.

    Attributes
    ----------
    table : TextTable
    names : tuple of str
        Of all columns.
    has_header : bool
    is_sure : bool
        Whether somebody said whether there is a header.
    places : tuple of int
        The columns that become inputs, in their order.
    target : int, or None
        Place of the column that is answered, if any.
    decimal : str
        What stands before the decimals of a number.
    """

    table: TextTable
    names: tuple[str, ...]
    has_header: bool
    is_sure: bool
    places: tuple[int, ...]
    target: int | None = None
    decimal: str = "."


@dataclass
class Reading:
    """Columns as they were read.

    Attributes
    ----------
    values : ndarray of shape (n, p)
        Numbers, NaN where one is missing; for texts the place of each among its words.
    words : dict of int to dict of str to int
        The different texts of every column of texts, by the column's place in the file.
    target : list of str
        The cells of the target, of length n where there is one.
    flags : set of int
        Places of columns where True or False stands for a number.
    padded : set of int
        Places of columns where a whole number is written with zeros before it.
    """

    values: Values
    words: dict[int, dict[str, int]]
    target: list[str] = field(default_factory=list)
    flags: set[int] = field(default_factory=set)
    padded: set[int] = field(default_factory=set)


def comma_hint(cell: str) -> str:
    """Return what helps where a cell would be a number with a decimal comma, else nothing."""
    return "; `decimal=,` takes commas for decimal ones" if DECIMAL_COMMA.fullmatch(cell.strip()) else ""


def where(row: int, frame: Frame) -> str:
    """Return how a message names a row, counted from 0."""
    return f"row {row + 1} of {frame.table.file}"


def number(cell: str, decimal: str = ".") -> float | None:
    """Return the number that a cell holds, NaN where it is missing, or None where it is a text."""
    cell = cell.strip()
    if cell.lower() in GAPS:
        return math.nan
    if decimal != ".":
        if "." in cell:
            return None
        cell = cell.replace(decimal, ".")
    try:
        value = float(cell)
    except ValueError:
        return None
    # float() takes 1_000, inf and 1e999, too.
    return value if math.isfinite(value) and "_" not in cell else None


def read(frame: Frame, text: Collection[int], is_closed: bool = False) -> Reading:
    """Read the columns of a frame.

    Parameters
    ----------
    frame : Frame
    text : collection of int
        Places of columns that are texts, even where these are numbers.
    is_closed : bool
        Whether all other columns must be numbers.

    Raises
    ------
    InvalidDataError
        Rows differ in length, there are none, a number has more digits than it can keep, or a column that
        must be one of numbers holds a text.
    """
    text = set(text)
    while True:
        reading, late = _pass(frame, text, is_closed)
        if not late:
            return reading
        text |= late


def _pass(frame: Frame, text: Collection[int], is_closed: bool) -> tuple[Reading, set[int]]:
    """Read all rows once; return also the columns that proved to be texts."""
    words: dict[int, dict[str, int]] = {place: {} for place in frame.places if place in text}
    target: list[str] = []
    flags: set[int] = set()
    padded: set[int] = set()
    late: set[int] = set()
    values = array("d")
    start = 0
    for block in _blocks(frame):
        columns = list(zip(*block, strict=True))
        part = np.empty((len(block), len(frame.places)))
        for i, place in enumerate(frame.places):
            if place in words:
                part[:, i] = _codes(columns[place], words[place])
                continue
            found = _numbers(columns[place], frame.decimal, flags, place)
            if found is None:
                late.add(place)
                if is_closed:
                    _refuse_text(columns[place], frame, place, start)
            elif _is_padded(columns[place]):
                padded.add(place)
            part[:, i] = math.nan if found is None else found
        _check_digits(part, columns, words, frame, start)
        values.frombytes(part.tobytes())
        if frame.target is not None:
            target.extend(cell.strip() for cell in columns[frame.target])
        if start == 0 and late:
            break  # what the first rows show need not wait for the last
        start += len(block)
    if not len(values):
        raise InvalidDataError(
            f"{frame.table.file} must have rows below its column names, but there are none"
        )
    rows = np.frombuffer(values, dtype=np.float64).reshape(-1, len(frame.places))
    return Reading(rows, words, target, flags, padded), late


def _blocks(frame: Frame) -> Iterator[list[list[str]]]:
    """Yield rows by the thousand, each as long as the header."""
    width = len(frame.names)
    size = min(max(1, _CELLS_OF_A_BLOCK // width), 4096)
    block: list[list[str]] = []
    rows = frame.table.rows()
    first = next(rows)[1] if frame.has_header else None
    for count, (_, cells) in enumerate(rows):
        if len(cells) != width:
            whose = "the header" if frame.has_header else "the first row"
            lacks = frame.has_header and count == 0 and len(cells) == width + 1
            raise InvalidDataError(
                f"{where(count, frame)} must have {width} cells as {whose} has, got {len(cells)}"
                + ("; R leaves out the name of the first column, which is to be added" if lacks else "")
            )
        if cells == first:
            raise InvalidDataError(f"{where(count, frame)} must be no header, but it repeats the first line")
        block.append(cells)
        if len(block) == size:
            yield block
            block = []
    if block:
        yield block


def _codes(cells: Sequence[str], words: dict[str, int]) -> list[int]:
    """Return the place of every cell among the words, which grow."""
    return [words.setdefault(cell.strip(), len(words)) for cell in cells]


def _numbers(cells: Sequence[str], decimal: str, flags: set[int], place: int) -> list[float] | None:
    """Return the numbers of a column's cells, or None where one is a text."""
    if decimal == ".":
        try:
            found = list(map(float, cells))
        except ValueError:
            found = []
        # One sum tells NaN and infinity; float() would take 1_000 for a number.
        if found and math.isfinite(sum(found)) and "_" not in "".join(cells):
            return found
    numbers = []
    for cell in cells:
        value = number(cell, decimal)
        if value is None:
            value = _FLAGS.get(cell.strip().lower())
            if value is None:
                return None
            flags.add(place)
        numbers.append(value)
    return numbers


def _is_padded(cells: Sequence[str]) -> bool:
    """Whether a cell of a column of whole numbers begins with a zero that says nothing."""
    return cells[0].strip().isdecimal() and any(cell[:1] == "0" and cell[1:].isdecimal() for cell in cells)


def _refuse_text(cells: Sequence[str], frame: Frame, place: int, start: int) -> None:
    for row, cell in enumerate(cells, start):
        if number(cell, frame.decimal) is None and cell.strip().lower() not in _FLAGS:
            raise InvalidDataError(
                f"{where(row, frame)} must have a finite number in column {frame.names[place]!r}, "
                f"got {cell!r}{comma_hint(cell)}"
            )


def _check_digits(
    part: Values,
    columns: Sequence[Sequence[str]],
    words: Mapping[int, object],
    frame: Frame,
    start: int,
) -> None:
    """Refuse integers that float64 would round: they are numbers of accounts, and would become others."""
    for row, i in np.argwhere(np.abs(part) >= _LARGEST).tolist():
        place = frame.places[i]
        cell = columns[place][row].strip()
        if place not in words and cell.lstrip("+-").isdecimal() and int(part[row, i]) != int(cell):
            name = frame.names[place]
            raise InvalidDataError(
                f"{where(start + row, frame)} has an integer of too many digits to be a number in column "
                f"{name!r}, got {cell!r}: `ignore={name}` leaves the column out, `categorical={name}` takes "
                "it for categories"
            )
