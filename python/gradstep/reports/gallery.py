"""The figures and tables of a page, which may be wanted as files, too."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from matplotlib.figure import Figure

from gradstep.errors import InvalidParameterError
from gradstep.reports import pictures
from gradstep.reports.parts import Drawing
from gradstep.utils.constraints import check, one_of
from gradstep.utils.files import write_atomically
from gradstep.utils.table import Tabular

#: How figures can be written, and how tables are.
FigureFormat = Literal["png", "svg", "pdf"]
FORMATS, TABLE_FORMATS = get_args(FigureFormat), ("csv", "md", "tex")


class Gallery:
    """Collects the figures and tables of a page by name, as it is made.

    A figure that the page shows in another way is made only if files are wanted.
    """

    def __init__(self) -> None:
        self._figures: dict[str, Callable[[], Figure]] = {}
        self._tables: dict[str, Tabular] = {}

    def show(self, name: str, drawn: Figure, label: str) -> Drawing:
        """Keep a figure, and return it as SVG for the page; `label` says what it shows."""
        key = self.keep(name, lambda: drawn)
        return pictures.figure(drawn, label, f"{key}-")

    def keep(self, name: str, make: Callable[[], Figure]) -> str:
        """Keep what makes a figure, under a name of a file that no other has; return that."""
        key = _free(name, self._figures)
        self._figures[key] = make
        return key

    def tabulate(self, name: str, table: Tabular) -> None:
        """Keep a table."""
        self._tables[_free(name, self._tables)] = table

    def write(self, folder: Path, form: str) -> list[Path]:
        """Write figures in a format and tables as CSV, Markdown and LaTeX; return the files.

        Raises
        ------
        OSError
            A file cannot be written.
        """
        folder.mkdir(exist_ok=True)
        written = []
        for name, make in self._figures.items():
            written.append(folder / f"{name}.{form}")
            write_atomically(written[-1], pictures.as_file(make(), form))
        for name, table in self._tables.items():
            written += [folder / f"{name}.{ending}" for ending in TABLE_FORMATS]
            for path, write in zip(
                written[-3:], (table.to_csv, table.to_markdown, table.to_latex), strict=True
            ):
                write(path)
        return written


def checked_folder(path: str | os.PathLike[str] | None, form: str, owner: str) -> Path | None:
    """Return `figures` of `owner` as a folder that can be made or is there; None where none is wanted.

    Raises
    ------
    InvalidParameterError
        It cannot, or `figure_format` is none.
    """
    check(owner, "figure_format", form, (one_of(*FORMATS),))
    if path is None:
        return None
    try:
        folder = Path(path)
    except TypeError as error:
        raise InvalidParameterError(f"`figures` of {owner} must be a folder, got {path!r}") from error
    if folder.exists() and not folder.is_dir():
        raise InvalidParameterError(f"`figures` of {owner} must be a folder, got the file {folder}")
    if not folder.parent.is_dir():
        raise InvalidParameterError(f"`figures` of {owner} must lie in a folder that exists, got {folder}")
    return folder


def _free(name: str, taken: object) -> str:
    """Return a name as a file may have it, which is not taken."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "figure"
    key, number = plain, 1
    while key in taken:  # type: ignore[operator]
        number += 1
        key = f"{plain}-{number}"
    return key
