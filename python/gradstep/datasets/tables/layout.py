"""How a table is written, where somebody says so."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gradstep.datasets.tables.cells import Frame
from gradstep.datasets.tables.header import read_names
from gradstep.datasets.tables.text import TextTable
from gradstep.utils.constraints import FLAG, NONE, Constraint, check, either, one_of

#: What may stand between two cells.
DELIMITER = Constraint(
    "one character, no quote and no line end",
    lambda value: isinstance(value, str) and len(value) == 1 and value not in '"\r\n',
    ("", ";;", '"', "\n", 3),
)
_DECIMAL = one_of(".", ",")


def _is_encoding(value: Any) -> bool:
    try:
        return isinstance(value, str) and isinstance("".encode(value), bytes) and bool(codecs.lookup(value))
    except (LookupError, ValueError, TypeError):
        return False


#: What a text may be written in.
ENCODING = Constraint(
    "an encoding that Python knows, as 'latin-1'", _is_encoding, ("latin-99", "zlib", 3, "")
)


@dataclass(frozen=True)
class Layout:
    """How a table is written, where somebody says so.

    Attributes
    ----------
    delimiter, decimal, encoding : str, or None
    header : bool, or None
    owner : str
        The loader whose parameters these are, for messages.
    """

    delimiter: str | None = None
    decimal: str = "."
    encoding: str | None = None
    header: bool | None = None
    owner: str = "load_csv"

    def check(self) -> None:
        """Raise InvalidParameterError where a part breaks its constraint."""
        check(self.owner, "delimiter", self.delimiter, [either(DELIMITER, NONE)])
        check(self.owner, "decimal", self.decimal, [_DECIMAL])
        check(self.owner, "encoding", self.encoding, [either(ENCODING, NONE)])
        check(self.owner, "header", self.header, [either(FLAG, NONE)])

    def open(self, file: Path, fewest: int = 2) -> Frame:
        """Return the frame of a file, with all of its columns, `fewest` or more, for inputs."""
        self.check()
        table = TextTable.of(file, self.encoding, self.delimiter)
        names, has_header = read_names(table, self.header, fewest)
        places = tuple(range(len(names)))
        return Frame(table, names, has_header, self.header is not None, places, None, self.decimal)
