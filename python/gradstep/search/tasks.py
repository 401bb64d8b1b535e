"""The training of a group as values alone: what an engine can send to where it trains."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gradstep.plan.rows import TrainingData, prepare
from gradstep.plan.settings import Settings
from gradstep.training.loop import TrainingLoop
from gradstep.training.recorder import FitRecorder
from gradstep.training.setup import JobRows, make_job


@dataclass(frozen=True, eq=False)
class Folds:
    """Weights of all rows in every fold; those that a fold leaves out weigh nothing.

    Attributes
    ----------
    trained, validated : ndarray of shape (folds, n), float64
        In the training and in the validation.
    """

    trained: npt.NDArray[np.float64]
    validated: npt.NDArray[np.float64]

    @property
    def count(self) -> int:
        """Number of folds."""
        return len(self.trained)

    def select(self, rows: JobRows, folds: Sequence[int]) -> JobRows:
        """Return the rows of m models, given the fold of each."""
        places = list(folds)
        return replace(
            rows,
            train=_weighted(rows.train, self.trained[places]),
            held_out=_weighted(rows.train, self.validated[places]),
        )


@dataclass(frozen=True, eq=False)
class GroupTask:
    """The training of a group of m models: values, and no estimators.

    It can be pickled where the callbacks and the learning rates of its settings can. Callbacks of
    estimators are not called: who has the estimators gives their recorders an `on_row`.

    Attributes
    ----------
    rows : JobRows
        Of all models, before some are held out by folds.
    settings : tuple of m Settings
    folds : Folds, or None
    fold_numbers : tuple of m ints
        The fold of every model; without folds they are not looked at.
    """

    rows: JobRows
    settings: tuple[Settings, ...]
    folds: Folds | None = None
    fold_numbers: tuple[int, ...] = ()

    def begin(self) -> tuple[TrainingLoop, list[FitRecorder]]:
        """Return the training before its first update, and what records every model of it.

        Raises
        ------
        InvalidParameterError, BackendUnavailableError, MemoryError
            As `make_job` does.
        """
        began = time.perf_counter()
        rows = self.rows if self.folds is None else self.folds.select(self.rows, self.fold_numbers)
        job, fitted = make_job(self.settings, rows)
        recorders = [FitRecorder(own, job, model) for own, model in zip(self.settings, fitted, strict=True)]
        # A copy: training changes it in place, and a model that diverges at once is the initial one.
        parameters = np.stack([model.block for model in fitted])
        return TrainingLoop(job, parameters, recorders, time.perf_counter() - began), recorders


def _weighted(data: TrainingData, weight: npt.NDArray[np.float64]) -> TrainingData:
    return prepare(data.X, data.targets, weight, data.standardization)
