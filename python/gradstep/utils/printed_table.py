"""A table whose cells are text: as lines, in HTML, Markdown and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from gradstep.utils import text

# What Markdown and LaTeX would take for their own. Of the letters that are no ASCII, those that gradstep
# itself writes; LaTeX reads all others as they are.
_MARKDOWN = {letter: f"\\{letter}" for letter in "\\`*_|[]#~$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
_LATEX = {letter: f"\\{letter}" for letter in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': "''",
    text.NOTHING: "--",
    text.GAP: "~",
    "±": r"$\pm$",
    "→": r"$\to$",
    "λ": r"$\lambda$",
    "…": r"\dots{}",
}


@dataclass(frozen=True)
class PrintedTable:
    r"""Rows of cells under heads, as they are read; what a format has for its own is escaped there.

    Parameters
    ----------
    heads : sequence of c str
    rows : sequence of sequences of c str
    left : sequence of at most c bool
        Which columns are aligned to the left; all others are to the right.
    notes : sequence of str
        Lines below.

    >>> found = PrintedTable(["name", "share"], [["a_b", "50 %"]], left=[True])
    >>> print(found.plain())
    name  share
    a_b    50 %
    >>> print(found.markdown())
    | name | share |
    | :--- | ---: |
    | a_b | 50 % |
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: Sequence[bool] = ()
    notes: Sequence[str] = ()

    def plain(self) -> str:
        """Return lines whose columns are aligned."""
        return "\n".join([text.aligned([self.heads, *self.rows], self._sides()), *self.notes])

    def html(self) -> str:
        """Return a table and its notes as HTML, styled by the page that shows it."""
        head = "".join(self._html("th", self.heads))
        body = "".join(f"<tr>{''.join(self._html('td', row))}</tr>\n" for row in self.rows)
        notes = "".join(f"<p><small>{escape(note)}</small></p>\n" for note in self.notes)
        return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n{notes}"

    def markdown(self) -> str:
        """Return a table in the Markdown of GitHub, with its notes below."""
        sides = [":---" if is_left else "---:" for is_left in self._sides()]
        written = [self.heads, *self.rows]
        cells = [[as_markdown(cell) for cell in row] for row in written]
        lines = [f"| {' | '.join(row)} |" for row in (cells[0], sides, *cells[1:])]
        notes = [part for note in self.notes for part in ("", as_markdown(note))]
        return "\n".join([*lines, *notes])

    def latex(self) -> str:
        """Return a `tabular`, which needs no package, with its notes as comments above it."""
        sides = "".join("l" if is_left else "r" for is_left in self._sides())
        rows = [_latex_row(row) for row in self.rows]
        notes = [f"% {' '.join(note.split())}" for note in self.notes]
        return "\n".join(
            [
                *notes,
                rf"\begin{{tabular}}{{{sides}}}",
                r"\hline",
                _latex_row(self.heads),
                r"\hline",
                *rows,
                r"\hline",
                r"\end{tabular}",
            ]
        )

    def _sides(self) -> list[bool]:
        return [*self.left, *(False,) * (len(self.heads) - len(self.left))]

    def _html(self, tag: str, cells: Sequence[str]) -> list[str]:
        sides = ("left" if is_left else "right" for is_left in self._sides())
        return [
            f'<{tag} style="text-align: {side}">{escape(cell)}</{tag}>'
            for cell, side in zip(cells, sides, strict=True)
        ]


def as_markdown(line: str) -> str:
    r"""Return a line of text as Markdown has it.

    >>> print(as_markdown("l2 * W < 1"))
    l2 \* W &lt; 1
    """
    # An underscore within a word is one.
    parts = re.split(r"(?<=[^\W_])(_+)(?=[^\W_])", line)
    return "".join(part if place % 2 else _escaped(part, _MARKDOWN) for place, part in enumerate(parts))


def _escaped(cell: str, letters: dict[str, str]) -> str:
    """Return a cell in one line, with letters replaced that mean something else there."""
    return "".join(letters.get(letter, letter) for letter in " ".join(cell.splitlines()))


def _latex_row(cells: Sequence[str]) -> str:
    line = " & ".join(_escaped(cell, _LATEX) for cell in cells)
    # Behind the end of a row a bracket or a star would be an argument of it.
    return f"{'{}' if line.startswith(('[', '*')) else ''}{line} \\\\"
