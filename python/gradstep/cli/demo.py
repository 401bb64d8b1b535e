"""gradstep demo: train two small networks on handwritten digits, in seconds, and write a report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import gradstep
from gradstep.cli import terminal
from gradstep.cli.output import INTERRUPTED, check_writable
from gradstep.cli.train import TrainingOutcome, fit, write_report
from gradstep.utils.progress import make_console

# Both reach what they can within their epochs; found by trying a few rates on the validation rows.
_NETWORKS: dict[str, dict[str, Any]] = {
    "softmax layer": {"hidden": ()},
    "two-layer network": {"hidden": (64,)},
}
_SETTINGS: dict[str, Any] = {"l2": 1e-3, "batch_size": 50, "random_state": 0}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        default=Path("gradstep-report.html"),
        help="where to write the report, one HTML file (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Train, show the metrics and write the report; return the exit status."""
    check_writable(arguments.report, "--report")
    console = make_console()
    data = gradstep.datasets.load_digits()
    console.print("Learning to read handwritten digits of 8 x 8 pixels, 1,797 of them.\n")
    outcomes = []
    for name, layers in _NETWORKS.items():
        trainer = gradstep.Trainer(**layers, **_SETTINGS)
        outcomes.append(fit(trainer, data, console, name=name, width=max(map(len, _NETWORKS))))
        if outcomes[-1].interrupted:
            break
    console.print()
    console.print(_table(outcomes))
    if outcomes[-1].interrupted:
        return INTERRUPTED
    write_report(outcomes, arguments.report)
    console.print(f"\nOpen {arguments.report.resolve()} in a browser: curves, settings, learned images.")
    console.print("Then colour photos (a download of 170 MB, once):")
    console.print("  gradstep train --data cifar10 --learning-rate 0.001 --report cifar10.html")
    return 0


def _table(outcomes: list[TrainingOutcome]) -> Any:
    from gradstep.nn.metrics import value_text
    from gradstep.utils.text import duration

    parts = ("train", "validation", "test")
    columns = ("accuracy", *parts, "test loss", "time")
    rows = [
        (
            outcome.name,
            *(value_text("accuracy", outcome.metrics[part]["accuracy"]) for part in parts),
            value_text("loss", outcome.metrics["test"]["loss"]),
            duration(outcome.seconds),
        )
        for outcome in outcomes
    ]
    return terminal.make_table(columns, rows)
