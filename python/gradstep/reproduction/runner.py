"""How experiments are run: each once, with all of its seeds."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradstep.datasets import DataSet
from gradstep.diagnostics.gradcheck import GradientCheck, gradient_check
from gradstep.errors import InterruptedWarning
from gradstep.estimators.trainer import Trainer
from gradstep.nn.metrics import ALWAYS
from gradstep.plan.settings import EvaluateEvery
from gradstep.reproduction.data import BATCH_1
from gradstep.reproduction.outcomes import GroupResult, Outcome, ReportResult
from gradstep.reproduction.schema import SPLITS, Check, Experiment
from gradstep.search.sweep import Sweep
from gradstep.training.status import Status

#: Called with what is trained, and how many trainings have been done since the call before.
Tell = Callable[[str, int], None]


class ReportRunner:
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
            for alike in _alike(group.experiments):
                self._train(alike, self.data[alike[0].data], tell)
                # Under this group's names and with its expectations.
                done = [e for e in group.experiments if e in self._outcomes]
                found.outcomes = [replace(self._outcomes[e], experiment=e) for e in done]

    def _train(self, experiments: Sequence[Experiment], data: DataSet, tell: Tell) -> None:
        """Train experiments that can share their passes over the rows."""
        new = [e for e in experiments if e not in self._outcomes]
        tell("", sum(e.seeds for e in experiments if e in self._outcomes))
        if not new:
            return
        label = new[0].label if len(new) == 1 else f"{new[0].label} and {len(new) - 1} more"
        began, trainers, found = time.perf_counter(), [], []
        for seed in range(new[0].seeds):
            of = f", {seed + 1} of {new[0].seeds}" if new[0].seeds > 1 else ""
            tell(f"{label}{of}", 0)
            sweep = _search(new, seed, data)
            trainers.append(sweep.trainers_)
            statuses = sweep.results_["status"].tolist()
            found.append(
                [_metrics(*trained, data) for trained in zip(sweep.trainers_, statuses, strict=True)]
            )
            tell(f"{label}{of}", len(new))
        seconds = (time.perf_counter() - began) / len(new)
        for experiment, trainer, rows in zip(new, trainers[0], zip(*found, strict=True), strict=True):
            metrics = {name: np.array([row[name] for row in rows]) for name in rows[0]}
            self._outcomes[experiment] = Outcome(experiment, trainer, metrics, seconds)


@dataclass(frozen=True)
class StopAfter:
    """A callback of Trainer that ends training at an update where the history has a row."""

    updates: int

    def __call__(self, trainer: Trainer, row: Mapping[str, float]) -> bool:
        """Return whether it is time."""
        return row["update"] >= self.updates


def make_trainer(experiment: Experiment, seed: int) -> Trainer:
    """Return the Trainer of one seed; only the first seed's curves are measured."""
    every: EvaluateEvery = (experiment.evaluate_every if seed == 0 else experiment.updates) or "running"
    stop = () if experiment.updates is None else (StopAfter(experiment.updates),)
    given: dict[str, Any] = experiment.parameters()
    return Trainer(**given, evaluate_every=every, callbacks=stop, random_state=seed)


def _check(check: Check, data: DataSet) -> GradientCheck:
    trainer = Trainer(hidden=check.hidden, l2=check.l2, loss=check.loss, init=check.init, random_state=0)
    X, y = data.train.X[: check.rows], data.train.y[: check.rows]
    return gradient_check(trainer, X, y, differences=check.differences, entries=check.entries)


def _alike(experiments: Sequence[Experiment]) -> list[list[Experiment]]:
    """Sort into those that differ in l2 and learning rate alone, in the order of the first of each."""
    kinds: dict[Experiment, list[Experiment]] = {}
    for experiment in experiments:
        kinds.setdefault(replace(experiment, l2=0.0, learning_rate=0.0), []).append(experiment)
    return list(kinds.values())


def _search(experiments: Sequence[Experiment], seed: int, data: DataSet) -> Sweep:
    """Train one seed of experiments that are alike.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C ended the training.
    """
    trainer = make_trainer(experiments[0], seed)
    space = [{"l2": [e.l2], "learning_rate": [e.learning_rate]} for e in experiments]
    sweep = Sweep(trainer, space, metric="running_loss", validation_share=None, keep_trainers=True)
    draws = trainer.evaluate_every != "running"
    held_out = (data.validation.X, data.validation.y) if draws and data.validation else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InterruptedWarning)
        sweep.fit(data.train.X, data.train.y, eval_set=held_out)
    if sweep.interrupted_:
        raise KeyboardInterrupt
    return sweep


def _metrics(trainer: Trainer, status: str, data: DataSet) -> dict[str, float]:
    """Return the metrics of every split of the data; NaN where training diverged."""
    if status == Status.DIVERGED:
        names = [metric.name for metric in (*ALWAYS, *trainer.history_.metrics)]
        return {f"{split}_{name}": np.nan for split in SPLITS for name in names}
    found: dict[str, float] = {}
    for split in SPLITS:
        rows = getattr(data, split)
        found |= {f"{split}_{name}": value for name, value in trainer.evaluate(rows.X, rows.y).items()}
    return found
