"""Figures that a rule may watch while training, and whether they get better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: Columns of a history that a rule can watch.
MONITORS = (
    *(f"{rows}_{figure}" for rows in ("validation", "train") for figure in ("loss", "cost", "accuracy")),
    "running_loss",
    "running_accuracy",
)


def sign(monitor: str) -> float:
    """Return what turns a figure so that less is better: accuracies improve upwards, the others downwards."""
    return -1.0 if monitor.endswith("accuracy") else 1.0


@dataclass
class Best:
    """The best figure so far, and how long ago it was.

    Attributes
    ----------
    monitor : str
        One of MONITORS; accuracies improve upwards, the others downwards.
    min_delta : float
        An improvement is a change by more than this.
    figure : float, or None
        With the sign that makes lower better; None before the first.
    since : int
        Evaluations since that one.

    >>> best = Best("train_accuracy")
    >>> [best.improves({"train_accuracy": share}) for share in (0.5, 0.4, 0.6, 0.6)], best.since
    ([True, False, True, False], 1)
    """

    monitor: str
    min_delta: float = 0.0
    figure: float | None = None
    since: int = 0

    def improves(self, row: Mapping[str, float]) -> bool:
        """Take in an evaluation and say whether it is the best so far; the first always is."""
        figure = sign(self.monitor) * row[self.monitor]
        if self.figure is None or figure < self.figure - self.min_delta:
            self.figure, self.since = figure, 0
            return True
        self.since += 1
        return False
