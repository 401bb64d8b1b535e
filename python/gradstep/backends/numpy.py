"""The reference: every formula of gradstep in vectorised NumPy. Read this file first.

The model axis m comes first everywhere; one model is m = 1. Shapes: b rows of a batch, d inputs,
h units of a hidden layer, k classes. Gradients are the value's name with `d` in front.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from gradstep.backends.protocol import Figures, Running, never, running
from gradstep.plan.plan import Augmentation, Layers, Objective, Plan, State
from gradstep.plan.rows import Problem, sums_of_bytes

Array = npt.NDArray[np.floating]
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

    def session(
        self, plan: Plan, problem: Problem, evaluated: Sequence[Problem] = (), *, n_threads: int = 1
    ) -> NumpySession:
        """Prepare to train on the rows of a problem, and to evaluate those of others."""
        return NumpySession(self, plan, problem, evaluated)

    @_quiet
    def evaluate(
        self, objective: Objective, problem: Problem, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> Figures:
        """Return loss, cost and accuracy of every model over all rows (weighted, if they are)."""
        loss = np.zeros(len(parameters))
        correct = np.zeros(len(parameters))
        for start in range(0, problem.n, _EVALUATION_ROWS):
            rows = np.arange(start, min(start + _EVALUATION_ROWS, problem.n))
            X = _standardized(problem, problem.X[rows], parameters.dtype)
            scores = _forward(objective.layers, X, parameters)[-1]
            weight, labels = _weight(problem, rows), problem.y[rows]
            loss += (_row_losses(objective.loss, scores, labels) * weight).sum(axis=1)
            correct += ((scores.argmax(axis=2) == labels) * weight).sum(axis=1)
        loss /= problem.n
        return Figures(loss, loss + _penalty(objective, parameters, objective.l2), correct / problem.n)

    @_quiet
    def loss_and_gradient(
        self, objective: Objective, problem: Problem, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> tuple[Figures, npt.NDArray[Any]]:
        """Return the figures over all rows as one batch, and the gradient of the cost (m, P)."""
        figures = self.evaluate(objective, problem, parameters)
        rows = np.arange(problem.n)
        weight = _weight(problem, rows)
        return figures, _loss_and_gradient(
            objective, problem, problem.X, rows, weight, parameters, objective.l2
        )[2]

    @_quiet
    def scores(
        self, objective: Objective, problem: Problem, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> npt.NDArray[Any]:
        """Return the last layer's output of every model, shape (m, n, k)."""
        starts = range(0, problem.n, _EVALUATION_ROWS)
        parts = (problem.X[start : start + _EVALUATION_ROWS] for start in starts)
        batches = (_standardized(problem, X, parameters.dtype) for X in parts)
        return np.concatenate([_forward(objective.layers, X, parameters)[-1] for X in batches], axis=1)

    def sums_of_bytes(self, X: npt.NDArray[np.uint8], n_threads: int) -> npt.NDArray[Any]:
        """Return the sums of every column and of its squares, (2, d); exact."""
        return sums_of_bytes(X, n_threads)


class NumpySession:
    """One plan being executed; nothing is kept between calls."""

    def __init__(
        self, backend: NumpyBackend, plan: Plan, problem: Problem, evaluated: Sequence[Problem]
    ) -> None:
        self.backend, self.plan, self.problem, self.evaluated = backend, plan, problem, evaluated

    @_quiet
    def train(self, state: State, t0: int, t1: int, *, should_stop: Callable[[], bool] = never) -> Running:
        """Do the updates ``t0 <= t < t1`` on `state`, in place."""
        objective = self.plan.objective
        sums = np.zeros((3, len(state.finite)))
        for stretch in self.plan.stretches(t0, t1):
            for i, t in enumerate(range(stretch.t0, stretch.t1)):
                if should_stop():
                    return running(sums)
                batch = slice(stretch.starts[i], stretch.starts[i + 1])
                rows = stretch.rows[batch]
                X = self.problem.X[rows]
                if self.plan.augmentation and stretch.coins is not None:
                    X = _augmented(X, stretch.coins[batch], self.plan.augmentation)
                active = np.flatnonzero(state.finite)
                weight = _weight(self.problem, rows)
                batch_loss, batch_correct, gradient = _loss_and_gradient(
                    objective,
                    self.problem,
                    X,
                    rows,
                    weight[active] if weight.ndim == 2 else weight,
                    state.parameters[active],
                    objective.l2[active],
                )
                finite = np.isfinite(batch_loss)
                state.finite[active] = finite
                active, gradient = active[finite], gradient[finite]
                rate = stretch.learning_rate[active, i, None].astype(gradient.dtype)
                state.parameters[active] -= rate * gradient
                state.updates[active] = t + 1
                sums[0, active] += batch_loss[finite] * len(rows)
                sums[1, active] += batch_correct[finite]
                sums[2, active] += len(rows)
        return running(sums)

    def evaluate(self, parameters: npt.NDArray[Any]) -> list[Figures]:
        """Return the figures of every model on each of the problems to be evaluated."""
        objective = self.plan.objective
        return [self.backend.evaluate(objective, problem, parameters) for problem in self.evaluated]


