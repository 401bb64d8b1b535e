"""Rates that stay, and rates that jump."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from gradstep.errors import InvalidParameterError
from gradstep.nn.schedules.protocol import Schedule, require
from gradstep.utils.constraints import (
    NUMBER,
    WHOLE,
    Constraint,
    above,
    at_least,
    at_most,
    sequence_of,
)

__all__ = ["Constant", "PerEpoch", "Piecewise", "Recorded", "StepDecay"]


@dataclass(frozen=True)
class Constant(Schedule):
    """``rate(t) = value``.

    >>> Constant(0.1)(7, 100)
    0.1
    """

    value: float
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {"value": (NUMBER, at_least(0))}

    def __call__(self, update: int, updates_per_epoch: int, updates: int | None = None) -> float:
        """Return `value`."""
        return self.value


@dataclass(frozen=True)
class StepDecay(Schedule):
    """``rate(t) = start * factor ** floor(epoch(t) / every)``, `every` in epochs.

    >>> decay = StepDecay(0.05, factor=0.1, every=10)
    >>> [round(decay(epoch * 100, updates_per_epoch=100), 6) for epoch in (0, 9, 10, 20)]
    [0.05, 0.05, 0.005, 0.0005]
    """

    name = "step"
    start: float
    factor: float = 0.1
    every: int = 10
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {
        "start": (NUMBER, above(0)),
        "factor": (NUMBER, above(0), at_most(1)),
        "every": (WHOLE, at_least(1)),
    }

    def __call__(self, update: int, updates_per_epoch: int, updates: int | None = None) -> float:
        """Return the rate of the step that `update` falls in."""
        steps = update // updates_per_epoch // self.every
        return float(float(self.start) * float(self.factor) ** steps)


@dataclass(frozen=True)
class Piecewise(Schedule):
    """``rate(t) = rates[i]`` where i of the `boundaries`, in epochs, are ``<= t / updates_per_epoch``.

    >>> piecewise = Piecewise(boundaries=(10, 20), rates=(0.1, 0.01, 0.001))
    >>> [piecewise(epoch * 100, updates_per_epoch=100) for epoch in (0, 10, 19, 20)]
    [0.1, 0.01, 0.01, 0.001]
    """

    boundaries: tuple[float, ...]
    rates: tuple[float, ...]
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {
        "boundaries": (sequence_of(NUMBER, above(0)),),
        "rates": (sequence_of(NUMBER, at_least(0)),),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("boundaries", "rates"):
            object.__setattr__(self, name, tuple(float(value) for value in getattr(self, name)))
        rising = all(before < after for before, after in pairwise(self.boundaries))
        require(rising, "`boundaries` of Piecewise must rise", self.boundaries)
        counts = (len(self.rates), len(self.boundaries))
        if counts[0] != counts[1] + 1:
            raise InvalidParameterError(
                f"`rates` of Piecewise must be one more than its boundaries, got {counts[0]} for {counts[1]}"
            )

    def __call__(self, update: int, updates_per_epoch: int, updates: int | None = None) -> float:
        """Return the rate of the piece that `update` falls in."""
        return self.rates[bisect_right(self.boundaries, update / updates_per_epoch)]


@dataclass(frozen=True)
class PerEpoch(Schedule):
    """``rate(t) = function(floor(t / updates_per_epoch))``: a function of the epoch, counted from 0.

    A function whose only parameter is called `epoch` is taken for one without this.

    Parameters
    ----------
    function : callable
        Takes the number of the epoch and returns a rate >= 0; pure, as it is called once for every epoch.

    Examples
    --------
    >>> rate = PerEpoch(lambda e: 0.1 / (1 + e))
    >>> [rate(t, updates_per_epoch=100) for t in (0, 99, 100, 300)]
    [0.1, 0.1, 0.05, 0.025]
    """

    function: Callable[[int], float]
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {
        "function": (
            Constraint(
                "a function of the epoch",
                lambda value: callable(value) and not isinstance(value, (type, Schedule)),
                (0, "f", None, dict),
                hint=lambda value: (
                    "a schedule is given as it is, learning_rate=..." if isinstance(value, Schedule) else ""
                ),
            ),
        )
    }

    def __call__(self, update: int, updates_per_epoch: int, updates: int | None = None) -> float:
        """Return the rate of the epoch that `update` falls in."""
        return self.function(update // updates_per_epoch)


def _are_rates(value: object) -> bool:
    # One array and not one question a rate: there may be millions.
    if not isinstance(value, (tuple, list)):
        return False
    try:
        rates = np.asarray(value, dtype=np.float64)
    except (OverflowError, TypeError, ValueError):
        return False
    return rates.ndim == 1 and bool((np.isfinite(rates) & (rates >= 0)).all())


RATES = Constraint(
    "a tuple or list of finite rates >= 0", _are_rates, ((-1.0,), ("fast",), (np.nan,), (10**400,), 0.1, None)
)


@dataclass(frozen=True)
class Recorded(Schedule):
    """``rate(t) = rates[t]``; how a model file keeps a schedule that was a function.

    >>> Recorded((0.3, 0.2))(1, 100)
    0.2
    """

    rates: Sequence[float]
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {"rates": (RATES,)}

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "rates", tuple(self.rates))

    def __call__(self, update: int, updates_per_epoch: int, updates: int | None = None) -> float:
        """Return the rate recorded for `update`."""
        require(update < len(self.rates), f"Recorded holds {len(self.rates)} updates", update)
        return self.rates[update]
