"""scikit-learn's MLPClassifier, by the job's optimizer, told when to stop.

Without hidden layers it is softmax regression. Its `alpha` is the strength of ``alpha / 2 * sum(W**2) /
rows of the batch``: 2 * b times our l2. It can start from given weights only as a "warm start". Where
every epoch is evaluated, one calls `partial_fit` for each and computes the metrics of `predict_proba`.
"""

from __future__ import annotations

import warnings

import numpy as np
from joblib import parallel_config
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier

from benchmarks.answers import CrossValidated, Trained
from benchmarks.solvers.splits import splits
from benchmarks.task import LayerList, Task


def until_told_to_stop() -> warnings.catch_warnings:
    """Silence its complaint that it was told when to stop."""
    return warnings.catch_warnings(action="ignore", category=ConvergenceWarning)


def classifier(task: Task) -> MLPClassifier:
    """Return one that has seen a row of every class, so that it holds weights to be replaced."""
    job, rows = task.job, task.row_per_class()
    model = MLPClassifier(
        job.hidden,
        solver="adam" if job.optimizer == "adam" else "sgd",
        momentum=0.9 if job.optimizer == "momentum" else 0.0,
        nesterovs_momentum=False,
        learning_rate="constant",
        learning_rate_init=job.learning_rate,
        alpha=2 * job.l2 * job.batch_size,
        batch_size=len(rows),
        max_iter=1,
        tol=0.0,
        n_iter_no_change=job.epochs + 1,
        warm_start=True,
        random_state=0,
    )
    with until_told_to_stop():
        model.fit(task.standardised(task.train.X[rows]), task.train.y[rows])
    return model.set_params(batch_size=job.batch_size, max_iter=job.epochs)


def set_layers(model: MLPClassifier, layers: LayerList) -> None:
    """Replace the weights, in place: its optimizer holds them too."""
    for W, b, (new_W, new_b) in zip(model.coefs_, model.intercepts_, layers, strict=True):
        W[...], b[...] = new_W, new_b


class Train:
    """`fit`, or `partial_fit` and metrics for every epoch."""

    def __init__(self, task: Task) -> None:
        self.job, self.first = task.job, task.first_layers()
        self.sets = [(task.standardised(rows.X), rows.y) for rows in (task.train, task.validation)]
        self.model = classifier(task)

    def run(self) -> None:
        set_layers(self.model, self.first)
        self.curves = []
        if not self.job.evaluation:
            with until_told_to_stop():
                self.model.fit(*self.sets[0])
            return
        # `partial_fit` would go on with what its optimizer keeps of the run before.
        vars(self.model).pop("_optimizer", None)
        for _ in range(self.job.epochs):
            self.model.partial_fit(*self.sets[0])
            self.curves.append((*self.evaluate(*self.sets[0]), *self.evaluate(*self.sets[1])))

    def evaluate(self, X: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
        """Return loss, cost and accuracy."""
        P = self.model.predict_proba(X)
        loss = -float(np.log(P[np.arange(len(y)), y]).mean())
        penalty = self.job.l2 * sum(float((W**2).sum()) for W in self.model.coefs_)
        return loss, loss + penalty, float((P.argmax(axis=1) == y).mean())

    def answer(self) -> Trained:
        layers = list(zip(self.model.coefs_, self.model.intercepts_, strict=True))
        return Trained(layers, self.curves)


class CrossValidate:
    """`GridSearchCV` with two jobs, which train in processes of their own."""

    def __init__(self, task: Task) -> None:
        job = task.job
        self.rows = task.standardised(task.train.X), task.train.y
        model = MLPClassifier(
            job.hidden,
            solver="sgd",
            momentum=0.0,
            nesterovs_momentum=False,
            batch_size=job.batch_size,
            max_iter=job.epochs,
            tol=0.0,
            n_iter_no_change=job.epochs + 1,
            random_state=0,
        )
        grid = dict(job.grid)
        of_scikit = {
            "alpha": [2 * l2 * job.batch_size for l2 in grid["l2"]],
            "learning_rate_init": list(grid["learning_rate"]),
        }
        self.search = GridSearchCV(model, of_scikit, cv=splits(task), n_jobs=2)

    def run(self) -> None:
        # The workers would have as many BLAS threads each as this process may.
        with until_told_to_stop(), parallel_config("loky", inner_max_num_threads=1):
            self.search.fit(*self.rows)

    def answer(self) -> CrossValidated:
        best = self.search.best_estimator_
        layers = list(zip(best.coefs_, best.intercepts_, strict=True))
        return CrossValidated(self.search.cv_results_["mean_test_score"].tolist(), layers)


class Predict:
    """`predict`."""

    def __init__(self, task: Task) -> None:
        self.X = task.standardised(task.rows_to_predict())
        self.model = classifier(task)
        set_layers(self.model, task.trained_layers())

    def run(self) -> None:
        self.classes = self.model.predict(self.X)

    def answer(self) -> np.ndarray:
        return self.classes
