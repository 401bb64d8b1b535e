"""Softmax regression in the style of a first course: float64, samples as columns, one-hot labels.

The yardstick of the time measurements: what a student writes in an afternoon from the formulas,
neither slowed down nor tuned. X is (d, n), Y one-hot (k, n), W (k, d) and b (k, 1).
"""

from __future__ import annotations

import numpy as np

from benchmarks.answers import COLUMNS, Trained
from benchmarks.solvers import CannotSolve


def prepare(rows, mean=None, std=None):
    """Return uint8 rows (n, d) as standardised float64 columns (d, n), with the mean and std used."""
    X = rows.T.astype(np.float64) / 255
    if mean is None:
        mean = X.mean(axis=1, keepdims=True)
        std = X.std(axis=1, keepdims=True)
    return (X - mean) / std, mean, std


def one_hot(y, k):
    """Return labels (n,) as one-hot columns (k, n)."""
    return np.eye(k)[:, y]


def EvaluateClassifier(X, W, b):
    """Return the probability of every class for every column, (k, n)."""
    s = W @ X + b
    s = np.exp(s - s.max(axis=0))
    return s / s.sum(axis=0)


def ComputeCost(X, Y, W, b, l2):
    """Return the mean cross-entropy, and the same plus the penalty ``l2 * sum(W**2)``."""
    P = EvaluateClassifier(X, W, b)
    loss = -np.log((Y * P).sum(axis=0)).mean()
    return loss, loss + l2 * (W**2).sum()


def ComputeAccuracy(X, y, W, b):
    """Return the share of columns whose most probable class is their own."""
    P = EvaluateClassifier(X, W, b)
    return (P.argmax(axis=0) == y).mean()


def ComputeGradients(X, Y, W, b, l2):
    """Return the gradients of the cost with respect to W (k, d) and b (k, 1)."""
    n = X.shape[1]
    G = EvaluateClassifier(X, W, b) - Y
    grad_W = G @ X.T / n + 2 * l2 * W
    grad_b = G.sum(axis=1, keepdims=True) / n
    return grad_W, grad_b


def run(
    X,
    y,
    X_validation,
    y_validation,
    *,
    l2,
    learning_rate,
    batch_size,
    epochs,
    std,
    seed,
    shuffle=True,
):
    """Train by mini-batch gradient descent; return W, b and the curves, one value an epoch.

    Parameters
    ----------
    X, X_validation : float64 array of shape (d, n)
        Standardised columns, as `prepare` returns them.
    y, y_validation : integer array of shape (n,)
        Classes in [0, k).
    std : float
        Standard deviation of the initial weights; biases start at 0.
    shuffle : bool
        Take the columns in a new order in every epoch.
    """
    d, n = X.shape
    k = int(y.max()) + 1
    rng = np.random.default_rng(seed)
    W = rng.normal(0, std, size=(k, d))
    b = np.zeros((k, 1))
    Y, Y_validation = one_hot(y, k), one_hot(y_validation, k)
    sets = {"train": (X, Y, y), "validation": (X_validation, Y_validation, y_validation)}
    curves = {f"{name}_{metric}": [] for name in sets for metric in ("loss", "cost", "accuracy")}

    for _ in range(epochs):
        order = rng.permutation(n)
        for start in range(0, n, batch_size):
            end = start + batch_size
            batch = order[start:end] if shuffle else slice(start, end)
            grad_W, grad_b = ComputeGradients(X[:, batch], Y[:, batch], W, b, l2)
            W -= learning_rate * grad_W
            b -= learning_rate * grad_b
        for name, (X_set, Y_set, y_set) in sets.items():
            loss, cost = ComputeCost(X_set, Y_set, W, b, l2)
            curves[f"{name}_loss"].append(loss)
            curves[f"{name}_cost"].append(cost)
            curves[f"{name}_accuracy"].append(ComputeAccuracy(X_set, y_set, W, b))
    return W, b, curves


class Train:
    """The course program as a solver of the comparison; it knows one layer."""

    def __init__(self, task):
        if task.job.hidden:
            raise CannotSolve("it is softmax regression")
        if task.job.optimizer != "sgd":
            raise CannotSolve("it is plain descent")
        if not task.job.evaluation:
            raise CannotSolve("it always evaluates")
        self.job = task.job
        # Columns as a course takes them from the files: a transposed view of rows, each column adjacent.
        train, validation = (
            (task.standardised(rows.X, "float64").T, rows.y) for rows in (task.train, task.validation)
        )
        self.data = (*train, *validation)

    def run(self):
        job = self.job
        self.W, self.b, self.curves = run(
            *self.data,
            l2=job.l2,
            learning_rate=job.learning_rate,
            batch_size=job.batch_size,
            epochs=job.epochs,
            std=0.01,
            seed=0,
        )

    def answer(self):
        curves = list(zip(*(self.curves[name] for name in COLUMNS), strict=True))
        return Trained([(self.W.T, self.b[:, 0])], curves)
