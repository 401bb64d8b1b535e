"""Figures of trainings: their curves and rates, first layers and answers, and of searches.

Nothing here touches pyplot or any other global state: every function returns a
`matplotlib.figure.Figure` of its own and works in any thread. A notebook shows it where it is the last
value of a cell; ``figure.show()`` shows it anywhere, and ``figure.savefig(path)`` writes it to a file.
"""

from typing import TYPE_CHECKING

from gradstep.plots.confusion import confusion_matrix
from gradstep.plots.heat_maps import heat_map
from gradstep.plots.images import class_images
from gradstep.plots.parallel import parallel_coordinates
from gradstep.plots.parameters import over_parameter
from gradstep.plots.predictions import predictions
from gradstep.plots.probabilities import probability_histograms
from gradstep.plots.rates import learning_rate, range_test
from gradstep.plots.runs import curves
from gradstep.utils.names import module_getattr

__all__ = [
    "class_images",
    "confusion_matrix",
    "curves",
    "heat_map",
    "learning_rate",
    "over_parameter",
    "parallel_coordinates",
    "predictions",
    "probability_histograms",
    "range_test",
]

if not TYPE_CHECKING:  # who checks types shall know what is not there
    __getattr__ = module_getattr("gradstep.plots", __all__)


def __dir__() -> list[str]:
    return __all__
