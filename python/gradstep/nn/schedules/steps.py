"""Rates that stay, and rates that jump."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

from gradstep.errors import InvalidParameterError
from gradstep.nn.schedules.protocol import Schedule, require
from gradstep.utils.constraints import NUMBER, above, at_least, check, sequence_of

__all__ = ["Constant", "Piecewise", "Recorded", "StepDecay"]


@dataclass(frozen=True)
class Constant(Schedule):
    """``rate(t) = value``.

    >>> Constant(0.1)(7, 100)
    0.1
    """

    value: float

    def __post_init__(self) -> None:
        require(self.value >= 0, "`value` of Constant must be >= 0", self.value)

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

    def __post_init__(self) -> None:
        require(self.start > 0, "`start` of StepDecay must be > 0", self.start)
        require(0 < self.factor <= 1, "`factor` of StepDecay must be in (0, 1]", self.factor)
        require(self.every >= 1, "`every` of StepDecay must be >= 1 epoch", self.every)

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

    def __post_init__(self) -> None:
        check("Piecewise", "boundaries", self.boundaries, (sequence_of(NUMBER, above(0)),))
        check("Piecewise", "rates", self.rates, (sequence_of(NUMBER, at_least(0)),))
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
class Recorded(Schedule):
    """``rate(t) = rates[t]``; how a model file keeps a schedule that was a function.

    >>> Recorded((0.3, 0.2))(1, 100)
    0.2
    """

    rates: tuple[float, ...]

    def __call__(self, update: int, updates_per_epoch: int, updates: int | None = None) -> float:
        """Return the rate recorded for `update`."""
        require(update < len(self.rates), f"Recorded holds {len(self.rates)} updates", update)
        return self.rates[update]
