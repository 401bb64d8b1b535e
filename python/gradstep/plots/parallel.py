"""A metric over three or more parameters that a search has varied together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from gradstep.errors import InvalidParameterError
from gradstep.nn.metrics import value_text
from gradstep.plots import results
from gradstep.plots.figure import Figure
from gradstep.plots.results import Table
from gradstep.plots.scales import log_ticks, scale_of
from gradstep.plots.style import GRID, INK, MUTED, PALETTE, PAPER, add_notes, add_title, shorten, size
from gradstep.utils import text
from gradstep.utils.names import known_parameters

Array = npt.NDArray[np.float64]

# Values that are all written beside their axis; more of them are told by ticks.
_WRITTEN = 6
# This share of the trainings, the best, is in colour.
_GOOD_SHARE = 0.25
# How lines look: that of the best, of other good ones, of all others, and of what never came to its end.
_BEST: dict[str, Any] = {"color": PALETTE[1], "linewidth": 2.6, "zorder": 3}
_GOOD: dict[str, Any] = {"color": PALETTE[0], "linewidth": 1.3, "alpha": 0.75}
_OTHER: dict[str, Any] = {"color": MUTED, "linewidth": 1.3, "alpha": 0.35}
_UNENDED: dict[str, Any] = {"color": MUTED, "linewidth": 0.7, "alpha": 0.35, "linestyle": (0, (6, 4))}


class _Rail(NamedTuple):
    """One upright axis: where every row of the table crosses it, in [0, 1], and what is written there."""

    name: str
    places: Array
    ticks: list[tuple[float, str]]


@known_parameters
def parallel_coordinates(
    table: Table,
    parameters: Sequence[str],
    metric: str = "validation_accuracy",
    *,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw every training as a line through its parameters to its metric, such as the validation accuracy.

    The best is drawn in orange, the rest of the best quarter in blue, all others in grey; of equal ones
    the best is that which comes first in the table. The axis of the metric has its best at the top;
    that of a parameter is logarithmic where the values are positive and span more than a factor of 10,
    a zero among them then stands half a decade below the smallest.

    Where the table has a column `status`, as that of a search does, rows that were "pruned",
    "interrupted" or still "running" were not trained to their own end, and their metrics are those of an
    epoch on the way. Their lines are thin and dashed, and neither the best nor of the best quarter.

    Parameters
    ----------
    table : mapping of str to sequence of length n, or pandas DataFrame
        Columns of parameters and metrics, a row per training. Rows whose metric is not finite are
        left out and counted.
    parameters : sequence of str
        Columns, from left to right; what are no numbers is spaced evenly, layer sizes by depth and then
        by size, others in the order in which they come.
    metric : str, default="validation_accuracy"
        Column of the last axis; shares, as accuracies, are shown in percent.
    title : str, optional
        Stands over the figure.
    figsize : pair of float, optional
        Width and height in inches.

    Returns
    -------
    matplotlib.figure.Figure
        One axes; the best training, if there is one, is its last line.

    Raises
    ------
    InvalidParameterError
        `table` is no table, has no row or no such column, `parameters` is empty, or the metric has no
        finite number.

    Examples
    --------
    >>> table = {
    ...     "l2": [0, 0.001, 0.1],
    ...     "batch_size": [10, 100, 10],
    ...     "hidden": [(), (50,), (50, 30)],
    ...     "validation_accuracy": [0.361, 0.402, 0.385],
    ... }
    >>> (axes,) = parallel_coordinates(table, ["l2", "batch_size", "hidden"]).axes
    >>> axes.lines[-1].get_xydata().tolist()[1:]
    [[1.0, 1.0], [2.0, 0.5], [3.0, 1.0]]
    """
    names = [parameters] if isinstance(parameters, str) else list(parameters)
    if not names:
        raise InvalidParameterError(
            f"`parameters` of parallel_coordinates must name one column or more, got {parameters!r}"
        )
    wanted = [*(("parameters", name) for name in names), ("metric", metric)]
    read = results.read(table, "parallel_coordinates", wanted)
    values = results.metric_values(read[metric], metric, "parallel_coordinates")
    measured = np.flatnonzero(np.isfinite(values))
    rails = [_rail(name, [read[name][row] for row in measured]) for name in names]
    rails.append(_metric_rail(metric, values[measured]))
    usual = (max(7.0, 1.9 * len(rails)), 4.6)
    figure = Figure(figsize=size(figsize, usual, "parallel_coordinates"), layout="constrained")
    axes = figure.subplots()
    notes = _draw(axes, rails, metric, values[measured], results.complete(read)[measured])
    axes.set_title(results.heading(metric), loc="left", color=INK, fontsize=13, weight="bold", pad=26)
    add_notes(figure, [*notes, results.count_missing([values.tolist()])])
    add_title(figure, title)
    return figure


