"""The one schedule that looks at what training measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from gradstep.nn.metrics import COLUMN
from gradstep.nn.schedules.protocol import Schedule, require
from gradstep.utils.constraints import NUMBER, WHOLE, Constraint, above, at_least, at_most

__all__ = ["ReduceOnPlateau"]


@dataclass(frozen=True)
class ReduceOnPlateau(Schedule):
    """`start` until a metric has not improved for `patience` evaluations, then `factor` times as much.

    ``rate(t) = max(start * factor ** j, min_rate)`` after j plateaus; every one counts its
    evaluations from the last improvement or plateau. Called as a schedule it knows of no plateau
    and returns `start`: `Trainer` scales the rates to come, and the history's `learning_rate` tells
    them. The metrics alone decide, so a run can be repeated exactly.

    Parameters
    ----------
    start : float
        First rate, > 0.
    factor : float, default=0.1
        In (0, 1].
    patience : int, default=5
        Evaluations without an improvement after which the rate falls, >= 1.
    monitor : str, default="validation_loss"
        A column of the history, as for `EarlyStopping`.
    min_delta : float, default=0.0
        An improvement is a change by more than this, >= 0.
    min_rate : float, default=0.0
        The rate never falls below this; at most `start`.

    >>> ReduceOnPlateau(0.1, monitor="train_loss")(7, 100)
    0.1
    """

    name = "plateau"
    start: float
    factor: float = 0.1
    patience: int = 5
    monitor: str = "validation_loss"
    min_delta: float = 0.0
    min_rate: float = 0.0
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {
        "start": (NUMBER, above(0)),
        "factor": (NUMBER, above(0), at_most(1)),
        "patience": (WHOLE, at_least(1)),
        "monitor": (COLUMN,),
        "min_delta": (NUMBER, at_least(0)),
        "min_rate": (NUMBER, at_least(0)),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        rates = (self.min_rate, self.start)
        require(self.min_rate <= self.start, "`min_rate` of ReduceOnPlateau must be <= start", rates)

    def __call__(self, update: int, updates_per_epoch: int, updates: int | None = None) -> float:
        """Return `start`."""
        return self.start
