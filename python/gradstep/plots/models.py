"""What kind of model an estimator has learned."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from gradstep.errors import InvalidParameterError
from gradstep.estimators.base import BaseTrainer
from gradstep.training.fitted import Fitted
from gradstep.utils import text


def fitted_model(estimator: Any, what: str, wanted: str, takes: Collection[str]) -> Fitted:
    """Return the model of a fitted estimator.

    Parameters
    ----------
    estimator : Trainer or Regressor
    what : str
        Names it in messages.
    wanted : str
        What it must be.
    takes : collection of str
        Kinds of targets that its model may be for, of those that losses take.

    Raises
    ------
    InvalidParameterError
        It is none, is not fitted, or its model is for other targets.
    """
    if not (isinstance(estimator, BaseTrainer) and hasattr(estimator, "coefs_")):
        raise InvalidParameterError(f"{what} must be a fitted {wanted}, got {text.given(estimator)}")
    fitted = estimator.result().fitted
    if fitted.loss.takes not in takes:
        raise InvalidParameterError(f"{what} must be a fitted {wanted}, got {text.given(estimator)}")
    return fitted
