"""When to stop before the last epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from gradstep.nn.metrics import COLUMN, Metric
from gradstep.nn.scorers import METRIC, can_be_kept, monitor_for
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
    monitor : str, Metric, scorer or callable, optional
        A column of the history: a split and a metric, as "validation_accuracy", or a scorer that `metrics`
        of the estimator has, as "validation_roc_auc"; "running_loss" is of what was trained on. Or whatever
        `metrics` takes, as "roc_auc" or a function ``(estimator, X, y)`` of which more is better: it is told
        as if `metrics` had it, and watched on the validation rows. A function ``(estimator)`` looks at rows
        of its own. Every metric knows which way it improves. By default "validation_loss", and in a `Sweep`
        the `metric` that its trials are ranked by.
    patience : int, default=5
        Evaluations without an improvement after which training stops, >= 1.
    min_delta : float, default=0.0
        An improvement is a change by more than this, >= 0.
    restore_best : bool, default=True
        Whether the model keeps the parameters of its best evaluation, or those of the last.

    >>> EarlyStopping(patience=3).column
    'validation_loss'
    >>> EarlyStopping("roc_auc").column
    'validation_roc_auc'
    """

    monitor: str | Metric | Callable[..., float] | None = None
    patience: int = 5
    min_delta: float = 0.0
    restore_best: bool = True
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {
        "monitor": (either(COLUMN, METRIC, NONE),),
        "patience": (WHOLE, at_least(1)),
        "min_delta": (NUMBER, at_least(0)),
        "restore_best": (FLAG,),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.metric  # a function may have no name to call a column after

    @property
    def metric(self) -> Metric | None:
        """What is monitored that the history is to tell; None where `monitor` is a column of it."""
        return None if self.monitor is None or COLUMN.holds(self.monitor) else monitor_for(self.monitor)

    @property
    def column(self) -> str:
        """The column of the history that is monitored."""
        metric = self.metric
        if metric is not None:
            return f"validation_{metric.name}"
        assert self.monitor is None or isinstance(self.monitor, str)  # a column
        return self.monitor or "validation_loss"

    def watching(self, column: str) -> EarlyStopping:
        """Return the rule with a column to monitor where it names none."""
        return replace(self, monitor=column) if self.monitor is None else self

    def to_dict(self) -> dict[str, Any]:
        """Return this value as plain data; of a function the column that tells what it said."""
        if self.metric is None or can_be_kept(self.metric):
            return super().to_dict()
        return replace(self, monitor=self.column).to_dict()
