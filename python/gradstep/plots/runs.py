"""Loss, cost and metrics of runs over their epochs."""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from gradstep.errors import InvalidParameterError
from gradstep.nn.metrics import ALWAYS, SPLITS, Metric
from gradstep.plots.results import capitalised
from gradstep.plots.style import (
    MUTED,
    PALETTE,
    add_legend,
    add_title,
    as_percent,
    legend_height,
    separate_rows,
    style,
)
from gradstep.training.history import History, available_splits, metric_columns
from gradstep.utils import text

if TYPE_CHECKING:
    from gradstep.estimators.base import BaseTrainer

#: Dash patterns by split of the history, in line widths: train is solid.
DASHES: dict[str, Literal["-"] | tuple[float, tuple[float, ...]]] = {
    "train": "-",
    "running": (0, (7, 1.2, 1.2, 1.2)),
    "validation": (0, (3.2, 1.4)),
}

# Losses that span more than this factor are drawn on a logarithmic axis, and so are the costs, unless
# those span too little for its ticks at 1, 2 and 5.
_LOG_FROM, _LOG_TICKS_FROM = 30.0, 5.0
# What is in the background is shown up to so many times the worst of what is in colour; where higher is
# better, down to so many times the span of that below it.
_CUT, _CUT_SPANS = 10.0, 2.0

Array = npt.NDArray[np.float64]


class Panel(NamedTuple):
    """One metric over epochs; the history's columns are ``train_<name>`` and the like."""

    metric: Metric

    @property
    def name(self) -> str:
        """Of the metric."""
        return self.metric.name

    @property
    def title(self) -> str:
        """What stands over the panel."""
        return capitalised(self.metric.title)

    @property
    def label(self) -> str:
        """What stands along the axis of the metric."""
        return f"{self.metric.title} (%)" if self.metric.is_share else self.metric.title


class LegendEntry(NamedTuple):
    """What one line of a legend says; `dash` is a key of DASHES."""

    text: str
    colour: str
    dash: str


