"""Figures of a training run: its curves, what its first layer looks at, and which rates suit it.

Nothing here touches pyplot or any other global state: every function returns a
`matplotlib.figure.Figure` of its own, to be shown or saved by the caller (``figure.savefig(path)``),
and works in any thread.
"""

from gradstep.plots.images import Pictures, class_images, weight_pictures
from gradstep.plots.rates import range_test
from gradstep.plots.runs import (
    DASHES,
    PANELS,
    PART_NAMES,
    LegendEntry,
    Panel,
    curves,
    draw_panel,
    histories,
    legend_entries,
    line_colours,
    panels,
    parts_of,
)
from gradstep.plots.style import GRID, INK, MUTED, PALETTE

__all__ = [
    "DASHES",
    "GRID",
    "INK",
    "MUTED",
    "PALETTE",
    "PANELS",
    "PART_NAMES",
    "LegendEntry",
    "Panel",
    "Pictures",
    "class_images",
    "curves",
    "draw_panel",
    "histories",
    "legend_entries",
    "line_colours",
    "panels",
    "parts_of",
    "range_test",
    "weight_pictures",
]