def _rail(name: str, column: Sequence[object]) -> _Rail:
    levels = results.levels(column)
    scale = scale_of(levels)
    if len(levels.names) <= _WRITTEN or levels.numbers is None:
        ticks = list(zip(scale.places.tolist(), levels.names, strict=True))
    else:
        low, high = scale.places[int(scale.has_zero)], scale.places[-1]
        found = log_ticks(low, high) if scale.log else _ticks_between(low, high)
        ticks = [(scale.places[0], "0")] * scale.has_zero + list(zip(found, text.alike(found), strict=True))
    if scale.log:
        return _stretched(name, np.log10(scale.places), levels.places, [(np.log10(p), t) for p, t in ticks])
    return _stretched(name, scale.places, levels.places, ticks)


def _metric_rail(name: str, values: Array) -> _Rail:
    """Return the axis of the metric, its best at the top."""
    unit = 100 if results.is_share(name) else 1
    ticks = [(tick, text.number(unit * tick, 6)) for tick in _ticks_between(*_ends(values))]
    rail = _stretched(name, values, np.arange(len(values)), ticks)
    if results.higher_is_better(name) is not False:
        return rail
    return _Rail(name, 1 - rail.places, [(1 - place, name) for place, name in rail.ticks])


def _stretched(
    name: str, places: Array, rows: npt.NDArray[np.intp], ticks: Sequence[tuple[float, str]]
) -> _Rail:
    """Return an axis whose ends are those of its places; one place alone stands in the middle."""
    low, high = _ends(places)
    width = high - low or 1.0
    offset = low if high > low else low - 0.5
    crossings = (places[rows] - offset) / width
    return _Rail(name, crossings, [(float((place - offset) / width), written) for place, written in ticks])


def _ends(values: Array) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _ticks_between(low: float, high: float) -> list[float]:
    ticks = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(tick) for tick in ticks if low <= tick <= high] or [low]


def _draw(
    axes: Axes, rails: Sequence[_Rail], metric: str, values: Array, whole: npt.NDArray[np.bool_]
) -> list[str]:
    """Draw the axes and a line per row, the best last; return what the lines' looks mean."""
    for place in range(len(rails)):
        axes.axvline(place, color=GRID, linewidth=1.2, zorder=1)
    order = np.argsort(-values if results.higher_is_better(metric) else values, kind="stable")
    better = order[whole[order]].tolist()
    best = results.best(metric, np.where(whole, values, np.nan), np.arange(len(values)))
    good = [] if best is None else better[: max(1, round(_GOOD_SHARE * len(better)))]
    paths = np.array([rail.places for rail in rails])
    # Dashed lines that lie on one another look like a pale one.
    other = _OTHER if whole.all() else _OTHER | {"alpha": 0.8}
    for row in [*order[~whole[order]].tolist(), *better[::-1]]:
        look = _BEST if row == best else _GOOD if row in good else other if whole[row] else _UNENDED
        axes.plot(range(len(rails)), paths[:, row], **look)
    for place, rail in enumerate(rails):
        _write_ticks(axes, place, rail, last=place == len(rails) - 1)
    axes.set_xticks(range(len(rails)), [shorten(results.label(rail.name), 24) for rail in rails])
    axes.tick_params(axis="x", length=0, colors=INK, labelsize=11, top=True, labeltop=True, labelbottom=False)
    axes.set(xlim=(-0.45, len(rails) - 0.55), ylim=(-0.05, 1.05), yticks=[])
    axes.spines[:].set_visible(False)
    return [
        "" if best is None else f"orange: the best, {value_text(metric, values[best])}",
        "blue: the rest of the best quarter" if len(good) > 1 else "",
        "" if whole.all() else "dashed: not trained to the end",
    ]


def _write_ticks(axes: Axes, place: int, rail: _Rail, *, last: bool) -> None:
    """Write the ticks of an axis to its left, those of the last one, which has room there, to its right."""
    for height, written in rail.ticks:
        axes.text(
            place + (0.06 if last else -0.06),
            height,
            shorten(written, 14),
            color=INK,
            fontsize=10,
            ha="left" if last else "right",
            va="center",
            parse_math=False,
            zorder=4,
            bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 1.0},
        )
