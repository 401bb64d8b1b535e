"""JAX with a whole epoch, its evaluation included, in one jitted scan; the parameters are donated.

Many models are the same function under `vmap`. Momentum and Adam are those of optax.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.answers import Trained
from benchmarks.jobs import Job
from benchmarks.solvers import CannotSolve
from benchmarks.task import LayerList, Task

Parameters = list[tuple[jax.Array, jax.Array]]


class How(NamedTuple):
    """What an epoch is compiled for; plain descent has no optimizer."""

    batch_size: int
    evaluation: bool
    optimizer: Any


def optimizer_of(job: Job) -> Any:
    """Return the transformation of optax that is the job's optimizer, None for plain descent."""
    if job.optimizer == "sgd":
        return None
    import optax

    if job.step_size:
        raise CannotSolve("its rate is constant")
    if job.optimizer == "adam":
        return optax.adam(job.learning_rate)
    return optax.sgd(job.learning_rate, momentum=0.9)


def scores(parameters: Parameters, X: jax.Array) -> jax.Array:
    """Return the last layer's output."""
    for W, b in parameters[:-1]:
        X = jax.nn.relu(X @ W + b)
    W, b = parameters[-1]
    return X @ W + b


def mean_loss(s: jax.Array, y: jax.Array) -> jax.Array:
    """Return the mean cross-entropy."""
    return -jnp.take_along_axis(jax.nn.log_softmax(s), y[:, None], axis=1).mean()


def metrics(l2: jax.Array | None, parameters: Parameters, X: jax.Array, y: jax.Array) -> jax.Array:
    """Return loss, cost and accuracy."""
    s = scores(parameters, X)
    loss = mean_loss(s, y)
    penalty = 0.0 if l2 is None else l2 * sum((W**2).sum() for W, _ in parameters)
    return jnp.stack([loss, loss + penalty, (s.argmax(axis=1) == y).mean()])


def epoch(
    parameters: Parameters,
    state: Any,
    l2: jax.Array | None,
    rates: jax.Array,
    key: jax.Array,
    sets: list,
    how: How,
) -> tuple[Parameters, Any, jax.Array]:
    """Train for an epoch; return parameters, the optimizer's state and, with evaluation, six metrics.

    Without L2, `l2` is None: then nothing walks the weights for it.
    """
    X, y = sets[0]

    def cost(parameters: Parameters, rows: jax.Array) -> jax.Array:
        penalty = 0.0 if l2 is None else l2 * sum((W**2).sum() for W, _ in parameters)
        return mean_loss(scores(parameters, X[rows]), y[rows]) + penalty

    def update(carry: tuple[Parameters, Any], step: tuple[jax.Array, jax.Array]) -> tuple[Any, None]:
        (parameters, state), (rows, rate) = carry, step
        gradient = jax.grad(cost)(parameters, rows)
        if how.optimizer is None:
            return (jax.tree.map(lambda p, dp: p - rate * dp, parameters, gradient), state), None
        changes, state = how.optimizer.update(gradient, state, parameters)
        return (jax.tree.map(jnp.add, parameters, changes), state), None

    order = jax.random.permutation(key, len(y))
    count = len(y) // how.batch_size
    full = count * how.batch_size
    carry, _ = jax.lax.scan(
        update, (parameters, state), (order[:full].reshape(-1, how.batch_size), rates[:count])
    )
    if full < len(y):
        carry, _ = update(carry, (order[full:], rates[count]))
    if not how.evaluation:
        return *carry, jnp.zeros(0)
    return *carry, jnp.concatenate([metrics(l2, carry[0], *rows) for rows in sets])


epoch_of_one = jax.jit(epoch, static_argnames="how", donate_argnames=("parameters", "state"))


