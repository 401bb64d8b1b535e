"""When to stop before the last epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from gradstep.nn.metrics import COLUMN
from gradstep.utils.concepts import Concept
from gradstep.utils.constraints import FLAG, NONE, NUMBER, WHOLE, Constraint, at_least, either

__all__ = ["EarlyStopping"]


class StoppingRule(Concept):
    """Base of the rules that end a training before its last epoch."""

    family = "early_stopping"
    home = "gradstep"


@dataclass(frozen=True)
class EarlyStopping(StoppingRule):
    """Stop when a metric has not improved for `patience` evaluations.

    Parameters
    ----------
    monitor : str, optional
        A column of the history: a split and a metric, as "validation_accuracy", or a scorer that `metrics`
        of the estimator has, as "validation_roc_auc"; "running_loss" is of what was trained on. Every metric
        knows which way it improves. By default "validation_loss", and in a `Sweep` the `metric` that its
        trials are ranked by.
    patience : int, default=5
        Evaluations without an improvement after which training stops, >= 1.
    min_delta : float, default=0.0
        An improvement is a change by more than this, >= 0.
    restore_best : bool, default=True
        Whether the model keeps the parameters of its best evaluation, or those of the last.

    >>> EarlyStopping(patience=3).column
    'validation_loss'
    """

    monitor: str | None = None
    patience: int = 5
    min_delta: float = 0.0
    restore_best: bool = True
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {
        "monitor": (either(COLUMN, NONE),),
        "patience": (WHOLE, at_least(1)),
        "min_delta": (NUMBER, at_least(0)),
        "restore_best": (FLAG,),
    }

    @property
    def column(self) -> str:
        """What is monitored."""
        return self.monitor or "validation_loss"

    def watching(self, column: str) -> EarlyStopping:
        """Return the rule with a column to monitor where it names none."""
        return replace(self, monitor=self.monitor or column)
