"""Which rows each model of a search is trained on, and which are held out of its training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import check_cv

from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.utils import text

Index = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Fold:
    """Rows of a search by number.

    Attributes
    ----------
    train : ndarray of shape (n,), int32, or None
        Rows to train on; None for all of them.
    held_out : ndarray of int32, or None
        Rows to validate on; None for those of the eval set, if there is one.
    """

    train: Index | None = None
    held_out: Index | None = None


def pairs_of(
    folds: Any, given: tuple[Any, Any, Any], whose: str, is_stratified: bool, by_groups: str
) -> list[tuple[Any, Any]]:
    """Return the numbers of the rows to train and to hold out of every fold.

    Parameters
    ----------
    folds : int, splitter of scikit-learn, iterable of pairs of row numbers, or None
    given : tuple (X, y, groups)
        What a splitter is asked with.
    whose : str
        What `folds` are in messages.
    is_stratified : bool
        Whether an int means folds of which each has equal shares of every class of y.
    by_groups : str
        What a user who splits by groups is to give, in messages.

    Raises
    ------
    InvalidParameterError
        They are no folds, or not of these rows.
    """
    X, y, groups = given
    numbers = np.arange(y.shape[0] if hasattr(y, "shape") else len(y))
    try:
        split = check_cv(folds, y, classifier=is_stratified).split(X, y, groups)
        pairs = [(numbers[train], numbers[held_out]) for train, held_out in split]
        if not pairs:
            raise ValueError("there is no fold")
        return pairs
    except (TypeError, ValueError, IndexError) as error:
        if groups is None and "groups" in str(error):
            raise InvalidParameterError(
                f"{whose} must have groups to split rows by, got {text.given(folds)} without them; "
                f"give {by_groups}"
            ) from error
        raise InvalidParameterError(
            f"{whose} must be an int >= 2, a splitter or pairs of row numbers that fit the rows, "
            f"got {text.given(folds)}: {error}"
        ) from error


def folds_of(
    pairs: Sequence[tuple[Any, Any]],
    labels: npt.NDArray[np.int32] | None,
    weight: npt.NDArray[Any] | None,
    whose: str = "fold {} of the search",
) -> tuple[Fold, ...]:
    """Return folds, each checked.

    Parameters
    ----------
    pairs : sequence of pairs of arrays of row numbers
    labels : ndarray of shape (n,), or None
        Class indices, where y are labels.
    weight : ndarray of shape (n,), or None
        Sample weights.
    whose : str
        What splits the rows, in messages, with braces for the number of the fold.

    Raises
    ------
    InvalidDataError
        A fold has no rows, or only one class of them, to train on, or none to validate on.
    """
    checked = []
    for fold, (train, held_out) in enumerate(pairs):
        must = f"{whose.format(fold)} must"
        counted = train if weight is None else train[weight[train] > 0]
        if not len(held_out):
            raise InvalidDataError(f"{must} hold out one row or more, got none")
        count = 2 if labels is None else len(np.unique(labels[counted]))
        if count < 2:
            raise InvalidDataError(f"{must} leave rows of two classes or more to train on, got {count}")
        if not len(counted):
            raise InvalidDataError(f"{must} leave one row or more to train on, got none")
        checked.append(Fold(train.astype(np.int32), held_out.astype(np.int32)))
    return tuple(checked)
