"""A metric over two or three parameters of which a grid was tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.patches import Rectangle

from gradstep.errors import InvalidParameterError
from gradstep.nn.metrics import value_text
from gradstep.plots import results
from gradstep.plots.figure import Figure
from gradstep.plots.panels import panel_columns
from gradstep.plots.results import Levels, Table
from gradstep.plots.style import (
    GRID,
    INK,
    MUTED,
    PALETTE,
    add_notes,
    add_title,
    as_percent,
    readable_on,
    shorten,
    size,
)
from gradstep.utils import text
from gradstep.utils.names import known_parameters

#: Most values along a side, and most panels.
MOST_LEVELS, MOST_PANELS = 40, 12
# A cell's size in inches.
_CELL_WIDTH, _CELL_HEIGHT = 0.72, 0.5


class _Colours(NamedTuple):
    """How a metric is coloured, in all panels."""

    cmap: Colormap
    norm: Normalize


@known_parameters
def heat_map(
    table: Table,
    rows: str,
    columns: str,
    metric: str = "validation_accuracy",
    *,
    panels: str | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw a metric, such as the validation accuracy, over a grid of two parameters, or of three.

    Every cell has its number written in it, in percent if it is a share; the best is framed, of
    equal ones that which comes first in the table, and the lighter a cell, the better. Rows of the
    table that share a cell are shown by their mean, whatever else they differ in. A cell without a
    finite value has a dash.

    Where the table has a column `status`, as that of a search does, rows that were "pruned",
    "interrupted" or still "running" were not trained to their own end, and their metrics are those of an
    epoch on the way: they are left out and counted. Where no row at all came to its end, as after
    Ctrl-C, all are shown, but none is the best.

    Parameters
    ----------
    table : mapping of str to sequence of length n, or pandas DataFrame
        Columns of parameters and metrics, a row per training.
    rows, columns : str
        Columns of the table whose values go down and across: numbers ascending, layer sizes by depth
        and then by size, others in the order in which they come.
    metric : str, default="validation_accuracy"
        Column of numbers to show.
    panels : str, optional
        Column of a third parameter, which gets a panel for every value; all share their colours.
    title : str, optional
        Stands over the figure.
    figsize : pair of float, optional
        Width and height in inches.

    Returns
    -------
    matplotlib.figure.Figure
        One axes per panel, and the last for the scale of colours.

    Raises
    ------
    InvalidParameterError
        `table` is no table, has no row or no such column, the metric has no finite value, or a
        parameter has more values than can be shown (40 a side, 12 panels).

    Examples
    --------
    >>> table = {
    ...     "l2": [0, 0, 0.001, 0.001],
    ...     "batch_size": [10, 100, 10, 100],
    ...     "validation_accuracy": [0.361, 0.402, 0.385, 0.411],
    ... }
    >>> axes = heat_map(table, rows="l2", columns="batch_size").axes[0]
    >>> [text.get_text() for text in axes.texts]
    ['36.1', '40.2', '38.5', '41.1']
    """
    wanted = [("rows", rows), ("columns", columns), ("metric", metric)]
    wanted += [] if panels is None else [("panels", panels)]
    read = results.read(table, "heat_map", wanted)
    values = results.metric_values(read[metric], metric, "heat_map")
    down = _levels("rows", rows, read[rows], MOST_LEVELS)
    across = _levels("columns", columns, read[columns], MOST_LEVELS)
    constant = [""] * len(values)
    deep = _levels("panels", panels or "", constant if panels is None else read[panels], MOST_PANELS)
    shape = (len(deep.names), len(down.names), len(across.names))
    places = np.ravel_multi_index((deep.places, down.places, across.places), shape)
    whole = results.complete(read)
    any_ended = bool(np.isfinite(values[whole]).any())
    counted = whole if any_ended else np.ones_like(whole)
    shown = np.where(counted, values, np.nan)
    best = results.best(metric, shown, places) if any_ended else None
    cells = np.full(shape, np.nan)
    found = results.means(shown, places)
    cells.ravel()[: found.size] = found

    figure, grid = _grid(shape, figsize)
    colours = _colours(metric, cells)
    for number, (axes, name, panel) in enumerate(zip(grid, deep.names, cells, strict=True)):
        best_here = None if best is None else best - number * panel.size
        _draw(axes, panel, down, across, metric, colours, best_here)
        of_panel = f"{results.heading(panels or '')} = {shorten(name, 20)}"
        heading = results.heading(metric) if panels is None else of_panel
        axes.set_title(heading, loc="left", color=INK, fontsize=13, weight="bold", parse_math=False)
        axes.set_xlabel(results.label(columns), color=MUTED, fontsize=11)
        axes.set_ylabel(results.label(rows), color=MUTED, fontsize=11)
    _add_scale(figure, grid, metric, colours)
    notes = [] if best is None else [f"framed: best, {value_text(metric, cells.ravel()[best])}"]
    if results.is_repeated(places[counted]):
        notes.append("cells: means of several trainings")
    if left_out := np.count_nonzero(np.isfinite(values[~counted])):
        notes.append(f"{left_out} of {len(values)} left out: not trained to the end")
    if not any_ended:
        notes.append("none was trained to the end")
    add_notes(figure, [*notes, results.count_missing([values.tolist()])])
    add_title(figure, title)
    return figure


