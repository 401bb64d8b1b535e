"""The training of faces: from settings and rows to the one loop, and back to curves and parameters."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep import backends
from gradstep.errors import DivergedError
from gradstep.plan.batch_cost import BatchCost
from gradstep.plan.dropout import Dropout
from gradstep.plan.network import Layers, Objective
from gradstep.plan.order import Order
from gradstep.plan.plan import Plan, State
from gradstep.sklearn.curves import EpochRule
from gradstep.sklearn.rows import FaceRows
from gradstep.training.loop import TrainingLoop
from gradstep.training.setup import TrainingJob
from gradstep.training.status import Status
from gradstep.utils import threads

Array = npt.NDArray[Any]

# Updates of one plan, which holds a rate for each; of longer trainings one plan follows the other.
_UPDATES_OF_PLAN = 1 << 16


class EpochObserver:
    """Observes the training of one model; see `ModelObserver`.

    Parameters
    ----------
    rule : EpochRule
    rows : FaceRows
    block : ndarray of shape (P,)
        The parameters before the first update.
    on_epoch : callable, optional
        Called without arguments after every epoch. Returns True when training should stop.

    Attributes
    ----------
    rule : EpochRule
        Its state is that of the parameters where training is over, or has stopped.
    rows : FaceRows
    block : ndarray of shape (P,)
        The latest parameters; NaN where the training diverged.
    best : ndarray of shape (P,)
        Those of the best validation score, or those before the first update.
    is_over : bool
        Whether nothing more is to be trained.
    state_of : callable, or None
        `TrainingLoop.state_of` of this model.
    """

    block: Array
    best: Array
    is_over: bool

    def __init__(
        self, rule: EpochRule, rows: FaceRows, block: Array, on_epoch: Callable[[], bool] | None = None
    ) -> None:
        self.rule = rule
        self.rows = rows
        self.block = self.best = block
        self.is_over = False
        self.on_epoch = on_epoch
        self.state_of: Callable[..., State | None] | None = None
        self._has_score = rows.held_out is not None
        self._score_of_nothing = rows.score_of_nothing
        self._column = f"validation_{rows.targets.metric.name}"

    @property
    def evaluations_at_once(self) -> int:
        """Epochs after which nobody asks for anything, and the one after which somebody may."""
        return 1 if self.on_epoch or self._has_score else self.rule.epochs_at_once

    def on_evaluation(
        self, row: dict[str, float], parameters: Array, to_come: npt.NDArray[np.float64]
    ) -> bool:
        """Handle the end of an epoch, or of that part of one that was done when the user interrupted it."""
        self.block = parameters
        if not row["epoch"].is_integer():
            return False
        before = self.rule.state.learning_rate
        self._end_epoch(row["running_loss"], self._score(row))
        if self.rule.is_best:
            self.best = parameters
        if self.on_epoch and self.on_epoch():
            self.is_over = True
        if self.rule.state.learning_rate != before:
            to_come[:] = self.rule.state.learning_rate
        if self.is_over and self.state_of:
            self.keep(self.state_of(leaves=True))
        return self.is_over

    def keep(self, state: State | None) -> None:
        """Keep what the solver would go on from, if it is known."""
        if state is not None:
            self.rule.state.slots = state.slots[0]
            self.rule.state.updates = int(state.updates[0])

    def on_divergence(self, error: DivergedError) -> None:
        """Fill the curves as further epochs would: NaN stays NaN."""
        self.block = np.full_like(self.block, np.nan)
        while not self.is_over:
            self._end_epoch(float("nan"), self._score_of_nothing)

    def end(self, status: Status) -> None:
        """Handle that the optimizer has no more to do, as no solver in batches ever has."""

    def _end_epoch(self, loss: float, score: float | None) -> None:
        self.is_over = self.rule.on_epoch(loss, score)

    def _score(self, row: dict[str, float]) -> float | None:
        if not self._has_score:
            return None
        return row[self._column] if np.isfinite(row["validation_loss"]) else self._score_of_nothing


class FaceTraining:
    """m models that share all but numbers, trained from epoch to epoch until the rule of each ends it.

    Parameters
    ----------
    observers : sequence of m EpochObserver
        Models go on from where their state is.
    order : Order

    Attributes
    ----------
    observers : list of EpochObserver
        Of the models that are left.
    done : int
        Updates that they have done.
    updates_per_epoch : int
    """

    observers: list[EpochObserver]
    updates_per_epoch: int
    done: int

    def __init__(self, observers: Sequence[EpochObserver], order: Order) -> None:
        self.observers = list(observers)
        first, n = observers[0].rule, observers[0].rows.train.n
        self.updates_per_epoch = -(-n // first.settings.rows_of_batch(n))
        self.done = first.state.updates
        self._order = order
        self._seconds = 0.0
        self._loop: TrainingLoop | None = None

    @property
    def seconds(self) -> float:
        """Spent so far."""
        return self._loop.seconds if self._loop else self._seconds

    def state(self) -> State:
        """Return a copy of what the models that are left go on from; between two epochs."""
        if self._loop is not None:
            return self._loop.state.copy()
        kept = [observer.rule.state.slots for observer in self.observers]
        return _state(self.observers, max(0 if own is None else len(own) for own in kept), self.done)

    def go_on(self, left: Sequence[EpochObserver], state: State, seconds: float) -> None:
        """Take up some of the models from what `state` has returned."""
        self.observers, self.done, self._seconds = list(left), int(state.updates.max()), seconds
        for place, observer in enumerate(left):
            observer.block = state.parameters[place].copy()
            observer.rule.state.slots = state.slots[place].copy()
            observer.rule.state.updates = int(state.updates[place])

    def pass_over(self, epochs: int) -> None:
        """Draw the order of so many epochs that were done elsewhere."""
        if epochs:
            self._order.epoch(epochs - 1)

    @property
    def is_over(self) -> bool:
        """Whether no model is left."""
        return not self.observers

    def advance(self, goal: int, should_stop: Callable[[], bool]) -> None:
        """Train until the end of the first epoch at or after update `goal`.

        Ends earlier when no model is left, or when `should_stop` says so.
        """
        while not self.is_over and self.done < goal and not should_stop():
            loop = self._loop = self._loop or self._begin()
            loop.advance(goal, should_stop)
            self.done = loop.done
            self.observers = [observer for observer in self.observers if not observer.is_over]
            if loop.is_over:
                self.keep_states()
                self._seconds, self._loop = loop.seconds, None

    def keep_states(self) -> None:
        """Let the models that are left keep what their solvers would go on from."""
        loop = self._loop
        if loop is None:
            return
        plan = loop.job.plan
        begun = -(-(loop.done - plan.first_update) // plan.updates_per_epoch)
        if begun and self.observers:
            # Epochs that were drawn ahead, and that nobody was trained on, go back to the stream.
            self._order.epoch(plan.first_epoch + begun - 1)
        for observer in self.observers:
            if observer in loop.observers:
                observer.keep(loop.state.select([loop.observers.index(observer)]))

    def drop(self, leaving: Collection[EpochObserver]) -> None:
        """Let models go, whose trainings somebody else has ended."""
        self.observers = [observer for observer in self.observers if observer not in leaving]
        if self._loop is not None:
            self._loop.drop(leaving)

    def _begin(self) -> TrainingLoop:
        """Begin a plan of as many epochs as may come, or as a plan may have."""
        to_come = max(observer.rule.epochs_to_come for observer in self.observers)
        epochs = min(to_come, max(1, _UPDATES_OF_PLAN // self.updates_per_epoch))
        job = _job(self.observers, self._order, self.updates_per_epoch * epochs)
        state = _state(self.observers, job.plan.slots, job.plan.first_update)
        loop = TrainingLoop(job, state, self.observers, self._seconds)
        for observer in self.observers:
            observer.state_of = partial(loop.state_of, observer)
        return loop


def train_in_batches(
    observers: Sequence[EpochObserver], order: Order, should_stop: Callable[[], bool]
) -> None:
    """Train models that share all but numbers, each until its own rule ends it, from where its state is."""
    training = FaceTraining(observers, order)
    try:
        training.advance(sys.maxsize, should_stop)
    finally:
        training.keep_states()


def _state(observers: Sequence[EpochObserver], slots: int, done: int) -> State:
    """Return what the models go on from after so many updates; their own arrays stay as they are."""
    parameters = np.stack([observer.block for observer in observers])
    state = State.start(parameters, slots)
    state.updates[:] = done
    for place, observer in enumerate(observers):
        if observer.rule.state.slots is not None:
            state.slots[place] = observer.rule.state.slots
    return state


def _job(observers: Sequence[EpochObserver], order: Order, updates: int) -> TrainingJob:
    """Return the training of the models for so many updates more."""
    rules, rows = [observer.rule for observer in observers], observers[0].rows
    settings = [rule.settings for rule in rules]
    first, targets = settings[0], rows.targets
    layers = Layers((rows.train.d, *first.hidden, targets.outputs))
    objective = Objective(
        layers,
        (targets.loss,) * len(settings),
        tuple((own.activation,) * len(own.hidden) for own in settings),
        np.array([own.alpha / 2 * rows.train.n / rows.weight_sum for own in settings]),
    )
    shares = np.array([own.dropped for own in settings])
    plan = Plan(
        objective,
        tuple(own.optimizer for own in settings),
        first.rows_of_batch(rows.train.n),
        order,
        np.repeat(np.array([rule.state.learning_rate for rule in rules])[:, None], updates, axis=1),
        batch_cost=BatchCost(rows.train.weight, float(targets.factor), shares_l2=True, counts_l2=True),
        dropout=Dropout(rules[0].state.seed, shares) if shares.any() else None,
        first_update=rules[0].state.updates,
        first_epoch=rules[0].curves.n_iter,
    )
    return TrainingJob(
        backends.choose(first.backend, objective, plan.rule),
        plan,
        rows.train,
        {} if rows.validation is None else {"validation": rows.validation},
        plan.updates_per_epoch,
        (targets.metric,),
        targets.vocabulary,
        threads.choose(first.n_threads, plan.batch_size * len(settings) * layers.parameters),
    )
