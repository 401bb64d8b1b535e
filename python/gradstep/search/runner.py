"""How a search trains: its groups one after the other, or in turns where models are compared on the way."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from gradstep import backends
from gradstep.estimators.trainer import Trainer
from gradstep.plan import build
from gradstep.search.data import Data
from gradstep.search.pruners import Stopping
from gradstep.search.trials import Trial
from gradstep.training import loop
from gradstep.training.recorder import Course

_log = logging.getLogger(__name__)


@dataclass
class Group:
    """Models of a search that one pass trains.

    Attributes
    ----------
    models : tuple of pairs of int
        Trial and fold of every model.
    reason : str
        What they have in common that others have not, and why there are no more of them.
    training : fitting.Group, or None
        Theirs, from its beginning to the end of the search.
    """

    models: tuple[tuple[int, int], ...]
    reason: str
    training: loop.Group | None = field(default=None, repr=False)


class Runner:
    """Trains the groups of a search.

    Parameters
    ----------
    trials : sequence of Trial
    groups : list of Group
        A group that memory does not hold is replaced by its halves.
    data : Data
    after : callable
        Called with a group after every evaluation of it; a True ends the search.
    """

    def __init__(
        self, trials: Sequence[Trial], groups: list[Group], data: Data, after: Callable[[Group], bool]
    ) -> None:
        self._trials, self._groups, self._data, self._after = trials, groups, data, after
        self._ended = False

    def run(self, stopping: Stopping | None, should_stop: Callable[[], bool]) -> None:
        """Train all models to their ends, or until `should_stop` says so.

        What is then still running is "interrupted".
        """
        last = max(int(trainer.epochs) for trial in self._trials for trainer in trial.trainers)
        pauses = list(stopping.pauses(last)) if stopping else []
        try:
            for number, epoch in enumerate([*pauses, last]):
                place = 0
                while place < len(self._groups):
                    place += self._advance(place, epoch, should_stop)
                    if self._ended or should_stop():
                        return
                if stopping and number < len(pauses):
                    self._compare(stopping, number)
        finally:
            for trial in self._trials:
                trial.end("interrupted")
            for group in self._groups:
                group.training = None

    def _advance(self, place: int, epoch: int, should_stop: Callable[[], bool]) -> int:
        """Train a group up to the end of an epoch; return 0 where its halves stand in its place, else 1."""
        group = self._groups[place]
        try:
            training = group.training = group.training or self._begin(group)
            goal = epoch * training.run.plan.updates_per_epoch
            while training.done < goal and not (training.is_over or should_stop() or self._ended):
                training.advance(training.done + 1, should_stop)
                if self._data.folds > 1:
                    self._drop([trial for trial in self._trials if trial.status == "diverged"])
                self._ended = self._after(group)
        except MemoryError as error:
            begun = group.training is not None and group.training.done > 0
            if begun or len(group.models) == 1:
                raise
            self._groups[place : place + 1] = _halves(group, error)
            return 0
        return 1

    def _begin(self, group: Group) -> loop.Group:
        began = time.perf_counter()
        trainers = [self._trainer(model) for model in group.models]
        train, held_out = self._data.problems(trainers[0], [fold for _, fold in group.models])
        for trainer in trainers:
            self._data.teach(trainer)
        backend = backends.get(trainers[0].backend)
        run, parameters = build.run(trainers, backend, train, held_out)
        courses = []
        for (trial, fold), trainer, block in zip(group.models, trainers, parameters, strict=True):
            courses.append(Course(trainer, run, block))
            self._trials[trial].courses[fold] = courses[-1]
        return loop.Group(run, parameters, courses, time.perf_counter() - began)

    def _trainer(self, model: tuple[int, int]) -> Trainer:
        trial, fold = model
        return self._trials[trial].trainers[fold]

    def _compare(self, stopping: Stopping, number: int) -> None:
        """Drop the trials that do not go on."""
        curves = [trial.curve(stopping.figure) for trial in self._trials]
        dropped = np.array([trial.status == "dropped" for trial in self._trials])
        alive = stopping.survivors(number, curves, dropped)
        self._drop([trial for trial, lives in zip(self._trials, alive, strict=True) if not lives])

    def _drop(self, trials: Sequence[Trial]) -> None:
        """End what still runs of these trials: their other folds, where one has diverged."""
        leaving = [course for trial in trials for course in trial.end("dropped")]
        for group in self._groups:
            if leaving and group.training is not None:
                group.training.drop(leaving)


def _halves(group: Group, error: MemoryError) -> list[Group]:
    count = len(group.models)
    reason = f"{group.reason}; cut in two, for memory did not hold {count} models: {error}"
    _log.warning("%d models: %s", count, reason)
    return [Group(models, reason) for models in (group.models[: count // 2], group.models[count // 2 :])]
