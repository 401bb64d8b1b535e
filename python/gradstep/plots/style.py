"""What all figures have in common."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

#: Okabe and Ito's colours without yellow, which is too pale for a line on white. They stay apart
#: for every common kind of colour blindness (M. Okabe, K. Ito, "Color universal design", 2008).
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
INK, MUTED, GRID = "#24292f", "#6e7781", "#dfe3e8"


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


def shorten(text: str, length: int = 40) -> str:
    """Return at most so many characters of a text."""
    return text if len(text) <= length else text[: length - 1] + "…"
