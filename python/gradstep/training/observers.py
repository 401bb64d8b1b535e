"""What may watch a training: early stopping, plateaus, and the lines that `verbose` prints."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gradstep.nn.metrics import MONITORS, Best
from gradstep.nn.schedules import ReduceOnPlateau
from gradstep.training.history import PARTS, measured
from gradstep.utils.constraints import FLAG, NUMBER, WHOLE, Constraint, at_least, check, one_of

EARLY_STOPPING: dict[str, tuple[Constraint, ...]] = {
    "monitor": (one_of(*MONITORS),),
    "patience": (WHOLE, at_least(1)),
    "min_delta": (NUMBER, at_least(0)),
    "restore_best": (FLAG,),
}


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when a figure has not improved for `patience` evaluations.

    Parameters
    ----------
    monitor : str, default="validation_loss"
        A loss, cost or accuracy column of the history, of rows that are evaluated, or
        "running_loss" or "running_accuracy"; accuracies improve upwards, the others downwards.
    patience : int, default=5
        Evaluations without an improvement after which training stops, >= 1.
    min_delta : float, default=0.0
        An improvement is a change by more than this, >= 0.
    restore_best : bool, default=True
        Whether the model keeps the parameters of its best evaluation, or those of the last.

    >>> EarlyStopping(patience=3).monitor
    'validation_loss'
    """

    monitor: str = "validation_loss"
    patience: int = 5
    min_delta: float = 0.0
    restore_best: bool = True

    def __post_init__(self) -> None:
        for name, constraints in EARLY_STOPPING.items():
            check("EarlyStopping", name, getattr(self, name), constraints)


@dataclass
class Watch:
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
        self._best = Best(self.rule.monitor, self.rule.min_delta)

    def is_over(self, row: dict[str, float], parameters: npt.NDArray[np.floating]) -> bool:
        """Take in an evaluation and say whether training should stop."""
        if self._best.improves(row):
            self.parameters, self.row = parameters, row
        return self._best.since >= self.rule.patience


class Plateaus:
    """Follows one training under `ReduceOnPlateau`."""

    def __init__(self, rule: ReduceOnPlateau) -> None:
        self._rule, self._best = rule, Best(rule.monitor, rule.min_delta)

    def see(self, row: dict[str, float], to_come: npt.NDArray[np.float64]) -> None:
        """Take in an evaluation; at a plateau, scale the rates to come in place."""
        if self._best.improves(row) or self._best.since < self._rule.patience:
            return
        self._best.since = 0
        np.maximum(to_come * self._rule.factor, self._rule.min_rate, out=to_come)


def print_row(row: dict[str, float]) -> None:
    """Print a row of the history in one line."""
    line = f"epoch {row['epoch']:.6g}  update {row['update']:.0f}  seconds {row['seconds']:.2f}"
    for part in measured(row):
        line += f"  {PARTS[part]} loss {row[f'{part}_loss']:.4f} accuracy {row[f'{part}_accuracy']:.4f}"
    print(line, flush=True)
