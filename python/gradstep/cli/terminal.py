"""What the terminal shows when all is over: tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def make_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, fold: bool = False) -> Table:
    """Return a calm table: names in the first column to the left, numbers to the right.

    Where it is wider than the terminal, lines are cut, or with `fold` wrapped within their cells.
    """
    from rich import box
    from rich.table import Table

    from gradstep.utils.text import printable

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", show_edge=False, pad_edge=False)
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place else "left", no_wrap=not fold)
    for row in rows:
        table.add_row(*map(printable, row))
    return table
