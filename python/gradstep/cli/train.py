"""gradstep train: train a network on CIFAR-10, on digits or on your own data."""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradstep
from gradstep._version import __version__
from gradstep.cli import checkpoint as checkpoints
from gradstep.cli import data as data_options
from gradstep.cli import options, output, terminal
from gradstep.errors import DivergedError
from gradstep.utils.progress import make_console

if TYPE_CHECKING:
    from rich.console import Console

    from gradstep import Checkpoint, Metrics
    from gradstep.datasets import DataSet
    from gradstep.estimators.base import BaseTrainer
    from gradstep.reports.gallery import FigureFormat
    from gradstep.training.progress import FitProgress

_EXAMPLES = """examples:
  gradstep train --data digits --hidden 64 --learning-rate 0.1
  gradstep train --data cifar10 --learning-rate 0.001 --l2 0.1 --report cifar10.html
  gradstep train --data table.csv --target species --early-stopping 5 --save species.model
  gradstep train --data houses.csv --task regression --hidden 50 --optimizer adam --learning-rate 0.001
  gradstep train --data cifar10 --hidden 500 --epochs 200 --checkpoint runs/long --resume
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.usage = "gradstep train --data cifar10|digits|FILE [options]"
    parser.epilog = _EXAMPLES
    data_options.add_data_options(parser)
    options.add_estimator_options(parser)
    checkpoints.add_options(parser)
    group = parser.add_argument_group("output")
    group.add_argument("--report", type=Path, metavar="FILE", help="write a report, one HTML file")
    output.add_figure_options(group)
    group.add_argument("--save", type=Path, metavar="FILE", help="write the trained model")
    group.add_argument(
        "--json",
        action="store_true",
        help="write settings, history and metrics as JSON to standard output, progress to standard error",
    )
    group.add_argument("--quiet", action="store_true", help="show no progress")


@dataclass
class TrainingOutcome:
    """What a training came to.

    Attributes
    ----------
    name : str
        What to call the model.
    trainer : Trainer or Regressor
    data : DataSet
    seconds : float
        That `fit` took.
    metrics : dict of str to Metrics
        By part of the data, of the parameters that the trainer ended with.
    diverged : DivergedError or None
    """

    name: str
    trainer: BaseTrainer
    data: DataSet
    seconds: float
    metrics: dict[str, Metrics]
    diverged: DivergedError | None

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it early."""
        return self.trainer.interrupted_


def run(arguments: argparse.Namespace) -> int:
    """Train, show the metrics, write what was asked for; return the exit status."""
    files = {"--report": arguments.report, "--save": arguments.save}
    output.check_files(files, data_options.sources(arguments))
    output.check_figures(arguments)
    # With --json, standard output belongs to the machine.
    console = make_console(stderr=arguments.json)
    trainer, checkpoint = options.make_estimator(arguments), checkpoints.of(arguments)
    data = data_options.load(arguments)
    # Of a file whose validation rows were declined, early stopping holds out none behind the user's back.
    trainer.settings().check_watched(has_validation=data.validation is not None)
    data_options.tell(data, console)
    kept = {"checkpoint": checkpoint, "resume": arguments.resume}
    outcome = fit(trainer, data, console, quiet=arguments.quiet, **kept)
    if arguments.json:
        print(json.dumps(_machine_readable(outcome), indent=1, allow_nan=False))
    else:
        console.print(("" if arguments.quiet else "\n") + f"{describe(outcome)}\n")
        console.print(metrics_table(outcome))
        if arguments.save or arguments.report or arguments.figures:
            console.print()
    if arguments.save is not None:
        output.save(outcome.trainer, data, arguments.save)
        console.print(f"model   {arguments.save}")
    report = output.report_path(arguments)
    if report is not None and len(outcome.trainer.history_) > 0:
        write_report([outcome], report, arguments.figures, arguments.figure_format)
        console.print(f"report  {report}")
        if arguments.figures is not None:
            console.print(f"figures {arguments.figures}")
    elif report is not None:
        console.print("no report: training ended before anything was evaluated")
    if outcome.diverged is not None:
        raise outcome.diverged
    return output.INTERRUPTED if outcome.interrupted else 0


def fit(
    trainer: BaseTrainer,
    data: DataSet,
    console: Console,
    *,
    name: str = "training",
    width: int = 0,
    quiet: bool = False,
    checkpoint: Checkpoint | None = None,
    resume: bool = False,
) -> TrainingOutcome:
    """Train under the eyes of the user and measure all parts of the data.

    Training that diverges is an outcome too, where the history has a row. `width` is that of
    the longest of several names. With a checkpoint it is kept, and may go on from there.
    """
    parameters = trainer.get_params(deep=False)
    parameters["augment"] = data_options.on_images(parameters["augment"], data)
    from gradstep.training.progress import FitProgress, on_console

    label, epochs = name.ljust(width), parameters["epochs"]
    watch = FitProgress() if quiet else on_console(console, label, epochs)
    callback = partial(_watch, watch)
    watched: Any = type(trainer)(**parameters | {"callbacks": (callback,), "checkpoint": checkpoint})
    diverged = None
    began = time.perf_counter()
    with watch, data_options.plain_errors():
        try:
            watched.fit(data.train.X, data.train.y, eval_set=data_options.eval_set(data), resume=resume)
        except DivergedError as error:
            if len(watched.history_) == 0:
                raise
            diverged = error
    seconds = time.perf_counter() - began
    # What is saved and reported is the model alone, nobody watching it.
    model = type(trainer)(**parameters)
    model.publish(watched.result())
    return TrainingOutcome(name, model, data, seconds, measure(model, data), diverged)