def curves(
    history: History | BaseTrainer | Mapping[str, History | BaseTrainer],
    *,
    best: str | Collection[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw loss, cost and every metric of the models over epochs.

    Train rows are drawn solid, validation rows dashed; where the train rows were not evaluated, running
    metrics stand in, dash-dotted. Several runs are told apart by colours that colour-blind readers
    can tell apart too. Loss and cost are on logarithmic axes where the loss spans more than a factor of
    30; shares, as accuracies, are in percent.

    Parameters
    ----------
    history : History, fitted Trainer or Regressor, or mapping of str to these
        A mapping draws several runs in one figure, its keys are their names.
    best : str or collection of str, optional
        Names of the runs to draw as above, among many: all others are thin grey lines of their
        validation rows, or of train rows where there are none, and are cut off where they are far worse
        than the best, as above 10 times their highest loss.
    title : str, optional
        Stands over the figure.

    Returns
    -------
    matplotlib.figure.Figure
        One axes for loss, cost and each metric, as far as they were measured; the legend lies below them.

    Raises
    ------
    InvalidParameterError
        `history` is of another type, an estimator is not fitted, there is no evaluation to draw, or
        `best` is no name of a run that is there.

    Examples
    --------
    >>> import gradstep as gs
    >>> data = gs.datasets.load_digits()
    >>> small = gs.Trainer(epochs=5, random_state=0).fit(data.train.X, data.train.y)
    >>> figure = gs.plots.curves(small)
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['loss', 'cost', 'accuracy (%)']
    """
    runs = histories(history)
    named = None if best is None else _named(best, list(runs))
    entries = legend_entries(runs, named)
    shown = panels(runs)
    columns = panel_columns(len(shown))
    lines = -(-len(shown) // columns)
    figure = Figure(figsize=(11, 3.75 * lines + legend_height(len(entries))), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, panel in zip(grid, shown, strict=False):
        draw_panel(axes, panel, runs, named)
    for axes in grid[len(shown) :]:
        axes.remove()
    if lines > 1:
        separate_rows(figure)
    add_title(figure, title)
    handles = [
        Line2D([], [], color=color, linestyle=DASHES[dash], linewidth=2.2) for _, color, dash in entries
    ]
    add_legend(figure, handles, [name for name, _, _ in entries])
    return figure


def _named(best: object, runs: list[str]) -> list[str]:
    """Return `best` of `curves` as names of runs."""
    names: list[Any] = list(best) if isinstance(best, Iterable) and not isinstance(best, str) else [best]
    if any(name not in runs for name in names):
        raise InvalidParameterError(
            f"`best` of curves must be a name, or several, of the runs {reprlib.repr(runs)}, got {best!r}"
        )
    return names


def histories(
    runs: History | BaseTrainer | Mapping[str, History | BaseTrainer], whose: str = "curves"
) -> dict[str, History]:
    """Return the history of every run by name; a run that stands alone has the name ""."""
    named = runs if isinstance(runs, Mapping) else {"": runs}
    found: dict[str, History] = {}
    for name, run in named.items():
        rows = run if isinstance(run, History) else getattr(run, "history_", None)
        what = f"run {name!r} of {whose}" if name else f"the run of {whose}"
        if not isinstance(rows, History):
            raise InvalidParameterError(
                f"{what} must be a History or a fitted Trainer or Regressor, got {run!r}"
            )
        if not available_splits(rows):
            raise InvalidParameterError(f"{what} must have at least one evaluation, got {rows!r}")
        found[str(name)] = rows
    if not found:
        raise InvalidParameterError(f"{whose} needs at least one run, got an empty mapping")
    return found


def line_colours(runs: int) -> list[tuple[str, str]]:
    """Return the (train, validation) colours of every run; only a run alone has two."""
    if runs == 1:
        return [(PALETTE[0], PALETTE[1])]
    if runs <= len(PALETTE):
        return [(colour, colour) for colour in PALETTE[:runs]]
    spread = [to_hex(colour) for colour in colormaps["cividis"](np.linspace(0, 0.92, runs))]
    return [(colour, colour) for colour in spread]


def splits_of(runs: Iterable[History]) -> list[str]:
    """Return the splits that any of the histories tells of, in order."""
    found = {split for history in runs for split in available_splits(history)}
    return [split for split in SPLITS if split in found]


def metrics_of(runs: Iterable[History]) -> list[Metric]:
    """Return what the histories tell, each metric once: loss and cost, then those of the models."""
    found = {metric.name: metric for metric in ALWAYS}
    for history in runs:
        found |= {metric.name: metric for metric in history.metrics}
    return list(found.values())


def panels(runs: Mapping[str, History]) -> list[Panel]:
    """Return the panels that have a line."""
    found = map(Panel, metrics_of(runs.values()))
    return [panel for panel in found if any(_lines(history, panel) for history in runs.values())]


def panel_columns(count: int) -> int:
    """Return how many of so many panels stand side by side."""
    return 2 if count == 4 else min(count, 3)


def legend_entries(runs: Mapping[str, History], best: Collection[str] | None = None) -> list[LegendEntry]:
    """Return the entries that tell the lines of `draw_panel` apart: runs by colour, splits by dashes."""
    coloured, others = _apart(runs, best)
    rest = [LegendEntry("all others" if coloured else "all runs", MUTED, "train")] if others else []
    colours, splits = line_colours(len(coloured)), splits_of(coloured.values())
    if len(coloured) == 1:
        name = f"{next(iter(coloured))}: " if others else ""
        return [
            LegendEntry(name + SPLITS[split], colours[0][split == "validation"], split) for split in splits
        ] + rest
    named = [LegendEntry(name, colour, "train") for name, (colour, _) in zip(coloured, colours, strict=True)]
    return named + [LegendEntry(SPLITS[split], MUTED, split) for split in splits] + rest


def draw_panel(
    axes: Axes, panel: Panel, runs: Mapping[str, History], best: Collection[str] | None = None
) -> None:
    """Draw one metric of every run: a line per run and split, its data the history's columns.

    Where `best` is given, all other runs stay in the background, with one grey line each.
    """
    coloured, others = _apart(runs, best)
    behind = _draw_background(axes, panel, others.values())
    drawn: list[Array] = []
    for history, colours in zip(coloured.values(), line_colours(len(coloured)), strict=True):
        for split, values in _lines(history, panel).items():
            drawn.append(values)
            axes.plot(
                history["epoch"],
                values,
                color=colours[split == "validation"],
                linestyle=DASHES[split],
                linewidth=1.8,
                marker="o" if len(history) <= 3 else "",
                markersize=4.5,
            )
    style(axes, panel.title, "epoch", panel.label)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if panel.metric.is_share:
        as_percent(axes.yaxis)
    elif panel.metric.better == "higher":
        _cut_below(axes, drawn, behind)
    else:
        _scale_and_cut(axes, panel, drawn, behind, coloured.values())


def _draw_background(axes: Axes, panel: Panel, histories: Iterable[History]) -> list[Array]:
    """Draw a grey line for every history that has one, and return their values."""
    drawn = []
    for history in histories:
        for values in list(_lines(history, panel).values())[-1:]:
            # One evaluation alone makes no line.
            marker = "." if len(history) == 1 else ""
            look: dict[str, Any] = {
                "color": MUTED,
                "alpha": 0.35,
                "linewidth": 1.0,
                "marker": marker,
                "zorder": 1.5,
            }
            axes.plot(history["epoch"], values, **look)
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


def _scale_and_cut(
    axes: Axes, panel: Panel, drawn: list[Array], behind: list[Array], coloured: Iterable[History]
) -> None:
    """Choose the axis of a metric of which less is better; it ends where the background is far above."""
    top = np.inf
    if drawn:
        high = np.nanmax(np.concatenate(drawn))
        top = high + (_CUT - 1) * abs(high)
    shown = [values[values <= top] for values in behind]
    # Loss and cost look alike.
    scaled = drawn
    if panel.metric in ALWAYS:
        scaled = [values for history in coloured for values in _lines(history, Panel(ALWAYS[0])).values()]
    _scale_axis(axes, np.concatenate([*drawn, *shown]), np.concatenate([*scaled, *shown]))
    if any((values > top).any() for values in behind):
        lowest = np.nanmin(np.concatenate([*drawn, *shown]))
        bottom = lowest / 1.1 if axes.get_yscale() == "log" else lowest - 0.04 * (top - lowest)
        axes.set_ylim(bottom, top)


def _apart(
    runs: Mapping[str, History], best: Collection[str] | None
) -> tuple[dict[str, History], dict[str, History]]:
    """Return the runs to draw in colour, all of them where `best` is None, and the others."""
    coloured = {name: history for name, history in runs.items() if best is None or name in best}
    return coloured, {name: history for name, history in runs.items() if name not in coloured}


def _lines(history: History, panel: Panel) -> dict[str, Array]:
    """Return the columns that a panel shows of a history, by split: those that have a number."""
    found = {}
    for split in available_splits(history):
        column = f"{split}_{panel.name}"
        if column in metric_columns(history, split) and not np.isnan(history[column]).all():
            found[split] = history[column]
    return found


def _scale_axis(axes: Axes, values: Array, judged: Array) -> None:
    """Make the axis of `values` logarithmic where those that it is `judged` by ask for it."""
    span = _span(values)
    if _span(judged) < _LOG_FROM or span < _LOG_TICKS_FROM:
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if span < 2000 else (1.0,)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: text.number(value, 6)))


def _span(values: Array) -> float:
    """Return largest / smallest of the finite values; 1 where a logarithm would not do."""
    finite = values[np.isfinite(values)]
    return float(finite.max() / finite.min()) if finite.size and finite.min() > 0 else 1.0
