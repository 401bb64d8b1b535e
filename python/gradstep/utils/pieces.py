"""Work on rows piece by piece, so that what is made of them on the way takes bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

#: What is made of the rows of a piece takes about so much.
BYTES = 1 << 25


def pieces(n: int, bytes_of_row: int, multiple: int = 1) -> Iterator[slice]:
    """Cut ``range(n)`` into pieces that depend on the arguments alone; all but the last are multiples.

    >>> list(pieces(10, BYTES // 4, 3))
    [slice(0, 3, None), slice(3, 6, None), slice(6, 9, None), slice(9, 10, None)]
    """
    rows = max(1, BYTES // max(bytes_of_row, 1) // multiple) * multiple
    for start in range(0, n, rows):
        yield slice(start, min(start + rows, n))
