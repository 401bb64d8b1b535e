"""Whether a solver did the work: its answer against a reference, before it is timed.

The metrics of a trained network are computed here, in float64 and from its weights alone, for every
solver in the same way. What a solver found in its own evaluations must agree with them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from benchmarks.jobs import Job
from benchmarks.task import LayerList, Task

#: What an evaluation finds, in the order of the columns of `Trained.curves`.
COLUMNS = tuple(
    f"{rows}_{metric}" for rows in ("train", "validation") for metric in ("loss", "cost", "accuracy")
)

# A solver's own metrics, computed in float32, against those computed here.
_OWN_METRICS = 1e-3
# Share of predicted classes that must be the reference's: scores that nearly tie may go either way.
_SAME_CLASSES = 0.999
_CHUNK = 1000


class WrongAnswer(Exception):
    """A solver did not do the work; the message says where it shows."""


class Trained(NamedTuple):
    """The answer to a training: weights and biases, and a row of `COLUMNS` for every evaluation made."""

    layers: LayerList
    curves: list[tuple[float, ...]]


class CrossValidated(NamedTuple):
    """The answer to a cross-validation: mean accuracy of every setting, and the model of the best of them."""

    accuracies: list[float]
    layers: LayerList


def scores(layers: LayerList, X: np.ndarray) -> np.ndarray:
    """Return the last layer's output for standardised rows."""
    for W, b in layers[:-1]:
        X = np.maximum(X @ W + b, 0)
    W, b = layers[-1]
    return X @ W + b


def metrics(task: Task, layers: LayerList) -> dict[str, float]:
    """Return the value of every column, in float64."""
    return metrics_of_all(task, [layers], [task.job.l2])[0]


def metrics_of_all(task: Task, models: list[LayerList], l2s: list[float]) -> list[dict[str, float]]:
    """Return the metrics of every model; the rows are standardised once for all."""
    models = [[(W.astype(np.float64), b.astype(np.float64)) for W, b in layers] for layers in models]
    penalties = [
        l2 * sum(float((W**2).sum()) for W, _ in layers) for l2, layers in zip(l2s, models, strict=True)
    ]
    values: list[list[float]] = [[] for _ in models]
    for rows in (task.train, task.validation):
        sums = np.zeros((len(models), 2))
        for start in range(0, len(rows.y), _CHUNK):
            y = rows.y[start : start + _CHUNK]
            X = task.standardised(rows.X[start : start + _CHUNK], "float64")
            sums += [_loss_and_correct(scores(layers, X), y) for layers in models]
        for row, penalty, (loss, correct) in zip(values, penalties, sums / len(rows.y), strict=True):
            row += [float(loss), float(loss + penalty), float(correct)]
    return [dict(zip(COLUMNS, row, strict=True)) for row in values]


def _loss_and_correct(s: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return the sum of the losses, and how many rows are classified rightly."""
    s = s - s.max(axis=1, keepdims=True)
    losses = np.log(np.exp(s).sum(axis=1)) - s[np.arange(len(y)), y]
    return float(losses.sum()), float((s.argmax(axis=1) == y).sum())


def check_training(task: Task, answer: Trained, reference: dict[str, float]) -> dict[str, float]:
    """Return the metrics of the answer, or raise WrongAnswer."""
    found = metrics(task, answer.layers)
    _check_model(task.job, answer, found, reference)
    return found


def of_models(found: list[dict[str, float]]) -> dict[str, float]:
    """Return the metrics of many models as those of one have them: `train_loss of 3`, ..."""
    return {f"{name} of {i}": value for i, row in enumerate(found) for name, value in row.items()}


def check_many(task: Task, answer: list[Trained], reference: dict[str, float]) -> dict[str, float]:
    """Return the means of the metrics over the models, or raise WrongAnswer for the first wrong one."""
    jobs = task.job.singles()
    if len(answer) != len(jobs):
        raise WrongAnswer(f"{len(answer)} models, not {len(jobs)}")
    found = metrics_of_all(task, [model.layers for model in answer], [job.l2 for job in jobs])
    for i, (job, model, own) in enumerate(zip(jobs, answer, found, strict=True)):
        try:
            _check_model(job, model, own, {name: reference[f"{name} of {i}"] for name in COLUMNS})
        except WrongAnswer as error:
            raise WrongAnswer(f"model {i} with l2 {job.l2:.3g}: {error}") from None
    return {name: float(np.mean([own[name] for own in found])) for name in COLUMNS}


def of_settings(answer: CrossValidated) -> dict[str, float]:
    """Return the mean accuracy of every setting as metrics."""
    return {f"accuracy of {i}": accuracy for i, accuracy in enumerate(answer.accuracies)}


def check_cross_validation(
    task: Task, answer: CrossValidated, reference: dict[str, float]
) -> dict[str, float]:
    """Return the accuracies of the best setting and of its model, or raise WrongAnswer."""
    found, tolerance = of_settings(answer), task.job.accuracy_tolerance
    if found.keys() != reference.keys():
        raise WrongAnswer(f"{len(found)} settings, not {len(reference)}")
    for name, wanted in reference.items():
        if not abs(found[name] - wanted) <= tolerance:
            raise WrongAnswer(f"{name} is {found[name]:.4f}, not {wanted:.4f} ± {tolerance:.2g}")
    best, refitted = max(answer.accuracies), metrics(task, answer.layers)["validation_accuracy"]
    if not refitted >= best - 2 * tolerance:
        raise WrongAnswer(f"validation_accuracy is {refitted:.4f}, but the best setting has {best:.4f}")
    return {"best_accuracy": best, "validation_accuracy": refitted}


def _check_model(job: Job, answer: Trained, found: dict[str, float], reference: dict[str, float]) -> None:
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
            if not abs(own - found[name]) <= _OWN_METRICS * max(1.0, abs(found[name])):
                raise WrongAnswer(f"{name} is {found[name]:.4f}, but its own evaluation says {own:.4f}")


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