def _levels(role: str, name: str, values: Sequence[Any], most: int) -> Levels:
    levels = results.levels(values)
    if len(levels.names) > most:
        raise InvalidParameterError(
            f"`{role}` of heat_map must have at most {most} different values, "
            f"got {len(levels.names)} in {name!r}: it shows grids"
        )
    return levels


def _grid(shape: tuple[int, int, int], figsize: tuple[float, float] | None) -> tuple[Figure, list[Axes]]:
    """Return a figure with an axes for each of (panels, rows, columns), large enough to read the cells."""
    count = shape[0]
    columns = panel_columns(count)
    lines = -(-count // columns)
    width = max(2.4, shape[2] * _CELL_WIDTH + 0.9)
    height = max(1.6, shape[1] * _CELL_HEIGHT + 0.9)
    usual = (columns * width + 1.2, lines * height + 0.6)
    figure = Figure(figsize=size(figsize, usual, "heat_map"), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).ravel().tolist()
    for axes in grid[count:]:
        axes.remove()
    return figure, grid[:count]


def _colours(metric: str, cells: npt.NDArray[np.float64]) -> _Colours:
    """Return colours that tell values apart in grey prints, too: the lighter, the better."""
    low, high = np.nanmin(cells), np.nanmax(cells)
    margin = 0.0 if low < high else 0.01 * (abs(low) or 1.0)
    name = "cividis_r" if results.higher_is_better(metric) is False else "cividis"
    return _Colours(colormaps[name], Normalize(low - margin, high + margin))


def _draw(
    axes: Axes,
    cells: npt.NDArray[np.float64],
    down: Levels,
    across: Levels,
    metric: str,
    colours: _Colours,
    best: int | None,
) -> None:
    """Draw one panel (rows, columns); `best` is the place of the best cell, which may lie outside it."""
    axes.imshow(np.ma.masked_invalid(cells), cmap=colours.cmap, norm=colours.norm, aspect="auto")
    axes.set_xticks(range(len(across.names)), [shorten(name, 12) for name in across.names], parse_math=False)
    axes.set_yticks(range(len(down.names)), [shorten(name, 12) for name in down.names], parse_math=False)
    axes.tick_params(colors=MUTED, labelsize=11, length=0)
    axes.spines[:].set_color(GRID)
    for (i, j), value in np.ndenumerate(cells):
        is_best = i * len(across.names) + j == best
        axes.text(
            j,
            i,
            _cell_text(metric, value),
            color=readable_on(colours.cmap(colours.norm(value))) if np.isfinite(value) else MUTED,
            fontsize=11,
            weight="bold" if is_best else "normal",
            ha="center",
            va="center",
        )
        if is_best:
            corner = (j - 0.47, i - 0.46)
            axes.add_patch(Rectangle(corner, 0.94, 0.92, edgecolor=PALETTE[1], linewidth=3, fill=False))


def _cell_text(metric: str, value: float) -> str:
    return text.decimals(100 * value, 1) if results.is_share(metric) else text.number(value, 3, zeros=True)


def _add_scale(figure: Figure, grid: list[Axes], metric: str, colours: _Colours) -> None:
    bar = figure.colorbar(ScalarMappable(colours.norm, colours.cmap), ax=grid, fraction=0.05, aspect=25)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=MUTED, labelsize=11, length=0)
    bar.set_label(results.label(metric), color=MUTED, fontsize=11)
    if results.is_share(metric):
        as_percent(bar.ax.yaxis)
