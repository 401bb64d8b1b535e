"""Text files as tools write them: packed or not, in any encoding, with any mark between two cells."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import lzma
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from gradstep.errors import CorruptFileError, InvalidDataError

#: How a packed file is opened, by the end of its name.
PACKED: dict[str, Callable[..., IO[Any]]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}

#: Ends of the names of tables, without that of packing, and what stands between two cells of each; None is
#: to be found out.
SUFFIXES: dict[str, str | None] = {
    ".csv": None,
    ".txt": None,
    ".dat": None,
    ".data": None,
    ".tsv": "\t",
    ".tab": "\t",
}

# A blank is one where nothing else is.
_DELIMITERS, _BLANK = (",", ";", "\t", "|"), " "
_SEPARATOR = re.compile(r'"?sep=(.)"?')
# What a file may begin with, and the encoding that it tells.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Lines are as long as memory allows, as long as these are some; a packed file may hold so many characters,
# or so many times its size.
_LONGEST_LINE = 2**27
_MOST_CHARACTERS, _MOST_TIMES = 2**30, 100
# The first rows tell the delimiter: so many, or as many as this many characters hold.
_SAMPLE_ROWS, _SAMPLE_CHARACTERS = 30, 1_000_000


@dataclass(frozen=True)
class TextTable:
    """A text file with rows of cells.

    Attributes
    ----------
    file : Path
    encoding : str
    delimiter : str
    guessed : bool
        Whether the delimiter is other than the name of the file says, and nobody gave it.
    skipped : int
        Lines before the table, which tell a spreadsheet the delimiter.
    """

    file: Path
    encoding: str
    delimiter: str
    guessed: bool = False
    skipped: int = 0

    @classmethod
    def of(cls, file: Path, encoding: str | None, delimiter: str | None) -> TextTable:
        """Return a file as it is to be read; what is None is found out.

        Raises
        ------
        CorruptFileError
            It cannot be unpacked, or is no text in this encoding.
        """
        with _plain_errors(file), _open(file, "rb") as stream:
            start = stream.read(4)
        told = next((name for mark, name in _MARKS if start.startswith(mark)), None)
        if encoding is None or (told == "utf-8-sig" and codecs.lookup(encoding).name == "utf-8"):
            encoding = told or "utf-8"
        sample = _sample(file, encoding)
        if sample and (said := _SEPARATOR.fullmatch(sample[0].strip("\r\n"))):
            return cls(file, encoding, delimiter or said[1], skipped=1)
        if delimiter is not None:
            return cls(file, encoding, delimiter)
        usual = SUFFIXES.get(suffix(file)) or ","
        if usual != ",":
            return cls(file, encoding, usual)
        found = _delimiter(sample, file)
        return cls(file, encoding, found, guessed=found != usual)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the number of the line where a row ends, and its cells; rows without any are left out.

        Raises
        ------
        CorruptFileError
            The file cannot be unpacked, or is no text in its encoding.
        InvalidDataError
            Quotes that do not end, or a cell of more than 131,072 characters.
        """
        with _plain_errors(self.file, self.encoding), _open(self.file, "rt", self.encoding) as stream:
            reader = csv.reader(
                self._lines(stream), delimiter=self.delimiter, strict=True, skipinitialspace=True
            )
            try:
                for cells in islice(reader, self.skipped, None):
                    if any(cells) and any(map(str.strip, cells)):
                        yield reader.line_num, cells
            except csv.Error as error:
                raise InvalidDataError(
                    f"{self.file} is no table at line {reader.line_num}: {error}"
                ) from error

    def _lines(self, stream: IO[str]) -> Iterator[str]:
        """Yield lines, and refuse what a small packed file can be made to unpack to."""
        packed = self.file.suffix.lower() in PACKED
        left = max(_MOST_CHARACTERS, _MOST_TIMES * self.file.stat().st_size) if packed else math.inf
        while line := stream.readline(_LONGEST_LINE):
            left -= len(line)
            if len(line) == _LONGEST_LINE:
                raise InvalidDataError(
                    f"{self.file} is no table: it has a line of more than {_LONGEST_LINE} characters"
                )
            if left < 0:
                raise InvalidDataError(
                    f"{self.file} holds more than {_MOST_TIMES} times what it takes up: unpacked by hand it "
                    "is read"
                )
            yield line


def suffix(file: Path) -> str:
    """Return the end of a name that says what a file is, in small letters; that of packing does not."""
    packed = file.suffix.lower() in PACKED
    return Path(file.stem if packed else file.name).suffix.lower()


def _open(file: Path, mode: str, encoding: str | None = None) -> IO[Any]:
    text = {"encoding": encoding, "newline": ""} if encoding else {}
    opened = PACKED.get(file.suffix.lower(), open)
    stream: IO[Any] = opened(file, mode, **text)
    return stream


@contextmanager
def _plain_errors(file: Path, encoding: str = "utf-8") -> Iterator[None]:
    """Turn what unpacking and decoding raise into CorruptFileError."""
    try:
        yield
    except UnicodeError as error:
        name = "UTF-8" if encoding.startswith("utf-8") else encoding
        raise CorruptFileError(
            f"{file} must be {name} text: {error}; `encoding` names another, as `encoding=latin-1`"
        ) from error
    except (gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError) as error:
        raise CorruptFileError(f"{file} cannot be unpacked: {error}") from error
    except OSError as error:
        if error.errno is None:  # how bz2 says that the data is damaged
            raise CorruptFileError(f"{file} cannot be unpacked: {error}") from error
        raise


def _sample(file: Path, encoding: str) -> list[str]:
    """Return the first lines of a file, as far as they tell the delimiter."""
    lines: list[str] = []
    size = 0
    with _plain_errors(file, encoding), _open(file, "rt", encoding) as stream:
        for line in stream:
            if line.strip():
                lines.append(line)
                size += len(line)
            if len(lines) == _SAMPLE_ROWS or (size > _SAMPLE_CHARACTERS and len(lines) > 1):
                break
    if any("\0" in line for line in lines):
        raise CorruptFileError(
            f"{file} must be text, but it has zero bytes; `encoding` names another, as `encoding=utf-16`"
        )
    return lines


def _delimiter(lines: list[str], file: Path) -> str:
    """Return what stands between two cells: what makes two columns or more, of all rows alike."""
    found = {delimiter: _widths(lines, delimiter) for delimiter in _DELIMITERS}
    even = [delimiter for delimiter, widths in found.items() if len(widths) == 1 and min(widths) > 1]
    if len(even) > 1:
        ways = " or ".join(f"`delimiter={delimiter!r}`" for delimiter in even)
        raise InvalidDataError(f"the rows of {file} can be split in two ways: {ways} says how")
    if even:
        return even[0]
    blank = _widths(lines, _BLANK)
    if len(blank) == 1 and min(blank) > 1 and all(max(widths, default=1) == 1 for widths in found.values()):
        return _BLANK
    # No mark fits all rows: the one that is in the most of them, so that a message shows where it does not.
    shares = {
        delimiter: sum(n for width, n in widths.items() if width > 1) for delimiter, widths in found.items()
    }
    return max(_DELIMITERS, key=lambda delimiter: shares[delimiter])


def _widths(lines: list[str], delimiter: str) -> Counter[int]:
    """Return how many of the first rows have how many cells."""
    try:
        reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
        return Counter(len(cells) for cells in reader if any(cells))
    except csv.Error:
        return Counter()
