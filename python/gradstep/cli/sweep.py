"""gradstep sweep: try many settings in one pass over the rows, and keep the best."""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradstep
from gradstep._version import __version__
from gradstep.cli import checkpoint as checkpoints
from gradstep.cli import data as data_options
from gradstep.cli import options, output, spaces, terminal, train
from gradstep.cli.loader_options import DATA_OPTIONS
from gradstep.errors import ExecutorError, InvalidParameterError
from gradstep.utils import text
from gradstep.utils.progress import make_console

if TYPE_CHECKING:
    from rich.console import Console

    from gradstep import Sweep
    from gradstep.datasets import DataSet
    from gradstep.estimators.base import BaseTrainer

# Where argparse puts what --validation says.
_VALIDATION = next(option.destination for option in DATA_OPTIONS if option.flag == "--validation")

# Seconds to wait for a scheduler.
_SCHEDULER_SECONDS = 10

# Trials of the table that the terminal shows.
_SHOWN = 10

_EXAMPLES = """examples:
  gradstep sweep --data digits --param l2=loguniform:1e-5:1e-1 --param learning_rate=0.1,0.3 --trials 24
  gradstep sweep --data cifar10 --hidden 50 --learning-rate cyclic:1e-5:1e-1:500 --trials 30 \\
      --param l2=loguniform:1e-5:1e-1 --param learning_rate__high=0.05,0.1,0.2 --pruner halving
  gradstep sweep --data table.csv --param hidden=none,32,64-32 --folds 5 --report search.html
  gradstep sweep --data digits --param l2=loguniform:1e-5:1e-1 --trials 100 --executor 4
  gradstep sweep --data digits --param l2=loguniform:1e-5:1e-1 --trials 100 --checkpoint runs/l2 --resume
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.usage = "gradstep sweep --data cifar10|digits|FILE --param NAME=VALUES [--param ...] [options]"
    parser.epilog = _EXAMPLES
    data_options.add_data_options(parser)
    search = parser.add_argument_group("search")
    search.add_argument(
        "--param",
        type=spaces.parse_param,
        metavar="NAME=VALUES",
        action="append",
        required=True,
        dest="params",
        help=f"parameter to try values of, may be given many times: {spaces.VALUES}; layers as 50-30, parts "
        "of a value as learning_rate__high or optimizer__beta1",
    )
    search.add_argument(
        "--trials",
        type=options.at_least_one,
        metavar="N",
        help="settings to draw; without distributions every combination of the lists is tried",
    )
    search.add_argument(
        "--pruner",
        type=spaces.parse_pruner,
        metavar="halving[:FACTOR]|hyperband[:FACTOR]|median",
        help="end weak models on the way (default: train all to the end)",
    )
    search.add_argument(
        "--folds",
        type=options.integer,
        metavar="K",
        help="cross-validate with so many folds of the train rows, each with medians and categories of its "
        "own; no validation rows are held out then",
    )
    search.add_argument(
        "--metric",
        default="validation_loss",
        metavar="COLUMN",
        help="what trials are ranked by: validation_, train_ or running_ and loss, cost or a metric of the "
        "model (default: %(default)s)",
    )
    _add_workers(search)
    options.add_estimator_options(parser)
    checkpoints.add_options(parser)
    group = parser.add_argument_group("output")
    group.add_argument("--report", type=Path, metavar="FILE", help="write a report, one HTML file")
    output.add_figure_options(group)
    group.add_argument("--csv", type=Path, metavar="FILE", help="write the table of all trials")
    group.add_argument("--save", type=Path, metavar="FILE", help="write the best model")
    group.add_argument(
        "--json",
        action="store_true",
        help="write trials, groups and the best as JSON to standard output, progress to standard error",
    )
    group.add_argument("--quiet", action="store_true", help="show no progress")


def _add_workers(group: argparse._ArgumentGroup) -> None:
    """Add the options that say who trains."""
    where = group.add_mutually_exclusive_group()
    where.add_argument(
        "--executor",
        type=options.at_least_one,
        metavar="N",
        help="train on so many processes of this machine (default: in this one, by threads)",
    )
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="train on the workers of a scheduler of Dask, as tcp://host:8786",
    )


def run(arguments: argparse.Namespace) -> int:
    """Search, show what was found, write what was asked for; return the exit status."""
    files = {"--report": arguments.report, "--csv": arguments.csv, "--save": arguments.save}
    output.check_files(files, data_options.sources(arguments))
    output.check_figures(arguments)
    console = make_console(stderr=arguments.json)
    parameters = _parameters(arguments)
    data = _load(arguments)
    data_options.tell(data, console)
    began = time.perf_counter()
    with _client(arguments.scheduler) as client:
        parameters["executor"] = arguments.executor if client is None else client
        sweep = _fit(parameters, data, console, quiet=arguments.quiet, resume=arguments.resume)
    seconds = time.perf_counter() - began
    model: BaseTrainer | None = getattr(sweep, "best_trainer_", None)
    best = model and train.TrainingOutcome(
        f"trial {sweep.best_index_}", model, data, seconds, train.measure(model, data), None
    )
    if arguments.json:
        print(json.dumps(_machine_readable(sweep, data, best, seconds), indent=1, allow_nan=False))
    else:
        _show(sweep, best, seconds, console)
    _write(sweep, best, data, arguments, console)
    if sweep.interrupted_:
        return output.INTERRUPTED
    # Where nothing came to its end, this says why.
    _ = sweep.best_index_
    return 0


def _client(address: str | None) -> AbstractContextManager[Any]:
    """Return a client of Dask's scheduler at an address, None without one.

    Raises
    ------
    InvalidParameterError
        Dask is not there.
    ExecutorError
        Nobody answers at the address.
    """
    if address is None:
        return nullcontext()
    try:
        from distributed import Client
    except ImportError as error:
        raise InvalidParameterError(
            f"--scheduler needs Dask, `pip install 'gradstep[dask]'`: {error}"
        ) from error
    try:
        make: Any = Client
        client: AbstractContextManager[Any] = make(address, timeout=_SCHEDULER_SECONDS)
    except (OSError, ValueError, TypeError) as error:
        raise ExecutorError(
            f"no scheduler of Dask answers at {text.given(address)} of --scheduler: {error}"
        ) from error
    return client


def _parameters(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the parameters of the search asked for, checked before any data is loaded."""
    trainer = options.make_estimator(arguments)
    space = spaces.make_space(arguments.params, options.given_options(arguments), arguments.trials)
    if arguments.folds is not None and arguments.folds < 2:
        raise InvalidParameterError(f"--folds must be >= 2, got {arguments.folds}")
    return {
        "trainer": trainer,
        "space": space,
        "n_trials": arguments.trials,
        "random_state": trainer.get_params(deep=False)["random_state"],
        "metric": arguments.metric,
        "pruner": arguments.pruner,
        "folds": arguments.folds,
        "validation_share": None,
        "checkpoint": checkpoints.of(arguments),
    }


