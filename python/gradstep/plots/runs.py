"""Loss, cost and accuracy of runs over their epochs."""

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
from gradstep.plots.style import MUTED, PALETTE, add_legend, add_title, as_percent, legend_height, style
from gradstep.training.history import COLUMNS, History, measured

if TYPE_CHECKING:
    from gradstep.estimators.trainer import Trainer

#: Dash patterns by part of the history, in line widths: training is solid.
DASHES: dict[str, Literal["-"] | tuple[float, tuple[float, ...]]] = {
    "train": "-",
    "running": (0, (7, 1.2, 1.2, 1.2)),
    "validation": (0, (3.2, 1.4)),
}
PART_NAMES = {"train": "training", "running": "training (running)", "validation": "validation"}

# Losses that span more than this factor are drawn on a logarithmic axis, and so are the costs, unless
# those span too little for its ticks at 1, 2 and 5.
_LOG_FROM, _LOG_TICKS_FROM = 30.0, 5.0
# Losses in the background are shown up to so many times the highest of those in colour.
_CUT = 10.0


class Panel(NamedTuple):
    """One quantity over epochs: the history's columns are ``train_<column>`` and the like."""

    column: str
    title: str
    label: str


PANELS = (
    Panel("loss", "Loss", "loss (nats)"),
    Panel("cost", "Cost = loss + L2 term", "cost (nats)"),
    Panel("accuracy", "Accuracy", "accuracy (%)"),
)


class LegendEntry(NamedTuple):
    """What one line of a legend says; `dash` is a key of DASHES."""

    text: str
    colour: str
    dash: str


