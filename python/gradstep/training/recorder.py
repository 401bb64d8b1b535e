"""What is recorded of the training of one model, alone or in a group."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gradstep.errors import DivergedError
from gradstep.nn.schedules import ReduceOnPlateau
from gradstep.plan.plan import State
from gradstep.plan.settings import Settings
from gradstep.training.checkpoint import Checkpoint, Trajectory
from gradstep.training.fitted import Fitted
from gradstep.training.history import History
from gradstep.training.observers import EarlyStoppingState, PlateauState
from gradstep.training.result import TrainingResult
from gradstep.training.setup import TrainingJob
from gradstep.training.status import Status


class _Kept(NamedTuple):
    """The parameters, None once forgotten; the row that describes them; the rows of the history then."""

    block: npt.NDArray[np.floating] | None
    row: dict[str, float]
    n_rows: int


class Begun(NamedTuple):
    """What a training that goes on has come to before."""

    result: TrainingResult
    checkpoint: Checkpoint


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
    run : Trajectory, optional
        Where the training is to leave a checkpoint.
    begun : Begun, optional
        Where it goes on from one; its rates to come are set in the job.

    Attributes
    ----------
    fitted : Fitted, or None
        None once the model is forgotten; the history stays.
    history : History
    row : dict
        Of the history, the one that describes the model kept; empty before the first.
    status : Status
    error : DivergedError, or None
    watch : callable, or None
        Called with the history after every row of it, before anybody is asked.
    state_of : callable, or None
        Returns a copy of the state of this model, or None where there is none that a row describes.
    batch_size, updates_per_epoch, n_threads : int
    backend : str
    """

    def __init__(
        self,
        settings: Settings,
        job: TrainingJob,
        fitted: Fitted,
        on_row: Callable[[], bool] | None = None,
        run: Trajectory | None = None,
        begun: Begun | None = None,
    ) -> None:
        self.settings = settings
        self.history = History(settings.metrics, weighted=job.weighted)
        self.status = Status.RUNNING
        self.error: DivergedError | None = None
        self.batch_size = job.plan.batch_size
        self.updates_per_epoch = job.plan.updates_per_epoch
        self.n_threads = job.n_threads
        self.backend = job.backend.name
        self.on_row = on_row
        self.watch: Callable[[History], None] | None = None
        # Made whole when it is asked for: models of a search are evaluated far more often.
        self._without_block = fitted.with_block(np.empty(0, dtype=fitted.block.dtype))
        self._kept, self._n_before = _Kept(fitted.block, {}, 0), 0
        self._evaluated = dict(job.evaluated) if any(own.by_scorer for own in settings.metrics) else {}
        self._updates = job.plan.updates
        rule, rate = settings.early_stopping, settings.learning_rate
        self._early = EarlyStoppingState(rule) if rule else None
        self._plateaus = PlateauState(rate) if isinstance(rate, ReduceOnPlateau) else None
        self.state_of: Callable[[], State | None] | None = None
        self._run, self._checkpoint = run, None if begun is None else begun.checkpoint
        if begun is not None:
            self._go_on(begun, job)

    def _go_on(self, begun: Begun, job: TrainingJob) -> None:
        """Take up what a training has come to before."""
        result, checkpoint = begun
        weighted = tuple(dict.fromkeys((*result.history.weighted, *self.history.weighted)))
        self.history = History(self.settings.metrics, weighted=weighted)
        self.history.rows = list(result.history.rows)
        # Several rows of an epoch that is begun are alike here: it is counted as one.
        last = self.history.rows[-1] if self.history.rows else {}
        row = next((row for row in self.history.rows if _epochs(row) == result.n_iter), last)
        self._kept = _Kept(result.fitted.block, row, len(self.history))
        self._n_before = len(self.history)
        if self._early and checkpoint.best:
            self._early.go_on(checkpoint.best)
        if self._plateaus and checkpoint.plateau:
            self._plateaus.go_on(checkpoint.plateau, job.plan.rates(checkpoint.update)[0])

    @property
    def fitted(self) -> Fitted | None:
        """The model that is kept."""
        block = self._kept.block
        return None if block is None else self._without_block.with_block(block)

    @property
    def row(self) -> dict[str, float]:
        """The row of the history that describes it."""
        return self._kept.row

    def result(self) -> TrainingResult:
        """Return what the training came to so far; the model must not be forgotten."""
        kept, fitted = self._kept, self.fitted
        if fitted is None:
            raise ValueError("the model of this training was forgotten")
        # A row whose model was not kept, since something was raised between the two, never was.
        del self.history.rows[kept.n_rows :]
        return TrainingResult(
            fitted,
            self.history,
            self.status,
            n_iter=_epochs(kept.row),
            batch_size=self.batch_size,
            updates_per_epoch=self.updates_per_epoch,
            backend=self.backend,
            n_threads=self.n_threads,
            checkpoint=self.checkpoint(fitted.block),
        )

    def checkpoint(self, block: npt.NDArray[np.floating]) -> Checkpoint | None:
        """Return what the training can go on from; `block` is in the place of parameters that equal it."""
        if self._run is None or self.status is Status.DIVERGED:
            return None
        if self.state_of:
            state = self.state_of()
            self._checkpoint = None if state is None else self._made(self._run, state)
        return self._checkpoint and self._checkpoint.sharing(block)

    def _made(self, run: Trajectory, state: State) -> Checkpoint:
        return Checkpoint(
            run,
            state.parameters[0],
            state.slots[0],
            update=int(state.updates[0]),
            epoch=_epochs(self.history.rows[-1]) if self.history.rows else 0,
            best=self._early.best() if self._early else None,
            plateau=self._plateaus.plateau() if self._plateaus else None,
        )

    def on_evaluation(
        self, row: dict[str, float], parameters: npt.NDArray[np.floating], to_come: npt.NDArray[np.float64]
    ) -> bool:
        """Handle an evaluation. Returns True when the training of this model is over."""
        row = row | self._by_scorers(parameters)
        self.history.append(**row)
        self._keep(parameters, row)
        if self.watch:
            self.watch(self.history)
        if self._plateaus:
            self._plateaus.on_evaluation(row, to_come)
        is_enough = self._early.on_evaluation(row, parameters) if self._early else False
        wants_stop = self.on_row() if self.on_row else False
        if row["update"] == self._updates:
            self.end(Status.COMPLETED)
        elif is_enough or wants_stop:
            self.end(Status.EARLY_STOPPED)
        return self.status.is_over

    def on_divergence(self, error: DivergedError) -> None:
        """Handle that a loss or a parameter is no longer finite: the model stays that of the last row."""
        self.status = Status.DIVERGED
        self.error = error
        self._early, self._evaluated = None, {}
        self.on_row = self.watch = self.state_of = None

    def end(self, status: Status) -> None:
        """Say why the training is over."""
        early = self._early
        if self._kept.block is not None:
            self.checkpoint(self._kept.block)
        if early and early.rule.restore_best and early.parameters is not None:
            self._keep(early.parameters, early.row)
        self.status = status
        # Nothing is asked any more: what has ended is values, and can be pickled.
        self._early, self._evaluated = None, {}
        self.on_row = self.watch = self.state_of = None

    def forget(self) -> None:
        """Forget the model; what was measured stays."""
        self._kept = self._kept._replace(block=None)

    def _by_scorers(self, parameters: npt.NDArray[np.floating]) -> dict[str, float]:
        """Return the columns of metrics that are scores of the model with these parameters."""
        if self._kept.block is None or not self._evaluated:
            return {}
        model = self._without_block.with_block(parameters)
        return {
            f"{split}_{name}": value
            for split, data in self._evaluated.items()
            for name, value in model.by_scorers(data, self.backend, self.n_threads).items()
        }

    @property
    def is_new(self) -> bool:
        """Whether the training has come to no row of the history yet."""
        return self._kept.n_rows == self._n_before

    def _keep(self, block: npt.NDArray[np.floating], row: dict[str, float]) -> None:
        """Keep a model in one assignment, so that nothing can come between it and its row."""
        self._kept = _Kept(None if self._kept.block is None else block, row, len(self.history))


def _epochs(row: Mapping[str, float]) -> int:
    """Return the epochs of a row of the history, a begun one included."""
    return math.ceil(row.get("epoch", 0))
