"""The runs that a report is about."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradstep.errors import InvalidParameterError
from gradstep.estimators.base import BaseTrainer
from gradstep.estimators.validation import ValidationRows
from gradstep.nn.losses import Loss
from gradstep.nn.metrics import Metric, Metrics
from gradstep.plots.histories import histories, line_colours
from gradstep.plots.style import GRID, INK, MUTED, PALETTE, PAPER
from gradstep.reports.parts import Label
from gradstep.training.fitted import Fitted
from gradstep.training.history import History
from gradstep.utils import text

if TYPE_CHECKING:
    from gradstep.estimators.regressor import Regressor
    from gradstep.estimators.trainer import Trainer

    Model = Trainer | Regressor

# The page takes the colours of figures from its style sheet, so that they follow dark mode.
_CSS_COLOURS = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    PAPER: "var(--card)",
    **{colour: f"var(--run-{i})" for i, colour in enumerate(PALETTE)},
}


def css(colour: str) -> str:
    """Return a colour of `plots` as the style sheet names it; any other as it is."""
    return _CSS_COLOURS.get(colour, colour)


@dataclass(frozen=True)
class Run:
    """One trained network.

    Attributes
    ----------
    name : str
    trainer : Trainer or Regressor
    history : History
    colour : str
        Of its lines, as CSS; empty for a run alone, which has no need to be told apart.
    test : Metrics or None
        Its metrics on test rows.
    """

    name: str
    trainer: Model
    history: History
    colour: str
    test: Metrics | None

    @cached_property
    def fitted(self) -> Fitted:
        """The model as a value."""
        return self.trainer.result().fitted

    @property
    def loss(self) -> Loss:
        """What it was trained by."""
        return self.fitted.loss

    @property
    def sizes(self) -> tuple[int, ...]:
        """Layer sizes, (d, h, ..., k)."""
        return self.fitted.layers.sizes

    @property
    def layers(self) -> str:
        """Layer sizes as text, 64 → 50 → 10."""
        return f"{text.GAP}→ ".join(map(str, self.sizes))

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        return self.fitted.layers.parameters

    @property
    def has_classes(self) -> bool:
        """Whether its outputs are classes or labels."""
        return self.loss.takes != "values"

    @property
    def judged_by(self) -> tuple[object, ...]:
        """What runs must have in common for their losses to be comparable."""
        return self.loss, self.trainer.get_params(deep=False).get("standardize_targets")

    @property
    def label(self) -> Label:
        """The name with its colour."""
        return Label(self.name, colour=self.colour)

    def last(self, column: str) -> float:
        """Return the value in the last row of the history; NaN where it has no such column."""
        return float(self.history[column][-1]) if column in self.history else math.nan

    def best(self, split: str, metric: Metric) -> tuple[float, float]:
        """Return the best value of a metric and its epoch; NaN where nothing was measured."""
        column = f"{split}_{metric.name}"
        if column not in self.history or not np.isfinite(self.history[column]).any():
            return math.nan, math.nan
        values = self.history[column]
        place = int(np.nanargmax(values) if metric.better == "higher" else np.nanargmin(values))
        return float(values[place]), float(self.history["epoch"][place])

    def tested(self, metric: Metric) -> float:
        """Return a metric on test rows; NaN where it was not measured."""
        return math.nan if self.test is None else self.test.get(metric.name, math.nan)


class Images(NamedTuple):
    """What rows are as images, and what their classes are called; None where it is to be guessed."""

    shape: tuple[int, ...] | None = None
    class_names: Sequence[str] | None = None

    def check(self, model: Any) -> None:
        """Raise InvalidParameterError unless the names are those of the classes of a model that has some."""
        classes = getattr(model, "classes_", None)
        if self.class_names is None or classes is None:
            return
        what = f"`class_names` of report must have {len(classes)} names, one per class, got"
        if isinstance(self.class_names, str) or not isinstance(self.class_names, Collection):
            raise InvalidParameterError(f"{what} {text.given(self.class_names)}")
        if len(self.class_names) != len(classes):
            raise InvalidParameterError(f"{what} {len(self.class_names)}")


def collect(
    trainers: Model | Mapping[str, Model],
    tests: Metrics | Mapping[str, Metrics] | None = None,
    test_rows: ValidationRows | None = None,
) -> list[Run]:
    """Return the checked arguments of `report` as runs, in their order."""
    named = (
        {str(name): trainer for name, trainer in trainers.items()}
        if isinstance(trainers, Mapping)
        else {"": trainers}
    )
    for name, trainer in named.items():
        if not (isinstance(trainer, BaseTrainer) and hasattr(trainer, "coefs_")):
            what = f"run {name!r} of report must be a fitted Trainer or Regressor"
            raise InvalidParameterError(
                f"{what if isinstance(trainers, Mapping) else _wanted(trainer)}, got {trainer!r}"
            )
    measured = histories(named, whose="report")
    tested = dict(_by_name(tests, list(named)))
    if test_rows is not None:
        for name in named.keys() - tested.keys():
            tested[name] = named[name].evaluate(test_rows.X, test_rows.y, test_rows.sample_weight)
    colours = [css(colour) if len(named) > 1 else "" for colour, _ in line_colours(len(named))]
    return [
        Run(name or _describe(trainer), trainer, measured[name], colour, tested.get(name))
        for (name, trainer), colour in zip(named.items(), colours, strict=True)
    ]


def _wanted(given: object) -> str:
    """Return what `report` takes, where it was given one thing alone."""
    # Other searches are told by their properties: their classes lie further up.
    hint = " (its `best_sweep_` is one)" if hasattr(type(given), "best_sweep_") else ""
    if hasattr(given, "cv_results_"):
        hint = (
            "; its `best_estimator_` may be one, and its `cv_results_` is a table that prints and has to_csv"
        )
    kinds = "a fitted Trainer or Regressor, a mapping of names to these, or a fitted Sweep"
    return f"`trainers` of report must be {kinds}{hint}"


def _by_name(tests: Metrics | Mapping[str, Metrics] | None, names: list[str]) -> Mapping[str, Metrics]:
    if tests is None:
        return {}
    if isinstance(tests, Metrics):
        if len(names) > 1:
            raise InvalidParameterError(
                f"`tests` of report must map names of runs to Metrics when there are several, got {tests}"
            )
        return {names[0]: tests}
    if unknown := sorted(set(tests) - set(names)):
        raise InvalidParameterError(
            f"`tests` of report must name runs of the report ({', '.join(names)}), got {', '.join(unknown)}"
        )
    return tests


def _describe(trainer: Model) -> str:
    fitted = trainer.result().fitted
    layers = fitted.layers.count
    return f"{fitted.loss.name} layer" if layers == 1 else f"network of {layers} layers"
