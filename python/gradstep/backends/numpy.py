"""The reference: how a network trains, in vectorised NumPy. Read this file first.

Its losses, activations and rules are the formulas of `gradstep.nn`. The model axis m comes first everywhere;
one model is m = 1. Shapes: b rows of a batch, d inputs, h units of a hidden layer, k outputs. Gradients are
the value's name with `d` in front.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from gradstep.backends.numpy_steps import average, clipped, stepped, with_decay
from gradstep.backends.protocol import Evaluation, Running, Session, never, running
from gradstep.nn.losses import Loss
from gradstep.nn.rules import Rule
from gradstep.plan import dropout
from gradstep.plan.dropout import Dropout
from gradstep.plan.network import Layers, Objective
from gradstep.plan.order import Augmentation
from gradstep.plan.plan import Plan, State, UpdateRange
from gradstep.plan.rows import TrainingData, readable
from gradstep.plan.sparse import dense
from gradstep.plan.standardization import sums_of_bytes

Array = npt.NDArray[np.floating]
Vector = npt.NDArray[np.float64]
P = ParamSpec("P")
R = TypeVar("R")

# Rows evaluated at a time: bounds the float copy of the batch.
_EVALUATION_ROWS = 1000


def _quiet(method: Callable[P, R]) -> Callable[P, R]:
    """Let numbers overflow: that is an answer here, divergence is seen by a loss that is not finite."""

    # Before NumPy 2 an errstate that decorates is one for all calls, which nested ones leave switched on.
    @wraps(method)
    def quiet(*args: P.args, **kwargs: P.kwargs) -> R:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return method(*args, **kwargs)

    return quiet


class NumpyBackend:
    """Executes plans with NumPy alone."""

    name = "numpy"
    rows_together = _EVALUATION_ROWS

    def lacks(self, objective: Objective, rule: type[Rule] | None = None) -> list[str]:
        """Return nothing: every formula is NumPy's."""
        return []

    def session(
        self, plan: Plan, data: TrainingData, evaluated: Sequence[TrainingData] = (), *, n_threads: int = 1
    ) -> NumpySession:
        """Prepare to train on the rows of a data set, and to evaluate those of others."""
        return NumpySession(plan, data, evaluated)

    @_quiet
    def evaluate(
        self, objective: Objective, data: TrainingData, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> Evaluation:
        """Return what every model comes to over all rows (weighted, if they are)."""
        return _evaluate(objective, data, parameters)

    def full_batch(self, objective: Objective, data: TrainingData, *, n_threads: int = 1) -> NumpyFullBatch:
        """Prepare to take the rows of a data set, at least one, as one batch."""
        return NumpyFullBatch(objective, data)

    def loss_and_gradient(
        self, objective: Objective, data: TrainingData, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> tuple[Evaluation, npt.NDArray[Any]]:
        """Return what `FullBatch` does, once."""
        return self.full_batch(objective, data, n_threads=n_threads).loss_and_gradient(parameters)

    @_quiet
    def scores(
        self, objective: Objective, data: TrainingData, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> npt.NDArray[Any]:
        """Return the last layer's output of every model, shape (m, n, k); targets are not looked at."""
        return np.concatenate(
            [_forward(objective, batch, parameters, _Drops())[-1] for batch in _chunks(data)], axis=1
        )

    def sums_of_bytes(self, X: npt.NDArray[np.uint8], n_threads: int) -> npt.NDArray[Any]:
        """Return the sums of every column and of its squares, (2, d); exact."""
        return sums_of_bytes(X, n_threads)


class NumpySession(Session):
    """One plan being executed; nothing is kept between calls."""

    def __init__(self, plan: Plan, data: TrainingData, evaluated: Sequence[TrainingData]) -> None:
        self.plan = plan
        self.data = data
        self.evaluated = evaluated

    @_quiet
    def train(self, state: State, t0: int, t1: int, *, should_stop: Callable[[], bool] = never) -> Running:
        """Do the updates ``t0 <= t < t1`` on `state`, in place."""
        sums = np.zeros((3, len(state.finite)))
        for updates in self.plan.ranges(t0, t1):
            self.data.require_whole()
            for i, t in enumerate(range(updates.t0, updates.t1)):
                if should_stop():
                    return running(sums)
                part = slice(updates.starts[i], updates.starts[i + 1])
                batch = _batch(self.data, updates.row_indices[part])
                if self.plan.augmentation and updates.draws is not None:
                    moved = _augmented(batch.X, updates.draws[part], self.plan.augmentation)
                    batch = batch._replace(X=moved)
                self._update(state, batch, updates, t, sums)
                if updates.shares is not None:
                    average(state, t, updates.shares[:, i])
        return running(sums)

    def _update(self, state: State, batch: _Batch, updates: UpdateRange, t: int, sums: Vector) -> None:
        """Do update t of the models that are still finite, unless the batch is nothing to them."""
        i, rows = t - updates.t0, len(batch.X)
        divisors = np.full(len(state.finite), float(rows))
        if updates.divisors is not None:
            divisors = updates.divisors[:, i]
        state.updates[state.finite & (divisors == 0)] = t + 1
        active = np.flatnonzero(state.finite & (divisors != 0))
        if not active.size:
            return
        objective = self.plan.objective.select(active.tolist())
        keys = None if updates.drop_keys is None else updates.drop_keys[i]
        drops, batch = _Drops(self.plan.dropout, keys).of_models(active), batch.of_models(active)
        step = _step(objective, batch, state.parameters[active], divisors[active, None], drops)
        finite = np.isfinite(step.loss)
        state.finite[active] = finite
        active = active[finite]
        if not active.size:
            return
        sums[0, active] += step.loss[finite] * rows
        sums[1, active] += step.hits[finite]
        sums[2, active] += rows
        parameters, gradient = state.parameters[active], step.gradient[finite]
        if updates.penalties is not None:
            sums[0, active] += (
                updates.penalties[active, i] * sums_of_squares(objective.layers, parameters) * rows
            )
        if updates.decays is not None and self.plan.limits is not None:
            gradient = with_decay(objective.layers, parameters, gradient, updates.decays[active, i])
            gradient = clipped(gradient, self.plan.limits[:, active])
        own = slice(0, self.plan.rule.slots)
        parameters, slots = stepped(
            self.plan, parameters, gradient, state.slots[active, own], updates.numbers[active, i]
        )
        state.parameters[active] = parameters
        state.slots[active, own] = slots
        state.updates[active] = t + 1

    @_quiet
    def evaluate(self, parameters: npt.NDArray[Any], *, with_scores: bool = False) -> list[Evaluation]:
        """Return what every model comes to on each of the data sets to be evaluated."""
        return [_evaluate(self.plan.objective, data, parameters, with_scores) for data in self.evaluated]


class NumpyFullBatch:
    """All rows as one batch; nothing is kept between calls."""

    def __init__(self, objective: Objective, data: TrainingData) -> None:
        self.objective = objective
        self.data = data

    @_quiet
    def loss_and_gradient(
        self, parameters: npt.NDArray[Any], active: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Evaluation, npt.NDArray[Any]]:
        """Return what every model comes to on all rows, and the gradient of its cost."""
        m = len(parameters)
        values, gradient = np.full((3, m), np.nan), np.full_like(parameters, np.nan)
        for model in range(m) if active is None else np.flatnonzero(active).tolist():
            one = slice(model, model + 1)
            values[:, one], gradient[one] = self._of_model(model, parameters[one])
        return Evaluation(*values), gradient

    def _of_model(self, model: int, parameters: Array) -> tuple[Vector, Array]:
        """Return loss, cost and hits (3, 1) of a model, and its gradient (1, P).

        One model at a time: NumPy's products of several need not have the bits of those of one.
        """
        objective, data = self.objective.select([model]), self.data.select([model])
        gradient = penalty_gradient(objective, parameters)
        loss, hits = np.zeros(1), np.zeros(1)
        for batch in _chunks(data):
            step = _step(objective, batch, parameters, data.n, _Drops())
            gradient += step.gradient
            loss += step.loss
            hits += step.hits
        return np.array([loss, loss + penalty(objective, parameters), hits / data.n]), gradient


class _Drops(NamedTuple):
    """Which inputs of layers an update leaves out: those of a dropout by the update's keys (l,), or none."""

    dropout: Dropout | None = None
    keys: npt.NDArray[np.uint64] | None = None

    def of_models(self, models: npt.NDArray[np.intp]) -> _Drops:
        """Return what some models drop."""
        return self._replace(dropout=self.dropout and self.dropout.select(models.tolist()))

    def drop(self, layer: int, A: Array) -> Array:
        """Return a layer's inputs (m, b, h), or their gradient, what is dropped being 0."""
        if self.dropout is None or self.keys is None:
            return A
        limits, scales = self.dropout.limits[:, layer], self.dropout.scales[:, layer].astype(A.dtype)
        if A.ndim == 2:  # rows, of which all models drop the same
            limits, scales = limits[0], scales[0]
        words = dropout.words(self.keys[layer], *A.shape[-2:])
        return np.where(words < limits[..., None, None], A.dtype.type(0), A * scales[..., None, None])


class _Batch(NamedTuple):
    """Rows as they lie, (b, d), their targets, and weights (b,) or (m, b)."""

    data: TrainingData
    X: npt.NDArray[Any]
    targets: npt.NDArray[Any]
    weight: Vector

    def of_models(self, models: npt.NDArray[np.intp]) -> _Batch:
        """Return the batch as some models see it."""
        return self._replace(weight=self.weight[models] if self.weight.ndim == 2 else self.weight)


def _batch(data: TrainingData, rows: npt.NDArray[np.integer]) -> _Batch:
    weight = np.ones(len(rows)) if data.weight is None else data.weight[..., rows]
    return _Batch(data, dense(data.X[data.in_X(rows)]), data.targets[rows], weight)


def _chunks(data: TrainingData) -> Iterator[_Batch]:
    data.require_whole()
    for start in range(0, data.n, _EVALUATION_ROWS):
        yield _batch(data, np.arange(start, min(start + _EVALUATION_ROWS, data.n)))


def _augmented(
    X: npt.NDArray[Any], draws: npt.NDArray[np.int16], augmentation: Augmentation
) -> npt.NDArray[Any]:
    """Return the raw rows (b, d), each flipped and then shifted as its draws (b, 3) say."""
    _, height, width = augmentation.image_shape
    flip, dy, dx = draws.T.astype(np.intp)[:, :, None]
    y, x = np.arange(height) - dy, np.arange(width) - dx
    outside = ((y < 0) | (y >= height))[:, None, :, None] | ((x < 0) | (x >= width))[:, None, None, :]
    y, x = y.clip(0, height - 1), x.clip(0, width - 1)
    x = np.where(flip, width - 1 - x, x)
    images = np.moveaxis(X.reshape(-1, *augmentation.image_shape), 1, -1)
    row = np.arange(len(X))[:, None, None]
    moved = np.moveaxis(images[row, y[:, :, None], x[:, None, :]], -1, 1)
    if not augmentation.edge:
        moved = np.where(outside, X.dtype.type(0), moved)
    flat: npt.NDArray[Any] = moved.reshape(X.shape)
    return flat


def _standardized(data: TrainingData, X: npt.NDArray[Any], dtype: npt.DTypeLike) -> Array:
    """Return raw rows (b, d) standardised, computed in the wider of X's type and `dtype`."""
    rows = readable(replace(data, X=X, index=None), dtype)
    X, standardization = rows.X, rows.standardization
    wide = np.result_type(X.dtype, dtype)
    mean = standardization.mean.astype(wide)
    inverse_scale = standardization.inverse_scale.astype(wide)
    standardized: Array = ((X.astype(wide) - mean) * inverse_scale).astype(dtype, copy=False)
    return standardized


def _forward(objective: Objective, batch: _Batch, parameters: Array, drops: _Drops) -> list[Array]:
    """Return the rows and every layer's output: activations between layers, scores (m, b, k) last."""
    layers = objective.layers
    outputs = [_standardized(batch.data, batch.X, parameters.dtype)]
    for layer in range(layers.count):
        W, b = layers.weights(parameters, layer), layers.biases(parameters, layer)
        Z = drops.drop(layer, outputs[-1]) @ W + b[:, None, :]
        if layer < layers.count - 1:
            Z = objective.activations[0][layer].of(Z, _numbers(objective, layer, Z))
        outputs.append(Z)
    return outputs


def _numbers(objective: Objective, layer: int, Z: Array) -> Array:
    """Return what the models' activations of a layer have different, (m, 1, 1)."""
    return objective.activation_numbers[:, layer, None, None].astype(Z.dtype)


class _Judged(NamedTuple):
    """What the rows of a batch come to under a loss, and what its slopes need."""

    y: Array  # (m, b, k) or (b, k)
    top: Array  # (m, b, 1)
    sums: Array  # (m, b, 1) of the first term
    losses: Vector  # (m, b)
    hits: npt.NDArray[np.bool_]  # (m, b)


def _judge(objective: Objective, scores: Array, targets: npt.NDArray[Any]) -> _Judged:
    """Judge the scores (m, b, k) of rows."""
    loss, k = objective.loss, scores.shape[2]
    y = _shares(objective, scores, targets)
    top = scores.max(axis=2, keepdims=True)
    a, b = loss.parts(scores, y, top)
    sums = a.sum(axis=2, dtype=np.float64)
    losses = loss.row(sums, b.sum(axis=2, dtype=np.float64), k)
    return _Judged(y, top, sums.astype(scores.dtype)[..., None], losses, _hits(loss, scores, targets))


def _shares(objective: Objective, scores: Array, targets: npt.NDArray[Any]) -> Array:
    """Return what every output should say: of labels, the shares of the classes."""
    if targets.ndim == 2:
        return targets.astype(scores.dtype, copy=False)
    k, numbers = scores.shape[2], objective.loss_numbers.astype(scores.dtype)
    is_label = (np.arange(k) == targets[:, None]).astype(scores.dtype)
    number = numbers[:, 0, None, None] if numbers.size else scores.dtype.type(0)
    shares: Array = objective.loss.share(is_label, scores.dtype.type(k), number)
    return shares


def _hits(loss: Loss, scores: Array, targets: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Say which rows (m, b) are answered right, where targets are labels or indicators."""
    if loss.takes == "values":
        return np.zeros(scores.shape[:2], dtype=np.bool_)
    right: npt.NDArray[np.bool_] = loss.answers(scores) == targets
    if targets.ndim == 2:
        right = np.all(right, axis=2)
    return right


class _Step(NamedTuple):
    """A batch's loss (m,), the weight of its hits (m,), and the gradient of its loss (m, P)."""

    loss: Vector
    hits: Vector
    gradient: Array


def _step(
    objective: Objective, batch: _Batch, parameters: Array, divisors: Vector | float, drops: _Drops
) -> _Step:
    """Go forward and backward once, without what is dropped; sums over rows are divided by (m, 1) numbers."""
    layers, dtype = objective.layers, parameters.dtype
    outputs = _forward(objective, batch, parameters, drops)
    scores = outputs[-1]
    judged = _judge(objective, scores, batch.targets)
    dZ = objective.loss.slope(scores, judged.y, judged.top, judged.sums, dtype.type(scores.shape[2]))
    dZ = dZ * (batch.weight / divisors).astype(dtype)[..., None]
    gradient = np.empty_like(parameters)
    for layer in reversed(range(layers.count)):
        W, A = layers.weights(parameters, layer), outputs[layer]
        layers.weights(gradient, layer)[...] = drops.drop(layer, A).swapaxes(-1, -2) @ dZ
        layers.biases(gradient, layer)[...] = dZ.sum(axis=1)
        if layer > 0:
            activation = objective.activations[0][layer - 1]
            dA = drops.drop(layer, dZ @ W.swapaxes(-1, -2))
            dZ = dA * activation.slope(A, _numbers(objective, layer - 1, A))
    loss = ((judged.losses * batch.weight).sum(axis=1, keepdims=True) / divisors)[:, 0]
    return _Step(loss, (judged.hits * batch.weight).sum(axis=1), gradient)


def _evaluate(
    objective: Objective, data: TrainingData, parameters: Array, with_scores: bool = False
) -> Evaluation:
    loss, hits, parts = np.zeros(len(parameters)), np.zeros(len(parameters)), []
    for batch in _chunks(data):
        scores = _forward(objective, batch, parameters, _Drops())[-1]
        judged = _judge(objective, scores, batch.targets)
        loss += (judged.losses * batch.weight).sum(axis=1)
        hits += (judged.hits * batch.weight).sum(axis=1)
        parts += [scores] if with_scores else []
    loss /= data.n
    cost = loss + penalty(objective, parameters)
    return Evaluation(loss, cost, hits / data.n, np.concatenate(parts, axis=1) if with_scores else None)


def penalty(objective: Objective, parameters: Array) -> Vector:
    """Return ``l2 * sum(W**2)`` of every model, (m,)."""
    with np.errstate(over="ignore", invalid="ignore"):
        costs: Vector = objective.l2 * sums_of_squares(objective.layers, parameters)
    return costs


def sums_of_squares(layers: Layers, parameters: Array) -> Vector:
    """Return the sum of squares of every weight of each model, (m,)."""
    squares = np.zeros(len(parameters))
    for layer in range(layers.count):
        squares += np.square(layers.weights(parameters, layer), dtype=np.float64).sum(axis=(1, 2))
    return squares


def penalty_gradient(objective: Objective, parameters: Array) -> Array:
    """Return the gradient of ``l2 * sum(W**2)`` of every model, (m, P)."""
    gradient, slope = np.zeros_like(parameters), (2 * objective.l2).astype(parameters.dtype)
    for layer in range(objective.layers.count):
        W = objective.layers.weights(parameters, layer)
        objective.layers.weights(gradient, layer)[...] = slope[:, None, None] * W
    return gradient