def _augmented(
    X: npt.NDArray[Any], coins: npt.NDArray[np.int16], augmentation: Augmentation
) -> npt.NDArray[Any]:
    """Return the raw rows (b, d), each flipped and then shifted as its coins (b, 3) say."""
    _, height, width = augmentation.image_shape
    flip, dy, dx = coins.T.astype(np.intp)[:, :, None]
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


def _standardized(problem: Problem, X: npt.NDArray[Any], dtype: npt.DTypeLike) -> Array:
    """Return raw rows (b, d) standardised, computed in the wider of X's type and `dtype`."""
    standardization = problem.standardization
    wide = np.result_type(X.dtype, dtype)
    mean = standardization.mean.astype(wide)
    inverse_scale = (1.0 / standardization.scale).astype(wide)
    standardized: Array = ((X.astype(wide) - mean) * inverse_scale).astype(dtype, copy=False)
    return standardized


def _weight(problem: Problem, rows: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Return the weights of some rows, (b,) or (m, b)."""
    return np.ones(len(rows)) if problem.weight is None else problem.weight[..., rows]


def _forward(layers: Layers, X: Array, parameters: Array) -> list[Array]:
    """Return the input and every layer's output: ReLU between layers, scores (m, b, k) last."""
    outputs = [X]
    for layer in range(layers.count):
        W, b = layers.weights(parameters, layer), layers.biases(parameters, layer)
        S = outputs[-1] @ W + b[:, None, :]
        outputs.append(S if layer == layers.count - 1 else np.maximum(S, 0))
    return outputs


def _row_losses(loss: str, scores: Array, labels: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Loss of every row (m, b).

    softmax: log(sum(exp(s))) - s[label], shifted by the maximum.
    sigmoid: mean over the classes of log(1 + exp(t)), t = -s for the label and s for the others: the same
    as the mean of max(s, 0) - s * y + log(1 + exp(-|s|)), but nothing cancels.
    """
    losses: npt.NDArray[np.float64]
    if loss == "softmax":
        shifted = scores - scores.max(axis=2, keepdims=True)
        log_sum = np.log(np.exp(shifted).sum(axis=2), dtype=np.float64)
        losses = log_sum - shifted[:, np.arange(len(labels)), labels]
    else:
        t = np.where(np.arange(scores.shape[2]) == labels[:, None], -scores, scores)
        # 0 * t is NaN where a score is not finite.
        each = np.maximum(t, 0) + np.log1p(np.exp(-np.abs(t))) + 0 * t
        losses = each.mean(axis=2, dtype=np.float64)
    return losses


def _score_gradients(loss: str, scores: Array, labels: npt.NDArray[np.int32]) -> Array:
    """Gradient of every row's loss with respect to its scores (m, b, k).

    softmax: softmax(s) - y. sigmoid: (sigmoid(s) - y) / k.
    """
    if loss == "softmax":
        dS: Array = np.exp(scores - scores.max(axis=2, keepdims=True))
        dS /= dS.sum(axis=2, keepdims=True)
    else:
        dS = 1 / (1 + np.exp(-scores))
    dS[:, np.arange(len(labels)), labels] -= 1
    return dS if loss == "softmax" else dS / scores.shape[2]


def _loss_and_gradient(
    objective: Objective,
    problem: Problem,
    X: npt.NDArray[Any],
    rows: npt.NDArray[np.integer],
    weight: npt.NDArray[np.float64],
    parameters: Array,
    l2: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], Array]:
    """Return the batch's loss (m,), weight of its correct rows (m,), and gradient of its cost (m, P).

    X (b, d) are the batch's raw rows, and `rows` their numbers.
    """
    layers, dtype = objective.layers, parameters.dtype
    outputs = _forward(layers, _standardized(problem, X, dtype), parameters)
    scores, labels = outputs[-1], problem.y[rows]
    loss = (_row_losses(objective.loss, scores, labels) * weight).sum(axis=1) / len(rows)
    correct = ((scores.argmax(axis=2) == labels) * weight).sum(axis=1)
    gradient = np.empty_like(parameters)
    dS = _score_gradients(objective.loss, scores, labels)
    dS *= (weight / len(rows)).astype(dtype)[..., None]
    for layer in reversed(range(layers.count)):
        W, A = layers.weights(parameters, layer), outputs[layer]
        dW = A.swapaxes(-1, -2) @ dS
        layers.weights(gradient, layer)[...] = dW + (2 * l2).astype(dtype)[:, None, None] * W
        layers.biases(gradient, layer)[...] = dS.sum(axis=1)
        if layer > 0:
            dS = (dS @ W.swapaxes(-1, -2)) * (A > 0)
    return loss, correct, gradient


def _penalty(objective: Objective, parameters: Array, l2: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    squares = np.zeros(len(parameters))
    for layer in range(objective.layers.count):
        W = objective.layers.weights(parameters, layer)
        squares += np.square(W, dtype=np.float64).sum(axis=(1, 2))
    return l2 * squares
