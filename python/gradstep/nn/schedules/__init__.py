"""Learning rate as a pure function of the update number.

A schedule is called with an update number (from 0), the number of updates per epoch and, for those
that stretch over the whole run, the number of updates of that run; it returns the rate of that
update. `evaluate` turns any schedule into the array that a plan holds. `ReduceOnPlateau` alone goes
further: what it gives here is scaled while training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import CorruptFileError, InvalidParameterError
from gradstep.nn.schedules.plateau import ReduceOnPlateau
from gradstep.nn.schedules.protocol import Schedule
from gradstep.nn.schedules.ramps import Cosine, CyclicTriangular, Geometric, Linear, OneCycle
from gradstep.nn.schedules.steps import Constant, Piecewise, Recorded, StepDecay

__all__ = [
    "Constant",
    "Cosine",
    "CyclicTriangular",
    "Geometric",
    "Linear",
    "OneCycle",
    "Piecewise",
    "Recorded",
    "ReduceOnPlateau",
    "Schedule",
    "StepDecay",
    "evaluate",
    "from_dict",
    "to_dict",
]

#: Schedules that a few numbers describe: a model file holds those, and no array of rates.
PLAIN = (
    Constant,
    StepDecay,
    CyclicTriangular,
    Linear,
    Geometric,
    Cosine,
    OneCycle,
    Piecewise,
    ReduceOnPlateau,
)
_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (*PLAIN, Recorded)}


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
    knows_epochs = isinstance(learning_rate, tuple(_KINDS.values()))
    if knows_epochs:
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


def to_dict(schedule: Schedule) -> dict[str, Any]:
    """Return a schedule of this package as plain data, for a model file."""
    values: dict[str, Any] = asdict(schedule)  # type: ignore[call-overload]
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()}
    return {"schedule": type(schedule).__name__, **plain}


def from_dict(data: dict[str, Any]) -> Schedule:
    """Return the schedule that `to_dict` described; unknown names are an error, nothing is run."""
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    name = fields.pop("schedule", None)
    if name not in _KINDS:
        raise CorruptFileError(f"a schedule must be one of {', '.join(_KINDS)}, got {name!r}")
    try:
        schedule: Schedule = _KINDS[name](**fields)
    except InvalidParameterError as error:
        raise CorruptFileError(str(error)) from error
    except TypeError as error:
        raise CorruptFileError(f"schedule {name} cannot have the fields {sorted(fields)}") from error
    return schedule
