"""The best setting of a search of scikit-learn's kind: its choice, its training, and what it predicts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from gradstep.errors import NoModelError
from gradstep.estimators.base import BaseTrainer
from gradstep.plan import forms
from gradstep.plan.checkpoint import Checkpoint
from gradstep.search import steps
from gradstep.search.cv_results import CVResults
from gradstep.search.keeping import refitted
from gradstep.search.scorers import check_refit, index_by
from gradstep.search.search_tasks import SearchTakesCallbacks, SearchTasks
from gradstep.search.trials import Trial, kinds_of, tabulate


def _refits(search: BestEstimatorMixin) -> bool:
    """Whether a search has what predicts, as far as its parameters go."""
    return bool(search.refit)


def _can(name: str) -> Callable[[BestEstimatorMixin], bool]:
    """Return whether a search has what predicts, and that has the method, too."""
    return lambda search: _refits(search) and hasattr(search.estimator, name)


class BestEstimatorMixin(SearchTakesCallbacks):
    """Predictions by `best_estimator_`, of a class that has these attributes."""

    estimator: BaseTrainer
    refit: bool | str | Callable[[dict[str, Any]], int]
    checkpoint: Checkpoint | None
    multimetric_: bool
    scorer_: Any
    interrupted_: bool
    trials_: list[Trial]
    cv_results_: CVResults
    best_estimator_: BaseTrainer
    best_index_: int
    best_params_: dict[str, Any]
    best_score_: float
    refit_time_: float

    @available_if(_refits)  # type: ignore[untyped-decorator]
    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the answer to every row by `best_estimator_`, as its own `predict` does."""
        best: Any = self._best()
        answers: npt.NDArray[Any] = best.predict(X)
        return answers

    @available_if(_can("predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the probabilities by `best_estimator_`, shape (n, k); a Regressor has none."""
        best: Any = self._best()
        probabilities: npt.NDArray[np.float64] = best.predict_proba(X)
        return probabilities

    @available_if(_can("predict_log_proba"))  # type: ignore[untyped-decorator]
    def predict_log_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the logarithms of the probabilities by `best_estimator_`, shape (n, k)."""
        best: Any = self._best()
        logarithms: npt.NDArray[np.float64] = best.predict_log_proba(X)
        return logarithms

    @available_if(_can("decision_function"))  # type: ignore[untyped-decorator]
    def decision_function(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the scores by `best_estimator_`, shape (n, k); of two classes (n,); a Regressor has none."""
        best: Any = self._best()
        scores: npt.NDArray[np.float64] = best.decision_function(X)
        return scores

    def score(self, X: npt.ArrayLike, y: npt.ArrayLike) -> float:
        """Return the score of `best_estimator_` by the scorer that chose it.

        Where a callable `refit` chose among several, the estimator's own score.
        """
        best = self._best()
        scorer: Any = self.scorer_
        if self.multimetric_:
            scorer = scorer[self.refit] if isinstance(self.refit, str) else type(best).score
        kinds = kinds_of(self.trials_)
        if len(kinds) == 1:
            y = forms.plain(y, next(iter(kinds)), f"y of {type(self).__name__}.score")
        found = scorer(best, X, y)
        return float(found[self.refit] if isinstance(found, Mapping) else found)

    @property
    def classes_(self) -> npt.NDArray[Any]:
        """The labels, sorted; a Regressor has none."""
        best: Any = self._best()
        classes: npt.NDArray[Any] = best.classes_
        return classes

    @property
    def n_features_in_(self) -> int:
        """Number of features, d."""
        return int(self._best().n_features_in_)

    @property
    def feature_names_in_(self) -> npt.NDArray[Any]:
        """Names of the columns, where X had some."""
        names: npt.NDArray[Any] = self._best().feature_names_in_
        return names

    def __sklearn_tags__(self) -> Any:
        tags: Any = super().__sklearn_tags__()  # type: ignore[misc]
        of_estimator = get_tags(self.estimator)
        tags.estimator_type = of_estimator.estimator_type
        tags.classifier_tags = of_estimator.classifier_tags
        tags.regressor_tags = of_estimator.regressor_tags
        tags.target_tags = of_estimator.target_tags
        tags.input_tags.sparse = of_estimator.input_tags.sparse
        return tags

    def _choose_by_scores(self) -> bool:
        """Set what has the best scores; return whether there is any."""
        if self.multimetric_:
            names = [name for name in self.cv_results_ if name.startswith("mean_test_")]
            check_refit(self.refit, [name.removeprefix("mean_test_") for name in names])
            if not self.refit:
                return False
        if callable(self.refit):
            self.best_index_ = index_by(self.refit, self.cv_results_)
        else:
            name = self.refit if self.multimetric_ else "score"
            means = self.cv_results_[f"mean_test_{name}"]
            if np.isnan(means).all():
                self._check_scored(str(name))
                return False
            self.best_index_ = int(self.cv_results_[f"rank_test_{name}"].argmin())
            self.best_score_ = float(means[self.best_index_])
        self.best_params_ = self.cv_results_["params"][self.best_index_]
        return True

    def _check_scored(self, name: str) -> None:
        """Raise NoModelError where no setting has a score in every fold, unless Ctrl-C was the reason."""
        if not self.interrupted_:
            raise NoModelError(
                f"no setting of {type(self).__name__} has a {name} in every fold that is a number, so that "
                f"none is the best; `cv_results_` has what was done",
                tabulate(self.trials_, "running_loss") if self.trials_ else self.cv_results_,
            )

    def _refit(self, best: Any, rows: tuple[Any, Any, Any], tasks: SearchTasks) -> None:
        """Train the best setting on all rows; what Ctrl-C ends before its time is no model of this search."""
        began = time.perf_counter()
        with tasks.refitting(best):
            refitted(best, rows, self.checkpoint)
        if getattr(steps.trainer_of(best), "interrupted_", False):
            self.interrupted_ = True
            return
        self.best_estimator_ = best
        self.refit_time_ = time.perf_counter() - began

    def _best(self) -> BaseTrainer:
        check_is_fitted(self)
        if not hasattr(self, "best_estimator_"):
            why = "the search was interrupted" if self.refit else f"got refit={self.refit!r}"
            raise NoModelError(
                f"`best_estimator_` of {type(self).__name__} needs refit and a search that ended; {why}"
            )
        best: BaseTrainer = self.best_estimator_
        return best
