"""What the columns of a table are: numbers, categories, or nothing that a model could learn from.

Where a column may be two things, an error asks and names the parameter that answers.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.datasets.schema import Cells
from gradstep.datasets.tables.cells import DECIMAL_COMMA, GAPS, Frame, Reading, number, where
from gradstep.datasets.tables.header import listed
from gradstep.errors import InvalidDataError

# More texts than this are no categories, nor are so many that most rows have their own.
_MOST_CATEGORIES = 1000
_FEW_CATEGORIES = 20

_DAY = r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})"
_TIME = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?( ?Z| ?[+-]\d{2}:?\d{2})?"
_DATE = re.compile(rf"({_DAY})([T ]{_TIME})?|{_TIME}")
# A number with more signs than it needs, as 12 %, $5, 1 200 or 1,234.50.
_DRESSED = re.compile(r"[^\w\s]{0,2}\s?\d[\d.,'\s]*\s?[%€$£¥°]?")

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Counted:
    """The different texts of a column and how often each is there.

    Attributes
    ----------
    texts : list of str
    counts : ndarray of int
    first : ndarray of int
        The first row of each.
    """

    texts: Sequence[str]
    counts: Array
    first: Array

    @classmethod
    def of(cls, codes: Array, words: Sequence[str]) -> Counted:
        """Count the codes of a column (n,)."""
        found, first, counts = np.unique(codes.astype(np.int64), return_index=True, return_counts=True)
        return cls([words[code] for code in found.tolist()], counts, first)

    def those(self, chosen: Sequence[bool]) -> Counted:
        """Return some of the texts."""
        keep = np.flatnonzero(chosen)
        return Counted([self.texts[i] for i in keep.tolist()], self.counts[keep], self.first[keep])

    def share(self, pattern: re.Pattern[str]) -> float:
        """Return the share of cells whose text is as the pattern says."""
        fits = np.array([bool(pattern.fullmatch(text)) for text in self.texts])
        return float(self.counts[fits].sum() / max(1, self.counts.sum()))

    @property
    def example(self) -> str:
        """The text that is there first."""
        place = int(np.argmin(self.first))
        return self.texts[place]


def check_texts(reading: Reading, frame: Frame, categorical: Collection[int]) -> None:
    """Refuse columns of texts that are no categories.

    Raises
    ------
    InvalidDataError
        A column holds texts among numbers, dates, numbers that are written in another way, more different
        texts than categories have, or what its name is, as a row that was taken for names would.
    """
    for i, place in enumerate(frame.places):
        words, name = reading.words.get(place), frame.names[place]
        if words is None or place in categorical or not name:
            continue
        counted = Counted.of(reading.values[:, i], list(words))
        if name in words and not frame.is_sure:
            raise InvalidDataError(
                f"the first line of {frame.table.file} may be a row: {name!r} is also in a row below it; "
                "`header=False` takes it for one, `header=True` for names"
            )
        problem = _commas(counted, frame, name) or _mixed(counted, frame, name) or _no_category(counted, name)
        if problem:
            raise InvalidDataError(
                f"{problem}; `ignore={name}` leaves the column out, `categorical={name}` takes it for "
                "categories"
            )


def _commas(counted: Counted, frame: Frame, name: str) -> str | None:
    """Say where what is no number would be one with decimal commas."""
    others = counted.those([number(text, frame.decimal) is None for text in counted.texts])
    if not others.texts or others.share(DECIMAL_COMMA) <= 0.5:
        return None
    return (
        f"column {name!r} holds numbers with commas, as {others.example!r}: `decimal=,` takes these for "
        "decimal ones; those between thousands must be taken away"
    )


def _mixed(counted: Counted, frame: Frame, name: str) -> str | None:
    """Say what is no number in a column where most cells are."""
    numbers = [number(text, frame.decimal) for text in counted.texts]
    is_text = [value is None for value in numbers]
    is_number = [
        value is not None and text.lower() not in GAPS
        for text, value in zip(counted.texts, numbers, strict=True)
    ]
    others = counted.those(is_text)
    n_numbers = int(counted.those(is_number).counts.sum())
    almost = [text for text in others.texts if _is_float(text)]
    if not almost and n_numbers < max(1, others.counts.sum()):
        return None
    word = almost[0] if almost else others.example
    row = int(counted.first[counted.texts.index(word)])
    return f"{where(row, frame)} must have a finite number in column {name!r}, got {word!r}"


def _no_category(counted: Counted, name: str) -> str | None:
    """Say why texts are no categories."""
    present = counted.those([text.lower() not in GAPS for text in counted.texts])
    if not present.texts:
        return None
    example = f"as {present.example!r}"
    if present.share(_DATE) > 0.5:
        return f"column {name!r} must hold numbers or categories, got dates or times, {example}"
    if present.share(_DRESSED) > 0.5:
        return f"column {name!r} holds numbers with other signs, {example}, which must be taken away"
    most = max(_FEW_CATEGORIES, int(present.counts.sum()) // 2)
    if len(present.texts) > min(most, _MOST_CATEGORIES):
        return (
            f"column {name!r} has {len(present.texts)} different texts in {int(present.counts.sum())} rows, "
            f"too many for categories, {example}"
        )
    return None


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def useful(reading: Reading, frame: Frame) -> tuple[Cells, list[str]]:
    """Return the columns that can be learned from, and notes on the others."""
    keep, notes = [], []
    for i, place in enumerate(frame.places):
        name, column = frame.names[place], reading.values[:, i]
        if _is_empty(column, reading.words.get(place)):
            notes.append(f"left out, as all of its cells are empty: column {name or place + 1}")
        elif name:
            keep.append(i)
        elif place not in reading.words and _is_counter(column):
            notes.append(f"left out: column {place + 1}, which has no name and numbers the rows")
        else:
            raise InvalidDataError(
                f"column {place + 1} of {frame.table.file} must have a name in the first line; "
                f"`ignore={place}` leaves it out"
            )
    if not keep:
        raise InvalidDataError(f"{frame.table.file} must have a column beside the target, but there is none")
    names = {frame.places[i]: frame.names[frame.places[i]] for i in keep}
    words = {names[place]: list(texts) for place, texts in reading.words.items() if place in names}
    whole = len(keep) == len(frame.places)
    values = reading.values if whole else np.ascontiguousarray(reading.values[:, keep])
    return Cells(tuple(names.values()), values, words), notes


def _is_empty(column: Array, words: Collection[str] | None) -> bool:
    return bool(np.isnan(column).all()) if words is None else set(words) <= {""}


def _is_counter(column: Array) -> bool:
    """Whether a column has a different whole number in every row."""
    head = column[:1000]
    for part in (head, column):
        # Beyond 2**53 there are no other numbers than whole ones.
        whole = bool((np.abs(part) < 2.0**53).all() and (part == np.floor(part)).all())
        if not whole or len(np.unique(part)) < len(part):
            return False
    return True


def describe(cells: Cells, reading: Reading, frame: Frame) -> list[str]:
    """Return notes on what was taken for categories, for 1 and 0, for numbers, and for numbers of rows."""
    notes = []
    flags, padded = ([frame.names[p] for p in sorted(places)] for places in (reading.flags, reading.padded))
    if cells.words:
        counts = [f"{name} ({len(cells.words[name])})" for name in cells.names if name in cells.words]
        notes.append(f"categories, an input for each: {listed(counts)}")
    if flags:
        notes.append(f"True and False are 1 and 0: {listed(flags)}")
    if padded:
        notes.append(
            f"zeros before a number are nothing: {listed(padded)}; `categorical={padded[0]}` is for codes"
        )
    ids = [
        name
        for name, column in zip(cells.names, cells.values.T, strict=True)
        if name not in cells.words and len(column) > _FEW_CATEGORIES and _is_counter(column)
    ]
    if ids:
        notes.append(
            f"a different whole number in every row: {listed(ids)}; `ignore={ids[0]}` leaves out what only "
            "numbers the rows"
        )
    return notes
