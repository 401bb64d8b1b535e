"""What is recorded of the training of one model, alone or in a group."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from gradstep.errors import DivergedError
from gradstep.nn.schedules import ReduceOnPlateau
from gradstep.plan.settings import Settings
from gradstep.training.fitted import Fitted
from gradstep.training.history import History
from gradstep.training.observers import EarlyStoppingState, PlateauState, print_row
from gradstep.training.result import TrainingResult
from gradstep.training.setup import TrainingJob
from gradstep.training.status import Status


class FitRecorder:
    """Records the training of one model, and ends it under its own rules.

    The fitted model is always that of the last row of the history, until the training ends and the
    parameters of the best evaluation come back, where the rule is to keep them.

    Parameters
    ----------
    settings : Settings
    job : TrainingJob
        Of this model, or of a group that it is in.
    fitted : Fitted
        The model before its first update.
    on_row : callable, optional
        Called without arguments after every row of the history. Returns True when training should stop.

    Attributes
    ----------
    fitted : Fitted, or None
        None once the model is forgotten; the history stays.
    history : History
    row : dict
        Of the history, the one that describes the model kept; empty before the first.
    status : Status
    error : DivergedError, or None
    batch_size, updates_per_epoch, n_threads : int
    backend : str
    """

    def __init__(
        self,
        settings: Settings,
        job: TrainingJob,
        fitted: Fitted,
        on_row: Callable[[], bool] | None = None,
    ) -> None:
        self.settings = settings
        self.fitted: Fitted | None = fitted
        self.history = History(settings.metrics)
        self.row: dict[str, float] = {}
        self.status = Status.RUNNING
        self.error: DivergedError | None = None
        self.batch_size = job.plan.batch_size
        self.updates_per_epoch = job.plan.updates_per_epoch
        self.n_threads = job.n_threads
        self.backend = job.backend.name
        self.on_row = on_row
        self._updates = job.plan.updates
        rule, rate = settings.early_stopping, settings.learning_rate
        self._early = EarlyStoppingState(rule) if rule else None
        self._plateaus = PlateauState(rate) if isinstance(rate, ReduceOnPlateau) else None

    def result(self) -> TrainingResult:
        """Return what the training came to so far; the model must not be forgotten."""
        if self.fitted is None:
            raise ValueError("the model of this training was forgotten")
        return TrainingResult(
            self.fitted,
            self.history,
            self.status,
            n_iter=-(-int(self.row.get("update", 0)) // self.updates_per_epoch),
            batch_size=self.batch_size,
            updates_per_epoch=self.updates_per_epoch,
            backend=self.backend,
            n_threads=self.n_threads,
        )

    def on_evaluation(
        self, row: dict[str, float], parameters: npt.NDArray[np.floating], to_come: npt.NDArray[np.float64]
    ) -> bool:
        """Handle an evaluation. Returns True when the training of this model is over."""
        self.history.append(**row)
        self._keep(parameters, row)
        if self.settings.verbose:
            print_row(self.history)
        if self._plateaus:
            self._plateaus.on_evaluation(row, to_come)
        wants_stop = self.on_row() if self.on_row else False
        is_enough = self._early.on_evaluation(row, parameters) if self._early else False
        if row["update"] == self._updates:
            self.end(Status.COMPLETED)
        elif is_enough or wants_stop:
            self.end(Status.EARLY_STOPPED)
        return self.status.is_over

    def on_divergence(self, error: DivergedError) -> None:
        """Handle that a loss or a parameter is no longer finite: the model stays that of the last row."""
        self.status = Status.DIVERGED
        self.error = error
        self._early = None
        self.on_row = None

    def end(self, status: Status) -> None:
        """Say why the training is over."""
        early = self._early
        self.status = status
        # Nothing is asked any more: what has ended is values, and can be pickled.
        self._early = None
        self.on_row = None
        if early and early.rule.restore_best and early.parameters is not None:
            self._keep(early.parameters, early.row)

    def forget(self) -> None:
        """Forget the model; what was measured stays."""
        self.fitted = None

    def _keep(self, block: npt.NDArray[np.floating], row: dict[str, float]) -> None:
        if self.fitted is not None:
            self.fitted = self.fitted.with_block(block)
        self.row = row
