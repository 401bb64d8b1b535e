"""What all figures have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import fill

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gradstep.utils import text

#: Okabe and Ito's colours without yellow, which is too pale for a line on white. They stay apart
#: for every common kind of colour blindness (M. Okabe, K. Ito, "Color universal design", 2008).
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
INK, MUTED, GRID = "#24292f", "#6e7781", "#dfe3e8"
#: What a figure lies on; not quite white, so that a page can tell it from what is meant to be white.
PAPER = "#fefefe"

# Letters of notes that an inch has room for.
_LEGEND_COLUMNS, _LETTERS_PER_INCH = 4, 12


def style(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    """Give axes their titles and the look of every figure."""
    axes.set_title(title, loc="left", color=INK, fontsize=13, weight="bold")
    axes.set_xlabel(x_label, color=MUTED, fontsize=11)
    axes.set_ylabel(y_label, color=MUTED, fontsize=11)
    axes.tick_params(colors=MUTED, labelsize=11, length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.grid(True, axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.02)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))


def as_percent(axis: Axis) -> None:
    """Write the ticks of an axis of shares in percent."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: text.number(100 * share, 6)))


def separate_rows(figure: Figure) -> None:
    """Give rows of axes that stand one below the other room for their titles."""
    figure.set_layout_engine("constrained", h_pad=0.12)  # inches


def add_title(figure: Figure, title: str | None) -> None:
    """Write a title over the whole figure, if there is one."""
    if title is not None:
        figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=13, weight="bold", parse_math=False)


def add_notes(figure: Figure, notes: Iterable[str]) -> None:
    """Write notes below all axes of a figure without a legend; empty ones are left out."""
    figure.supxlabel(_wrapped(figure, notes), color=MUTED, fontsize=10, parse_math=False)


def legend_height(entries: int) -> float:
    """Return the inches that `add_legend` takes."""
    return 0.25 * -(-entries // _LEGEND_COLUMNS)


def add_legend(
    figure: Figure, handles: Sequence[Artist], texts: Sequence[str], notes: Iterable[str] = ()
) -> None:
    """Write a legend below all axes, where it covers none, with notes over its entries."""
    legend = figure.legend(
        handles,
        # matplotlib drops names that begin with an underscore, hence the blank.
        [f" {shorten(name)}" for name in texts],
        loc="outside lower center",
        ncols=min(len(texts), _LEGEND_COLUMNS),
        frameon=False,
        fontsize=11,
        labelcolor=INK,
        handlelength=2.6,
        title=_wrapped(figure, notes) or None,
        title_fontproperties={"size": 10},
    )
    legend.get_title().set(color=MUTED, parse_math=False)
    for entry in legend.get_texts():
        entry.set_parse_math(False)


def _wrapped(figure: Figure, notes: Iterable[str]) -> str:
    """Return notes as lines that fit into the width of a figure."""
    return fill("; ".join(note for note in notes if note), int(_LETTERS_PER_INCH * figure.get_figwidth()))


def shorten(name: str, length: int = 40) -> str:
    """Return at most so many characters of a text."""
    return name if len(name) <= length else name[: length - 1] + "…"