@partial(jax.jit, static_argnames="how", donate_argnames="parameters")
def epoch_of_many(
    parameters: Parameters, l2: jax.Array, rates: jax.Array, key: jax.Array, sets: list, how: How
) -> tuple[Parameters, jax.Array]:
    """Train many models for an epoch: the model axis of parameters, l2 and metrics comes first."""

    def of_one(parameters: Parameters, l2: jax.Array) -> tuple[Parameters, jax.Array]:
        parameters, _, row = epoch(parameters, None, l2, rates, key, sets, how)
        return parameters, row

    return jax.vmap(of_one)(parameters, l2)


def arrays(layers: LayerList) -> Parameters:
    """Copy weights and biases."""
    return [(jnp.array(W), jnp.array(b)) for W, b in layers]


def sets_of(task: Task) -> list[tuple[jax.Array, jax.Array]]:
    """Return the standardised rows and the labels of training and validation."""
    return [
        (jnp.asarray(task.standardised(rows.X)), jnp.asarray(rows.y, dtype=jnp.int32))
        for rows in (task.train, task.validation)
    ]


class Train:
    """One call an epoch."""

    def __init__(self, task: Task) -> None:
        self.job, self.first, self.sets = task.job, task.first_layers(), sets_of(task)
        self.rates = jnp.asarray(task.rates(), dtype=jnp.float32)
        self.how = How(task.job.batch_size, task.job.evaluation, optimizer_of(task.job))

    def run(self) -> None:
        job, parameters, self.curves = self.job, arrays(self.first), []
        state = self.how.optimizer.init(parameters) if self.how.optimizer else None
        l2 = jnp.float32(job.l2) if job.l2 else None
        for key, rates in zip(jax.random.split(jax.random.key(0), job.epochs), self.rates, strict=True):
            parameters, state, row = epoch_of_one(parameters, state, l2, rates, key, self.sets, self.how)
            if job.evaluation:
                self.curves.append(tuple(row.tolist()))
        self.parameters = jax.block_until_ready(parameters)

    def answer(self) -> Trained:
        return Trained([(np.asarray(W), np.asarray(b)) for W, b in self.parameters], self.curves)


class TrainMany:
    """One call an epoch for all models of a search, one search after the other."""

    def __init__(self, task: Task) -> None:
        self.job, self.first, self.sets = task.job, task.first_layers(), sets_of(task)
        self.rates = jnp.asarray(task.rates(), dtype=jnp.float32)
        self.how = How(task.job.batch_size, task.job.evaluation, None)

    def run(self) -> None:
        self.searches = [self.search(jnp.asarray(l2s)) for l2s in self.job.searches]

    def search(self, l2: jax.Array) -> tuple[Parameters, list[list]]:
        """Return the parameters (m, ...), and of every epoch the metrics (m, 6)."""
        job, curves = self.job, []
        parameters = [
            (jnp.tile(W, (len(l2), 1, 1)), jnp.tile(b, (len(l2), 1))) for W, b in arrays(self.first)
        ]
        for key, rates in zip(jax.random.split(jax.random.key(0), job.epochs), self.rates, strict=True):
            parameters, rows = epoch_of_many(parameters, l2, rates, key, self.sets, self.how)
            if job.evaluation:
                curves.append(rows.tolist())
        return jax.block_until_ready(parameters), curves

    def answer(self) -> list[Trained]:
        found = []
        for (parameters, curves), l2s in zip(self.searches, self.job.searches, strict=True):
            for i in range(len(l2s)):
                layers = [(np.asarray(W[i]), np.asarray(b[i])) for W, b in parameters]
                found.append(Trained(layers, [tuple(rows[i]) for rows in curves]))
        return found


class Predict:
    """The class of the highest score, jitted."""

    def __init__(self, task: Task) -> None:
        self.X = jnp.asarray(task.standardised(task.rows_to_predict()))
        self.parameters = arrays(task.trained_layers())
        self.predict = jax.jit(lambda parameters, X: scores(parameters, X).argmax(axis=1))

    def run(self) -> None:
        self.classes = jax.block_until_ready(self.predict(self.parameters, self.X))

    def answer(self) -> np.ndarray:
        return np.asarray(self.classes)
