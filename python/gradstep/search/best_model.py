"""The model that a search of scikit-learn's kind has trained last, and what it predicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from gradstep.errors import NoModelError
from gradstep.estimators.trainer import Trainer


def _refits(search: BestModel) -> bool:
    """Whether a search has what predicts, as far as its parameters go."""
    return bool(search.refit)


class BestModel:
    """Predictions by `best_estimator_`, of a class that has these attributes."""

    refit: bool | str | Callable[[dict[str, Any]], int]
    multimetric_: bool
    scorer_: Any
    best_estimator_: Trainer

    @available_if(_refits)  # type: ignore[untyped-decorator]
    def predict(self, X: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the class of every row by `best_estimator_`, shape (n,)."""
        return self._best().predict(X)

    @available_if(_refits)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the probabilities by `best_estimator_`, shape (n, k)."""
        return self._best().predict_proba(X)

    @available_if(_refits)  # type: ignore[untyped-decorator]
    def decision_function(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the scores by `best_estimator_`, shape (n, k); of two classes (n,)."""
        return self._best().decision_function(X)

    def score(self, X: npt.ArrayLike, y: npt.ArrayLike) -> float:
        """Return the score of `best_estimator_` by the scorer that chose it.

        Where a callable `refit` chose among several, the accuracy.
        """
        best = self._best()
        scorer: Any = self.scorer_
        if self.multimetric_:
            scorer = scorer[self.refit] if isinstance(self.refit, str) else type(best).score
        found = scorer(best, X, y)
        return float(found[self.refit] if isinstance(found, Mapping) else found)

    @property
    def classes_(self) -> npt.NDArray[Any]:
        """The labels, sorted."""
        classes: npt.NDArray[Any] = self._best().classes_
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

    def _best(self) -> Trainer:
        check_is_fitted(self)
        if not hasattr(self, "best_estimator_"):
            why = "the search was interrupted" if self.refit else f"got refit={self.refit!r}"
            raise NoModelError(
                f"`best_estimator_` of {type(self).__name__} needs refit and a search that ended; {why}"
            )
        best: Trainer = self.best_estimator_
        return best
