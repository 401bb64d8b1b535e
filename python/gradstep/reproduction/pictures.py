"""Which pictures belong to a group of experiments: a function for every word that groups use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from gradstep import plots
from gradstep.nn.schedules import StepDecay
from gradstep.reports import pictures, trainings
from gradstep.reports.gallery import Gallery
from gradstep.reports.parts import CurvePanels, Drawing, WeightImages
from gradstep.reports.runs import Images, Run, collect
from gradstep.reproduction.outcomes import GroupResult

Pieces = Sequence[CurvePanels | WeightImages | Drawing]


def of_group(result: GroupResult, name: str, gallery: Gallery) -> Pieces:
    """Return the pictures of a group, which are kept in the gallery by its name and what they show.

    A training that diverged before its first evaluation has nothing to show.
    """
    shown = [outcome for outcome in result.outcomes if len(outcome.trainer.history_)]
    if not shown:
        return []
    rest = replace(result, outcomes=shown)
    found = [PICTURES[word](rest, f"{name} {word}", gallery) for word in result.group.pictures]
    return [piece for pieces in found for piece in pieces]


def _runs(result: GroupResult) -> list[Run]:
    return collect({outcome.experiment.label: outcome.trainer for outcome in result.outcomes}, None)


def _curves(result: GroupResult, name: str, gallery: Gallery) -> Pieces:
    histories = {run.name: run.history for run in _runs(result)}
    key = gallery.keep(name, partial(plots.curves, histories))
    return [pictures.curves(histories, f"{key}-")]


def _weights(result: GroupResult, name: str, gallery: Gallery) -> Pieces:
    data = result.data
    return trainings.weights(_runs(result), Images(data.train.image_shape, data.class_names), gallery, name)


def _rates(result: GroupResult, name: str, gallery: Gallery) -> Pieces:
    scheduled = {
        outcome.experiment.label: outcome.trainer
        for outcome in result.outcomes
        if not isinstance(outcome.experiment.learning_rate, float)
    }
    # Steps by powers of ten lie on one another otherwise.
    log = any(isinstance(trainer.learning_rate, StepDecay) for trainer in scheduled.values())
    return [gallery.show(name, plots.learning_rate(scheduled, log=log), "Learning rate over updates")]


def _heat_map(result: GroupResult, name: str, gallery: Gallery) -> Pieces:
    table = _table(result)
    figure = plots.heat_map(table, "batch_size", "l2", panels="learning_rate")
    return [gallery.show(name, figure, "Validation accuracy over batch size, l2 and learning rate")]


def _over_l2(result: GroupResult, name: str, gallery: Gallery) -> Pieces:
    figure = plots.over_parameter(_table(result), "l2", ["validation_accuracy", "test_accuracy"])
    return [gallery.show(name, figure, "Accuracy over l2")]


def _histograms(result: GroupResult, name: str, gallery: Gallery) -> Pieces:
    by_loss = {outcome.experiment.loss: outcome.trainer for outcome in reversed(result.outcomes)}
    test = result.data.test
    assert test is not None
    figure = plots.probability_histograms(dict(reversed(by_loss.items())), test.X, test.y)
    return [gallery.show(name, figure, "Probability of the true class")]


def _table(result: GroupResult) -> dict[str, list[float]]:
    """Return parameters and mean metrics of the experiments of a group, as columns."""
    names = ("l2", "learning_rate", "batch_size")
    columns = {name: [getattr(outcome.experiment, name) for outcome in result.outcomes] for name in names}
    for name in result.outcomes[0].metrics:
        columns[name] = [outcome.mean(name) for outcome in result.outcomes]
    return columns


PICTURES: dict[str, Callable[[GroupResult, str, Gallery], Pieces]] = {
    "curves": _curves,
    "weights": _weights,
    "rates": _rates,
    "heat map": _heat_map,
    "over l2": _over_l2,
    "histograms": _histograms,
}
