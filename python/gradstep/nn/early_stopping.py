"""When to stop before the last epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from gradstep.nn.metrics import COLUMN
from gradstep.utils.concepts import Concept
from gradstep.utils.constraints import FLAG, NUMBER, WHOLE, Constraint, at_least

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
    monitor : str, default="validation_loss"
        A column of the history: a split and a metric, as "validation_accuracy", or a scorer that `metrics`
        of the estimator has, as "validation_roc_auc"; "running_loss" is of what was trained on. Every metric
        knows which way it improves.
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
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {
        "monitor": (COLUMN,),
        "patience": (WHOLE, at_least(1)),
        "min_delta": (NUMBER, at_least(0)),
        "restore_best": (FLAG,),
    }