def _load(arguments: argparse.Namespace) -> DataSet:
    """Load the data; where folds take turns at validation, no rows are held out for it."""
    if arguments.folds is not None:
        if getattr(arguments, _VALIDATION, None) is not None:
            raise InvalidParameterError(
                f"--validation must be none beside --folds, got {getattr(arguments, _VALIDATION)}"
            )
        arguments = argparse.Namespace(**vars(arguments) | {_VALIDATION: None})
    data = data_options.load(arguments)
    if arguments.folds is not None and arguments.folds > len(data.train):
        raise InvalidParameterError(
            f"--folds must be <= {len(data.train)}, the rows to train on, got {arguments.folds}"
        )
    return data


def _fit(parameters: dict[str, Any], data: DataSet, console: Console, *, quiet: bool, resume: bool) -> Sweep:
    """Search under the eyes of the user."""
    trainer, space, pruner = (parameters[name] for name in ("trainer", "space", "pruner"))
    given = trainer.get_params(deep=False)
    trainer = type(trainer)(**given | {"augment": data_options.on_images(given["augment"], data)})
    if isinstance(space.get("augment"), list):
        tried = [data_options.on_images(augmentation, data) for augmentation in space["augment"]]
        space = space | {"augment": tried}
    from gradstep.search.progress import on_console

    watch = on_console(console, parameters["metric"], stops_early=pruner is not None, quiet=quiet)

    def show(sweep: Sweep) -> None:
        watch.show(sweep.trials_, len(data.train))

    sweep = gradstep.Sweep(
        **parameters
        | {
            "trainer": trainer,
            "space": space,
            "pruner": pruner,
            "callbacks": (show,),
        }
    )
    with watch, data_options.plain_errors():
        sweep.fit_table(data, resume=resume)
    return sweep


