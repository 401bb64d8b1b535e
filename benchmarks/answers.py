"""Whether a solver did the work: its answer against a reference, before it is timed.

The figures of a trained network are computed here, in float64 and from its weights alone, for every
solver in the same way. What a solver found in its own evaluations must agree with them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from benchmarks.task import LayerList, Task

#: What an evaluation finds, in the order of the columns of `Trained.curves`.
COLUMNS = tuple(
    f"{rows}_{figure}" for rows in ("train", "validation") for figure in ("loss", "cost", "accuracy")
)

# A solver's own figures, computed in float32, against those computed here.
_OWN_FIGURES = 1e-3
# Share of predicted classes that must be the reference's: scores that nearly tie may go either way.
_SAME_CLASSES = 0.999
_CHUNK = 1000


class WrongAnswer(Exception):
    """A solver did not do the work; the message says where it shows."""


class Trained(NamedTuple):
    """The answer to a training: weights and biases, and a row of `COLUMNS` for every evaluation made."""

    layers: LayerList
    curves: list[tuple[float, ...]]


def scores(layers: LayerList, X: np.ndarray) -> np.ndarray:
    """Return the last layer's output for standardised rows."""
    for W, b in layers[:-1]:
        X = np.maximum(X @ W + b, 0)
    W, b = layers[-1]
    return X @ W + b


def figures(task: Task, layers: LayerList) -> dict[str, float]:
    """Return the value of every column, in float64."""
    layers = [(W.astype(np.float64), b.astype(np.float64)) for W, b in layers]
    penalty = task.job.l2 * sum(float((W**2).sum()) for W, _ in layers)
    values = []
    for rows in (task.train, task.validation):
        loss = correct = 0.0
        for start in range(0, len(rows.y), _CHUNK):
            y = rows.y[start : start + _CHUNK]
            s = scores(layers, task.standardised(rows.X[start : start + _CHUNK], "float64"))
            s -= s.max(axis=1, keepdims=True)
            loss += float((np.log(np.exp(s).sum(axis=1)) - s[np.arange(len(y)), y]).sum())
            correct += float((s.argmax(axis=1) == y).sum())
        loss /= len(rows.y)
        values += [loss, loss + penalty, correct / len(rows.y)]
    return dict(zip(COLUMNS, values, strict=True))


def check_training(task: Task, answer: Trained, reference: dict[str, float]) -> dict[str, float]:
    """Return the figures of the answer, or raise WrongAnswer."""
    job, found = task.job, figures(task, answer.layers)
    for name, tolerance in (
        ("train_loss", job.loss_tolerance * reference["train_loss"]),
        ("validation_accuracy", job.accuracy_tolerance),
    ):
        if not abs(found[name] - reference[name]) <= tolerance:
            raise WrongAnswer(f"{name} is {found[name]:.4f}, not {reference[name]:.4f} ± {tolerance:.2g}")
    wanted = job.epochs if job.evaluation else 0
    if job.evaluation and len(answer.curves) != wanted:
        raise WrongAnswer(f"{len(answer.curves)} evaluations, not {wanted}")
    if job.evaluation:
        for name, own in zip(COLUMNS, answer.curves[-1], strict=True):
            if not abs(own - found[name]) <= _OWN_FIGURES * max(1.0, abs(found[name])):
                raise WrongAnswer(f"{name} is {found[name]:.4f}, but its own evaluation says {own:.4f}")
    return found


def check_prediction(task: Task, classes: np.ndarray) -> dict[str, float]:
    """Return the share of classes that are the reference's, or raise WrongAnswer."""
    X = task.standardised(task.rows_to_predict(), "float64")
    wanted = scores(task.trained_layers(), X).argmax(axis=1)
    if classes.shape != wanted.shape:
        raise WrongAnswer(f"{classes.shape} classes, not {wanted.shape}")
    same = float((classes == wanted).mean())
    if not same >= _SAME_CLASSES:
        raise WrongAnswer(f"{same:.2%} of the classes are those of the reference")
    return {"same_classes": same}
