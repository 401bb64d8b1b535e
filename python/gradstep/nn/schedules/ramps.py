"""Rates that change with every update."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from gradstep.nn.schedules.protocol import Schedule, between, length, require
from gradstep.utils.constraints import (
    NONE,
    NUMBER,
    WHOLE,
    Constraint,
    above,
    at_least,
    at_most,
    below,
    either,
)

__all__ = ["Cosine", "CyclicTriangular", "Geometric", "Linear", "OneCycle"]

_RATE = (NUMBER, at_least(0))
_EPOCHS = (either(WHOLE, NONE), at_least(1))
_SHARE = (NUMBER, above(0), at_most(1))


@dataclass(frozen=True)
class Linear(Schedule):
    """A straight line from `start` to `end` over T updates: `epochs`, or the whole run if None.

    ``rate(t) = start + (end - start) * min(t / T, 1)``; so `end` from update T on, the first one
    after a whole run.

    >>> linear = Linear(1.0, 0.0)
    >>> [linear(t, 2, updates=4) for t in range(5)]
    [1.0, 0.75, 0.5, 0.25, 0.0]
    >>> [Linear(1.0, 0.0, epochs=1)(t, 2, updates=4) for t in range(5)]
    [1.0, 0.5, 0.0, 0.0, 0.0]
    """

    start: float
    end: float
    epochs: int | None = None
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {
        "start": _RATE,
        "end": _RATE,
        "epochs": _EPOCHS,
    }

    def __call__(self, update: int, updates_per_epoch: int, updates: int | None = None) -> float:
        """Return the rate at `update`."""
        share = update / length("Linear", self.epochs, updates_per_epoch, updates)
        return between(self.start, self.end, share)


@dataclass(frozen=True)
class Geometric(Schedule):
    """By the same factor in every update, from `start` to `end` over T: `epochs`, or the whole run if None.

    ``rate(t) = start * (end / start) ** min(t / T, 1)``; so `end` from update T on, the first one
    after a whole run.

    >>> geometric = Geometric(1.0, 0.0001)
    >>> [float(f"{geometric(t, 2, updates=4):.6g}") for t in range(5)]
    [1.0, 0.1, 0.01, 0.001, 0.0001]
    """

    start: float
    end: float
    epochs: int | None = None
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {
        "start": (NUMBER, above(0)),
        "end": (NUMBER, above(0)),
        "epochs": _EPOCHS,
    }

    def __call__(self, update: int, updates_per_epoch: int, updates: int | None = None) -> float:
        """Return the rate at `update`."""
        share = min(update / length("Geometric", self.epochs, updates_per_epoch, updates), 1.0)
        # A power of each, for their quotient may overflow.
        rate: float = float(self.start) ** (1 - share) * float(self.end) ** share
        return rate


@dataclass(frozen=True)
class CyclicTriangular(Schedule):
    """From `low` up to `high` in `step_size` updates, back down in as many, and again.

    ``rate(t) = low + (high - low) * (1 - |t / step_size - 2 * c + 1|)`` with the cycle
    ``c = floor(1 + t / (2 * step_size))``; so `low` at update 0, `high` at ``step_size``.

    References
    ----------
    L. N. Smith, "Cyclical learning rates for training neural networks", arXiv 1506.01186 (2015).

    >>> cyclic = CyclicTriangular(0.0, 1.0, step_size=4)
    >>> [cyclic(t, 100) for t in (0, 2, 4, 6, 8)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    name = "cyclic"
    low: float
    high: float
    step_size: int
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {
        "low": _RATE,
        "high": _RATE,
        "step_size": (WHOLE, at_least(1)),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.high >= self.low, "`high` of CyclicTriangular must be >= low", (self.low, self.high))

    def __call__(self, update: int, updates_per_epoch: int, updates: int | None = None) -> float:
        """Return the rate at `update`."""
        place = update % (2 * self.step_size)
        distance = abs(place - self.step_size) / self.step_size
        low, high = float(self.low), float(self.high)
        return low + (high - low) * (1 - distance)

    def cycle_ends(self, updates_per_epoch: int, updates: int) -> list[int]:
        """Return after how many updates each whole cycle ends, in a run of so many."""
        cycle = 2 * int(self.step_size)
        return list(range(cycle, updates + 1, cycle))


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine from `high` down to `low`, and with a `period` again from `high`: warm restarts.

    ``rate(t) = low + (high - low) * (1 + cos(pi * s / T)) / 2``, where s counts the updates since
    the last restart. The first T is `period` epochs, every later one `factor` times the one
    before. Without a `period` T is the whole run, and there is no restart.

    References
    ----------
    I. Loshchilov, F. Hutter, "SGDR: stochastic gradient descent with warm restarts",
    arXiv 1608.03983 (2017).

    >>> cosine = Cosine(1.0, period=1, factor=2)
    >>> [round(cosine(t, 2), 3) for t in range(7)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """

    high: float
    low: float = 0.0
    period: int | None = None
    factor: int = 1
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {
        "high": _RATE,
        "low": _RATE,
        "period": _EPOCHS,
        "factor": (WHOLE, at_least(1)),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.high >= self.low, "`high` of Cosine must be >= low", (self.low, self.high))

    def __call__(self, update: int, updates_per_epoch: int, updates: int | None = None) -> float:
        """Return the rate at `update`."""
        cycle = length("Cosine", self.period, updates_per_epoch, updates)
        if self.period is None:
            since = min(update, cycle)
        elif self.factor == 1:
            since = update % cycle
        else:
            since = update
            while since >= cycle:
                since -= cycle
                cycle *= int(self.factor)
        return between(self.high, self.low, (1 - math.cos(math.pi * since / cycle)) / 2)

    def whole_run(self, updates: int) -> npt.NDArray[np.float64]:
        """Return the rates of a run of so many updates without a restart, all at once.

        >>> Cosine(1.0).whole_run(4).round(3).tolist()
        [1.0, 0.854, 0.5, 0.146]
        """
        share = (1 - np.cos(np.arange(updates) * (np.pi / updates))) / 2
        rates: npt.NDArray[np.float64] = self.high + (self.low - self.high) * share
        return rates

    def cycle_ends(self, updates_per_epoch: int, updates: int) -> list[int]:
        """Return after how many updates each whole cycle ends, in a run of so many."""
        cycle = length("Cosine", self.period, updates_per_epoch, updates)
        ends, end = [], cycle
        while end <= updates:
            ends.append(end)
            cycle *= int(self.factor)
            end += cycle
        return ends


@dataclass(frozen=True)
class OneCycle(Schedule):
    """One triangle and a tail, over T updates: `epochs`, or the whole run if None.

    With ``low = factor * high`` and ``end = final_factor * low``, rate(t) is straight between
    ``rate(0) = low``, ``rate((1 - tail) * T / 2) = high``, ``rate((1 - tail) * T) = low`` and
    ``rate(T) = end``, and stays there.

    References
    ----------
    L. N. Smith, N. Topin, "Super-convergence: very fast training of neural networks using large
    learning rates", arXiv 1708.07120 (2017).

    >>> cycle = OneCycle(1.0, factor=0.1, final_factor=0.01, tail=0.2)
    >>> [round(cycle(t, 10, updates=10), 4) for t in (0, 2, 4, 6, 8, 9, 10)]
    [0.1, 0.55, 1.0, 0.55, 0.1, 0.0505, 0.001]
    """

    name = "onecycle"
    high: float
    factor: float = 0.1
    final_factor: float = 0.01
    tail: float = 0.1
    epochs: int | None = None
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {
        "high": (NUMBER, above(0)),
        "factor": _SHARE,
        "final_factor": (NUMBER, at_least(0), at_most(1)),
        "tail": (NUMBER, at_least(0), below(1)),
        "epochs": _EPOCHS,
    }

    def __call__(self, update: int, updates_per_epoch: int, updates: int | None = None) -> float:
        """Return the rate at `update`."""
        share = min(update / length("OneCycle", self.epochs, updates_per_epoch, updates), 1.0)
        half, low = (1 - float(self.tail)) / 2, float(self.factor) * float(self.high)
        if share <= half:
            return between(low, self.high, share / half)
        if share <= 2 * half:
            return between(self.high, low, share / half - 1)
        return between(low, float(self.final_factor) * low, (share - 2 * half) / (1 - 2 * half))
