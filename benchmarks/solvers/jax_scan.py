"""JAX with a whole epoch, its evaluation included, in one jitted scan; the parameters are donated.

Many models are the same function under `vmap`.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.answers import Trained
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


def figures(l2: jax.Array | None, parameters: Parameters, X: jax.Array, y: jax.Array) -> jax.Array:
    """Return loss, cost and accuracy."""
    s = scores(parameters, X)
    loss = mean_loss(s, y)
    penalty = 0.0 if l2 is None else l2 * sum((W**2).sum() for W, _ in parameters)
    return jnp.stack([loss, loss + penalty, (s.argmax(axis=1) == y).mean()])


def epoch(
    parameters: Parameters,
    l2: jax.Array | None,
    rates: jax.Array,
    key: jax.Array,
    sets: list,
    batch_size: int,
    evaluation: bool,
) -> tuple[Parameters, jax.Array]:
    """Train for an epoch; return the parameters and the six figures, none without evaluation.

    Without L2, `l2` is None: then nothing walks the weights for it.
    """
    X, y = sets[0]

    def cost(parameters: Parameters, rows: jax.Array) -> jax.Array:
        penalty = 0.0 if l2 is None else l2 * sum((W**2).sum() for W, _ in parameters)
        return mean_loss(scores(parameters, X[rows]), y[rows]) + penalty

    def update(parameters: Parameters, step: tuple[jax.Array, jax.Array]) -> tuple[Parameters, None]:
        rows, rate = step
        gradient = jax.grad(cost)(parameters, rows)
        return jax.tree.map(lambda p, dp: p - rate * dp, parameters, gradient), None

    order = jax.random.permutation(key, len(y))
    count = len(y) // batch_size
    full = count * batch_size
    parameters, _ = jax.lax.scan(update, parameters, (order[:full].reshape(-1, batch_size), rates[:count]))
    if full < len(y):
        parameters, _ = update(parameters, (order[full:], rates[count]))
    if not evaluation:
        return parameters, jnp.zeros(0)
    return parameters, jnp.concatenate([figures(l2, parameters, *rows) for rows in sets])


_STATIC = ("batch_size", "evaluation")
epoch_of_one = jax.jit(epoch, static_argnames=_STATIC, donate_argnames="parameters")


@partial(jax.jit, static_argnames=_STATIC, donate_argnames="parameters")
def epoch_of_many(
    parameters: Parameters,
    l2: jax.Array,
    rates: jax.Array,
    key: jax.Array,
    sets: list,
    batch_size: int,
    evaluation: bool,
) -> tuple[Parameters, jax.Array]:
    """Train many models for an epoch: the model axis of parameters, l2 and figures comes first."""
    of_one = partial(epoch, batch_size=batch_size, evaluation=evaluation)
    return jax.vmap(of_one, in_axes=(0, 0, None, None, None))(parameters, l2, rates, key, sets)


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

    def run(self) -> None:
        job, parameters, self.curves = self.job, arrays(self.first), []
        l2 = jnp.float32(job.l2) if job.l2 else None
        for key, rates in zip(jax.random.split(jax.random.key(0), job.epochs), self.rates, strict=True):
            parameters, row = epoch_of_one(
                parameters, l2, rates, key, self.sets, job.batch_size, job.evaluation
            )
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

    def run(self) -> None:
        self.searches = [self.search(jnp.asarray(l2s)) for l2s in self.job.searches]

    def search(self, l2: jax.Array) -> tuple[Parameters, list[list]]:
        """Return the parameters (m, ...), and of every epoch the figures (m, 6)."""
        job, curves = self.job, []
        parameters = [
            (jnp.tile(W, (len(l2), 1, 1)), jnp.tile(b, (len(l2), 1))) for W, b in arrays(self.first)
        ]
        for key, rates in zip(jax.random.split(jax.random.key(0), job.epochs), self.rates, strict=True):
            parameters, rows = epoch_of_many(
                parameters, l2, rates, key, self.sets, job.batch_size, job.evaluation
            )
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
