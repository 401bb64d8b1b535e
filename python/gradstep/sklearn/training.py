"""The training of faces: from settings and rows to the one loop, and back to curves and parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    rows : FaceRows
    block : ndarray of shape (P,)
        The latest parameters; NaN where the training diverged.
    best : ndarray of shape (P,)
        Those of the best validation score, or those before the first update.
    is_over : bool
        Whether nothing more is to be trained.
    """

    def __init__(
        self, rule: EpochRule, rows: FaceRows, block: Array, on_epoch: Callable[[], bool] | None = None
    ) -> None:
        self.rule = rule
        self.rows = rows
        self.block = self.best = block
        self.is_over = False
        self.on_epoch = on_epoch
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
        return self.is_over

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


def train_in_batches(
    observers: Sequence[EpochObserver], order: Order, should_stop: Callable[[], bool]
) -> None:
    """Train models that share all but numbers, each until its own rule ends it, from where its state is."""
    n = observers[0].rows.train.n
    per_epoch = -(-n // observers[0].rule.settings.rows_of_batch(n))
    while not should_stop():
        left = [observer for observer in observers if not observer.is_over]
        if not left:
            return
        to_come = max(observer.rule.epochs_to_come for observer in left)
        job = _job(left, order, per_epoch * min(to_come, max(1, _UPDATES_OF_PLAN // per_epoch)))
        state = _state(left, job.plan)
        try:
            TrainingLoop(job, state, left).advance(job.plan.updates, should_stop)
        finally:
            for place, observer in enumerate(left):
                observer.rule.state.slots = state.slots[place]
                observer.rule.state.updates = int(state.updates[place])


def _state(observers: Sequence[EpochObserver], plan: Plan) -> State:
    """Return what the models go on from; their own arrays stay as they are."""
    parameters = np.stack([observer.block for observer in observers])
    state = State.start(parameters, plan.slots)
    state.updates[:] = plan.first_update
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
        {} if rows.held_out is None else {"validation": rows.held_out},
        plan.updates_per_epoch,
        (targets.metric,),
        targets.vocabulary,
        threads.choose(first.n_threads, plan.batch_size * len(settings) * layers.parameters),
    )
