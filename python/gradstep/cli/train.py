"""gradstep train: train a network on CIFAR-10, on digits or on your own data."""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradstep
from gradstep.cli import data as data_options
from gradstep.cli import options, progress
from gradstep.errors import DivergedError, InvalidParameterError

if TYPE_CHECKING:
    from rich.console import Console

    from gradstep import Metrics, Trainer
    from gradstep.datasets import DataSet, Rows

INTERRUPTED = 130


_EXAMPLES = """examples:
  gradstep train --data digits --hidden 64 --learning-rate 0.1
  gradstep train --data cifar10 --learning-rate 0.001 --l2 0.1 --report cifar10.html
  gradstep train --data table.csv --target species --early-stopping 5 --save species.model
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.usage = "gradstep train --data cifar10|digits|FILE [options]"
    parser.epilog = _EXAMPLES
    data_options.add_data_options(parser)
    options.add_trainer_options(parser)
    output = parser.add_argument_group("output")
    output.add_argument("--report", type=Path, metavar="FILE", help="write a report, one HTML file")
    output.add_argument("--save", type=Path, metavar="FILE", help="write the trained model")
    output.add_argument(
        "--json",
        action="store_true",
        help="write settings, history and figures as JSON to standard output, progress to standard error",
    )
    output.add_argument("--quiet", action="store_true", help="show no progress")


@dataclass
class Outcome:
    """What a training came to.

    Attributes
    ----------
    name : str
        What to call the model.
    trainer : Trainer
    data : DataSet
    seconds : float
        That `fit` took.
    figures : dict of str to Metrics
        By part of the data, of the parameters that the trainer ended with.
    diverged : DivergedError or None
    """

    name: str
    trainer: Trainer
    data: DataSet
    seconds: float
    figures: dict[str, Metrics]
    diverged: DivergedError | None

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it early."""
        return bool(self.trainer.interrupted_)


def run(arguments: argparse.Namespace) -> int:
    """Train, show the figures, write what was asked for; return the exit status."""
    for path in (arguments.report, arguments.save):
        if path is not None:
            check_writable(path)
            check_apart(path, Path(arguments.data), "--data")
    if arguments.save is not None and arguments.report is not None:
        check_apart(arguments.report, arguments.save, "--save")
    # With --json, standard output belongs to the machine.
    console = progress.make_console(stderr=arguments.json)
    trainer = options.make_trainer(arguments)
    outcome = fit(trainer, data_options.load(arguments), console, quiet=arguments.quiet)
    if arguments.json:
        print(json.dumps(_machine_readable(outcome), indent=1, allow_nan=False))
    else:
        console.print(("" if arguments.quiet else "\n") + f"{describe(outcome)}\n")
        console.print(figures_table(outcome))
        if arguments.save or arguments.report:
            console.print()
    if arguments.save is not None:
        outcome.trainer.save(arguments.save)
        console.print(f"model   {arguments.save}")
    if arguments.report is not None and len(outcome.trainer.history_) > 0:
        write_report([outcome], arguments.report)
        console.print(f"report  {arguments.report}")
    if outcome.diverged is not None:
        raise outcome.diverged
    return INTERRUPTED if outcome.interrupted else 0


def check_writable(path: Path) -> None:
    """Raise before any work is done when `path` cannot be written."""
    folder = path.parent
    if path.exists() and not path.is_file():
        raise InvalidParameterError(
            f"cannot write {path}: it is {'a folder' if path.is_dir() else 'no file'}"
        )
    if not folder.is_dir():
        raise InvalidParameterError(f"cannot write {path}: there is no folder {folder}")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise InvalidParameterError(f"cannot write {path}: permission denied")


def check_apart(path: Path, other: Path, option: str) -> None:
    """Raise when writing `path` would destroy what another option names."""
    if path.resolve() == other.resolve():
        raise InvalidParameterError(f"cannot write {path}: {option} names the same file")


def fit(
    trainer: Trainer,
    data: DataSet,
    console: Console,
    *,
    name: str = "training",
    width: int = 0,
    quiet: bool = False,
) -> Outcome:
    """Train under the eyes of the user and measure all parts of the data.

    Training that diverges is an outcome too, where the history has a row. `width` is that of
    the longest of several names.
    """
    parts = _parts(data)
    if trainer.augment is not None and data.train.image_shape is not None:
        shape = data.train.image_shape
        trainer.set_params(augment=gradstep.augment.on_images(trainer.augment, shape))
    eval_set = None if data.validation is None else (data.validation.X, data.validation.y)
    diverged = None
    began = time.perf_counter()
    watch = progress.training_progress(console, name.ljust(width), trainer.epochs, quiet=quiet)
    with watch, data_options.plain_errors():
        trainer.set_params(callbacks=(watch,))
        try:
            trainer.fit(data.train.X, data.train.y, eval_set=eval_set)
        except DivergedError as error:
            if len(trainer.history_) == 0:
                raise
            diverged = error
        finally:
            trainer.set_params(callbacks=())
    seconds = time.perf_counter() - began
    with data_options.plain_errors():
        figures = {part: trainer.evaluate(rows.X, rows.y) for part, rows in parts.items()}
    return Outcome(name, trainer, data, seconds, figures, diverged)


