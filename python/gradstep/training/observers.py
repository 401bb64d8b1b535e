"""What watches a training under its rules: early stopping and plateaus."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gradstep.nn.early_stopping import EarlyStopping
from gradstep.nn.metrics import BestTracker
from gradstep.nn.schedules import ReduceOnPlateau


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
