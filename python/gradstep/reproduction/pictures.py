"""Which pictures belong to a group of experiments, as HTML: a function for every word that groups use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gradstep import plots
from gradstep.nn.schedules import StepDecay
from gradstep.reports import pictures as html
from gradstep.reports.runs import Run, collect
from gradstep.reproduction.outcomes import GroupResult


def of_group(result: GroupResult, prefix: str) -> str:
    """Return the pictures of a group; ids begin with `prefix`, which no other group has.

    A training that diverged before its first evaluation has nothing to show.
    """
    shown = [outcome for outcome in result.outcomes if len(outcome.trainer.history_)]
    if not shown:
        return ""
    rest = replace(result, outcomes=shown)
    return "\n".join(
        PICTURES[name](rest, f"{prefix}{name.replace(' ', '-')}-") for name in result.group.pictures
    )


def _runs(result: GroupResult) -> list[Run]:
    return collect({outcome.experiment.label: outcome.trainer for outcome in result.outcomes}, None)


def _curves(result: GroupResult, prefix: str) -> str:
    return html.curves({run.name: run.history for run in _runs(result)}, prefix)


def _weights(result: GroupResult, prefix: str) -> str:
    return html.weights(_runs(result), result.data.train.image_shape, result.data.class_names)


def _rates(result: GroupResult, prefix: str) -> str:
    scheduled = {
        outcome.experiment.label: outcome.trainer
        for outcome in result.outcomes
        if not isinstance(outcome.experiment.learning_rate, float)
    }
    # Steps by powers of ten lie on one another otherwise.
    log = any(isinstance(trainer.learning_rate, StepDecay) for trainer in scheduled.values())
    return html.figure(plots.learning_rate(scheduled, log=log), "Learning rate over updates", prefix)


def _heat_map(result: GroupResult, prefix: str) -> str:
    table = _table(result)
    figure = plots.heat_map(table, "batch_size", "l2", panels="learning_rate")
    return html.figure(figure, "Validation accuracy over batch size, l2 and learning rate", prefix)


def _over_l2(result: GroupResult, prefix: str) -> str:
    figure = plots.over_parameter(_table(result), "l2", ["validation_accuracy", "test_accuracy"])
    return html.figure(figure, "Accuracy over l2", prefix)


def _histograms(result: GroupResult, prefix: str) -> str:
    by_loss = {outcome.experiment.loss: outcome.trainer for outcome in reversed(result.outcomes)}
    test = result.data.test
    assert test is not None
    figure = plots.probability_histograms(dict(reversed(by_loss.items())), test.X, test.y)
    return html.figure(figure, "Probability of the true class", prefix)


def _table(result: GroupResult) -> dict[str, list[float]]:
    """Return parameters and mean metrics of the experiments of a group, as columns."""
    names = ("l2", "learning_rate", "batch_size")
    columns = {name: [getattr(outcome.experiment, name) for outcome in result.outcomes] for name in names}
    for name in result.outcomes[0].metrics:
        columns[name] = [outcome.mean(name) for outcome in result.outcomes]
    return columns


PICTURES: dict[str, Callable[[GroupResult, str], str]] = {
    "curves": _curves,
    "weights": _weights,
    "rates": _rates,
    "heat map": _heat_map,
    "over l2": _over_l2,
    "histograms": _histograms,
}
