"""The rows of a search: read once for all its models, with some held out of each."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import check_cv, train_test_split
from sklearn.utils import _safe_indexing, assert_all_finite, column_or_1d, indexable

from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.plan import settings
from gradstep.plan.rows import Problem, Standardization, prepare

if TYPE_CHECKING:
    from gradstep.estimators.trainer import Trainer

_LEARNED = ("classes_", "n_features_in_", "feature_names_in_")


@dataclass(frozen=True)
class Data:
    """Rows, labels and what every Trainer learns of them before it trains.

    Attributes
    ----------
    learned : dict
        Attributes of a Trainer that has seen the rows.
    train : Problem
    held_out : Problem, or None
        Rows for validation; None with folds.
    trained, validated : ndarray of shape (folds, n), float64, or None
        Weights of all rows in the training and in the validation of every fold.
    """

    learned: dict[str, Any]
    train: Problem
    held_out: Problem | None
    trained: npt.NDArray[np.float64] | None = None
    validated: npt.NDArray[np.float64] | None = None

    @property
    def folds(self) -> int:
        """Models of every trial."""
        return 1 if self.trained is None else len(self.trained)

    def teach(self, trainer: Trainer) -> None:
        """Give a Trainer what it would learn of the rows."""
        for name, value in self.learned.items():
            setattr(trainer, name, value)
        trainer.standardization_ = self._standardization(trainer)

    def problems(self, trainer: Trainer, folds: Sequence[int]) -> tuple[Problem, Problem | None]:
        """Return the rows to train and to validate a group on, one of whose Trainers is this.

        Parameters
        ----------
        trainer : Trainer
        folds : sequence of m ints
            Of every model of the group.
        """
        standardization = self._standardization(trainer)
        train = replace(self.train, standardization=standardization)
        if self.trained is not None and self.validated is not None:
            places = list(folds)
            return (
                prepare(train.X, train.y, self.trained[places], standardization),
                prepare(train.X, train.y, self.validated[places], standardization),
            )
        return train, self.held_out and replace(self.held_out, standardization=standardization)

    def _standardization(self, trainer: Trainer) -> Standardization:
        return self.train.standardization if trainer.standardize else Standardization.identity(self.train.d)


def read(
    trainer: Trainer, X: Any, y: Any, sample_weight: Any = None, eval_set: Any = None, folds: Any = None
) -> Data:
    """Read and check rows as `Trainer.fit` does.

    Parameters
    ----------
    trainer : Trainer
        Learns of the rows, as in its own `fit`.
    X, y, sample_weight, eval_set
        As for `Trainer.fit`.
    folds : int, splitter of scikit-learn or iterable of pairs of row numbers, optional
    """
    train = trainer._train_problem(X, y, sample_weight)
    held_out = None if eval_set is None else trainer._eval_problem(eval_set)
    learned = {name: getattr(trainer, name) for name in _LEARNED if hasattr(trainer, name)}
    if folds is None:
        return Data(learned, train, held_out)
    pairs = pairs_of(folds, np.zeros(train.n), train.y, None, "`folds` of Sweep")
    masks = np.zeros((2, len(pairs), train.n))
    for fold, parts in enumerate(pairs):
        for mask, rows in zip(masks[:, fold], parts, strict=True):
            mask[rows] = 1
    trained, validated = masks
    weight = settings.check_weight(sample_weight, train.y)
    if weight is not None:
        trained *= weight
    for fold in range(len(pairs)):
        if not validated[fold].any():
            raise InvalidDataError(f"fold {fold} of the search must hold out one row or more, got none")
        classes = np.unique(train.y[trained[fold] > 0])
        if len(classes) < 2:
            raise InvalidDataError(
                f"fold {fold} of the search must leave rows of two classes or more to train on, "
                f"got {len(classes)}"
            )
    return Data(learned, train, None, trained, validated)


def pairs_of(folds: Any, X: Any, y: Any, groups: Any, whose: str) -> list[tuple[Any, Any]]:
    """Return the numbers of the rows to train and to hold out of every fold."""
    numbers = np.arange(len(y))
    try:
        split = check_cv(folds, y, classifier=True).split(X, y, groups)
        pairs = [(numbers[train], numbers[held_out]) for train, held_out in split]
        if not pairs:
            raise ValueError("there is no fold")
        return pairs
    except (TypeError, ValueError, IndexError) as error:
        raise InvalidParameterError(
            f"{whose} must be an int >= 2, a splitter or pairs of row numbers that fit the rows, "
            f"got {reprlib.repr(folds)}: {error}"
        ) from error


def hold_out(
    X: Any, y: Any, sample_weight: Any, share: float, random_state: int
) -> tuple[tuple[Any, Any, Any], tuple[Any, Any]]:
    """Split rows into (X, y, sample_weight) to train on and (X, y) to validate on.

    Of every class the same share is held out; rows keep their order.

    Raises
    ------
    InvalidDataError
        There are too few rows of a class, or X, y and the weights do not fit each other.
    ValueError
        Values that are no labels; scikit-learn's own check.
    """
    X, y = rows_of(X, y, "Sweep.fit")
    labels = column_or_1d(y, warn=True)
    _, indices = settings.encode(labels)
    weight = settings.check_weight(sample_weight, indices)
    try:
        parts = train_test_split(
            np.arange(len(labels)), test_size=float(share), stratify=indices, random_state=random_state
        )
    except ValueError as error:
        raise InvalidDataError(
            f"y of Sweep.fit must have enough rows of every class for `validation_share` {share}: {error}"
        ) from error
    train, held = (np.sort(rows) for rows in parts)
    kept = (_safe_indexing(X, train), labels[train], None if weight is None else weight[train])
    return kept, (_safe_indexing(X, held), labels[held])


def rows_of(X: Any, y: Any, whose: str) -> tuple[Any, Any]:
    """Return rows and labels as what can be indexed, if they are as many; a Trainer checks the rest."""
    if y is None:
        raise InvalidDataError(f"{whose} requires y to be passed, but the target y is None")
    for name, value in (("X", X), ("y", y)):
        if value is None or isinstance(value, (str, bytes)):
            raise InvalidDataError(f"{name} of {whose} must be an array, got {reprlib.repr(value)}")
    settings.check_lengths(X, y, whose)
    try:
        X, y = indexable(X, y)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"X and y of {whose} must be arrays of as many rows: {error}") from error
    if not len(y):
        raise InvalidDataError(f"X of {whose} must have one row or more, got none")
    assert_all_finite(np.asarray(y), input_name="y")
    return X, y
