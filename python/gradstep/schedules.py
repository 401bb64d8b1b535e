"""Learning rate as a pure function of the update number.

A schedule is called with an update number (from 0) and the number of updates per epoch, and
returns the rate of that update. `evaluate` turns any schedule into the array that a plan holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from gradstep.errors import CorruptFileError, InvalidParameterError


@runtime_checkable
class Schedule(Protocol):
    """What every schedule of this module is."""

    def __call__(self, update: int, updates_per_epoch: int) -> float:
        """Return the learning rate of update number `update`."""
        ...


def _require(holds: bool, what: str, given: object) -> None:
    if not holds:
        raise InvalidParameterError(f"{what}, got {given!r}")


@dataclass(frozen=True)
class Constant:
    """``rate(t) = value``.

    >>> Constant(0.1)(7, 100)
    0.1
    """

    value: float

    def __post_init__(self) -> None:
        _require(self.value >= 0, "`value` of Constant must be >= 0", self.value)

    def __call__(self, update: int, updates_per_epoch: int) -> float:
        """Return `value`."""
        return self.value


@dataclass(frozen=True)
class StepDecay:
    """``rate(t) = start * factor ** floor(epoch(t) / every)``, `every` in epochs.

    >>> decay = StepDecay(0.05, factor=0.1, every=10)
    >>> [round(decay(epoch * 100, updates_per_epoch=100), 6) for epoch in (0, 9, 10, 20)]
    [0.05, 0.05, 0.005, 0.0005]
    """

    start: float
    factor: float = 0.1
    every: int = 10

    def __post_init__(self) -> None:
        _require(self.start > 0, "`start` of StepDecay must be > 0", self.start)
        _require(0 < self.factor <= 1, "`factor` of StepDecay must be in (0, 1]", self.factor)
        _require(self.every >= 1, "`every` of StepDecay must be >= 1 epoch", self.every)

    def __call__(self, update: int, updates_per_epoch: int) -> float:
        """Return the rate of the step that `update` falls in."""
        return float(self.start * self.factor ** (update // updates_per_epoch // self.every))


@dataclass(frozen=True)
class CyclicTriangular:
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

    low: float
    high: float
    step_size: int

    def __post_init__(self) -> None:
        _require(self.low >= 0, "`low` of CyclicTriangular must be >= 0", self.low)
        _require(self.high >= self.low, "`high` of CyclicTriangular must be >= low", (self.low, self.high))
        _require(self.step_size >= 1, "`step_size` of CyclicTriangular must be >= 1 update", self.step_size)

    def __call__(self, update: int, updates_per_epoch: int) -> float:
        """Return the rate at `update`."""
        place = update % (2 * self.step_size)
        distance = abs(place - self.step_size) / self.step_size
        return float(self.low + (self.high - self.low) * (1 - distance))


@dataclass(frozen=True)
class Recorded:
    """``rate(t) = rates[t]``; how a model file keeps a schedule that was a function.

    >>> Recorded((0.3, 0.2))(1, 100)
    0.2
    """

    rates: tuple[float, ...]

    def __call__(self, update: int, updates_per_epoch: int) -> float:
        """Return the rate recorded for `update`."""
        _require(update < len(self.rates), f"Recorded holds {len(self.rates)} updates", update)
        return self.rates[update]


_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (Constant, StepDecay, CyclicTriangular, Recorded)
}


def evaluate(
    learning_rate: float | Schedule | Callable[[int], float], updates: int, updates_per_epoch: int
) -> npt.NDArray[np.float64]:
    """Return the rates of updates 0 to ``updates - 1``.

    Parameters
    ----------
    learning_rate : float, schedule of this module, or callable of the update number
        What `Trainer` was given.
    updates : int
        How many rates.
    updates_per_epoch : int
        Handed to schedules of this module.

    Returns
    -------
    ndarray of shape (updates,), float64

    Raises
    ------
    InvalidParameterError
        A rate is not a finite number >= 0; the message names the update.
    """
    rate: Any = learning_rate
    knows_epochs = isinstance(learning_rate, tuple(_KINDS.values()))
    if knows_epochs:
        rate = [rate(t, updates_per_epoch) for t in range(updates)]
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
    """Return a schedule of this module as plain data, for a model file."""
    return {"schedule": type(schedule).__name__, **asdict(schedule)}  # type: ignore[call-overload]


def from_dict(data: dict[str, Any]) -> Schedule:
    """Return the schedule that `to_dict` described; unknown names are an error, nothing is run."""
    fields = dict(data)
    name = fields.pop("schedule", None)
    if name not in _KINDS:
        raise CorruptFileError(f"a schedule must be one of {', '.join(_KINDS)}, got {name!r}")
    if "rates" in fields:
        fields["rates"] = tuple(fields["rates"])
    try:
        schedule: Schedule = _KINDS[name](**fields)
    except InvalidParameterError as error:
        raise CorruptFileError(str(error)) from error
    except TypeError as error:
        raise CorruptFileError(f"schedule {name} cannot have the fields {sorted(fields)}") from error
    return schedule