def curves(
    history: History | Trainer | Mapping[str, History | Trainer],
    *,
    best: str | Collection[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw loss, cost and accuracy over epochs.

    Training is drawn solid, validation dashed; where the train rows were not evaluated, running
    figures stand in, dash-dotted. Several runs are told apart by colours that colour-blind readers
    can tell apart too. Loss and cost are in nats (natural logarithm), on logarithmic axes where the
    loss spans more than a factor of 30; accuracy is in percent of rows.

    Parameters
    ----------
    history : History, fitted Trainer, or mapping of str to either
        A mapping draws several runs in one figure, its keys are their names.
    best : str or collection of str, optional
        Names of the runs to draw as above, among many: all others are thin grey lines of their
        validation rows, or of training where there are none, and are cut off above 10 times the
        highest loss of the best.
    title : str, optional
        Stands over the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Three axes side by side, or two where no cost was measured; the legend lies below them.

    Raises
    ------
    InvalidParameterError
        `history` is of another type, a Trainer is not fitted, there is no evaluation to draw, or
        `best` is no name of a run that is there.

    Examples
    --------
    >>> import gradstep as gs
    >>> data = gs.datasets.load_digits()
    >>> small = gs.Trainer(epochs=5, random_state=0).fit(data.train.X, data.train.y)
    >>> figure = gs.plots.curves(small)
    >>> [axes.get_xlabel() for axes in figure.axes]
    ['epoch', 'epoch', 'epoch']
    """
    runs = histories(history)
    named = None if best is None else _named(best, list(runs))
    entries = legend_entries(runs, named)
    figure = Figure(figsize=(11, 3.75 + legend_height(len(entries))), layout="constrained")
    shown = panels(runs)
    for axes, panel in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        draw_panel(axes, panel, runs, named)
    add_title(figure, title)
    lines = [Line2D([], [], color=color, linestyle=DASHES[dash], linewidth=2.2) for _, color, dash in entries]
    add_legend(figure, lines, [text for text, _, _ in entries])
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
    runs: History | Trainer | Mapping[str, History | Trainer], whose: str = "curves"
) -> dict[str, History]:
    """Return the history of every run by name; a run that stands alone has the name ""."""
    named = runs if isinstance(runs, Mapping) else {"": runs}
    found: dict[str, History] = {}
    for name, run in named.items():
        rows = run if isinstance(run, History) else getattr(run, "history_", None)
        what = f"run {name!r} of {whose}" if name else f"the run of {whose}"
        if not isinstance(rows, History):
            raise InvalidParameterError(f"{what} must be a History or a fitted Trainer, got {run!r}")
        if not measured(rows):
            raise InvalidParameterError(f"{what} must have at least one evaluation, got {rows!r}")
        found[str(name)] = rows
    if not found:
        raise InvalidParameterError(f"{whose} needs at least one run, got an empty mapping")
    return found


def line_colours(runs: int) -> list[tuple[str, str]]:
    """Return the (training, validation) colours of every run; only a run alone has two."""
    if runs == 1:
        return [(PALETTE[0], PALETTE[1])]
    if runs <= len(PALETTE):
        return [(colour, colour) for colour in PALETTE[:runs]]
    spread = [to_hex(colour) for colour in colormaps["cividis"](np.linspace(0, 0.92, runs))]
    return [(colour, colour) for colour in spread]


def parts_of(runs: Iterable[History]) -> list[str]:
    """Return the parts that any of the histories tells of, in order."""
    found = {part for history in runs for part in measured(history)}
    return [part for part in DASHES if part in found]


def panels(runs: Mapping[str, History]) -> list[Panel]:
    """Return the panels that have a line."""
    return [panel for panel in PANELS if any(_lines(history, panel) for history in runs.values())]


def legend_entries(runs: Mapping[str, History], best: Collection[str] | None = None) -> list[LegendEntry]:
    """Return the entries that tell the lines of `draw_panel` apart: runs by colour, parts by dashes."""
    coloured, others = _apart(runs, best)
    rest = [LegendEntry("all others" if coloured else "all runs", MUTED, "train")] if others else []
    colours, parts = line_colours(len(coloured)), parts_of(coloured.values())
    if len(coloured) == 1:
        name = f"{next(iter(coloured))}: " if others else ""
        return [
            LegendEntry(name + PART_NAMES[part], colours[0][part == "validation"], part) for part in parts
        ] + rest
    named = [LegendEntry(name, colour, "train") for name, (colour, _) in zip(coloured, colours, strict=True)]
    return named + [LegendEntry(PART_NAMES[part], MUTED, part) for part in parts] + rest


def draw_panel(
    axes: Axes, panel: Panel, runs: Mapping[str, History], best: Collection[str] | None = None
) -> None:
    """Draw one quantity of every run: a line per run and part, its data the history's columns.

    Where `best` is given, all other runs stay in the background, with one grey line each.
    """
    coloured, others = _apart(runs, best)
    background = [(history, list(_lines(history, panel).values())[-1:]) for history in others.values()]
    for history, lines in background:
        for values in lines:
            # One evaluation alone makes no line.
            marker = "." if len(history) == 1 else ""
            axes.plot(
                history["epoch"], values, color=MUTED, alpha=0.35, linewidth=1.0, marker=marker, zorder=1.5
            )
    drawn: list[npt.NDArray[np.float64]] = []
    for history, colours in zip(coloured.values(), line_colours(len(coloured)), strict=True):
        for part, values in _lines(history, panel).items():
            drawn.append(values)
            axes.plot(
                history["epoch"],
                values,
                color=colours[part == "validation"],
                linestyle=DASHES[part],
                linewidth=1.8,
                marker="o" if len(history) <= 3 else "",
                markersize=4.5,
            )
    style(axes, panel.title, "epoch", panel.label)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if panel.column == "accuracy":
        as_percent(axes.yaxis)
        return
    losses = [history[f"{part}_loss"] for history in coloured.values() for part in measured(history)]
    behind = [values for _, lines in background for values in lines]
    top = _CUT * np.nanmax(np.concatenate(drawn)) if drawn else np.inf
    shown = [values[values <= top] for values in behind]
    _scale_loss_axis(axes, np.concatenate([*drawn, *shown]), np.concatenate([*losses, *shown]))
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


def _lines(history: History, panel: Panel) -> dict[str, npt.NDArray[np.float64]]:
    """Return the columns that a panel shows of a history, by part; there is no running cost."""
    columns = {part: f"{part}_{panel.column}" for part in measured(history)}
    return {part: history[column] for part, column in columns.items() if column in COLUMNS}


def _scale_loss_axis(axes: Axes, values: npt.NDArray[np.float64], losses: npt.NDArray[np.float64]) -> None:
    """Make the axis logarithmic where the losses ask for it, so that loss and cost look alike."""
    span = _span(values)
    if _span(losses) < _LOG_FROM or span < _LOG_TICKS_FROM:
        return
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if span < 2000 else (1.0,)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _span(values: npt.NDArray[np.float64]) -> float:
    """Return largest / smallest of the finite values; 1 where a logarithm would not do."""
    finite = values[np.isfinite(values)]
    return float(finite.max() / finite.min()) if finite.size and finite.min() > 0 else 1.0
