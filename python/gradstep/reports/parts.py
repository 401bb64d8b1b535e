"""What pages are made of, as values: the templates show them, and escape whatever text they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from markupsafe import Markup


@dataclass(frozen=True)
class Label:
    """A name in the head or at the side of a table, with its colour as CSS and, in a frame, what is unusual.

    `kind` are CSS classes of its cell.
    """

    text: str
    kind: str = ""
    colour: str = ""
    badge: str = ""


@dataclass(frozen=True)
class TimeLine:
    """Bars, each with its begin and width, in a frame of a width and height."""

    label: str
    width: int
    height: int
    bars: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, CSS classes, what is in small below it, and how it looks."""

    text: str
    kind: str = ""
    small: Sequence[str] = ()
    look: Literal["", "mark", "badge"] = ""
    line: TimeLine | None = None


@dataclass(frozen=True)
class TableRow:
    """A row of a body; a note stands below it, as wide as the table."""

    name: Label
    cells: Sequence[Cell]
    kind: str = ""
    note: str = ""


@dataclass(frozen=True)
class ColumnGroup:
    """A heading above some columns."""

    title: str
    columns: int


@dataclass(frozen=True)
class PageTable:
    """A table of a page.

    Attributes
    ----------
    label : str
        Its name, for who cannot see it.
    name : str
        Head of the names of rows.
    heads : sequence of Label
        Of all other columns.
    rows : sequence of TableRow
    kind : str
        CSS classes.
    groups : sequence of ColumnGroup
        Above the heads; none, or of all columns.
    caption : str
        Stands below.
    """

    label: str
    name: str
    heads: Sequence[Label]
    rows: Sequence[TableRow]
    kind: str = ""
    groups: Sequence[ColumnGroup] = ()
    caption: str = ""


@dataclass(frozen=True)
class Card:
    """A number with its name before and a remark after it."""

    name: str
    value: str
    remark: str


@dataclass(frozen=True)
class Drawing:
    """A figure as SVG: `content` is what follows the first tag of matplotlib's, the closing one included."""

    kind: ClassVar[str] = "figure"
    label: str
    width: str
    view_box: str
    content: Markup


@dataclass(frozen=True)
class LegendLine:
    """An entry of a legend; `dash` is a CSS class, `colour` CSS."""

    text: str
    dash: str
    colour: str


@dataclass(frozen=True)
class CurvePanels:
    """The panels of `plots.curves`, and the legend of them all."""

    kind: ClassVar[str] = "curves"
    legend: Sequence[LegendLine]
    panels: Sequence[Drawing]
    are_pairs: bool


@dataclass(frozen=True)
class InlineImage:
    """An image as a data URI."""

    name: str
    width: int
    height: int
    uri: str


@dataclass(frozen=True)
class WeightImages:
    """The first layer's weights of a run; a run alone has no name."""

    kind: ClassVar[str] = "weights"
    name: Label | None
    caption: str
    images: Sequence[InlineImage]