def _show(sweep: Sweep, best: train.TrainingOutcome | None, seconds: float, console: Console) -> None:
    """Print the best trials, and the metrics of the best model."""
    from gradstep.nn.metrics import value_text
    from gradstep.search.progress import params_words
    from gradstep.utils.text import duration, epochs, short

    found = sweep.results_
    metrics = _columns(sweep)
    columns = ("trial", *found.parameters, "status", *metrics, "epoch")
    order = found.ranking().tolist()
    rows = [row | {sweep.metric: row["score"]} for row in found.rows()]
    table = terminal.make_table(
        [name if name in found.parameters else name.replace("_", " ") for name in columns],
        [
            [
                value_text(name, rows[place][name])
                if name in metrics
                else (epochs if name == "epoch" else short)(rows[place][name])
                for name in columns
            ]
            for place in order[:_SHOWN]
        ],
    )
    counts = Counter(found["status"].tolist())
    statuses = ", ".join(f"{n} {status.replace('_', ' ')}" for status, n in counts.items())
    groups = "1 group" if len(sweep.groups_) == 1 else f"{len(sweep.groups_)} groups"
    console.print(f"{found.n_trials} trials in {groups}, {duration(seconds)}: {statuses}\n")
    console.print(table)
    if len(order) > _SHOWN:
        console.print(f"... and {len(order) - _SHOWN} more")
    if best is not None:
        console.print(f"\nbest: {best.name}, {params_words(sweep.best_params_)}\n")
        console.print(train.metrics_table(best))


def _columns(sweep: Sweep) -> list[str]:
    """Return the column that trials are ranked by, and the first metric of the same rows beside it."""
    from gradstep.nn.metrics import parse_column

    split = parse_column(sweep.metric)[0]
    names = [f"{split}_{metric.name}" for metric in sweep.trials_[0].settings.metrics[:1]]
    return list(dict.fromkeys([sweep.metric, *(name for name in names if name in sweep.results_)]))


def _write(
    sweep: Sweep,
    best: train.TrainingOutcome | None,
    data: DataSet,
    arguments: argparse.Namespace,
    console: Console,
) -> None:
    """Write the files that were asked for, and say so."""
    if arguments.save or arguments.csv or arguments.report or arguments.figures:
        console.print()
    if arguments.save is not None and best is not None:
        output.save(best.trainer, data, arguments.save)
        console.print(f"model   {arguments.save}")
    if arguments.csv is not None:
        sweep.results_.to_csv(arguments.csv)
        console.print(f"table   {arguments.csv}")
    report = output.report_path(arguments)
    if report is not None:
        gradstep.report(
            sweep,
            report,
            title=f"Search on {data.name}",
            tests=best.metrics.get("test") if best else None,
            image_shape=data_options.picture_shape(data),
            class_names=data.class_names or None,
            notes=train.data_note(data),
            test_set=data.test if best else None,
            figures=arguments.figures,
            figure_format=arguments.figure_format,
        )
        console.print(f"report  {report}")
        if arguments.figures is not None:
            console.print(f"figures {arguments.figures}")


def _machine_readable(
    sweep: Sweep, data: DataSet, best: train.TrainingOutcome | None, seconds: float
) -> dict[str, Any]:
    groups = [
        {"models": [list(model) for model in group.models], "reason": group.reason} for group in sweep.groups_
    ]
    return {
        "gradstep": __version__,
        "data": output.data(data),
        "settings": output.settings(sweep.trainer),
        "metric": sweep.metric,
        "seconds": seconds,
        "interrupted": sweep.interrupted_,
        "groups": groups,
        "best": best
        and {
            "trial": sweep.best_index_,
            "params": {name: output.plain(value) for name, value in sweep.best_params_.items()},
            "score": output.finite(sweep.best_score_),
            "metrics": output.metrics(best.metrics),
        },
        "trials": [
            {name: output.plain(value) for name, value in row.items()} for row in sweep.results_.rows()
        ],
    }
