"""gradstep gradcheck: hold the analytic gradient against differences of the cost."""

from __future__ import annotations

import argparse

from gradstep.cli import data as data_options
from gradstep.cli import options
from gradstep.utils.progress import make_console

# The parameters that the gradient at the initial weights depends on.
_PARAMETERS = (
    *("hidden", "activation", "loss", "l2", "standardize", "standardize_targets"),
    *("init", "backend", "n_threads", "random_state"),
)


def _entries(text: str) -> int | None:
    if text == "all":
        return None
    return options.at_least_one(text)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.usage = "gradstep gradcheck [options]"
    data_options.add_data_options(parser, default="digits")
    options.add_estimator_options(parser, _PARAMETERS)
    check = parser.add_argument_group("check")
    check.add_argument(
        "--rows",
        type=options.at_least_one,
        default=100,
        metavar="N",
        help="training rows the cost is taken over (default: %(default)s)",
    )
    check.add_argument(
        "--entries",
        type=_entries,
        default=500,
        metavar="N",
        help="entries drawn from each parameter array, or all (default: %(default)s)",
    )
    check.add_argument(
        "--tolerance",
        type=options.number,
        default=1e-7,
        metavar="X",
        help="largest relative error by central differences that passes (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the table of the check; 0 when it passes, else 1."""
    import numpy as np

    from gradstep.diagnostics.gradcheck import gradient_check
    from gradstep.utils import text

    trainer = options.make_estimator(arguments)
    data, console = data_options.load(arguments), make_console()
    data_options.tell(data, console)
    rows = data.train
    X, y = rows.X[: arguments.rows], rows.y[: arguments.rows]
    with data_options.plain_errors():
        # Rows that are few may lack classes that the data has.
        classes = np.unique(rows.y) if trainer.settings().loss.takes == "labels" else None
        result = gradient_check(trainer, X, y, classes=classes, entries=arguments.entries)
    console.print(str(result))
    passed = result.passed(arguments.tolerance)
    verdict = "passed" if passed else "FAILED"
    error, tolerance = text.scientific(result.max_relative_error()), text.setting(arguments.tolerance)
    console.print(f"\n{verdict}: largest relative error {error}, tolerance {tolerance}")
    return 0 if passed else 1
