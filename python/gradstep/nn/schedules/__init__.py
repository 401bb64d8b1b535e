"""Learning rate as a pure function of the update number.

A schedule is called with an update number (from 0), the number of updates per epoch and, for those
that stretch over the whole run, the number of updates of that run; it returns the rate of that
update. `evaluate` turns any schedule into the array that a plan holds. `ReduceOnPlateau` alone goes
further: what it gives here is scaled while training.

A function of one's own is called with the update number, or with that of the epoch where its only
parameter is called `epoch`; `PerEpoch` makes any function one of the epoch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidParameterError
from gradstep.nn.schedules import plateau, ramps, steps
from gradstep.nn.schedules.plateau import *  # noqa: F403 - each file says what it has
from gradstep.nn.schedules.protocol import Schedule
from gradstep.nn.schedules.ramps import *  # noqa: F403
from gradstep.nn.schedules.steps import *  # noqa: F403
from gradstep.nn.schedules.steps import PerEpoch
from gradstep.utils.names import module_getattr
from gradstep.utils.text import given

__all__ = ["Schedule", "evaluate"]
__all__ += plateau.__all__
__all__ += ramps.__all__
__all__ += steps.__all__

# A rate that is so much smaller than the largest one changes nothing in float32, and little in float64.
_NOTHING = 1e-10


if not TYPE_CHECKING:  # who checks types shall know what is not there
    __getattr__ = module_getattr("gradstep.schedules", __all__)


def evaluate(
    learning_rate: float | Schedule | Callable[[int], float],
    updates: int,
    updates_per_epoch: int,
    owner: str = "Trainer",
) -> npt.NDArray[np.float64]:
    """Return the rates of updates 0 to ``updates - 1``.

    Parameters
    ----------
    learning_rate : float, schedule of this package, or callable
        What `Trainer` was given; a callable takes the number of the update, or that of the epoch where its
        only parameter is called `epoch`.
    updates : int
        How many rates: the updates of the whole run, handed to schedules of this package.
    updates_per_epoch : int
        Handed to them, too.
    owner : str, default="Trainer"
        Whose `learning_rate` it is, for messages.

    Returns
    -------
    ndarray of shape (updates,), float64

    Raises
    ------
    InvalidParameterError
        A callable does not take one number, or a rate is not a finite number >= 0; the message names the
        update. What a callable itself raises is raised as it is, with a note.

    Examples
    --------
    >>> evaluate(Linear(0.4, 0.0), updates=4, updates_per_epoch=2).tolist()
    [0.4, 0.30000000000000004, 0.2, 0.1]
    >>> evaluate(lambda t: 1 / (1 + t), updates=3, updates_per_epoch=2).tolist()
    [1.0, 0.5, 0.3333333333333333]
    >>> evaluate(lambda epoch: 1 / (1 + epoch), updates=4, updates_per_epoch=2).tolist()
    [1.0, 1.0, 0.5, 0.5]
    """
    rate: Any = learning_rate
    if callable(rate):
        rate = _called(_as_schedule(rate, owner), updates, updates_per_epoch, owner)
    return _as_array(rate, updates, f"`learning_rate` of {owner}", learning_rate)


def evaluate_on(
    learning_rate: float | Schedule | Callable[[int], float],
    first: int,
    count: int,
    updates_per_epoch: int,
    owner: str = "Trainer",
) -> npt.NDArray[np.float64]:
    """Return the rates of `count` updates from update `first` on, in a run that has no end.

    Raises
    ------
    InvalidParameterError
        As in `evaluate`; or a schedule stretches over the whole run.

    Examples
    --------
    >>> evaluate_on(StepDecay(1.0, factor=0.5, every=1), first=3, count=3, updates_per_epoch=2).tolist()
    [0.5, 0.25, 0.25]
    """
    rate: Any = learning_rate
    if callable(rate):
        schedule: Any = _as_schedule(rate, owner)
        rate = _called(
            lambda update, per_epoch, updates: schedule(first + update, per_epoch, None),
            count,
            updates_per_epoch,
            owner,
        )
    return _as_array(rate, count, f"`learning_rate` of {owner}", learning_rate)


def fades_after(rates: npt.NDArray[np.float64]) -> int | None:
    """Return after how many updates rates fall to nothing for good, in the first three quarters; or None.

    >>> fades_after(0.1**np.arange(100.0)), fades_after(np.ones(100))
    (11, None)
    """
    least = _NOTHING * rates.max(initial=0.0)
    if rates.size and rates[-1] > least:
        return None  # as nearly all do, in a search of thousands
    lasting = np.flatnonzero(rates > least)
    if not lasting.size:
        return None  # asked to learn nothing from the first update on
    count = int(lasting[-1]) + 1
    return count if 4 * count < 3 * len(rates) else None


def _as_schedule(rate: Callable[..., Any], owner: str) -> Callable[[int, int, int], Any]:
    """Return any callable as a schedule: of the update, or of the epoch where its parameter says so."""
    if isinstance(rate, Schedule):
        return rate
    try:
        signature = inspect.signature(rate)
    except (TypeError, ValueError):  # of a builtin, which has none
        return lambda update, updates_per_epoch, updates: rate(update)
    try:
        signature.bind(0)
    except TypeError as error:
        raise InvalidParameterError(
            f"`learning_rate` of {owner} must be a function of one number, the update, or the epoch where it "
            f"is called `epoch`, got {given(rate)} with the parameters {signature}: {error}"
        ) from None
    if next(iter(signature.parameters)) == "epoch":
        return PerEpoch(rate)
    return lambda update, updates_per_epoch, updates: rate(update)


def _called(
    schedule: Callable[[int, int, int], Any], updates: int, updates_per_epoch: int, owner: str
) -> list[Any]:
    """Return what a schedule gives for every update; what it raises passes through."""
    try:
        if isinstance(schedule, PerEpoch):
            of_epochs = [schedule.function(epoch) for epoch in range(-(-updates // updates_per_epoch))]
            return [of_epochs[update // updates_per_epoch] for update in range(updates)]
        return [schedule(update, updates_per_epoch, updates) for update in range(updates)]
    except Exception as error:
        error.add_note(f"Raised while `learning_rate` of {owner} was asked for its rates.")
        raise


def _as_array(rate: Any, updates: int, whose: str, learning_rate: Any) -> npt.NDArray[np.float64]:
    rates = np.empty(updates)
    try:
        if isinstance(rate, list) and any(isinstance(one, (str, bytes)) for one in rate):
            raise TypeError("NumPy would read text as numbers")
        rates[:] = rate
    except (ArithmeticError, TypeError, ValueError) as error:
        raise InvalidParameterError(
            f"{whose} must give one number per update, got {given(learning_rate)}"
        ) from error
    bad = np.flatnonzero(~(np.isfinite(rates) & (rates >= 0)))
    if bad.size:
        raise InvalidParameterError(
            f"{whose} must give finite rates >= 0, got {rates[bad[0]]} at update {bad[0]}"
        )
    return rates
