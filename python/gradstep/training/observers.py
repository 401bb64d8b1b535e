"""What watches a training under its rules: early stopping and plateaus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gradstep.nn.early_stopping import EarlyStopping
from gradstep.nn.metrics import sign
from gradstep.nn.schedules import ReduceOnPlateau


@dataclass
class BestTracker:
    """The best value so far of a column, and how long ago it was.

    Attributes
    ----------
    column : str
        Of the history; its metric knows which way is better.
    min_delta : float
        An improvement is a change by more than this.
    value : float, or None
        With the sign that makes lower better; None before the first.
    since : int
        Evaluations since that one.

    >>> best = BestTracker("train_accuracy")
    >>> [best.improves({"train_accuracy": share}) for share in (0.5, 0.4, 0.6, 0.6)], best.since
    ([True, False, True, False], 1)
    """

    column: str
    min_delta: float = 0.0
    value: float | None = None
    since: int = 0

    def __post_init__(self) -> None:
        self._sign = sign(self.column)

    def improves(self, row: Mapping[str, float]) -> bool:
        """Handle an evaluation. Returns True when it is the best so far; the first number always is."""
        value = self._sign * row[self.column]
        if self.value is None or np.isnan(self.value) or value < self.value - self.min_delta:
            self.value, self.since = value, 0
            return True
        self.since += 1
        return False


@dataclass
class EarlyStoppingState:
    """Follows one training under a rule.

    Attributes
    ----------
    rule : EarlyStopping
    parameters : ndarray of shape (P,), or None
        The model's parameters at the best evaluation so far.
    row : dict
        The row of the history there.
    """

    rule: EarlyStopping
    parameters: npt.NDArray[np.floating] | None = field(default=None, repr=False)
    row: dict[str, float] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._best = BestTracker(self.rule.column, self.rule.min_delta)

    def on_evaluation(self, row: dict[str, float], parameters: npt.NDArray[np.floating]) -> bool:
        """Handle an evaluation. Returns True when training should stop."""
        if self._best.improves(row):
            self.parameters = parameters
            self.row = row
        return self._best.since >= self.rule.patience


class PlateauState:
    """Follows one training under `ReduceOnPlateau`."""

    def __init__(self, rule: ReduceOnPlateau) -> None:
        self._rule = rule
        self._best = BestTracker(rule.monitor, rule.min_delta)

    def on_evaluation(self, row: dict[str, float], to_come: npt.NDArray[np.float64]) -> None:
        """Handle an evaluation; at a plateau, scale the rates to come in place."""
        if self._best.improves(row) or self._best.since < self._rule.patience:
            return
        self._best.since = 0
        np.maximum(to_come * self._rule.factor, self._rule.min_rate, out=to_come)
