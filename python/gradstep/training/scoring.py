"""A model as scorers of scikit-learn's kind see it: an estimator whose answers to some rows are there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_array

from gradstep.errors import InvalidParameterError
from gradstep.nn.losses import Loss
from gradstep.nn.scorers import Scorer
from gradstep.plan.rows import TrainingData
from gradstep.plan.targets import Labels, Targets

Array = npt.NDArray[Any]


class _ScoredModel(BaseEstimator):  # type: ignore[misc]
    """An estimator of a model, with its scores of some rows.

    Parameters
    ----------
    loss : Loss
    targets : Targets
    known : list of pairs
        Rows, by identity, and their scores (n, k).
    others : callable
        Gives the scores of validated rows that are none of those.
    """

    def __init__(
        self, loss: Loss, targets: Targets, known: list[tuple[Any, Array]], others: Callable[[Array], Array]
    ) -> None:
        self.loss = loss
        self.targets = targets
        self.known = known
        self.others = others

    def predict(self, X: Any) -> Array:
        """Return the answers to rows, as `predict` of the estimator does."""
        return self.targets.decode(self.loss.answers(self._scores(X)))

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def _scores(self, X: Any) -> Array:
        for rows, scores in self.known:
            if X is rows:
                return scores
        return self.others(check_array(X, accept_sparse="csr"))


class _ScoredRegressor(RegressorMixin, _ScoredModel):  # type: ignore[misc]
    """A model of real values."""


class _ScoredClassifier(ClassifierMixin, _ScoredModel):  # type: ignore[misc]
    """A model of classes or labels."""

    @property
    def classes_(self) -> Array:
        """The labels, sorted; of every column of indicators 0 and 1."""
        if isinstance(self.targets, Labels):
            return self.targets.classes
        return np.tile([0, 1], (self.targets.k, 1))

    def predict_proba(self, X: Any) -> Array:
        """Return probabilities, (n, k)."""
        return self.loss.probabilities(self._scores(X))

    def predict_log_proba(self, X: Any) -> Array:
        """Return their logarithms, (n, k)."""
        return self.loss.log_probabilities(self._scores(X))

    def decision_function(self, X: Any) -> Array:
        """Return the scores, (n, k); of two classes the second's minus the first's, (n,)."""
        return self.loss.decision(self._scores(X))


def score(
    scorers: list[Scorer],
    model: tuple[Loss, Targets],
    data: TrainingData,
    scores: Array,
    others: Callable[[Array], Array],
) -> dict[str, float]:
    """Return what scorers say of a model on rows, by their names; NaN where its scores are not finite.

    Parameters
    ----------
    scorers : list of Scorer
    model : pair of Loss and Targets
    data : TrainingData
    scores : ndarray of shape (n, k)
        Of these rows.
    others : callable
        Gives the scores of other rows.

    Raises
    ------
    InvalidParameterError
        A scorer cannot be used for this model and these rows; the message has what it said.
    """
    if not np.isfinite(scores).all():
        return {scorer.name: np.nan for scorer in scorers}
    rows: Any = data
    if not all(scorer.looks_at_answers_alone for scorer in scorers):
        rows = data.X if data.index is None else data.X[data.index]
    view = _view(model, [(rows, scores)], others)
    y = model[1].decode(data.targets)
    return {scorer.name: _told(scorer, view, "and these rows", rows, y, data.weight) for scorer in scorers}


def score_by_own_rows(
    scorers: list[Scorer], model: tuple[Loss, Targets], others: Callable[[Array], Array]
) -> dict[str, float]:
    """Return what functions of the estimator alone say of a model, by their names.

    Raises
    ------
    InvalidParameterError
        A scorer cannot be used for this model; the message has what it said.
    """
    view = _view(model, [], others)
    return {scorer.name: _told(scorer, view, "by rows of its own") for scorer in scorers}


def _view(
    model: tuple[Loss, Targets], known: list[tuple[Any, Array]], others: Callable[[Array], Array]
) -> _ScoredModel:
    """Return an estimator of a model."""
    kind = _ScoredRegressor if model[0].takes == "values" else _ScoredClassifier
    return kind(*model, known, others)


def _told(scorer: Scorer, view: _ScoredModel, by: str, *rows: Any) -> float:
    """Return what a scorer says; what it raises is told as what the user gave."""
    try:
        return float(scorer(view, *rows))
    except (AttributeError, TypeError, ValueError) as error:
        raise InvalidParameterError(
            f"the metric {scorer.name!r} cannot be told of this model {by}: {error}"
        ) from error
