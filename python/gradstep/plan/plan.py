"""Everything the kernels need to know about the training of a group, and what training changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.nn import optimizers
from gradstep.nn.averaging import Averaging
from gradstep.nn.optimizers import Optimizer
from gradstep.nn.rules import Rule
from gradstep.plan.batch_cost import MEAN, BatchCost
from gradstep.plan.dropout import Dropout
from gradstep.plan.network import Objective
from gradstep.plan.order import Augmentation, Order, Sort, joined

# The most of a range, unless one epoch has more.
_UPDATES_AT_ONCE = 1024
_ROWS_AT_ONCE = 1 << 17


@dataclass(frozen=True)
class UpdateRange:
    """Consecutive updates of one epoch or several, as the kernels take them.

    Attributes
    ----------
    t0, t1 : int
        Update numbers, ``t0 <= t < t1``.
    row_indices : ndarray of shape (starts[-1],), int32
        Rows of all its batches, one after the other.
    starts : ndarray of shape (t1 - t0 + 1,), int64
        Batch ``i`` is ``row_indices[starts[i]:starts[i + 1]]``.
    numbers : ndarray of shape (m, t1 - t0, 2, r), float64
        What the rule is given for weights and for biases.
    draws : ndarray of shape (starts[-1], 3), int16, or None
        Flip (0 or 1), dy and dx of each of the rows; None leaves them as they are.
    divisors : ndarray of shape (m, t1 - t0), float64, or None
        What the sum of the losses of a batch's rows, and its gradient, are divided by; None: by the rows of
        the batch. Where it is 0 the model passes the batch over, though its average takes its share.
    penalties : ndarray of shape (m, t1 - t0), float64, or None
        What the sum of squares of every weight before an update is multiplied by, to be part of the running
        loss; None: of which it is no part.
    drop_keys : ndarray of shape (t1 - t0, l), uint64, or None
        Of which the words of dropout are made; None drops nothing.
    decays : ndarray of shape (m, t1 - t0), float64, or None
        Where gradients are clipped, the decay of weights that is part of them, and not of `numbers`.
    shares : ndarray of shape (m, t1 - t0), float64, or None
        What averages take of the new weights; None where none are kept.
    """

    t0: int
    t1: int
    row_indices: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.float64]
    draws: npt.NDArray[np.int16] | None = None
    divisors: npt.NDArray[np.float64] | None = None
    penalties: npt.NDArray[np.float64] | None = None
    drop_keys: npt.NDArray[np.uint64] | None = None
    decays: npt.NDArray[np.float64] | None = None
    shares: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Plan:
    """Everything a backend needs to know about the training of a group of m models.

    Attributes
    ----------
    objective : Objective
    optimizers : tuple of m Optimizer
        Of one rule.
    batch_size : int
        Rows of an update, b; the last batch of an epoch may be shorter.
    order : Order
    learning_rate : ndarray of shape (m, t), float64
        Of every update of every model. Those to come may change between two calls of a session.
    augmentation : Augmentation or None
        Of the rows that are trained on; none that is evaluated is ever changed.
    batch_cost : BatchCost
        What a step makes smaller; by default the mean over the rows of the batch, plus the penalty.
    dropout : Dropout or None
        Likewise of training alone.
    first_update, first_epoch : int
        Updates and epochs that were done before, on other rows: update numbers go on from there.
    limits : ndarray of shape (2, m), float64, or None
        How large an element of the gradient of the cost may be, and how large the norm of all of it;
        infinite where there is no limit, None where no model has any. Gradients are clipped before a rule
        takes them, l2 included.
    averages : tuple of m Averaging, or None
        Of the weights, each in a slot behind those of the rule; None where none are kept.
    """

    objective: Objective
    optimizers: tuple[Optimizer, ...]
    batch_size: int
    order: Order
    learning_rate: npt.NDArray[np.float64]
    augmentation: Augmentation | None = None
    batch_cost: BatchCost = MEAN
    dropout: Dropout | None = None
    first_update: int = 0
    first_epoch: int = 0
    limits: npt.NDArray[np.float64] | None = None
    averages: tuple[Averaging, ...] | None = None

    @property
    def rule(self) -> type[Rule]:
        """How a step changes a weight."""
        return self.optimizers[0].rule

    @property
    def takes_all_rows(self) -> bool:
        """Whether an update is a line search over all rows."""
        return self.optimizers[0].takes_all_rows

    @property
    def slots(self) -> int:
        """Numbers that are kept of every parameter: those of the rule, and the average."""
        return self.rule.slots + (self.averages is not None)

    @property
    def updates(self) -> int:
        """Updates planned, those that were done before included."""
        return self.first_update + int(self.learning_rate.shape[1])

    @property
    def updates_per_epoch(self) -> int:
        """Mini-batch steps of one epoch."""
        return -(-self.order.n // self.batch_size)

    @property
    def epochs_at_once(self) -> int:
        """Short epochs that are one range, for a call of a kernel costs what some updates may."""
        return max(1, min(_UPDATES_AT_ONCE // self.updates_per_epoch, _ROWS_AT_ONCE // self.order.n))

    def rates(self, t0: int, t1: int | None = None) -> npt.NDArray[np.float64]:
        """View the rates of the updates ``t0 <= t < t1``, or of all from t0 on, (m, t1 - t0)."""
        first = self.first_update
        return self.learning_rate[:, t0 - first : None if t1 is None else t1 - first]

    def epochs_after(self, updates: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Return how many epochs so many updates are."""
        return self.first_epoch + (updates - self.first_update) / self.updates_per_epoch

    def select(self, models: Sequence[int]) -> Plan:
        """Return the plan of some models of the group, in the order given."""
        return replace(
            self,
            objective=self.objective.select(models),
            optimizers=tuple(self.optimizers[model] for model in models),
            learning_rate=self.learning_rate[list(models)],
            batch_cost=self.batch_cost.select(models),
            dropout=self.dropout and self.dropout.select(models),
            limits=None if self.limits is None else self.limits[:, list(models)],
            averages=None if self.averages is None else tuple(self.averages[model] for model in models),
        )

    def numbers(self, t0: int, t1: int, l2: npt.NDArray[np.float64] | None = None) -> npt.NDArray[np.float64]:
        """Return the numbers of the rule of the updates ``t0 <= t < t1``, (m, t1 - t0, 2, r).

        `l2` (m, t1 - t0) is that of every update; by default that of the objective. Where gradients are
        clipped it is part of them, and none of the rule's business.
        """
        updates, rates = np.arange(t0, t1), self.rates(t0, t1)
        l2 = self.objective.l2[:, None] if l2 is None else l2
        if self.limits is not None:
            l2 = np.zeros_like(l2)
        if len(self._models_by_optimizer) == 1:
            return optimizers.table(self.optimizers[0], updates, rates, l2)
        numbers = np.empty((*rates.shape, 2, len(self.rule.numbers)))
        for optimizer, models in self._models_by_optimizer.items():
            numbers[models] = optimizers.table(optimizer, updates, rates[models], l2[models])
        return numbers

    def shares(self, t0: int, t1: int) -> npt.NDArray[np.float64] | None:
        """Return what averages take of the weights after the updates ``t0 <= t < t1``, (m, t1 - t0)."""
        if self.averages is None:
            return None
        updates, whole = np.arange(t0, t1), (self.updates, self.updates_per_epoch)
        of_each = {own: own.shares(updates, *whole) for own in dict.fromkeys(self.averages)}
        return np.stack([of_each[own] for own in self.averages])

    def described(self, state: State) -> npt.NDArray[Any]:
        """Return the parameters (m, P) that a training has come to: averages, where there are some by now."""
        if self.averages is None:
            return state.parameters
        begins = np.array([own.begins_after(self.updates, self.updates_per_epoch) for own in self.averages])
        return np.where((state.updates >= begins)[:, None], state.slots[:, -1], state.parameters)

    def ranges(self, t0: int, t1: int, sort: Sort = np.ndarray.sort) -> Iterator[UpdateRange]:
        """Cut the updates ``t0 <= t < t1`` at ends of epochs; `sort` as for `RowOrder.epoch`."""
        per_epoch, first = self.updates_per_epoch, self.first_update
        while t0 < t1:
            end = min(t1, first + ((t0 - first) // per_epoch + self.epochs_at_once) * per_epoch)
            yield self._range(t0, end, sort)
            t0 = end

    def _range(self, t0: int, t1: int, sort: Sort) -> UpdateRange:
        """Return the updates ``t0 <= t < t1``, of one epoch or several."""
        per_epoch, first = self.updates_per_epoch, self.first_update
        epochs = range((t0 - first) // per_epoch, (t1 - 1 - first) // per_epoch + 1)
        is_epoch = t1 - t0 == per_epoch and len(epochs) == 1
        starts = self._starts_of_epoch if is_epoch else self._starts(t0 - first, t1 - first)
        own = slice(starts[0], starts[-1])
        changes, before = self.augmentation, self.first_epoch
        rows = self.order.rows(range(before + epochs.start, before + epochs.stop), sort)[own]
        draws = joined([changes.epoch(before + number) for number in epochs])[own] if changes else None
        starts, keys = starts - starts[0], self.dropout.keys(t0, t1) if self.dropout else None
        cost, divisors, penalties = self.batch_cost, None, None
        l2 = self.objective.l2[:, None]
        if not cost.is_plain:
            is_known = is_epoch and cost.divisor is None
            l2, divisors = self._costs_of_epoch if is_known else self._costs(rows, starts)
            penalties = l2 if cost.counts_l2 else None
        return UpdateRange(
            t0,
            t1,
            rows,
            starts,
            self.numbers(t0, t1, l2),
            draws,
            divisors,
            penalties,
            keys,
            decays=None if self.limits is None else 2 * np.broadcast_to(l2, (len(l2), t1 - t0)),
            shares=self.shares(t0, t1),
        )

    def _starts(self, begin: int, end: int) -> npt.NDArray[np.int64]:
        """Return where batches start among the rows of the epochs that these updates are of."""
        epoch, update = np.divmod(np.arange(begin, end + 1), self.updates_per_epoch)
        n = self.order.n
        starts: npt.NDArray[np.int64] = (epoch - epoch[0]) * n + np.minimum(update * self.batch_size, n)
        return starts

    def _costs(
        self, rows: npt.NDArray[np.int32], starts: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return l2 and divisors of every batch, both (m, T)."""
        sizes = self.batch_cost.sizes(rows, starts)
        l2 = self.batch_cost.l2(self.objective.l2, sizes)
        return l2, self.batch_cost.divisors(sizes, len(l2))

    @cached_property
    def _models_by_optimizer(self) -> dict[Optimizer, list[int]]:
        models: dict[Optimizer, list[int]] = {}
        for model, own in enumerate(self.optimizers):
            models.setdefault(own, []).append(model)
        return models

    # Of whole epochs, which small networks take one by one: an update of theirs takes no longer than these.
    @cached_property
    def _starts_of_epoch(self) -> npt.NDArray[np.int64]:
        return self._starts(0, self.updates_per_epoch)

    @cached_property
    def _costs_of_epoch(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """What `_costs` is of every whole epoch, where rows have no weights."""
        return self._costs(np.arange(0, dtype=np.int32), self._starts_of_epoch)


@dataclass
class State:
    """What training changes: plain arrays, owned by Python.

    Attributes
    ----------
    parameters : ndarray of shape (m, P), float32 or float64
        One flat block per model, laid out as `Layers` says.
    slots : ndarray of shape (m, s, P), of the parameters' type
        What is kept of earlier updates, laid out likewise: by the rule, and last the average of the weights.
    updates : ndarray of shape (m,), int64
        Updates that each model has done. A model whose batch loss stops being finite stops there.
    finite : ndarray of shape (m,), bool
        False once that has happened.
    """

    parameters: npt.NDArray[Any]
    slots: npt.NDArray[Any]
    updates: npt.NDArray[np.int64]
    finite: npt.NDArray[np.bool_]

    @classmethod
    def start(cls, parameters: npt.NDArray[Any], slots: int = 0) -> State:
        """Begin at update 0 with these parameters, shape (m, P), and so many slots of zeros."""
        m, size = parameters.shape
        return cls(
            parameters,
            np.zeros((m, slots, size), dtype=parameters.dtype),
            np.zeros(m, dtype=np.int64),
            np.ones(m, dtype=np.bool_),
        )

    def copy(self) -> State:
        """Return a State that shares nothing with this one."""
        return State(self.parameters.copy(), self.slots.copy(), self.updates.copy(), self.finite.copy())

    def select(self, models: Sequence[int]) -> State:
        """Return a copy of the state of some models of the group, in the order given."""
        places = list(models)
        return State(self.parameters[places], self.slots[places], self.updates[places], self.finite[places])
