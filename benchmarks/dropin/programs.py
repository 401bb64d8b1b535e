"""The programs that are timed: they are written for scikit-learn, and differ in what they import.

A program is made for a job, untimed; `run` is what is timed, and `score` says how good its last answer is.
"""

from __future__ import annotations

import importlib
from typing import Any, Protocol

import numpy as np
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from benchmarks.dropin.jobs import FOLDS, GRID, DropInJob
from benchmarks.dropin.rows import Split, load

#: Where each library has the estimators.
HOMES = {"gradstep": "gradstep.sklearn", "scikit-learn": "sklearn.neural_network"}

# Rows of a call of `partial_fit`, and of one of `predict_proba`.
_CHUNK, _MANY = 1_000, 100_000


class Program(Protocol):
    """Does the work of a job again and again."""

    seed: int

    def run(self) -> None: ...

    def score(self) -> float: ...


class _Program:
    def __init__(self, job: DropInJob, library: str, precision: str) -> None:
        self.job, self.library, self.seed = job, library, 0
        self.rows: Split = load(job.data, precision)
        self.prepare()

    def prepare(self) -> None:
        """Do what is not timed."""

    def estimator(self) -> Any:
        """Return a new one, with the seed of this run."""
        make = getattr(importlib.import_module(HOMES[self.library]), self.job.estimator)
        return make(**self.job.parameters, random_state=self.seed)

    def score(self) -> float:
        """Return accuracy or R2 on the test rows."""
        return float(self.model.score(self.rows.X_test, self.rows.y_test))


class Fit(_Program):
    """`fit`."""

    def run(self) -> None:
        self.model = self.estimator().fit(self.rows.X, self.rows.y)


class PartialFit(_Program):
    """`partial_fit` of one chunk after the other; a service that learns does it for every chunk."""

    def run(self) -> None:
        self.model = self.estimator()
        classes = np.arange(int(self.rows.y.max()) + 1)
        for first in range(0, len(self.rows.y), _CHUNK):
            chunk = slice(first, first + _CHUNK)
            self.model.partial_fit(self.rows.X[chunk], self.rows.y[chunk], classes=classes)


class _Trained(_Program):
    """What is asked of a trained model."""

    def prepare(self) -> None:
        self.model = self.estimator().fit(self.rows.X, self.rows.y)


class PredictOne(_Trained):
    """`predict` of one row."""

    def run(self) -> None:
        self.model.predict(self.rows.X_test[:1])


class PredictProba(_Trained):
    """`predict_proba` of many rows."""

    def prepare(self) -> None:
        super().prepare()
        times = -(-_MANY // len(self.rows.X))
        self.many = np.ascontiguousarray(np.tile(self.rows.X, (times, 1))[:_MANY])

    def run(self) -> None:
        self.model.predict_proba(self.many)


class Search(_Program):
    """`GridSearchCV` with two jobs; of ours `FusedSearchCV`, which needs none."""

    def run(self) -> None:
        folds = StratifiedKFold(FOLDS)
        grid = {name: list(values) for name, values in GRID.items()}
        if self.library == "gradstep":
            from gradstep import FusedSearchCV

            self.search = FusedSearchCV(self.estimator(), grid, cv=folds).fit(self.rows.X, self.rows.y)
            return
        # The workers would have as many BLAS threads each as this process may.
        with parallel_config("loky", inner_max_num_threads=1):
            self.search = GridSearchCV(self.estimator(), grid, cv=folds, n_jobs=2)
            self.search.fit(self.rows.X, self.rows.y)

    def score(self) -> float:
        """Return the mean accuracy of the best setting."""
        return float(self.search.best_score_)


PROGRAMS: dict[str, type[_Program]] = {
    program.__name__: program for program in (Fit, PartialFit, PredictOne, PredictProba, Search)
}
