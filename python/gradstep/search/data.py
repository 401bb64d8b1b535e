"""The rows of a search: read once for all its models, with some held out of each."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv, train_test_split
from sklearn.utils import _safe_indexing, assert_all_finite, column_or_1d, indexable

from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.estimators.base import BaseTrainer
from gradstep.estimators.reading import check_lengths, check_weight, read_rows
from gradstep.estimators.validation import ValidationRows
from gradstep.plan import targets
from gradstep.plan.rows import TrainingData
from gradstep.plan.settings import Settings
from gradstep.plan.standardization import Standardization
from gradstep.search.groups import Sizes
from gradstep.search.tasks import Folds, GroupTask
from gradstep.training.setup import JobRows

# What is to be read, and by whom: X, y, sample_weight and eval_set.
Given = tuple[Any, Any, Any, Any]


@dataclass(frozen=True, eq=False)
class SearchRows:
    """All that the models of a search are trained and evaluated on.

    Attributes
    ----------
    readings : mapping of tuple to JobRows
        By what settings ask of y, as `_reading` tells; X is the same in all of them.
    folds : Folds, or None
        Which rows each fold is trained and evaluated on; without, all models have the same.
    """

    readings: Mapping[tuple[Any, ...], JobRows]
    folds: Folds | None = None

    @property
    def n_folds(self) -> int:
        """Models of every trial."""
        return 1 if self.folds is None else self.folds.count

    @property
    def sizes(self) -> Sizes:
        """What the bytes of a model follow from."""
        rows = next(iter(self.readings.values()))
        n = rows.train.n
        return Sizes(n, rows.train.d, rows.targets.k, 0 if self.folds is None else 2 * n)

    def task(self, settings: Sequence[Settings], folds: Sequence[int]) -> GroupTask:
        """Return the training of a group of m models, given the settings and the fold of each."""
        first = settings[0]
        rows = self.readings[_reading(first)]
        if not first.standardize:
            identity = Standardization.identity(rows.train.d)
            held_out = rows.held_out and replace(rows.held_out, standardization=identity)
            rows = replace(rows, train=replace(rows.train, standardization=identity), held_out=held_out)
        return GroupTask(rows, tuple(settings), self.folds, tuple(folds))


def read(
    estimator: BaseTrainer,
    settings: Sequence[Settings],
    given: Given,
    folds: Any = None,
    whose: str = "`folds` of Sweep",
) -> SearchRows:
    """Read and check rows as an estimator's own `fit` does, once for all settings of a search.

    Parameters
    ----------
    estimator : Trainer or Regressor
        It is cloned, never changed.
    settings : sequence of Settings
        Of every trial.
    given : tuple (X, y, sample_weight, eval_set)
        As for `fit`.
    folds : int, splitter of scikit-learn or iterable of pairs of row numbers, optional
    whose : str
        What `folds` are in messages.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        As in `fit`; or the folds are none, or not of these rows.
    """
    X, y, sample_weight, eval_set = given
    first = replace(settings[0], standardize=any(own.standardize for own in settings))
    rows = read_rows(clone(estimator), first, X, y, sample_weight, eval_set)
    readings = {_reading(first): rows}
    for own in settings:
        if _reading(own) not in readings:
            readings[_reading(own)] = _read_again(rows, own, given)
    return SearchRows(readings, None if folds is None else _fold_weights(rows, sample_weight, folds, whose))


def _reading(settings: Settings) -> tuple[Any, ...]:
    """Return all that the encoded targets follow from, beside y."""
    loss = settings.loss
    if loss.takes == "labels":
        return (loss.takes,)
    return loss.takes, loss.least, loss.centres, bool(settings.standardize_targets), settings.precision


def _read_again(rows: JobRows, settings: Settings, given: Given) -> JobRows:
    """Return rows that were read before, with targets as other settings ask for them."""
    _, y, sample_weight, eval_set = given
    whose = f"{settings.owner}.fit"
    weight = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    vocabulary, encoded = targets.learn(
        settings.loss, y, f"y of {whose}", settings.standardize_targets, weight
    )
    held_out = None
    validation = ValidationRows.of(eval_set, whose)
    if rows.held_out is not None and validation is not None:
        encoded_too = vocabulary.encode(validation.y, f"y of {validation.whose}")
        held_out = _with_targets(rows.held_out, encoded_too, settings)
    return replace(
        rows, train=_with_targets(rows.train, encoded, settings), held_out=held_out, targets=vocabulary
    )


def _with_targets(data: TrainingData, encoded: npt.NDArray[Any], settings: Settings) -> TrainingData:
    dtype = np.int32 if encoded.ndim == 1 else settings.precision
    return replace(data, targets=np.ascontiguousarray(encoded, dtype=dtype))


def _fold_weights(rows: JobRows, sample_weight: Any, folds: Any, whose: str) -> Folds:
    """Return the weights of all rows in every fold."""
    train, has_labels = rows.train, rows.train.targets.ndim == 1
    pairs = pairs_of(folds, (np.zeros(train.n), train.targets, None), whose, is_stratified=has_labels)
    masks = np.zeros((2, len(pairs), train.n))
    for fold, parts in enumerate(pairs):
        for mask, numbers in zip(masks[:, fold], parts, strict=True):
            mask[numbers] = 1
    trained, validated = masks
    if sample_weight is not None:
        trained *= np.asarray(sample_weight, dtype=np.float64)
    for fold in range(len(pairs)):
        if not validated[fold].any():
            raise InvalidDataError(f"fold {fold} of the search must hold out one row or more, got none")
        count = len(np.unique(train.targets[trained[fold] > 0])) if has_labels else 2
        if count < 2:
            raise InvalidDataError(
                f"fold {fold} of the search must leave rows of two classes or more to train on, got {count}"
            )
        if not trained[fold].any():
            raise InvalidDataError(
                f"fold {fold} of the search must leave one row or more to train on, got none"
            )
    return Folds(trained, validated)


def pairs_of(
    folds: Any, given: tuple[Any, Any, Any], whose: str, is_stratified: bool
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

    Raises
    ------
    InvalidParameterError
        They are no folds, or not of these rows.
    """
    X, y, groups = given
    numbers = np.arange(_count(y))
    try:
        split = check_cv(folds, y, classifier=is_stratified).split(X, y, groups)
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
    estimator: BaseTrainer, rows: tuple[Any, Any, Any], share: float, random_state: int
) -> tuple[tuple[Any, Any, Any], tuple[Any, Any]]:
    """Split rows into (X, y, sample_weight) to train on and (X, y) to validate on.

    Where y are labels, of every class the same share is held out; indicators and real targets are split
    without a look at them. Rows keep their order.

    Parameters
    ----------
    estimator : Trainer or Regressor
    rows : tuple (X, y, sample_weight)
    share : float
        Of the rows that are held out.
    random_state : int

    Raises
    ------
    InvalidDataError
        There are too few rows, or too few of a class, or X, y and the weights do not fit each other.
    """
    X, y = rows_of(rows[0], rows[1], "Sweep.fit")
    n, owner = _count(y), type(estimator).__name__
    check_weight(rows[2], n, f"{owner}.fit")
    weight = None if rows[2] is None else np.asarray(rows[2], dtype=np.float64)
    classes = None
    if is_classifier(estimator) and not _is_matrix(y):
        _, classes = targets.Labels.learn(column_or_1d(y), f"y of {owner}.fit")
    try:
        parts = train_test_split(
            np.arange(n), test_size=float(share), stratify=classes, random_state=random_state
        )
    except ValueError as error:
        of_what = "" if classes is None else " of every class"
        raise InvalidDataError(
            f"y of Sweep.fit must have enough rows{of_what} for `validation_share` {share}: {error}"
        ) from error
    train, held = (np.sort(numbers) for numbers in parts)
    kept = (_safe_indexing(X, train), _safe_indexing(y, train), None if weight is None else weight[train])
    return kept, (_safe_indexing(X, held), _safe_indexing(y, held))


def rows_of(X: Any, y: Any, whose: str) -> tuple[Any, Any]:
    """Return rows and targets as what can be indexed, if they are as many; an estimator checks the rest."""
    if y is None:
        raise InvalidDataError(f"{whose} requires y to be passed, but the target y is None")
    for name, value in (("X", X), ("y", y)):
        if value is None or isinstance(value, (str, bytes)):
            raise InvalidDataError(f"{name} of {whose} must be an array, got {reprlib.repr(value)}")
    check_lengths(X, y, whose)
    try:
        X, y = indexable(X, y)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"X and y of {whose} must be arrays of as many rows: {error}") from error
    if not _count(y):
        raise InvalidDataError(f"X of {whose} must have one row or more, got none")
    if not hasattr(y, "toarray"):
        y = y if hasattr(y, "shape") else np.asarray(y)
        assert_all_finite(np.asarray(y), input_name="y")
    return X, y


def _count(y: Any) -> int:
    return int(y.shape[0]) if hasattr(y, "shape") else len(y)


def _is_matrix(y: Any) -> bool:
    """Whether y has several columns, so that it can be no labels."""
    return len(y.shape) == 2 and y.shape[1] > 1
