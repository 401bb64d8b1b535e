"""Who trained a search, and when: a row and a time line for every worker."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from gradstep.reports import tables
from gradstep.utils import text

if TYPE_CHECKING:
    from gradstep.search.workers import Workers

# Of a time line, in units of its own.
_WIDTH, _HEIGHT = 1000, 12

# Slices of a line that are drawn; more of them are narrower than a pixel.
_MOST_SLICES = 2000


def content(found: Workers) -> str:
    """Return the table of the workers, "" where a search had none."""
    if not found.slices:
        return ""
    end = max(own.began + own.seconds for own in found.slices)
    body = []
    for row in found.rows():
        line = _time_line(found, str(row["worker"]), end)
        share = row["seconds"] / end if end > 0 else 0.0
        cells = [
            f"<td>{text.count(row['slices'])}</td>",
            f"<td>{text.count(row['models'])}</td>",
            f"<td>{text.duration(row['seconds'], gap=text.GAP)}</td>",
            f"<td>{share:.0%}</td>",
            f"<td>{line}</td>",
        ]
        body.append(tables.row(escape(str(row["worker"])), cells))
    heads = "".join(map(tables.head_cell, ("slices", "models", "time", "busy", "when")))
    head = f'<tr><th class="name" scope="col">Worker</th>{heads}</tr>'
    caption = (
        f"A slice is some epochs of models that train together; each line is {text.duration(end)} long, and "
        f"dark where its worker trained."
    )
    return f'{tables.table("Workers", head, body, "wide")}<p class="caption">{escape(caption)}</p>'


def _time_line(found: Workers, worker: str, end: float) -> str:
    """Return when a worker trained, as a picture."""
    own = [one for one in found.slices if one.worker == worker][:_MOST_SLICES]
    unit = _WIDTH / end if end > 0 else 0.0
    bars = "".join(
        f'<rect x="{one.began * unit:.1f}" width="{max(one.seconds * unit, 0.5):.1f}" height="{_HEIGHT}"/>'
        for one in own
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="240" height="{_HEIGHT}" preserveAspectRatio="none" '
        f'role="img" aria-label="{len(own)} slices of {escape(worker, quote=True)}">'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="currentColor" opacity="0.12"/>'
        f'<g fill="currentColor" opacity="0.7">{bars}</g></svg>'
    )
