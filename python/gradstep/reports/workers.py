"""Who trained a search, and when: a row and a time line for every worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradstep.reports.parts import Cell, Label, PageTable, TableRow, TimeLine
from gradstep.utils import text

if TYPE_CHECKING:
    from gradstep.search.workers import Workers

# Of a time line, in units of its own.
_WIDTH, _HEIGHT = 1000, 12

# Slices of a line that are drawn; more of them are narrower than a pixel.
_MOST_SLICES = 2000


def content(found: Workers) -> PageTable | None:
    """Return the table of the workers, None where a search had none."""
    if not found.slices:
        return None
    end = max(own.began + own.seconds for own in found.slices)
    body = []
    for row in found.rows():
        line = _time_line(found, str(row["worker"]), end)
        share = row["seconds"] / end if end > 0 else 0.0
        cells = [
            Cell(text.count(row["slices"])),
            Cell(text.count(row["models"])),
            Cell(text.duration(row["seconds"], gap=text.GAP)),
            Cell(f"{share:.0%}"),
            Cell("", line=line),
        ]
        body.append(TableRow(Label(str(row["worker"])), cells))
    heads = [Label(name) for name in ("slices", "models", "time", "busy", "when")]
    caption = (
        f"A slice is some epochs of models that train together; each line is {text.duration(end)} long, and "
        f"dark where its worker trained."
    )
    return PageTable("Workers", "Worker", heads, body, "wide", caption=caption)


def _time_line(found: Workers, worker: str, end: float) -> TimeLine:
    """Return when a worker trained, as a picture."""
    own = [one for one in found.slices if one.worker == worker][:_MOST_SLICES]
    unit = _WIDTH / end if end > 0 else 0.0
    bars = [(one.began * unit, max(one.seconds * unit, 0.5)) for one in own]
    return TimeLine(f"{len(own)} slices of {worker}", _WIDTH, _HEIGHT, bars)
