"""Figures of a training run: its curves, and what its first layer looks at.

Nothing here touches pyplot or any other global state: every function returns a
`matplotlib.figure.Figure` of its own, to be shown or saved by the caller (``figure.savefig(path)``),
and works in any thread.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from gradstep.errors import InvalidParameterError
from gradstep.history import COLUMNS, History, measured

if TYPE_CHECKING:
    from gradstep.trainer import Trainer

__all__ = ["class_images", "curves"]

#: Okabe and Ito's colours without yellow, which is too pale for a line on white. They stay apart
#: for every common kind of colour blindness (M. Okabe, K. Ito, "Color universal design", 2008).
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
INK, MUTED, GRID = "#24292f", "#6e7781", "#dfe3e8"
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
_LEGEND_COLUMNS = 4


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


class Pictures(NamedTuple):
    """Weights of a first layer as images.

    Attributes
    ----------
    names : list of str
        What each image stands for: a class, or a hidden unit.
    pixels : ndarray of shape (m, height, width) in [-1, 1], or (m, height, width, 3) in [0, 1]
        Each image is scaled by its own largest absolute weight; zero is 0 in grey, 0.5 in colour.
    hidden : bool
        True when the images are of hidden units.
    left_out : int
        Hidden units that are not shown.
    """

    names: list[str]
    pixels: npt.NDArray[np.float64]
    hidden: bool
    left_out: int

    @property
    def caption(self) -> str:
        """One sentence on what the images show, for a reader who has not trained the network."""
        colour = self.pixels.ndim == 4
        scale = "mid-grey is zero" if colour else "red raises the score, blue lowers it, white is zero"
        if not self.hidden:
            return f"Weights of each class as an image: {scale}."
        scale = scale.replace("raises the score", "excites").replace("lowers it", "inhibits")
        rest = f" ({self.left_out} of {len(self.names) + self.left_out} left out)" if self.left_out else ""
        return f"Weights of the hidden units, strongest first{rest}: {scale}."


def curves(
    history: History | Trainer | Mapping[str, History | Trainer], *, title: str | None = None
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
    title : str, optional
        Stands over the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Three axes side by side, or two where no cost was measured; the legend lies below them.

    Raises
    ------
    InvalidParameterError
        `history` is of another type, a Trainer is not fitted, or there is no evaluation to draw.

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
    entries = legend_entries(runs)
    legend_rows = math.ceil(len(entries) / _LEGEND_COLUMNS)
    figure = Figure(figsize=(11, 3.75 + 0.25 * legend_rows), layout="constrained")
    shown = panels(runs)
    for axes, panel in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        draw_panel(axes, panel, runs)
    if title is not None:
        figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=13, weight="bold", parse_math=False)
    legend = figure.legend(
        [Line2D([], [], color=color, linestyle=DASHES[dash], linewidth=2.2) for _, color, dash in entries],
        # matplotlib drops names that begin with an underscore, hence the blank.
        [f" {_short(text)}" for text, _, _ in entries],
        loc="outside lower center",
        ncols=min(len(entries), _LEGEND_COLUMNS),
        frameon=False,
        fontsize=11,
        labelcolor=INK,
        handlelength=2.6,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def class_images(
    trainer: Trainer,
    image_shape: tuple[int, ...] | None = None,
    class_names: Sequence[str] | None = None,
    *,
    max_images: int = 50,
) -> Figure:
    """Draw the weights of the first layer as images.

    Without hidden layers there is one image per class: the weights that its score gives to the
    pixels. With hidden layers there is one image per unit of the first, those with the largest
    outgoing weights first.

    Every image is scaled by its own largest absolute weight, symmetric around zero: in colour a
    weight w is drawn as ``0.5 + w / (2 * max|w|)`` in its channel, in grey on a scale from blue
    (negative) over white to red (positive).

    Parameters
    ----------
    trainer : fitted Trainer
        With ``standardize=True`` its weights belong to the standardised features, and so does the
        image: a weight is per standard deviation of its pixel, not per unit of brightness.
    image_shape : tuple of int, optional
        ``(height, width)`` for grey, ``(3, height, width)`` for colour with all red values of a row
        first, then green, then blue, as CIFAR has them. Guessed when None: ``d = 3 * s * s`` is
        colour, ``d = s * s`` is grey.
    class_names : sequence of str of length k, optional
        By default the labels themselves, ``trainer.classes_``.
    max_images : int
        The most hidden units to draw; the figure says how many are left out.

    Returns
    -------
    matplotlib.figure.Figure
        One axes per image.

    Raises
    ------
    InvalidParameterError
        The product of `image_shape` is not d, no square image has d values, the number of names
        is not k, or the Trainer is not fitted.
    """
    pictures = weight_pictures(trainer, image_shape, class_names, max_images=max_images)
    count = len(pictures.names)
    columns = min(count, 5 if count <= 20 else 10)
    rows = math.ceil(count / columns)
    side = 9 / max(columns, 5)
    figure = Figure(figsize=(side * columns, (side + 0.3) * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, name, pixels in zip(grid, pictures.names, pictures.pixels, strict=False):
        axes.imshow(pixels, cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
        axes.set_title(_short(name, 16), color=INK, fontsize=12 if columns <= 5 else 8, parse_math=False)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color(GRID)
    for axes in grid[count:]:
        axes.remove()
    figure.supxlabel(pictures.caption, color=MUTED, fontsize=10)
    return figure


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


def legend_entries(runs: Mapping[str, History]) -> list[LegendEntry]:
    """Return the entries that tell the lines of `draw_panel` apart: runs by colour, parts by dashes."""
    colours, parts = line_colours(len(runs)), parts_of(runs.values())
    if len(runs) == 1:
        return [LegendEntry(PART_NAMES[part], colours[0][part == "validation"], part) for part in parts]
    named = [LegendEntry(name, colour, "train") for name, (colour, _) in zip(runs, colours, strict=True)]
    return named + [LegendEntry(PART_NAMES[part], MUTED, part) for part in parts]


def draw_panel(axes: Axes, panel: Panel, runs: Mapping[str, History]) -> None:
    """Draw one quantity of every run: a line per run and part, its data the history's columns."""
    drawn: list[npt.NDArray[np.float64]] = []
    for history, colours in zip(runs.values(), line_colours(len(runs)), strict=True):
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
    _style(axes, panel)
    if panel.column == "accuracy":
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}"))
    else:
        losses = [history[f"{part}_loss"] for history in runs.values() for part in measured(history)]
        _scale_loss_axis(axes, np.concatenate(drawn), np.concatenate(losses))