def _parts(data: DataSet) -> dict[str, Rows]:
    parts = {"train": data.train, "validation": data.validation, "test": data.test}
    return {part: rows for part, rows in parts.items() if rows is not None}


def describe(outcome: Outcome) -> str:
    """Tell in one line what was trained, on what, and how long it took."""
    trainer, data = outcome.trainer, outcome.data
    sizes = (trainer.n_features_in_, *trainer.hidden, len(trainer.classes_))
    end = " (interrupted)" if outcome.interrupted else " (diverged)" if outcome.diverged else ""
    seen = math.ceil(max(trainer.history_["epoch"], default=0))
    epochs = "1 epoch" if seen == 1 else f"{seen} epochs"
    kept = f", best after epoch {trainer.n_iter_}" if trainer.n_iter_ < seen else ""
    return (
        f"{data.name}: {_kind(trainer)} {'-'.join(map(str, sizes))}, "
        f"{epochs} in {outcome.seconds:.2f} s on {trainer.backend_}{kept}{end}"
    )


def _kind(trainer: Any) -> str:
    return f"{len(trainer.hidden) + 1}-layer network" if trainer.hidden else f"{trainer.loss} regression"


def figures_table(outcome: Outcome) -> Any:
    """Return the table of figures, a row for each part of the data."""
    rows = []
    for part, data in _parts(outcome.data).items():
        loss, cost, accuracy = outcome.figures[part]
        figures = (progress.figure(loss), progress.figure(cost), f"{accuracy:.2%}")
        rows.append((part, f"{len(data):,}", *figures))
    return progress.make_table(("", "rows", "loss", "cost", "accuracy"), rows)


def write_report(outcomes: list[Outcome], path: Path) -> None:
    """Write the report of one or several trainings of the same data."""
    data = outcomes[0].data
    # A run that is alone needs no name to be told apart: what it is says more.
    names = [outcome.name if len(outcomes) > 1 else _kind(outcome.trainer) for outcome in outcomes]
    tests = {n: outcome.figures["test"] for n, outcome in zip(names, outcomes, strict=True) if data.test}
    counts = ", ".join(f"{len(rows):,} {part}" for part, rows in _parts(data).items())
    gradstep.report(
        {name: outcome.trainer for name, outcome in zip(names, outcomes, strict=True)},
        path,
        title=f"Training on {data.name}",
        tests=tests,
        image_shape=data.train.image_shape,
        class_names=data.class_names,
        notes=f"{data.train.X.shape[1]:,} inputs, {len(data.class_names)} classes; rows: {counts}.",
    )


def _machine_readable(outcome: Outcome) -> dict[str, Any]:
    from gradstep.history import COLUMNS

    trainer, history = outcome.trainer, outcome.trainer.history_
    settings = trainer.get_params(deep=False)
    for name in options.NOT_OPTIONS:
        del settings[name]
    return {
        "gradstep": gradstep.__version__,
        "data": {
            "name": outcome.data.name,
            "rows": {part: len(rows) for part, rows in _parts(outcome.data).items()},
        },
        "settings": {name: _plain(value) for name, value in settings.items()},
        "backend": trainer.backend_,
        "n_iter": trainer.n_iter_,
        "seconds": outcome.seconds,
        "interrupted": outcome.interrupted,
        "diverged": str(outcome.diverged) if outcome.diverged else None,
        "figures": {
            part: {name: _finite(value) for name, value in metrics._asdict().items()}
            for part, metrics in outcome.figures.items()
        },
        "history": {name: [_finite(value) for value in history[name].tolist()] for name in COLUMNS},
    }


def _plain(value: Any) -> Any:
    from gradstep import augment, init

    if isinstance(value, augment.Augment):
        return augment.to_dict(value)
    if callable(value):
        return gradstep.schedules.to_dict(value)
    if isinstance(value, init.Init):
        return init.to_dict(value)
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _finite(value: float) -> float | None:
    """JSON has no NaN (in a column of rows that were not evaluated) and no infinity."""
    return value if math.isfinite(value) else None
