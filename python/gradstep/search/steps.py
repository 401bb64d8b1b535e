"""What a search trains: a Trainer or Regressor, alone or as the last step of a pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from gradstep.errors import InvalidParameterError
from gradstep.estimators.base import BaseTrainer
from gradstep.sklearn.base import BaseFace
from gradstep.utils.constraints import Constraint


def _last(value: Any) -> Any:
    return value.steps[-1][1] if isinstance(value, Pipeline) and value.steps else value


def _is_trained(value: object) -> bool:
    return isinstance(_last(value), BaseTrainer)


#: What a search may be given to train.
ESTIMATOR = Constraint(
    "a Trainer, Regressor, MLPClassifier or MLPRegressor of this package, or a Pipeline that ends in one",
    lambda value: isinstance(_last(value), BaseTrainer | BaseFace),
    (BaseTrainer, Pipeline([]), 3),
)


def trainer_of(estimator: Any) -> BaseTrainer:
    """Return the Trainer or Regressor itself, or that of a pipeline's last step."""
    trainer: BaseTrainer = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    return trainer


def transformers_of(estimator: Any) -> Pipeline | None:
    """Return what comes before the last step of a pipeline, None where nothing does."""
    if not isinstance(estimator, Pipeline) or len(estimator.steps) == 1:
        return None
    before: Pipeline = estimator[:-1]
    return before


def with_trainer(estimator: Any, trainer: BaseTrainer, before: Pipeline | None = None) -> Any:
    """Return an estimator with another last step, behind transformers that may be fitted ones."""
    if not isinstance(estimator, Pipeline):
        return trainer
    joined = copy(estimator)
    steps = estimator.steps[:-1] if before is None else before.steps
    joined.steps = [*steps, (estimator.steps[-1][0], trainer)]
    return joined


def configured(estimator: Any, params: Mapping[str, Any], whose: str) -> Any:
    """Return a copy with parameters set, those of steps by two underscores.

    Raises
    ------
    InvalidParameterError
        There is no such parameter, or it does not end in a Trainer or Regressor any more.
    """
    try:
        # What is an estimator itself is cloned, so that nobody else's is ever fitted.
        own = clone(estimator).set_params(**{name: _own(value) for name, value in params.items()})
    except ValueError as error:
        if isinstance(error, InvalidParameterError):
            raise
        raise InvalidParameterError(f"`estimator` of {whose}: {error}") from error
    if not _is_trained(own):
        raise InvalidParameterError(
            f"`estimator` of {whose} must end in a Trainer or Regressor, got {type(trainer_of(own)).__name__}"
        )
    return own


def _own(value: Any) -> Any:
    is_estimator = hasattr(value, "get_params") and not isinstance(value, type)
    return clone(value) if is_estimator else value


def fit(estimator: Any, X: Any, y: Any, sample_weight: Any, **more: Any) -> Any:
    """Fit an estimator, of a pipeline the last step with the weights, and whatever else it takes."""
    if not isinstance(estimator, Pipeline):
        return estimator.fit(X, y, sample_weight=sample_weight, **more)
    last = estimator.steps[-1][0]
    own = more if sample_weight is None else {"sample_weight": sample_weight} | more
    return estimator.fit(X, y, **{f"{last}__{name}": value for name, value in own.items()})


def ways(estimator: Any, candidates: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return of every setting which one has the same transformers before it: the number of the first."""
    last = estimator.steps[-1][0] if isinstance(estimator, Pipeline) else ""
    found: list[int] = []
    before = [
        {name: value for name, value in params.items() if last and name.partition("__")[0] != last}
        for params in candidates
    ]
    for place, own in enumerate(before):
        found.append(next(first for first in [*dict.fromkeys(found), place] if _same(own, before[first])))
    return found


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one.keys() == other.keys() and all(_equal(one[name], other[name]) for name in one)


def _equal(one: Any, other: Any) -> bool:
    """Whether two values are one, or plain and equal; of all others nothing is known."""
    if one is other:
        return True
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    is_plain = isinstance(one, (bool, int, float, str, bytes, np.generic))
    return is_plain and type(one) is type(other) and bool(one == other)
