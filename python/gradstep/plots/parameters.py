"""Metrics over one parameter that a search has tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from gradstep.errors import InvalidParameterError
from gradstep.nn.metrics import value_text
from gradstep.plots import results
from gradstep.plots.figure import Figure
from gradstep.plots.histories import line_colours
from gradstep.plots.results import Levels, Table
from gradstep.plots.scales import Scale, log_ticks, scale_of
from gradstep.plots.style import (
    MUTED,
    PAPER,
    add_legend,
    add_notes,
    add_title,
    as_percent,
    legend_height,
    shorten,
    size,
    style,
)
from gradstep.utils import text
from gradstep.utils.names import known_parameters

Array = npt.NDArray[np.float64]


@known_parameters
def over_parameter(
    table: Table,
    parameter: str = "l2",
    metric: str | Sequence[str] = "validation_accuracy",
    *,
    join: bool = True,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw a metric, such as the validation accuracy, over one parameter that was varied.

    Every row of the table is a dot. Where several have the same value of the parameter, as with
    several seeds, the line goes through their means. The best mean is ringed and written below; of
    equal ones that which comes first in the table.

    Where the table has a column `status`, as that of a search does, rows that were "pruned",
    "interrupted" or still "running" were not trained to their own end, and their metrics are those of an
    epoch on the way. Their dots are hollow, not joined, in no mean and never the best.

    The axis is logarithmic where the values are positive and span more than a factor of 10. A zero
    among them then stands apart at the left, behind a break of the axis and not joined to the rest.

    Parameters
    ----------
    table : mapping of str to sequence of length n, or pandas DataFrame
        Columns of parameters and metrics, a row per training. Rows whose metric is not finite are
        left out and counted.
    parameter : str, default="l2"
        Column of numbers; values of other kinds, such as names, are spaced evenly and not joined:
        layer sizes by depth and then by size, others in the order in which they come.
    metric : str or sequence of str, default="validation_accuracy"
        Column to draw; several must be of one quantity, such as the accuracies of train and
        validation rows. Shares, as accuracies, are shown in percent.
    join : bool, default=True
        Whether a line joins neighbouring values; it says nothing where other parameters were drawn
        at random, too.
    title : str, optional
        Stands over the figure.
    figsize : pair of float, optional
        Width and height in inches.

    Returns
    -------
    matplotlib.figure.Figure
        One axes; with several metrics, the legend lies below it.

    Raises
    ------
    InvalidParameterError
        `table` is no table, has no row or no such column, or a metric has no finite value.

    Examples
    --------
    >>> table = {"l2": [0, 1e-4, 1e-3, 1e-2], "validation_accuracy": [0.36, 0.39, 0.41, 0.38]}
    >>> (axes,) = over_parameter(table).axes
    >>> axes.get_xscale(), [tick.get_text() for tick in axes.get_xticklabels()]
    ('log', ['0', '1e-4', '1e-3', '1e-2'])
    """
    names = [metric] if isinstance(metric, str) else list(metric)
    wanted = [("parameter", parameter), *(("metric", name) for name in names)]
    read = results.read(table, "over_parameter", wanted)
    quantity = _quantity(names)
    levels, whole = results.levels(read[parameter]), results.complete(read)
    scale, is_repeated = scale_of(levels), results.is_repeated(levels.places[whole])
    columns = [results.metric_values(read[name], name, "over_parameter") for name in names]
    several = len(names) > 1
    shown = [results.words(name) for name in names]
    usual = (7.0, 4.2 + several * (0.3 + legend_height(shown, 7.0)))
    figure = Figure(figsize=size(figsize, usual, "over_parameter"), layout="constrained")
    axes = figure.subplots()
    colours = [colour for colour, _ in line_colours(len(names))]
    notes = []
    for name, values, colour in zip(names, columns, colours, strict=True):
        ended = np.where(whole, values, np.nan)
        means = results.means(ended, levels.places)
        _draw(axes, scale, levels.places, values, whole, means, colour, join and levels.numbers is not None)
        best = results.best(name, ended, levels.places)
        if best is not None:
            spot = scale.places[best], means[best]
            axes.plot(*spot, "o", markersize=13, markerfacecolor="none", color=colour)
            found = value_text(name, means[best])
            told = results.words(name)
            kind = "best mean" if is_repeated and not told.startswith("mean ") else "best"
            notes.append(f"{kind} {told}: {found} at {levels.names[best]}")
    if is_repeated:
        notes.append("dots: single trainings, bars: their means")
    if np.isfinite(np.array(columns)[:, ~whole]).any():
        notes.append("hollow: not trained to the end")
    notes.append(results.count_missing([read[name] for name in names]))
    style(axes, results.heading(quantity), results.label(parameter), results.label(quantity))
    _set_ticks(axes, levels, scale)
    if results.is_share(quantity):
        as_percent(axes.yaxis)
    add_title(figure, title)
    if several:
        lines = [Line2D([], [], color=colour, linewidth=2.2) for colour in colours]
        add_legend(figure, lines, shown, notes)
    else:
        add_notes(figure, notes)
    return figure


def _quantity(names: Sequence[str]) -> str:
    """Return what the columns have in common; one that stands alone is that itself."""
    quantities = {results.quantity(name) for name in names}
    if not names or (len(names) > 1 and len(quantities) > 1):
        raise InvalidParameterError(
            f"`metric` of over_parameter must be a column, or several of one quantity, got {names!r}"
        )
    return names[0] if len(names) == 1 else quantities.pop()


def _draw(
    axes: Axes,
    scale: Scale,
    levels: npt.NDArray[np.intp],
    values: Array,
    whole: npt.NDArray[np.bool_],
    means: Array,
    colour: str,
    join: bool,
) -> None:
    """Draw a dot per row, whose `levels` are given, and if wished a line through the means of the levels.

    Dots of rows that are not `whole` are hollow.
    """
    repeated = results.is_repeated(levels[whole])
    dots = scale.places[levels]
    look: dict[str, Any] = {"color": colour, "markersize": 4.5, "alpha": 0.4 if repeated else 1.0}
    if not whole.all():
        axes.plot(dots[~whole], values[~whole], "o", markerfacecolor="none", **look)
    axes.plot(dots[whole], values[whole], "o", **look)
    if join:
        joined = np.isfinite(means)
        joined[0] &= not scale.has_zero
        axes.plot(scale.places[joined], means[joined], color=colour, linewidth=1.8)
    if repeated:
        axes.plot(scale.places, means, "_", color=colour, markersize=13, markeredgewidth=1.8)


def _set_ticks(axes: Axes, levels: Levels, scale: Scale) -> None:
    """Write the values along the axis: of a logarithmic one powers of ten, and zero before its break."""
    if levels.numbers is None:
        axes.set_xticks(scale.places, [shorten(name, 16) for name in levels.names], parse_math=False)
        axes.margins(x=0.1)
    if not scale.log:
        return
    axes.set_xscale("log")
    positive = scale.places[int(scale.has_zero) :]
    low, high = positive[0] * (1 - 1e-9), positive[-1] * (1 + 1e-9)
    ticks = log_ticks(low, high)
    names = text.alike(ticks)
    if scale.has_zero:
        zero = scale.places[0]
        ticks, names = [zero, *ticks], ["0", *names]
        axes.text(
            np.sqrt(zero * positive[0]),
            0,
            "//",
            color=MUTED,
            fontsize=11,
            ha="center",
            va="center",
            transform=axes.get_xaxis_transform(),
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.0},
        )
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FixedFormatter(names))
    axes.xaxis.set_minor_locator(NullLocator())
