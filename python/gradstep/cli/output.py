"""What commands leave behind: files, checked before any work is done, JSON and exit statuses."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradstep.cli.data import notes, parts
from gradstep.cli.options import NOT_OPTIONS
from gradstep.errors import InvalidParameterError
from gradstep.utils.files import PAGES, TABLES, check_ending, expanded, resolved

if TYPE_CHECKING:
    from gradstep import Metrics
    from gradstep.datasets import DataSet
    from gradstep.estimators.base import BaseTrainer

# How files of a kind are named, by the options that write them.
_ENDINGS = {
    "--report": PAGES,
    "--csv": TABLES,
    "--output": TABLES,
    "--markdown": (".md", ".markdown", ".txt"),
}

#: Exit status after Ctrl-C.
INTERRUPTED = 130


def check_files(files: Mapping[str, Path | None], sources: Mapping[str, str]) -> None:
    """Raise when a file cannot be written, or would destroy another one or the data.

    Parameters
    ----------
    files : mapping of str to Path or None
        By the option that names it; None is not written.
    sources : mapping of str to str
        The files that are read, by the options that name them.
    """
    given = [(option, path) for option, path in files.items() if path is not None]
    for written, path in given:
        check_writable(path, written)
        for option, source in sources.items():
            check_apart(path, expanded(source, option), option)
    for (_, path), (option, other) in combinations(given, 2):
        check_apart(path, other, option)


def check_writable(path: Path, option: str) -> None:
    """Raise before any work is done when the file of an option cannot be written, or is named for another."""
    if option in _ENDINGS:
        check_ending(path, _ENDINGS[option], option)
    if path.exists() and not path.is_file():
        raise InvalidParameterError(
            f"cannot write {path}: it is {'a folder' if path.is_dir() else 'no file'}"
        )
    folder = path.parent if not path.is_symlink() else resolved(path).parent
    if not folder.is_dir():
        raise InvalidParameterError(f"cannot write {path}: there is no folder {folder}")
    # What is new is written beside the file that it replaces.
    for place in (folder, path):
        if place.exists() and not os.access(place, os.W_OK):
            raise InvalidParameterError(f"cannot write {path}: {place} is write-protected")


def add_figure_options(parser: argparse._ActionsContainer, *, with_report: bool = True) -> None:
    """Add the options for figures and tables as files, and whether the report is then written with them."""
    parser.add_argument(
        "--figures",
        type=Path,
        metavar="FOLDER",
        help="write the figures of the report as files to a folder, and its tables as CSV, Markdown and "
        "LaTeX" + "; the report, too, if --report does not say where" * with_report,
    )
    parser.add_argument(
        "--figure-format",
        choices=("png", "svg", "pdf"),
        help="of these figures (default: png)",
    )


def report_path(arguments: argparse.Namespace) -> Path | None:
    """Return where the report is to be written, beside the figures if nothing is said; None if it is not."""
    report: Path | None = arguments.report
    folder: Path | None = arguments.figures
    if report is None and folder is not None:
        folder.mkdir(exist_ok=True)
        report = folder / "report.html"
    return report


def check_figures(arguments: argparse.Namespace) -> None:
    """Raise before any work is done when the figures cannot be written, or only their format is given."""
    check_folder(arguments.figures, "--figures")
    if arguments.figure_format is None:
        arguments.figure_format = "png"
    elif arguments.figures is None:
        raise InvalidParameterError("--figure-format goes with --figures, which names the folder")


def check_folder(path: Path | None, option: str) -> None:
    """Raise before any work is done when the folder of an option cannot be written to."""
    if path is None:
        return
    if path.exists() and not path.is_dir():
        raise InvalidParameterError(f"cannot write to {path} ({option}): it is no folder")
    parent = path if path.exists() else path.parent
    if not parent.is_dir():
        raise InvalidParameterError(f"cannot make {path} ({option}): there is no folder {parent}")
    if not os.access(parent, os.W_OK):
        raise InvalidParameterError(f"cannot write to {path} ({option}): permission denied")


def check_apart(path: Path, other: Path, option: str) -> None:
    """Raise when writing `path` would destroy what another option names."""
    if resolved(path) == resolved(other):
        raise InvalidParameterError(f"cannot write {path}: {option} names the same file")


def save(model: BaseTrainer, data: DataSet, path: Path) -> None:
    """Write a model with what it has to know of its data to read more of it."""
    model.snapshot().remember(data).save(path)


def data(data: DataSet) -> dict[str, Any]:
    """Return what the data is, as JSON has it."""
    rows = {part: len(rows) for part, rows in parts(data).items()}
    return {"name": data.name, "rows": rows, "notes": notes(data)}


def settings(estimator: BaseTrainer) -> dict[str, Any]:
    """Return the parameters that a command line can give, as JSON has them."""
    given = estimator.get_params(deep=False)
    return {name: plain(value) for name, value in given.items() if name not in NOT_OPTIONS}


def metrics(of_parts: Mapping[str, Metrics]) -> dict[str, dict[str, float | None]]:
    """Return the metrics of every part of the data, as JSON has them."""
    return {
        part: {name: finite(value) for name, value in metrics.items()} for part, metrics in of_parts.items()
    }


def finite(value: float) -> float | None:
    """JSON has no NaN (in a column of rows that were not evaluated) and no infinity."""
    return value if math.isfinite(value) else None


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    from gradstep.utils import concepts

    value = concepts.plain(value)
    return finite(value) if isinstance(value, float) else value
