"""Rows that are read from a file as they are needed, which may be cut meanwhile."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidDataError


@dataclass(frozen=True)
class MappedRows:
    """Where in a file the rows of a memory map lie.

    Attributes
    ----------
    file : mmap.mmap
    name : str
        The file's, as far as is known.
    start, end : int
        Bytes of the file that the rows are.
    row_bytes : int
        From one row to the next.
    """

    file: mmap.mmap
    name: str
    start: int
    end: int
    row_bytes: int

    @classmethod
    def of(cls, X: npt.NDArray[Any]) -> MappedRows | None:
        """Return where rows (n, d) with adjacent elements lie, None where that is in memory."""
        name, offset = "its file", 0
        owner: Any = X
        while owner is not None and not isinstance(owner, mmap.mmap):
            if isinstance(owner, np.memmap):
                # The map itself begins where a page of the file does.
                name = str(owner.filename or name)
                offset = owner.offset - owner.offset % mmap.ALLOCATIONGRANULARITY
            owner = owner.obj if isinstance(owner, memoryview) else getattr(owner, "base", None)
        if owner is None or X.size == 0 or not _is_of_file(owner):
            return None
        map_start = np.frombuffer(owner, dtype=np.uint8, count=1).ctypes.data
        first = X.ctypes.data - map_start + offset
        last = first + (X.shape[0] - 1) * X.strides[0]
        end = max(first, last) + X.shape[1] * X.itemsize
        return cls(owner, name, min(first, last), end, max(abs(X.strides[0]), 1))

    def require_whole(self) -> None:
        """Raise unless the file is still as long as its rows need.

        Raises
        ------
        InvalidDataError
            It is not: to read what is missing would end the process.
        """
        size = self.file.size()
        if size < self.end:
            row = max(size - self.start, 0) // self.row_bytes
            raise InvalidDataError(
                f"X must stay whole while it is read: its row {row} ends beyond the end of {self.name}, "
                f"which has {size} bytes left of {self.end} or more"
            )


def _is_of_file(mapped: mmap.mmap) -> bool:
    """Return whether a map has a file, whose length it can tell."""
    try:
        mapped.size()
    except OSError:
        return False
    return True
