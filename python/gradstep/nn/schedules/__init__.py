"""Learning rate as a pure function of the update number.

A schedule is called with an update number (from 0), the number of updates per epoch and, for those
that stretch over the whole run, the number of updates of that run; it returns the rate of that
update. `evaluate` turns any schedule into the array that a plan holds. `ReduceOnPlateau` alone goes
further: what it gives here is scaled while training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidParameterError
from gradstep.nn.schedules import plateau, ramps, steps
from gradstep.nn.schedules.plateau import *  # noqa: F403 - each file says what it has
from gradstep.nn.schedules.protocol import Schedule
from gradstep.nn.schedules.ramps import *  # noqa: F403
from gradstep.nn.schedules.steps import *  # noqa: F403

__all__ = ["Schedule", "evaluate"]
__all__ += plateau.__all__
__all__ += ramps.__all__
__all__ += steps.__all__


def evaluate(
    learning_rate: float | Schedule | Callable[[int], float], updates: int, updates_per_epoch: int
) -> npt.NDArray[np.float64]:
    """Return the rates of updates 0 to ``updates - 1``.

    Parameters
    ----------
    learning_rate : float, schedule of this package, or callable of the update number
        What `Trainer` was given.
    updates : int
        How many rates: the updates of the whole run, handed to schedules of this package.
    updates_per_epoch : int
        Handed to them, too.

    Returns
    -------
    ndarray of shape (updates,), float64

    Raises
    ------
    InvalidParameterError
        A rate is not a finite number >= 0; the message names the update.

    Examples
    --------
    >>> evaluate(Linear(0.4, 0.0), updates=4, updates_per_epoch=2).tolist()
    [0.4, 0.30000000000000004, 0.2, 0.1]
    >>> evaluate(lambda t: 1 / (1 + t), updates=3, updates_per_epoch=2).tolist()
    [1.0, 0.5, 0.3333333333333333]
    """
    rate: Any = learning_rate
    if isinstance(learning_rate, Schedule):
        rate = [rate(t, updates_per_epoch, updates) for t in range(updates)]
    elif callable(learning_rate):
        rate = [rate(t) for t in range(updates)]
    try:
        rates = np.empty(updates)
        rates[:] = rate
    except (TypeError, ValueError) as error:
        raise InvalidParameterError(
            f"`learning_rate` of Trainer must give one number per update, got {learning_rate!r}"
        ) from error
    bad = np.flatnonzero(~(np.isfinite(rates) & (rates >= 0)))
    if bad.size:
        raise InvalidParameterError(
            f"`learning_rate` of Trainer must give finite rates >= 0, got {rates[bad[0]]} at update {bad[0]}"
        )
    return rates
