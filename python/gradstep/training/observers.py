"""What watches a training under its rules: early stopping and plateaus."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from gradstep.nn.early_stopping import EarlyStopping
from gradstep.nn.metrics import BestTracker
from gradstep.nn.schedules import ReduceOnPlateau
from gradstep.training.checkpoint import Best, Plateau


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

    def go_on(self, best: Best) -> None:
        """Go on from what was the best; where patience had run out, with as much of it as at first."""
        if best.tracker.column != self.rule.column:
            return
        since = best.tracker.since if best.tracker.since < self.rule.patience else 0
        self._best = replace(best.tracker, min_delta=self.rule.min_delta, since=since)
        self.row, self.parameters = best.row, best.parameters

    def best(self) -> Best:
        """Return what it goes by, as a value."""
        return Best(replace(self._best), self.row, self.parameters)

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
        self._rate = float(rule.start)

    def go_on(self, plateau: Plateau, to_come: npt.NDArray[np.float64]) -> None:
        """Go on from a plateau of before, if it is of the same rule; sets the rates to come in place."""
        if plateau.rule == self._rule:
            self._best, self._rate = replace(plateau.tracker), plateau.rate
            to_come[:] = self._rate

    def plateau(self) -> Plateau:
        """Return what it goes by, as a value."""
        return Plateau(self._rule, replace(self._best), self._rate)

    def on_evaluation(self, row: dict[str, float], to_come: npt.NDArray[np.float64]) -> None:
        """Handle an evaluation; at a plateau, set the rates to come in place."""
        if self._best.improves(row) or self._best.since < self._rule.patience:
            return
        self._best.since = 0
        self._rate = max(self._rate * self._rule.factor, self._rule.min_rate)
        to_come[:] = self._rate
