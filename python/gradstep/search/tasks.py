"""The training of a group as values: what a process could be sent, and what it does where it trains."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from gradstep.plan.settings import Settings
from gradstep.training.loop import TrainingLoop
from gradstep.training.recorder import FitRecorder
from gradstep.training.setup import JobRows, make_job


@dataclass(frozen=True, eq=False)
class GroupTask:
    """The training of a group of m models: values, and no estimators.

    It can be pickled where the callbacks and the learning rates of its settings can. Callbacks of
    estimators are not called: who has the estimators gives their recorders an `on_row`.

    Attributes
    ----------
    rows : JobRows
        Of all models; in folds those of one fold.
    settings : tuple of m Settings
    """

    rows: JobRows
    settings: tuple[Settings, ...]

    def begin(self) -> tuple[TrainingLoop, list[FitRecorder]]:
        """Return the training before its first update, and what records every model of it.

        Raises
        ------
        InvalidParameterError, BackendUnavailableError, MemoryError
            As `make_job` does.
        """
        began = time.perf_counter()
        job, fitted = make_job(self.settings, self.rows)
        recorders = [FitRecorder(own, job, model) for own, model in zip(self.settings, fitted, strict=True)]
        # A copy: training changes it in place, and a model that diverges at once is the initial one.
        parameters = np.stack([model.block for model in fitted])
        return TrainingLoop(job, parameters, recorders, time.perf_counter() - began), recorders
