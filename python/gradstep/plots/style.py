"""What all figures have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, MaxNLocator

from gradstep.errors import InvalidParameterError
from gradstep.plots.figure import Figure
from gradstep.utils import text
from gradstep.utils.constraints import NUMBER, above, check

#: Okabe and Ito's colours without yellow, which is too pale for a line on white. They stay apart
#: for every common kind of colour blindness (M. Okabe, K. Ito, "Color universal design", 2008).
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
INK, MUTED, GRID = "#24292f", "#6e7781", "#dfe3e8"
#: What a figure lies on; not quite white, so that a page can tell it from what is meant to be white.
PAPER = "#fefefe"

# Letters of notes that an inch has room for.
_LETTERS_PER_INCH = 12
# Entries of a legend side by side; the width of one without its text, and of a letter.
_LEGEND_COLUMNS, _ENTRY_INCHES, _LETTER_INCHES = 4, 0.75, 0.082


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
    """Give titles of what stands one below the other room."""
    figure.set_layout_engine("constrained", h_pad=0.12)  # inches


def size(given: Sequence[float] | None, usual: tuple[float, float], whose: str) -> tuple[float, float]:
    """Return the width and height of a figure in inches: as `figsize` has them, if it is given."""
    if given is None:
        return usual
    sides = tuple(given) if isinstance(given, (tuple, list)) else ()
    if len(sides) != 2:
        raise InvalidParameterError(f"`figsize` of {whose} must be a pair (width, height), got {given!r}")
    for side in sides:
        check(whose, "figsize", side, (NUMBER, above(0)))
    return float(sides[0]), float(sides[1])


def add_title(figure: Figure, title: str | None) -> None:
    """Write a title over the whole figure, if there is one; it is larger than those of its axes."""
    if title is not None:
        figure.suptitle(title, x=0.01, ha="left", color=INK, fontsize=15, weight="bold", parse_math=False)
        separate_rows(figure)


def add_notes(figure: Figure, notes: Iterable[str]) -> None:
    """Write notes below all axes of a figure without a legend; empty ones are left out."""
    figure.supxlabel(_wrapped(figure, notes), color=MUTED, fontsize=10, parse_math=False)


def legend_height(texts: Sequence[str], width: float) -> float:
    """Return the inches that `add_legend` takes in a figure of this width."""
    return 0.25 * -(-len(texts) // _legend_columns(texts, width))


def _legend_columns(texts: Sequence[str], width: float) -> int:
    """Return how many entries of a legend stand side by side."""
    longest = max(len(shorten(name)) for name in texts)
    room = int(width / (_ENTRY_INCHES + longest * _LETTER_INCHES))
    return max(1, min(len(texts), _LEGEND_COLUMNS, room))


def add_legend(
    figure: Figure,
    handles: Sequence[Artist] | Sequence[tuple[Artist, ...]],
    texts: Sequence[str],
    notes: Iterable[str] = (),
) -> None:
    """Write a legend below all axes, where it covers none, with notes over its entries."""
    drawn: Any = handles  # the stubs of matplotlib do not know tuples, which are drawn one on the other
    legend = figure.legend(
        drawn,
        # matplotlib drops names that begin with an underscore, hence the blank.
        [f" {shorten(name)}" for name in texts],
        loc="outside lower center",
        ncols=_legend_columns(texts, figure.get_figwidth()),
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
    """Return at most so many characters of a text, those that no font has as escapes."""
    name = text.printable(name)
    return name if len(name) <= length else name[: length - 1] + "…"


def readable_on(colour: tuple[float, float, float, float]) -> str:
    """Return black or white, whichever has more contrast: the border is a luminance of 0.179.

    With the relative luminance of the Web Content Accessibility Guidelines (WCAG 2.2).
    """
    channels = np.array(colour[:3])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return "black" if linear @ (0.2126, 0.7152, 0.0722) > 0.179 else "white"
