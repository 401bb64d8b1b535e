"""gradstep predict: answer the rows of a file by a saved model."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gradstep.cli import data as data_options
from gradstep.cli import output, saved
from gradstep.errors import InvalidParameterError
from gradstep.utils.progress import make_console
from gradstep.utils.text import printable

_EXAMPLES = """examples:
  gradstep predict species.model flowers.csv
  gradstep predict species.model flowers.csv --proba --output answers.csv
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.usage = "gradstep predict MODEL FILE [options]"
    parser.epilog = _EXAMPLES
    saved.add_options(parser, answers=False)
    group = parser.add_argument_group("output")
    group.add_argument(
        "--output", type=Path, metavar="FILE", help="write a .csv file (default: to standard output)"
    )
    group.add_argument(
        "--proba", action="store_true", help="add the probability of every class (classification alone)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write an answer for every row; return the exit status."""
    sources = {"MODEL": str(arguments.model), "FILE": arguments.file}
    output.check_files({"--output": arguments.output}, sources)
    saved.check_rows(arguments.file)
    # Standard output belongs to the answers.
    console = make_console(stderr=arguments.output is None)
    model = saved.load(arguments.model)
    if arguments.proba and not hasattr(model.estimator, "predict_proba"):
        raise InvalidParameterError("--proba goes with a model of classes, got one of real values")
    rows = saved.read(model, arguments, answers=False)
    rows.tell(arguments.file, console)
    with data_options.plain_errors():
        text = _table(model, rows.X, proba=arguments.proba)
    if arguments.output is None:
        sys.stdout.write(printable(text, keep="\n") if sys.stdout.isatty() else text)
        return 0
    from gradstep.utils.files import write_atomically

    write_atomically(arguments.output, text.encode("utf-8", "backslashreplace"))
    console.print(f"answers {arguments.output}")
    return 0


def _table(model: saved.SavedModel, X: Any, *, proba: bool) -> str:
    """Return the answers as a table: a row for every row, in the order of the file."""
    answers = model.estimator.predict(X)
    names = model.class_names
    if answers.ndim == 2:
        labels = hasattr(model.estimator, "predict_proba")
        header = list(names) if labels else [f"prediction_{place}" for place in range(answers.shape[1])]
        columns = list(answers.T)
    else:
        header, columns = ["prediction"], [_named(model, answers)]
    if proba:
        header += [f"probability_{name}" for name in names]
        columns += list(model.estimator.predict_proba(X).T)
    return _written([header, *zip(*(column.tolist() for column in columns), strict=True)])


def _named(model: saved.SavedModel, answers: Any) -> Any:
    """Return labels by the names that the data had for them."""
    import numpy as np

    classes = getattr(model.estimator, "classes_", None)
    if classes is None or not model.schema.class_names:
        return answers
    return np.array(model.class_names, dtype=object)[np.searchsorted(classes, answers)]


def _written(rows: Iterable[Sequence[object]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()
