"""The runs that a report is about."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from gradstep import plots
from gradstep.errors import InvalidParameterError
from gradstep.training.history import History, Metrics

if TYPE_CHECKING:
    from gradstep.estimators.trainer import Trainer

# The page takes the colours of figures from its style sheet, so that they follow dark mode.
_CSS_COLOURS = {
    plots.INK: "var(--ink)",
    plots.MUTED: "var(--muted)",
    plots.GRID: "var(--grid)",
    plots.PAPER: "var(--card)",
    **{colour: f"var(--run-{i})" for i, colour in enumerate(plots.PALETTE)},
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
    trainer : Trainer
    history : History
    colour : str
        Of its lines, as CSS; empty for a run alone, which has no need to be told apart.
    test : Metrics or None
        Its figures on test rows.
    """

    name: str
    trainer: Trainer
    history: History
    colour: str
    test: Metrics | None

    @property
    def sizes(self) -> list[int]:
        """Layer sizes, (d, h, ..., k)."""
        weights = self.trainer.coefs_
        return [int(weights[0].shape[0]), *(int(layer.shape[1]) for layer in weights)]

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        pairs = zip(self.trainer.coefs_, self.trainer.intercepts_, strict=True)
        return sum(int(weights.size + biases.size) for weights, biases in pairs)

    @property
    def label(self) -> str:
        """The name with its colour, as HTML."""
        swatch = f'<span class="swatch" style="background:{self.colour}"></span>' if self.colour else ""
        return swatch + escape(self.name)

    def last(self, column: str) -> float:
        """Return the value in the last row of the history."""
        return float(self.history[column][-1])

    def best(self, column: str) -> tuple[float, float]:
        """Return the best value of a column and its epoch; NaN where nothing was measured."""
        values = self.history[column]
        if not np.isfinite(values).any():
            return math.nan, math.nan
        place = int(np.nanargmax(values) if column.endswith("accuracy") else np.nanargmin(values))
        return float(values[place]), float(self.history["epoch"][place])


def collect(
    trainers: Trainer | Mapping[str, Trainer], tests: Metrics | Mapping[str, Metrics] | None
) -> list[Run]:
    """Return the checked arguments of `report` as runs, in their order."""
    named = (
        {str(name): trainer for name, trainer in trainers.items()}
        if isinstance(trainers, Mapping)
        else {"": trainers}
    )
    for name, trainer in named.items():
        if not (hasattr(trainer, "coefs_") and isinstance(getattr(trainer, "history_", None), History)):
            what = f"run {name!r} of report must be a fitted Trainer"
            raise InvalidParameterError(
                f"{what if isinstance(trainers, Mapping) else _wanted(trainer)}, got {trainer!r}"
            )
    histories = plots.histories(named, whose="report")
    figures = _by_name(tests, list(named))
    colours = [css(colour) if len(named) > 1 else "" for colour, _ in plots.line_colours(len(named))]
    return [
        Run(name or _describe(trainer), trainer, histories[name], colour, figures.get(name))
        for (name, trainer), colour in zip(named.items(), colours, strict=True)
    ]


def _wanted(given: object) -> str:
    """Return what `report` takes, where it was given one thing alone."""
    # A search in rounds is told by the property: its class lies further up.
    hint = " (its `best_sweep_` is one)" if hasattr(type(given), "best_sweep_") else ""
    kinds = "a fitted Trainer, a mapping of names to fitted Trainers, or a fitted Sweep"
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


def _describe(trainer: Trainer) -> str:
    layers = len(trainer.coefs_)
    return f"{trainer.loss} layer" if layers == 1 else f"network of {layers} layers"
