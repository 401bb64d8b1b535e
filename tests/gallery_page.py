"""Run one example as the gallery does: ``python tests/gallery_page.py FILE`` prints the figures of its cells.

A cell shows the figures of pyplot that it drew, and its last value. Every figure is drawn, so that what only
drawing finds out is found out.
"""

from __future__ import annotations

import ast
import io
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import CodeType
from typing import Any

import matplotlib.figure
from matplotlib import pyplot

CELL = "# %%"


def cells(source: str) -> Iterator[list[ast.stmt]]:
    """Yield the statements of every cell that has some."""
    lines = source.splitlines()
    starts = [0, *(number for number, line in enumerate(lines, 1) if line.startswith(CELL)), len(lines) + 1]
    body = ast.parse(source).body
    for start, end in pairwise(starts):
        if found := [statement for statement in body if start <= statement.lineno < end]:
            yield found


def code(statements: list[ast.stmt], path: Path) -> CodeType:
    """Return statements as what can be executed."""
    return compile(ast.Module(statements, []), str(path), "exec")


def run(path: Path) -> list[int]:
    """Run a file and return how many figures each of its cells shows."""
    names: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    shown = []
    for statements in cells(path.read_text(encoding="utf-8")):
        *before, last = statements
        value = None
        if isinstance(last, ast.Expr):
            exec(code(before, path), names)
            value = eval(compile(ast.Expression(last.value), str(path), "eval"), names)
        else:
            exec(code(statements, path), names)
        figures = [pyplot.figure(number) for number in pyplot.get_fignums()]
        figures += [value] if isinstance(value, matplotlib.figure.Figure) else []
        for figure in figures:
            figure.savefig(io.BytesIO(), dpi=50)
        pyplot.close("all")
        shown.append(len(figures))
    return shown


if __name__ == "__main__":
    print(sum(run(Path(sys.argv[1]))))
