"""What is recorded of the training of one model, alone or in a group."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gradstep.errors import DivergedError
from gradstep.nn.schedules import ReduceOnPlateau
from gradstep.plan.plan import State
from gradstep.plan.settings import Settings
from gradstep.training.checkpoint import FitState, Trajectory
from gradstep.training.fitted import Fitted
from gradstep.training.group_state import ModelState
from gradstep.training.history import History
from gradstep.training.observers import EarlyStoppingState, PlateauState
from gradstep.training.outset import Outset
from gradstep.training.record import KeptModel, ModelNews, ModelRecord, epochs_of
from gradstep.training.result import TrainingResult
from gradstep.training.setup import TrainingJob
from gradstep.training.status import Status


class Begun(NamedTuple):
    """What a training that goes on has come to before."""

    result: TrainingResult
    checkpoint: FitState


class FitRecorder(ModelRecord):
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
    state_of : callable, or None
        Returns a copy of the state of this model, or None where there is none that a row describes.
    """

    history: History
    error: DivergedError | None
    watch: Callable[[History], None] | None
    status: Status

    # Every row of a history has its own model, which stays where the next one diverges.
    evaluations_at_once = 1

    def __init__(
        self,
        settings: Settings,
        job: TrainingJob,
        fitted: Fitted,
        on_row: Callable[[], bool] | None = None,
        run: Trajectory | None = None,
        begun: Begun | None = None,
    ) -> None:
        super().__init__(settings, Outset.of(job, fitted), fitted.block)
        self.on_row, self._n_before = on_row, 0
        tells = settings.evaluate_every is not None and any(own.by_scorer for own in settings.metrics)
        self._evaluated = dict(job.evaluated) if tells else None
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
        self.history.rows.extend(result.history.rows)
        # Several rows of an epoch that is begun are alike here: it is counted as one.
        last = self.history.rows[-1] if self.history.rows else {}
        row = next((row for row in self.history.rows if epochs_of(row) == result.n_iter), last)
        self._kept = KeptModel(result.fitted.block, row, len(self.history))
        self._n_before = len(self.history)
        state = ModelState(row, checkpoint.best, checkpoint.plateau)
        self._follow(state, result.fitted.block, job.plan.rates(checkpoint.update)[0])

    def go_on(
        self,
        state: ModelState,
        described: npt.NDArray[np.floating],
        to_come: npt.NDArray[np.float64],
        rows: Iterable[dict[str, float]] = (),
    ) -> None:
        """Take up a slice of a training from the state that the one before has left.

        Parameters
        ----------
        state : ModelState
        described : ndarray of shape (P,)
            Parameters that its last row describes; the recorder's own from now on.
        to_come : ndarray of shape (updates to come,), float64
            Learning rates, changed in place where a plateau has lowered them.
        rows : iterable of dict
            Those of the history so far, where they are wanted.
        """
        self.history.rows.extend(rows)
        self._n_before = len(self.history)
        self._kept = KeptModel(described, state.row, self._n_before)
        self._follow(state, described, to_come)

    def _follow(
        self, state: ModelState, described: npt.NDArray[np.floating], to_come: npt.NDArray[np.float64]
    ) -> None:
        """Let the rules go on from what they went by."""
        best = state.best_with(described)
        if self._early and best:
            self._early.go_on(best)
        if self._plateaus and state.plateau:
            self._plateaus.go_on(state.plateau, to_come)

    def state(self) -> ModelState:
        """Return what the training goes by, as a value."""
        return ModelState(
            self.row,
            best=self._early.best() if self._early else None,
            plateau=self._plateaus.plateau() if self._plateaus else None,
        )

    def news(self) -> ModelNews:
        """Return what became of the model since it was taken up."""
        rows, status = self.history.rows[self._n_before :], self.status
        if not status.is_over:
            return ModelNews(rows, status)
        return ModelNews(rows, status, self.error, self.row, self._kept.block)

    def checkpoint(self, block: npt.NDArray[np.floating]) -> FitState | None:
        """Return what the training can go on from; `block` is in the place of parameters that equal it."""
        if self._run is None or self.status is Status.DIVERGED:
            return None
        if self.state_of:
            state = self.state_of()
            self._checkpoint = None if state is None else self._made(self._run, state)
        return self._checkpoint and self._checkpoint.sharing(block)

    def _made(self, run: Trajectory, state: State) -> FitState:
        own = self.state()
        return FitState(
            run,
            state.parameters[0],
            state.slots[0],
            update=int(state.updates[0]),
            epoch=epochs_of(self.history.rows[-1]) if self.history.rows else 0,
            best=own.best,
            plateau=own.plateau,
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
        self._early, self._evaluated = None, None
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
        self._early, self._evaluated = None, None
        self.on_row = self.watch = self.state_of = None

    def _by_scorers(self, parameters: npt.NDArray[np.floating]) -> dict[str, float]:
        """Return the columns of metrics that are scores of the model with these parameters."""
        if self._kept.block is None or self.outset.model is None or self._evaluated is None:
            return {}
        model = self.outset.model.with_block(parameters)
        of_rows = {
            f"{split}_{name}": value
            for split, data in self._evaluated.items()
            for name, value in model.by_scorers(data, self.outset.backend, self.outset.n_threads).items()
        }
        own = model.by_own_rows(self.outset.backend, self.outset.n_threads)
        return of_rows | {f"validation_{name}": value for name, value in own.items()}

    @property
    def is_new(self) -> bool:
        """Whether the training has come to no row of the history yet."""
        return self._kept.n_rows == self._n_before

    def _keep(self, block: npt.NDArray[np.floating], row: dict[str, float]) -> None:
        """Keep a model in one assignment, so that nothing can come between it and its row."""
        self._kept = KeptModel(None if self._kept.block is None else block, row, len(self.history))
