"""One metric of runs over their epochs: which of them have a panel, its lines and its axes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from gradstep.nn.metrics import ALWAYS, Cost, MeanLoss, Metric
from gradstep.plots.histories import DASHES, MeanHistory, line_colours, metrics_of
from gradstep.plots.results import capitalised
from gradstep.plots.style import MUTED, PAPER, as_percent, shorten, style
from gradstep.training.history import History, available_splits, metric_columns
from gradstep.utils import text

# Losses that span more than this factor are drawn on a logarithmic axis, and so are the costs, unless
# those span too little for its ticks at 1, 2 and 5.
_LOG_FROM, _LOG_TICKS_FROM = 30.0, 5.0
# What is in the background is shown up to so many times the worst of what is in colour; where higher is
# better, down to so many times the span of that below it.
_CUT, _CUT_SPANS = 10.0, 2.0
# A run whose highest value is above so many times that of the middle one, and that rises on its way by this
# factor, is wild. The axis then ends where the others fill this share of it.
_WILD, _RISE, _CALM_SHARE = 2.5, 1.25, 0.62

Array = npt.NDArray[np.float64]


class Panel(NamedTuple):
    """One metric over epochs; the history's columns are ``train_<name>`` and the like."""

    metric: Metric
    is_cost_too: bool = False

    @property
    def name(self) -> str:
        """Of the metric."""
        return self.metric.name

    @property
    def title(self) -> str:
        """What stands over the panel."""
        return f"{capitalised(self.metric.title)}{' = cost' * self.is_cost_too}"

    @property
    def label(self) -> str:
        """What stands along the axis of the metric."""
        return f"{self.metric.title} (%)" if self.metric.is_share else self.metric.title


@dataclass(frozen=True)
class View:
    """How panels are drawn.

    Attributes
    ----------
    best : collection of str, or None
        Runs in colour; all others then stay in the background.
    x : {"epoch", "update"}
    log : bool or None
        Whether axes of what is no share are logarithmic; None where they ask for it.
    """

    best: Collection[str] | None = None
    x: str = "epoch"
    log: bool | None = None


def panels(runs: Mapping[str, History]) -> list[Panel]:
    """Return the panels that have a line; where no run has an L2 term, its loss stands for its cost."""
    found = [Panel(metric) for metric in metrics_of(runs.values())]
    shown = [panel for panel in found if any(lines(history, panel) for history in runs.values())]
    if not all(map(_costs_its_loss, runs.values())):
        return shown
    return [
        panel._replace(is_cost_too=panel.metric == MeanLoss()) for panel in shown if panel.metric != Cost()
    ]


def _costs_its_loss(history: History) -> bool:
    loss, cost = (lines(history, Panel(metric)) for metric in ALWAYS)
    return cost.keys() <= loss.keys() and all(
        np.array_equal(values, loss[split], equal_nan=True) for split, values in cost.items()
    )


def panel_columns(count: int) -> int:
    """Return how many of so many panels stand side by side."""
    return 2 if count == 4 else min(count, 3)


def lines(history: History, panel: Panel) -> dict[str, Array]:
    """Return the columns that a panel shows of a history, by split: those that have a number."""
    found = {}
    for split in available_splits(history):
        column = f"{split}_{panel.name}"
        if column in metric_columns(history, split) and not np.isnan(history[column]).all():
            found[split] = history[column]
    return found


def apart(
    runs: Mapping[str, History], best: Collection[str] | None
) -> tuple[dict[str, History], dict[str, History]]:
    """Return the runs to draw in colour, all of them where `best` is None, and the others."""
    coloured = {name: history for name, history in runs.items() if best is None or name in best}
    return coloured, {name: history for name, history in runs.items() if name not in coloured}


def draw_panel(axes: Axes, panel: Panel, runs: Mapping[str, History], view: View | None = None) -> None:
    """Draw one metric of every run: a line per run and split, its data the history's columns.

    Means of several trainings have a band of one standard deviation. Where `best` is given, all other runs
    stay in the background, with one grey line each.
    """
    view = view or View()
    coloured, others = apart(runs, view.best)
    behind = _draw_background(axes, panel, others.values(), view)
    drawn: dict[str, list[Array]] = {}
    for (name, history), colours in zip(coloured.items(), line_colours(len(coloured)), strict=True):
        drawn[name] = []
        for split, values in lines(history, panel).items():
            drawn[name].append(values)
            _draw_line(axes, history, view.x, f"{split}_{panel.name}", colours[split == "validation"])
    style(axes, panel.title, view.x, panel.label)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    flat = [values for of_run in drawn.values() for values in of_run]
    if panel.metric.is_share:
        as_percent(axes.yaxis)
    elif panel.metric.better == "higher":
        _cut_below(axes, flat, behind)
    elif behind:
        _scale_and_cut(axes, panel, flat, behind, coloured.values(), view.log)
    elif not _scale_axis(axes, np.concatenate(flat), _judged(panel, flat, coloured.values()), view.log):
        _cut_wild(axes, drawn)


