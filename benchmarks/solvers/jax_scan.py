"""JAX with a whole epoch, its evaluation included, in one jitted scan; the parameters are donated."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.answers import Trained
from benchmarks.jobs import Job
from benchmarks.task import LayerList, Task

Parameters = list[tuple[jax.Array, jax.Array]]


def scores(parameters: Parameters, X: jax.Array) -> jax.Array:
    """Return the last layer's output."""
    for W, b in parameters[:-1]:
        X = jax.nn.relu(X @ W + b)
    W, b = parameters[-1]
    return X @ W + b


def mean_loss(s: jax.Array, y: jax.Array) -> jax.Array:
    """Return the mean cross-entropy."""
    return -jnp.take_along_axis(jax.nn.log_softmax(s), y[:, None], axis=1).mean()


def figures(l2: float, parameters: Parameters, X: jax.Array, y: jax.Array) -> jax.Array:
    """Return loss, cost and accuracy."""
    s = scores(parameters, X)
    loss = mean_loss(s, y)
    penalty = l2 * sum((W**2).sum() for W, _ in parameters)
    return jnp.stack([loss, loss + penalty, (s.argmax(axis=1) == y).mean()])


@partial(jax.jit, static_argnames="job", donate_argnames="parameters")
def epoch(job: Job, parameters: Parameters, key: jax.Array, sets: list) -> tuple[Parameters, jax.Array]:
    """Train for an epoch; return the parameters and the six figures, none without evaluation."""
    X, y = sets[0]

    def cost(parameters: Parameters, rows: jax.Array) -> jax.Array:
        penalty = job.l2 * sum((W**2).sum() for W, _ in parameters) if job.l2 else 0.0
        return mean_loss(scores(parameters, X[rows]), y[rows]) + penalty

    def update(parameters: Parameters, rows: jax.Array) -> tuple[Parameters, None]:
        gradient = jax.grad(cost)(parameters, rows)
        return jax.tree.map(lambda p, dp: p - job.learning_rate * dp, parameters, gradient), None

    order = jax.random.permutation(key, len(y))
    full = len(y) // job.batch_size * job.batch_size
    parameters, _ = jax.lax.scan(update, parameters, order[:full].reshape(-1, job.batch_size))
    if full < len(y):
        parameters, _ = update(parameters, order[full:])
    if not job.evaluation:
        return parameters, jnp.zeros(0)
    return parameters, jnp.concatenate([figures(job.l2, parameters, *rows) for rows in sets])


def arrays(layers: LayerList) -> Parameters:
    """Copy weights and biases."""
    return [(jnp.array(W), jnp.array(b)) for W, b in layers]


class Train:
    """One call an epoch."""

    def __init__(self, task: Task) -> None:
        self.job, self.first = task.job, task.first_layers()
        self.sets = [
            (jnp.asarray(task.standardised(rows.X)), jnp.asarray(rows.y, dtype=jnp.int32))
            for rows in (task.train, task.validation)
        ]

    def run(self) -> None:
        parameters, self.curves = arrays(self.first), []
        for key in jax.random.split(jax.random.key(0), self.job.epochs):
            parameters, row = epoch(self.job, parameters, key, self.sets)
            if self.job.evaluation:
                self.curves.append(tuple(row.tolist()))
        self.parameters = jax.block_until_ready(parameters)

    def answer(self) -> Trained:
        return Trained([(np.asarray(W), np.asarray(b)) for W, b in self.parameters], self.curves)


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
