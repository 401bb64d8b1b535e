"""Numbers that reports draw from several trainings, or from a gradient check."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gradstep.diagnostics.gradcheck import GradientCheck
from gradstep.reproduction.outcomes import Outcome

Measure = Callable[[Sequence[Outcome]], float]


def best(metric: str) -> Measure:
    """Return the measure: the largest mean of a metric."""
    return lambda outcomes: max(outcome.mean(metric) for outcome in outcomes)


def spread(metric: str, below: float) -> Measure:
    """Return the measure: largest less smallest mean of a metric where l2 is below `below`."""

    def measure(outcomes: Sequence[Outcome]) -> float:
        values = [outcome.mean(metric) for outcome in outcomes if outcome.experiment.l2 < below]
        return max(values) - min(values)

    return measure


def gain(metric: str, of: str, over: str) -> Measure:
    """Return the measure: the mean of a metric of one experiment, by label, less that of another."""

    def measure(outcomes: Sequence[Outcome]) -> float:
        means = {outcome.experiment.label: outcome.mean(metric) for outcome in outcomes}
        return means[of] - means[over]

    return measure


def largest(column: str, difference: str = "central") -> Callable[[GradientCheck], float]:
    """Return the measure: the largest entry of a gradient check's column, by one kind of difference."""
    return lambda check: float(check.by(difference)[column].max())
