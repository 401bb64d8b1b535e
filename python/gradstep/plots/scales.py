"""Where the values of a parameter are along an axis."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import LogLocator

from gradstep.plots.results import Levels

Array = npt.NDArray[np.float64]

# Values that span more than this factor are drawn on a logarithmic axis; zero then stands half a decade
# below the smallest, or more where that would be less than this share of the axis.
_LOG_FROM, _ZERO_DECADES, _ZERO_SHARE = 10.0, 0.5, 0.12


class Scale(NamedTuple):
    """Where along the axis every level is, and whether the axis is logarithmic."""

    places: Array
    log: bool
    has_zero: bool


def scale_of(levels: Levels) -> Scale:
    """Return where the levels of a column are: numbers at their values, all others evenly spaced."""
    values = levels.numbers
    if values is None:
        return Scale(np.arange(len(levels.names), dtype=np.float64), False, False)
    positive = values[values > 0]
    if np.isnan(values).any() or (values < 0).any() or positive.size < 2:
        return Scale(values, False, False)
    span = positive[-1] / positive[0]
    if not _LOG_FROM < span < np.inf:
        return Scale(values, False, False)
    decades = max(_ZERO_DECADES, _ZERO_SHARE * np.log10(span))
    places = np.where(values > 0, values, positive[0] / 10**decades)
    return Scale(places, True, positive.size < values.size)


def log_ticks(low: float, high: float) -> list[float]:
    """Return powers of ten between two numbers, or where those are few, 1, 2 and 5 times these."""
    for subs in ((1.0,), (1.0, 2.0, 5.0)):
        values = LogLocator(subs=subs, numticks=9).tick_values(low, high)
        ticks = [float(tick) for tick in values if low <= tick <= high]
        if len(ticks) >= 3:
            break
    return ticks
