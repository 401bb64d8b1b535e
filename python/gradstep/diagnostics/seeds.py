"""The training of one seed of a setting, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone

from gradstep.errors import DivergedError, InvalidDataError
from gradstep.estimators.base import BaseTrainer
from gradstep.estimators.reading import read_rows
from gradstep.estimators.validation import ValidationRows
from gradstep.nn.metrics import ALWAYS, Metrics
from gradstep.training.status import Status


@dataclass(frozen=True, eq=False)
class SeedResult:
    """What a seed came to.

    Attributes
    ----------
    trainer : Trainer or Regressor
        As `fit` left it.
    row : dict
        Of the table.
    error : DivergedError, or None
    """

    trainer: BaseTrainer
    row: dict[str, Any]
    error: DivergedError | None = None


@dataclass(frozen=True, eq=False)
class SeedTask:
    """What the trainings of all seeds have in common.

    Attributes
    ----------
    trainer : Trainer or Regressor
    given : tuple (X, y, sample_weight, eval_set)
        For `fit`.
    sets : mapping of str to ValidationRows, or None
        By which a model is measured, by split.
    """

    trainer: BaseTrainer
    given: tuple[Any, Any, Any, Any]
    sets: Mapping[str, ValidationRows | None]

    def train(self, seed: int, n_threads: int | None = None) -> SeedResult:
        """Train one seed; where a count of threads is given, by so many."""
        X, y, sample_weight, eval_set = self.given
        own = clone(self.trainer).set_params(random_state=seed)
        asked = own.get_params(deep=False)["n_threads"]
        if n_threads is not None:
            own.set_params(n_threads=n_threads)
        row: dict[str, Any] = {"seed": seed}
        diverged: DivergedError | None = None
        try:
            own.fit(X, y, sample_weight=sample_weight, eval_set=eval_set)
            row |= _ending(own)
        except DivergedError as error:
            diverged = error
            row |= {"status": Status.DIVERGED.value, "update": error.update, "seconds": np.nan}
        own.set_params(n_threads=asked)
        return SeedResult(own, row | metrics_of(own, self.sets, Status(row["status"]).is_complete), diverged)

    def failed(self, seed: int) -> SeedResult:
        """Return what stands for a seed that cannot be trained."""
        own = clone(self.trainer).set_params(random_state=seed)
        row = {"seed": seed, "status": Status.FAILED.value, "update": 0, "seconds": np.nan}
        return SeedResult(own, row | metrics_of(own, self.sets, is_complete=False))


def _ending(trainer: BaseTrainer) -> dict[str, Any]:
    """Return status, updates and seconds of a training that did not diverge."""
    history = trainer.history_
    last = history.rows[-1] if len(history) else {"update": 0, "seconds": np.nan}
    return {"status": trainer.status_.value, "update": int(last["update"]), "seconds": last["seconds"]}


def metrics_of(
    trainer: BaseTrainer, sets: Mapping[str, ValidationRows | None], is_complete: bool
) -> dict[str, float]:
    """Return the metrics of every set of rows; NaN for a model that is not complete."""
    settings = trainer.settings().for_rows(sets["validation"] is not None)
    names = [metric.name for metric in (*ALWAYS, *settings.metrics)]
    splits = [split for split, rows in sets.items() if rows is not None]
    if settings.validation_fraction is not None:
        splits = ["train", "validation", *splits[1:]]
    found: Mapping[str, Mapping[str, float]] = {split: dict.fromkeys(names, np.nan) for split in splits}
    if is_complete:
        found = {split: _evaluate(trainer, sets, split) for split in splits}
    return {f"{split}_{name}": value for split in splits for name, value in found[split].items()}


def _evaluate(trainer: BaseTrainer, sets: Mapping[str, ValidationRows | None], split: str) -> Metrics:
    """Return the metrics of a split, which the trainer itself may have made of the train rows."""
    # Whether they were evaluated in the training is not asked.
    settings = trainer.settings().for_rows(sets["validation"] is not None)
    settings = replace(settings, evaluate_every="epoch")
    try:
        if settings.validation_fraction is None or split == "test":
            chosen: Any = sets[split]
            metrics: Metrics = trainer.evaluate(chosen.X, chosen.y, chosen.sample_weight)
            return metrics
        given: Any = sets["train"]
        rows = read_rows(trainer, settings, given.X, given.y, given.sample_weight)
        parts = rows.job_rows(settings, *rows.parts(settings))
        data: Any = parts.train if split == "train" else parts.held_out
        return trainer.result().fitted.evaluate(data, trainer.backend, trainer.n_threads)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"{split} rows of repeat: {error}") from error
