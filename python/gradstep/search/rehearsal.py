"""A scorer is tried before the work: one that fails for every fold would cost the whole search."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from gradstep.errors import GradstepError, InvalidParameterError
from gradstep.estimators import autolog
from gradstep.search import steps
from gradstep.training.fit_tasks import without_callbacks

# Rows that the model tried is trained on, beside the first of every class.
_FEW = 50

# What the model tried does without.
_PLAIN: dict[str, Any] = {
    "epochs": 1,
    "callbacks": (),
    "verbose": 0,
    "early_stopping": None,
    "validation_fraction": None,
}


def rehearse(
    scorer: Callable[..., Any],
    estimator: Any,
    pairs: Sequence[tuple[Any, Any]],
    given: tuple[Any, Any],
    whose: str = "FusedSearchCV",
) -> None:
    """Score a model that is hardly trained on the held-out rows of the folds, until a score is told.

    Parameters
    ----------
    scorer : callable
        Of a model, X and y; returns a score, or a dict of them.
    estimator : Trainer, Regressor, or Pipeline that ends in one
        Transformers are fitted for the search alone: behind some nothing is tried.
    pairs : sequence of pairs of arrays of row numbers
        The folds.
    given : tuple (X, y)

    Raises
    ------
    InvalidParameterError
        There is an error in every fold.
    """
    model = _hardly_trained(estimator, pairs[0][0], given)
    if model is None:
        return
    errors = []
    for _, held_out in pairs:
        try:
            found = scorer(model, *(_safe_indexing(values, held_out) for values in given))
        except MemoryError:
            raise
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")
            continue
        texts = [value for value in (found.values() if isinstance(found, Mapping) else ()) if _failed(value)]
        if not texts:
            return
        errors.append(str(texts[0]).strip().rpartition("\n")[2])
    raise InvalidParameterError(
        f"`scoring` of {whose} must be what can score its models; of one that was hardly trained it tells "
        f"nothing in any fold: {errors[0]}"
    )


def _failed(score: Any) -> bool:
    """Whether scikit-learn has the traceback of a scorer in place of its score."""
    return isinstance(score, str)


def _hardly_trained(estimator: Any, rows: Any, given: tuple[Any, Any]) -> Any:
    """Return a model of few rows; None where these are too few for it, or transformers stand before it."""
    if steps.transformers_of(estimator) is not None:
        return None
    X, y = given
    of_rows = _safe_indexing(y, rows)
    first: Any = np.unique(of_rows, return_index=True)[1] if np.ndim(of_rows) == 1 else []
    few = rows[np.union1d(first, np.arange(min(_FEW, len(rows)))).astype(np.intp)]
    plain = without_callbacks(clone(steps.trainer_of(estimator)).set_params(**_PLAIN))
    model = steps.with_trainer(estimator, plain)
    try:
        with warnings.catch_warnings(), autolog.quiet():
            warnings.simplefilter("ignore")
            steps.fit(model, _safe_indexing(X, few), _safe_indexing(y, few), None)
    except (GradstepError, ArithmeticError, TypeError, ValueError):
        return None
    if steps.trainer_of(model).interrupted_:
        raise KeyboardInterrupt
    return model