def _draw_line(axes: Axes, history: History, x: str, column: str, colour: str) -> None:
    places, values = history[x], history[column]
    split = column.partition("_")[0]
    if isinstance(history, MeanHistory) and history.count > 1:
        spread = history.spread[column]
        axes.fill_between(
            places, values - spread, values + spread, color=colour, alpha=0.18, linewidth=0, zorder=1.8
        )
    marker = "o" if len(history) <= 3 else ""
    axes.plot(
        places,
        values,
        color=colour,
        linestyle=DASHES[split],
        linewidth=1.8,
        marker=marker,
        markersize=4.5,
    )


def _draw_background(axes: Axes, panel: Panel, histories: Iterable[History], view: View) -> list[Array]:
    """Draw a grey line for every history that has one, and return their values."""
    drawn = []
    for history in histories:
        for values in list(lines(history, panel).values())[-1:]:
            # One evaluation alone makes no line.
            marker = "." if len(history) == 1 else ""
            look: dict[str, Any] = {
                "color": MUTED,
                "alpha": 0.35,
                "linewidth": 1.0,
                "marker": marker,
                "zorder": 1.5,
            }
            axes.plot(history[view.x], values, **look)
            drawn.append(values)
    return drawn


def _cut_below(axes: Axes, drawn: list[Array], behind: list[Array]) -> None:
    """End the axis of a metric of which more is better where the background is far below."""
    if not (drawn and behind):
        return
    coloured, rest = np.concatenate(drawn), np.concatenate(behind)
    low, high = np.nanmin(coloured), np.nanmax(coloured)
    bottom = low - _CUT_SPANS * ((high - low) or abs(low) or 1.0)
    if (rest < bottom).any():
        top = max(high, rest[np.isfinite(rest)].max(initial=high))
        axes.set_ylim(bottom, top + 0.04 * (top - bottom))


def _cut_wild(axes: Axes, drawn: Mapping[str, Sequence[Array]]) -> None:
    """End the axis where most runs would lie flat for the sake of few that are far above, and say so."""
    highest = {name: np.nanmax(np.concatenate(values)) for name, values in drawn.items() if values}
    middle = sorted(highest.values())[(len(highest) - 1) // 2]
    wild = [name for name, high in highest.items() if high > _WILD * middle > 0 and _rises(drawn[name])]
    if not wild:
        return
    calm = np.concatenate([np.concatenate(drawn[name]) for name in highest if name not in wild])
    low, high = np.nanmin(calm), np.nanmax(calm)
    top = low + ((high - low) or abs(high)) / _CALM_SHARE
    largest = text.number(max(highest[name] for name in wild), 3)
    if top > max(highest[name] for name in wild):
        return
    axes.set_ylim(low - 0.04 * (top - low), top)
    who = shorten(wild[0], 24) if len(wild) == 1 else f"{len(wild)} runs"
    axes.text(
        0.99,
        0.98,
        f"{who}: up to {largest} ↑",
        color=MUTED,
        fontsize=10,
        ha="right",
        va="top",
        transform=axes.transAxes,
        parse_math=False,
        bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.85, "pad": 1.5},
    )


def _rises(lines: Sequence[Array]) -> bool:
    """Return whether any line goes up from the lowest so far: who learns slowly does not."""
    return any((values > _RISE * np.fmin.accumulate(values)).any() for values in lines)


def _scale_and_cut(
    axes: Axes,
    panel: Panel,
    drawn: list[Array],
    behind: list[Array],
    coloured: Iterable[History],
    log: bool | None,
) -> None:
    """Choose the axis of a metric of which less is better; it ends where the background is far above."""
    top = np.inf
    if drawn:
        high = np.nanmax(np.concatenate(drawn))
        top = high + (_CUT - 1) * abs(high)
    shown = [values[values <= top] for values in behind]
    judged = np.concatenate([_judged(panel, drawn, coloured), *shown])
    _scale_axis(axes, np.concatenate([*drawn, *shown]), judged, log)
    if any((values > top).any() for values in behind):
        lowest = np.nanmin(np.concatenate([*drawn, *shown]))
        bottom = lowest / 1.1 if axes.get_yscale() == "log" else lowest - 0.04 * (top - lowest)
        axes.set_ylim(bottom, top)


def _judged(panel: Panel, drawn: Sequence[Array], coloured: Iterable[History]) -> Array:
    """Return the values whose span decides on the axis of a panel: loss and cost look alike."""
    if panel.metric not in ALWAYS:
        return np.concatenate([np.empty(0), *drawn])
    losses = [lines(history, Panel(ALWAYS[0])).values() for history in coloured]
    return np.concatenate([np.empty(0), *(values for of_run in losses for values in of_run)])


def _scale_axis(axes: Axes, values: Array, judged: Array, log: bool | None) -> bool:
    """Make the axis of `values` logarithmic where those that it is `judged` by ask for it, or as told."""
    span = _span(values)
    if log is None:
        log = _span(judged) >= _LOG_FROM and span >= _LOG_TICKS_FROM
    if not log or not (values > 0).any():
        return False
    axes.set_yscale("log")
    subs = (1.0, 2.0, 5.0) if span >= _LOG_TICKS_FROM else (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)
    axes.yaxis.set_major_locator(LogLocator(subs=subs if span < 2000 else (1.0,)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text.number(value, 6)))
    return True


def _span(values: Array) -> float:
    """Return largest / smallest of the finite values; 1 where a logarithm would not do."""
    finite = values[np.isfinite(values)]
    return float(finite.max() / finite.min()) if finite.size and finite.min() > 0 else 1.0