def _watch(progress: FitProgress, trainer: BaseTrainer, row: Mapping[str, float]) -> None:
    """Tell a new row of the history to who watches."""
    progress.on_row(trainer.history_)


def measure(trainer: Any, data: DataSet) -> dict[str, Metrics]:
    """Return the metrics of all parts of the data."""
    with data_options.plain_errors():
        return {part: trainer.evaluate(rows.X, rows.y) for part, rows in data_options.parts(data).items()}


def describe(outcome: TrainingOutcome) -> str:
    """Tell in one line what was trained, on what, and how long it took."""
    from gradstep.utils.text import duration

    trainer, data = outcome.trainer, outcome.data
    sizes = (trainer.n_features_in_, *(W.shape[1] for W in trainer.coefs_))
    end = " (interrupted)" if outcome.interrupted else " (diverged)" if outcome.diverged else ""
    seen = math.ceil(max(trainer.history_["epoch"], default=0))
    epochs = "1 epoch" if seen == 1 else f"{seen} epochs"
    kept = f", best after epoch {trainer.n_iter_}" if trainer.n_iter_ < seen else ""
    return (
        f"{data.name}: {_kind(trainer)} {'-'.join(map(str, sizes))}, "
        f"{epochs} in {duration(outcome.seconds)} on {trainer.backend_}{kept}{end}"
    )


def _kind(trainer: Any) -> str:
    """Return what a model is called: a network, or the regression that its loss makes of one layer."""
    if trainer.hidden:
        return f"{len(trainer.hidden) + 1}-layer network"
    name = trainer.settings().loss.name
    return f"{'linear' if name == 'squared' else name} regression"


def metrics_table(outcome: TrainingOutcome) -> Any:
    """Return the table of metrics, a row for each part of the data."""
    from gradstep.nn.metrics import value_text
    from gradstep.utils import text

    parts = data_options.parts(outcome.data)
    names = list(outcome.metrics["train"])
    rows = [
        (part, text.count(len(parts[part])), *(value_text(name, metrics[name]) for name in names))
        for part, metrics in outcome.metrics.items()
    ]
    return terminal.make_table(("", "rows", *(name.replace("_", " ") for name in names)), rows)


def write_report(
    outcomes: list[TrainingOutcome],
    path: Path,
    figures: Path | None = None,
    figure_format: FigureFormat = "png",
) -> None:
    """Write the report of one or several trainings of the same data, and its figures if they are wanted."""
    data = outcomes[0].data
    # A run that is alone needs no name to be told apart: what it is says more.
    names = [outcome.name if len(outcomes) > 1 else _kind(outcome.trainer) for outcome in outcomes]
    tests = {n: outcome.metrics["test"] for n, outcome in zip(names, outcomes, strict=True) if data.test}
    gradstep.report(
        {name: outcome.trainer for name, outcome in zip(names, outcomes, strict=True)},
        path,
        title=f"Training on {data.name}",
        tests=tests,
        image_shape=data_options.picture_shape(data),
        class_names=data.class_names or None,
        notes=data_note(data),
        test_set=data.test,
        figures=figures,
        figure_format=figure_format,
    )


def data_note(data: DataSet) -> str:
    """Return what the data is and what its loader took for granted, for the head of a report."""
    from gradstep.utils.text import count

    counts = ", ".join(f"{count(len(rows))} {part}" for part, rows in data_options.parts(data).items())
    classes = f", {len(data.class_names)} classes" if data.class_names else ""
    told = " ".join(f"{note[:1].upper()}{note[1:]}." for note in data_options.notes(data))
    return f"{count(data.train.X.shape[1])} inputs{classes}; rows: {counts}.\n\n{told}"


def _machine_readable(outcome: TrainingOutcome) -> dict[str, Any]:
    trainer, history = outcome.trainer, outcome.trainer.history_
    return {
        "gradstep": __version__,
        "data": output.data(outcome.data),
        "settings": output.settings(trainer),
        "backend": trainer.backend_,
        "status": trainer.status_,
        "n_iter": trainer.n_iter_,
        "seconds": outcome.seconds,
        "interrupted": outcome.interrupted,
        "diverged": str(outcome.diverged) if outcome.diverged else None,
        "metrics": output.metrics(outcome.metrics),
        "history": {name: [output.finite(v) for v in history[name].tolist()] for name in history.keys()},  # noqa: SIM118
    }
