"""How an entry is run: every experiment once, with all of its seeds."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.datasets import DataSet
from gradstep.errors import DivergedError
from gradstep.gradcheck import GradientCheck, gradient_check
from gradstep.history import Metrics
from gradstep.reproduction.data import BATCH_1
from gradstep.reproduction.entries import PARTS, Check, Experiment, Group, Report
from gradstep.trainer import Trainer

#: Told what is trained, and how many trainings have been done since it was told last.
Tell = Callable[[str, int], None]


@dataclass(frozen=True)
class Outcome:
    """What an experiment came to.

    Attributes
    ----------
    experiment : Experiment
    trainer : Trainer
        Of the first seed.
    figures : dict of str to ndarray of shape (seeds,)
        Loss, cost and accuracy of every part at the end, as "test_accuracy"; NaN where training diverged.
    seconds : float
        Of all trainings and their evaluations.
    """

    experiment: Experiment
    trainer: Trainer
    figures: Mapping[str, npt.NDArray[np.float64]]
    seconds: float

    def mean(self, figure: str) -> float:
        """Return the mean of a figure over the trainings that did not diverge; NaN if all did."""
        values = self._finite(figure)
        return float(values.mean()) if values.size else np.nan

    def std(self, figure: str) -> float:
        """Return their standard deviation, divisor n - 1; NaN where n < 2."""
        values = self._finite(figure)
        return float(values.std(ddof=1)) if values.size > 1 else np.nan

    @property
    def diverged(self) -> int:
        """Number of trainings that diverged."""
        return int(np.isnan(self.figures["train_loss"]).sum())

    def _finite(self, figure: str) -> npt.NDArray[np.float64]:
        values = self.figures[figure]
        return values[np.isfinite(values)]


@dataclass
class GroupResult:
    """A group and the outcomes of its experiments, as far as they have been run."""

    group: Group
    data: DataSet
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether every experiment has been run."""
        return len(self.outcomes) == len(self.group.experiments)


@dataclass
class ReportResult:
    """A report and what its gradient check and its groups came to, as far as they have been run."""

    report: Report
    check: GradientCheck | None = None
    groups: list[GroupResult] = field(default_factory=list)


class Runner:
    """Runs reports on CIFAR-10; settings that several reports share are trained once.

    Parameters
    ----------
    data : mapping of str to DataSet
        By the names that experiments give.
    """

    def __init__(self, data: Mapping[str, DataSet]) -> None:
        self.data = data
        self._outcomes: dict[Experiment, Outcome] = {}

    def run(self, result: ReportResult, tell: Tell) -> None:
        """Run the report of `result`, which has at any moment what is done.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C, also during a training.
        """
        tell("gradient check", 0)
        result.check = _check(result.report.check, self.data[BATCH_1])
        for group in result.report.groups:
            found = GroupResult(group, self.data[group.experiments[0].data])
            result.groups.append(found)
            self._search(found, tell) if group.is_search else self._one_by_one(found, tell)

    def _search(self, found: GroupResult, tell: Tell) -> None:
        """Run experiments that differ in l2 alone."""
        self._one_by_one(found, tell)

    def _one_by_one(self, found: GroupResult, tell: Tell) -> None:
        for experiment in found.group.experiments:
            if experiment in self._outcomes:
                tell(experiment.label, experiment.seeds)
            else:
                self._outcomes[experiment] = self._run(experiment, tell)
            # Under this group's name and claims.
            found.outcomes.append(replace(self._outcomes[experiment], experiment=experiment))

    def _run(self, experiment: Experiment, tell: Tell) -> Outcome:
        began, trainers, found = time.perf_counter(), [], []
        data = self.data[experiment.data]
        for seed in range(experiment.seeds):
            of = f", {seed + 1} of {experiment.seeds}" if experiment.seeds > 1 else ""
            tell(f"{experiment.label}{of}", 0)
            trainers.append(make_trainer(experiment, seed))
            found.append(_figures(trainers[-1], data))
            tell(f"{experiment.label}{of}", 1)
        figures = {name: np.array([row[name] for row in found]) for name in found[0]}
        return Outcome(experiment, trainers[0], figures, time.perf_counter() - began)


@dataclass(frozen=True)
class StopAfter:
    """A callback of Trainer that ends training at an update where the history has a row."""

    updates: int

    def __call__(self, trainer: Trainer, row: Mapping[str, float]) -> bool:
        """Tell whether it is time."""
        return row["update"] >= self.updates


def make_trainer(experiment: Experiment, seed: int) -> Trainer:
    """Return the Trainer of one seed; only the first seed's curves are measured."""
    every = experiment.evaluate_every if seed == 0 else experiment.updates
    stop = () if experiment.updates is None else (StopAfter(experiment.updates),)
    given: dict[str, Any] = experiment.parameters()
    return Trainer(**given, evaluate_every=every, callbacks=stop, random_state=seed)


def _check(check: Check, data: DataSet) -> GradientCheck:
    trainer = Trainer(hidden=check.hidden, l2=check.l2, loss=check.loss, init=check.init, random_state=0)
    X, y = data.train.X[: check.rows], data.train.y[: check.rows]
    return gradient_check(trainer, X, y, differences=check.differences, entries=check.entries)


def _figures(trainer: Trainer, data: DataSet) -> dict[str, float]:
    """Train and return the figures of every part of the data; NaN where training diverged.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C ended the training.
    """
    parts: dict[str, Any] = {part: getattr(data, part) for part in PARTS}
    held_out = parts["validation"]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "training interrupted", RuntimeWarning)
            trainer.fit(data.train.X, data.train.y, eval_set=(held_out.X, held_out.y))
    except DivergedError:
        return {f"{part}_{name}": np.nan for part in PARTS for name in Metrics._fields}
    if trainer.interrupted_:
        raise KeyboardInterrupt
    found = {part: trainer.evaluate(rows.X, rows.y)._asdict() for part, rows in parts.items()}
    return {f"{part}_{name}": value for part in PARTS for name, value in found[part].items()}
