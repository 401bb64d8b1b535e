"""Figures of trainings: their curves and rates, first layers and answers, and of searches.

Nothing here touches pyplot or any other global state: every function returns a
`matplotlib.figure.Figure` of its own, to be shown or saved by the caller (``figure.savefig(path)``),
and works in any thread.
"""

from gradstep.plots.heat_maps import MOST_LEVELS, heat_map
from gradstep.plots.images import Pictures, class_images, weight_pictures
from gradstep.plots.parallel import parallel_coordinates
from gradstep.plots.parameters import over_parameter
from gradstep.plots.predictions import predictions
from gradstep.plots.probabilities import probability_histograms
from gradstep.plots.rates import learning_rate, range_test
from gradstep.plots.results import SPLIT_NAMES
from gradstep.plots.runs import (
    DASHES,
    LegendEntry,
    Panel,
    curves,
    draw_panel,
    histories,
    legend_entries,
    line_colours,
    metrics_of,
    panel_columns,
    panels,
    splits_of,
)
from gradstep.plots.style import GRID, INK, MUTED, PALETTE, PAPER
from gradstep.utils.names import module_getattr

__all__ = [
    "DASHES",
    "GRID",
    "INK",
    "MOST_LEVELS",
    "MUTED",
    "PALETTE",
    "PAPER",
    "SPLIT_NAMES",
    "LegendEntry",
    "Panel",
    "Pictures",
    "class_images",
    "curves",
    "draw_panel",
    "heat_map",
    "histories",
    "learning_rate",
    "legend_entries",
    "line_colours",
    "metrics_of",
    "over_parameter",
    "panel_columns",
    "panels",
    "parallel_coordinates",
    "predictions",
    "probability_histograms",
    "range_test",
    "splits_of",
    "weight_pictures",
]

__getattr__ = module_getattr("gradstep.plots", __all__)
