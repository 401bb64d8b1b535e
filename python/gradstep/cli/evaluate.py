"""gradstep evaluate: hold a saved model against rows whose answers are known."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from gradstep._version import __version__
from gradstep.cli import data as data_options
from gradstep.cli import output, saved, terminal
from gradstep.utils.progress import make_console

_EXAMPLES = """examples:
  gradstep evaluate species.model test.csv
  gradstep evaluate species.model test.csv --json
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.usage = "gradstep evaluate MODEL FILE [options]"
    parser.epilog = _EXAMPLES
    saved.add_options(parser, answers=True)
    group = parser.add_argument_group("output")
    group.add_argument(
        "--json",
        action="store_true",
        help="write the metrics as JSON to standard output, notes to standard error",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the metrics; return the exit status."""
    from gradstep.nn.metrics import value_text
    from gradstep.utils import text

    saved.check_rows(arguments.file)
    console = make_console(stderr=arguments.json)
    model = saved.load(arguments.model)
    rows = saved.read(model, arguments, answers=True)
    rows.tell(arguments.file, console)
    with data_options.plain_errors():
        metrics = model.estimator.evaluate(rows.X, rows.y)
    if arguments.json:
        found = {
            "gradstep": __version__,
            "rows": len(rows.X),
            "notes": rows.in_options,
            "metrics": {name: output.finite(value) for name, value in metrics.items()},
        }
        print(json.dumps(found, indent=1, allow_nan=False))
        return 0
    columns = ("", "rows", *(name.replace("_", " ") for name in metrics))
    values = [value_text(name, value) for name, value in metrics.items()]
    name = Path(arguments.file).name
    console.print(terminal.make_table(columns, [(name, text.count(len(rows.X)), *values)]))
    return 0
