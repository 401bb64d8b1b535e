"""What experiments, groups and reports came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gradstep.datasets import DataSet
from gradstep.diagnostics.gradcheck import GradientCheck
from gradstep.estimators.trainer import Trainer
from gradstep.reproduction.schema import Experiment, ExperimentGroup, Report


@dataclass(frozen=True)
class Outcome:
    """What an experiment came to.

    Attributes
    ----------
    experiment : Experiment
    trainer : Trainer
        Of the first seed.
    metrics : dict of str to ndarray of shape (seeds,)
        Loss, cost and accuracy of every split at the end, as "test_accuracy"; NaN where training diverged.
    seconds : float
        Of all trainings and their evaluations; of those that shared passes an equal part.
    """

    experiment: Experiment
    trainer: Trainer
    metrics: Mapping[str, npt.NDArray[np.float64]]
    seconds: float

    def mean(self, metric: str) -> float:
        """Return the mean of a metric over the trainings that did not diverge; NaN if all did."""
        values = self._finite(metric)
        return float(values.mean()) if values.size else np.nan

    def std(self, metric: str) -> float:
        """Return their standard deviation, divisor n - 1; NaN where n < 2."""
        values = self._finite(metric)
        return float(values.std(ddof=1)) if values.size > 1 else np.nan

    @property
    def diverged(self) -> int:
        """Number of trainings that diverged."""
        return int(np.isnan(self.metrics["train_loss"]).sum())

    def _finite(self, metric: str) -> npt.NDArray[np.float64]:
        values = self.metrics[metric]
        return values[np.isfinite(values)]


@dataclass
class GroupResult:
    """A group and the outcomes of its experiments, as far as they have been run."""

    group: ExperimentGroup
    data: DataSet
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether every experiment has been run."""
        return len(self.outcomes) == len(self.group.experiments)


@dataclass
class ReportResult:
    """A report and what its gradient check and its groups came to, as far as they have been run."""

    report: Report
    check: GradientCheck | None = None
    groups: list[GroupResult] = field(default_factory=list)