def weight_pictures(
    trainer: Trainer,
    image_shape: tuple[int, ...] | None = None,
    class_names: Sequence[str] | None = None,
    *,
    max_images: int = 50,
    whose: str = "class_images",
) -> Pictures:
    """Return the first layer's weights as images; parameters and errors are those of `class_images`."""
    if not hasattr(trainer, "coefs_"):
        raise InvalidParameterError(f"`trainer` of {whose} must be a fitted Trainer, got {trainer!r}")
    if max_images < 1:
        raise InvalidParameterError(f"`max_images` of {whose} must be >= 1, got {max_images}")
    weights = np.asarray(trainer.coefs_[0], dtype=np.float64).T
    classes = len(trainer.classes_)
    if class_names is not None and len(class_names) != classes:
        raise InvalidParameterError(
            f"`class_names` of {whose} must have {classes} names, one per class, got {len(class_names)}"
        )
    shape = _image_shape(weights.shape[1], image_shape, whose)
    hidden = len(trainer.coefs_) > 1
    if hidden:
        strength = np.linalg.norm(np.asarray(trainer.coefs_[1], dtype=np.float64), axis=1)
        shown = np.argsort(-strength, kind="stable")[:max_images]
        names = [f"unit {unit}" for unit in shown]
    else:
        shown = np.arange(len(weights))
        names = [str(name) for name in (trainer.classes_ if class_names is None else class_names)]
    largest = np.abs(weights[shown]).max(axis=1, keepdims=True)
    scaled = weights[shown] / np.where(largest > 0, largest, 1.0)
    pixels = scaled.reshape(-1, *shape)
    if len(shape) == 3:
        pixels = 0.5 + 0.5 * np.moveaxis(pixels, 1, -1)
    return Pictures(names, pixels, hidden, len(weights) - len(shown))


def _image_shape(d: int, given: tuple[int, ...] | None, whose: str) -> tuple[int, ...]:
    """Return (height, width) or (3, height, width) with product d."""
    if given is None:
        for channels in ((3,), ()):
            side = math.isqrt(d // math.prod(channels))
            if math.prod(channels) * side * side == d:
                return (*channels, side, side)
        raise InvalidParameterError(
            f"`image_shape` of {whose} is needed: its product must be d = {d}, "
            f"and no square image in grey or colour has {d} values"
        )
    shape = tuple(int(size) for size in given)
    grey_or_colour = len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3))
    if not grey_or_colour or min(shape) < 1:
        raise InvalidParameterError(
            f"`image_shape` of {whose} must be (height, width) or (3, height, width), "
            f"channels first, got {given}"
        )
    if math.prod(shape) != d:
        raise InvalidParameterError(
            f"the product of `image_shape` of {whose} must be d = {d}, got {given}, "
            f"whose product is {math.prod(shape)}"
        )
    return shape[1:] if shape[0] == 1 and len(shape) == 3 else shape


def _lines(history: History, panel: Panel) -> dict[str, npt.NDArray[np.float64]]:
    """Return the columns that a panel shows of a history, by part; there is no running cost."""
    columns = {part: f"{part}_{panel.column}" for part in measured(history)}
    return {part: history[column] for part, column in columns.items() if column in COLUMNS}


def _style(axes: Axes, panel: Panel) -> None:
    axes.set_title(panel.title, loc="left", color=INK, fontsize=13, weight="bold")
    axes.set_xlabel("epoch", color=MUTED, fontsize=11)
    axes.set_ylabel(panel.label, color=MUTED, fontsize=11)
    axes.tick_params(colors=MUTED, labelsize=11, length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.grid(True, axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))


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


def _short(text: str, length: int = 40) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
