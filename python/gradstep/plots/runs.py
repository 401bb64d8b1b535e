"""Loss, cost and metrics of runs over their epochs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from matplotlib.lines import Line2D

from gradstep.errors import InvalidParameterError
from gradstep.nn.metrics import SPLITS
from gradstep.plots.figure import Figure
from gradstep.plots.histories import DASHES, MeanHistory, histories, line_colours, metrics_of, splits_of
from gradstep.plots.panels import Panel, View, apart, draw_panel, lines, panel_columns, panels
from gradstep.plots.style import MUTED, add_legend, add_title, legend_height, separate_rows, size
from gradstep.training.history import History
from gradstep.utils import text
from gradstep.utils.constraints import FLAG, NONE, check, either, one_of
from gradstep.utils.names import known_parameters

if TYPE_CHECKING:
    from gradstep.plots.histories import Told

# Inches of a figure by how many panels stand side by side, and of a row of them.
_WIDTHS, _HEIGHT = {1: 6.0, 2: 8.4, 3: 11.0}, 3.75


class LegendEntry(NamedTuple):
    """What one line of a legend says; `dash` is a key of DASHES."""

    text: str
    colour: str
    dash: str


@known_parameters
def curves(
    history: Told | Mapping[str, Told],
    *,
    best: str | Collection[str] | None = None,
    panels: str | Sequence[str] | None = None,
    x: str = "epoch",
    log: bool | None = None,
    title: str | None = None,
    figsize: tuple[float, float] | None = None,
) -> Figure:
    """Draw loss, cost and every metric of the models over epochs.

    Train rows are drawn solid, validation rows dashed; where the train rows were not evaluated, running
    metrics stand in, dash-dotted. Several runs are told apart by colours that colour-blind readers
    can tell apart too; of several seeds of one setting their mean is drawn, in a band of one standard
    deviation. Shares, as accuracies, are in percent. Where no run has an L2 term, loss and cost are one
    panel. Where most runs would lie flat below one that explodes, the axis ends early and says what is above.

    Parameters
    ----------
    history : History, fitted Trainer or Regressor, Repeats, or mapping of str to these
        A mapping draws several runs in one figure, its keys are their names. `Repeats` are drawn by mean and
        standard deviation of the seeds that came to their end, as far as all of them go.
    best : str or collection of str, optional
        Names of the runs to draw as above, among many: all others are thin grey lines of their
        validation rows, or of train rows where there are none, and are cut off where they are far worse
        than the best, as above 10 times their highest loss.
    panels : str or sequence of str, optional
        Which metrics to draw, in this order, as ``["accuracy", "loss"]``; by default all of them.
    x : {"epoch", "update"}, default="epoch"
        What they are drawn over.
    log : bool, optional
        Whether axes of what is no share are logarithmic. By default those of loss and cost are where the
        loss spans more than a factor of 30.
    title : str, optional
        Stands over the figure.
    figsize : pair of float, optional
        Width and height in inches.

    Returns
    -------
    matplotlib.figure.Figure
        One axes for loss, cost and each metric, as far as they were measured; the legend lies below them.

    Raises
    ------
    InvalidParameterError
        `history` is of another type, an estimator is not fitted, there is no evaluation to draw,
        `best` is no name of a run that is there, or `panels` no name of a metric that was measured.

    Examples
    --------
    >>> import gradstep as gs
    >>> data = gs.datasets.load_digits()
    >>> small = gs.Trainer(epochs=5, l2=1e-3, random_state=0).fit(data.train.X, data.train.y)
    >>> figure = gs.plots.curves(small)
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['loss', 'cost', 'accuracy (%)']
    """
    check("curves", "x", x, (one_of("epoch", "update"),))
    check("curves", "log", log, (either(FLAG, NONE),))
    runs = histories(history)
    view = View(None if best is None else _named(best, list(runs)), x, log)
    entries = legend_entries(runs, view.best)
    shown = _chosen(panels, runs)
    columns = panel_columns(len(shown))
    rows = -(-len(shown) // columns)
    notes = _notes(runs)
    names = [entry.text for entry in entries]
    width = _WIDTHS[columns]
    height = _HEIGHT * rows + legend_height(names, width) + 0.2 * len(notes)
    figure = Figure(figsize=size(figsize, (width, height), "curves"), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(grid, shown, strict=False):
        draw_panel(axes, panel, runs, view)
    for axes in grid[len(shown) :]:
        axes.remove()
    if rows > 1:
        separate_rows(figure)
    add_title(figure, title)
    handles = [
        Line2D([], [], color=color, linestyle=DASHES[dash], linewidth=2.2) for _, color, dash in entries
    ]
    add_legend(figure, handles, names, notes)
    return figure


def _named(best: object, runs: list[str]) -> list[str]:
    """Return `best` of `curves` as names of runs."""
    names: list[Any] = list(best) if isinstance(best, Iterable) and not isinstance(best, str) else [best]
    if any(name not in runs for name in names):
        raise InvalidParameterError(
            f"`best` of curves must be a name, or several, of the runs {text.given(runs)}, got {best!r}"
        )
    return names


def _chosen(names: str | Sequence[str] | None, runs: Mapping[str, History]) -> list[Panel]:
    """Return the panels to draw."""
    if names is None:
        return panels(runs)
    found = {metric.name: Panel(metric) for metric in metrics_of(runs.values())}
    found = {name: panel for name, panel in found.items() if any(lines(h, panel) for h in runs.values())}
    chosen = [names] if isinstance(names, str) else list(names)
    if not chosen or any(name not in found for name in chosen):
        raise InvalidParameterError(
            f"`panels` of curves must be metrics that were measured ({', '.join(found)}), got {names!r}"
        )
    return [found[name] for name in dict.fromkeys(chosen)]


def _notes(runs: Mapping[str, History]) -> list[str]:
    """Return what lines are, where they are not one training each or its rows do not count alike."""
    notes = []
    counts = {history.count for history in runs.values() if isinstance(history, MeanHistory)}
    if counts:
        seeds = f"{next(iter(counts))} seeds" if len(counts) == 1 else "several seeds"
        notes.append(f"lines: means of {seeds}, bands: ± one standard deviation")
    weighted = [
        split for split in splits_of(runs.values()) if any(split in run.weighted for run in runs.values())
    ]
    if weighted:
        notes.append(f"weighted by sample weights: {', '.join(SPLITS[split] for split in weighted)}")
    return notes


def legend_entries(runs: Mapping[str, History], best: Collection[str] | None = None) -> list[LegendEntry]:
    """Return the entries that tell the lines of `draw_panel` apart: runs by colour, splits by dashes."""
    coloured, others = apart(runs, best)
    rest = [LegendEntry("all others" if coloured else "all runs", MUTED, "train")] if others else []
    colours, splits = line_colours(len(coloured)), splits_of(coloured.values())
    if len(coloured) == 1:
        name = f"{next(iter(coloured))}: " if others else ""
        return [
            LegendEntry(name + SPLITS[split], colours[0][split == "validation"], split) for split in splits
        ] + rest
    named = [LegendEntry(name, colour, "train") for name, (colour, _) in zip(coloured, colours, strict=True)]
    return named + [LegendEntry(SPLITS[split], MUTED, split) for split in splits] + rest
