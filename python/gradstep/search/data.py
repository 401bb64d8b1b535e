"""The rows of a search: read once for all its models, of which each has those of a fit of its own."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.utils import assert_all_finite, indexable

from gradstep.errors import InvalidDataError
from gradstep.estimators.base import BaseTrainer
from gradstep.estimators.reading import check_lengths, measure, read_rows
from gradstep.plan import targets
from gradstep.plan.rows import prepare
from gradstep.plan.settings import Settings
from gradstep.plan.standardization import Standardization
from gradstep.plan.targets import Targets, Values
from gradstep.search.folds import Fold, Index, folds_of, pairs_of
from gradstep.search.groups import Sizes
from gradstep.search.tasks import GroupTask
from gradstep.training.setup import JobRows
from gradstep.utils.hold_out import hold_out_rows

Array = npt.NDArray[Any]

# What is to be read, and by whom: X, y, sample_weight and eval_set.
Given = tuple[Any, Any, Any, Any]


class SearchRows:
    """All that the models of a search are trained and evaluated on.

    The models of a fold are trained on its rows as a fit of their own would be: mean and scale of features
    and of real targets are those of the rows trained on. Labels alone are learned from all rows, so that
    every fold has the same outputs. What a fold needs is made when it is asked for, and X is never copied.

    Parameters
    ----------
    readings : mapping of tuple to JobRows
        All rows and those of the eval set as they are, neither standardised nor rounded, by the kind of
        targets that a loss takes.
    sample_weight : ndarray of shape (n,), float64, or None
    folds : sequence of Fold, default=(Fold(),)
        One for each fold.
    """

    def __init__(
        self,
        readings: Mapping[tuple[Any, ...], JobRows],
        sample_weight: npt.NDArray[np.float64] | None,
        folds: Sequence[Fold] = (Fold(),),
    ) -> None:
        self._readings = readings
        self._weight = sample_weight
        self.folds = tuple(folds)
        self._made: dict[tuple[Any, ...], JobRows] = {}
        self._scales: dict[int, Standardization] = {}

    @property
    def n_folds(self) -> int:
        """Models of every trial."""
        return len(self.folds)

    def sizes(self, fold: int) -> Sizes:
        """Return what the bytes of a model of a fold follow from."""
        whole, rows = self._whole(), self.folds[fold].train
        return Sizes(whole.train.n if rows is None else len(rows), whole.train.d, whole.targets.k)

    def hold_out(self, share: float, seed: int) -> SearchRows:
        """Return the same rows with a share of them, of labels the same of every class, to validate on.

        Raises
        ------
        InvalidDataError
            There are too few rows, or too few of a class.
        """
        whole, labels = self._whole(), self._labels()
        whose = "`validation_share` of Sweep"
        pair = hold_out_rows(whole.train.n, labels, share, seed, whose)
        return SearchRows(self._readings, self._weight, folds_of([pair], labels, self._weight, whose))

    def split(self, folds: Any, whose: str) -> SearchRows:
        """Return the same rows in folds, which `whose` names in messages.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            The folds are none, or not of these rows, or one of them has too few.
        """
        whole, labels = self._whole(), self._labels()
        given = (np.zeros(whole.train.n), whole.train.targets, None)
        pairs = pairs_of(folds, given, whose, is_stratified=labels is not None)
        return SearchRows(self._readings, self._weight, folds_of(pairs, labels, self._weight))

    def task(self, settings: Sequence[Settings], fold: int = 0) -> GroupTask:
        """Return the training of a group of m models of a fold."""
        first = settings[0]
        key = (fold, _encoding(first), bool(first.standardize))
        if key not in self._made:
            self._made[key] = self._rows(fold, first)
        return GroupTask(self._made[key], tuple(settings))

    def _rows(self, fold: int, settings: Settings) -> JobRows:
        """Return the rows of a fold as settings ask for them."""
        whole, own = self._readings[_kind(settings)], self.folds[fold]
        X = whole.train.X
        weight = None if self._weight is None else _chosen(self._weight, own.train)
        vocabulary, encoded = _learn(whole, own.train, settings, weight)
        scale = Standardization.identity(whole.train.d)
        if settings.standardize:
            if fold not in self._scales:
                self._scales[fold] = measure(X, settings, weight, own.train)
            scale = self._scales[fold]
        train = prepare(X, _as_kernels_take(encoded, settings), weight, scale, own.train)
        held_out = whole.held_out
        if own.held_out is not None:
            known = _encode(vocabulary, whole.train.targets[own.held_out], settings)
            held_out = prepare(X, known, None, scale, own.held_out)
        elif held_out is not None:
            known = _encode(vocabulary, held_out.targets, settings)
            held_out = replace(held_out, targets=known, standardization=scale)
        return JobRows(train, held_out, vocabulary, whole.feature_names)

    def _whole(self) -> JobRows:
        return next(iter(self._readings.values()))

    def _labels(self) -> npt.NDArray[np.int32] | None:
        """Return class indices, where y are labels."""
        encoded = self._whole().train.targets
        return encoded if encoded.ndim == 1 else None


def read(estimator: BaseTrainer, settings: Sequence[Settings], given: Given) -> SearchRows:
    """Read and check rows as an estimator's own `fit` does, once for all settings of a search.

    Parameters
    ----------
    estimator : Trainer or Regressor
        It is cloned, never changed.
    settings : sequence of Settings
        Of every trial.
    given : tuple (X, y, sample_weight, eval_set)
        As for `fit`.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        As in `fit`.
    """
    X, y, sample_weight, eval_set = given
    readings: dict[tuple[Any, ...], JobRows] = {}
    for own in settings:
        if _kind(own) in readings:
            continue
        plain = replace(own, standardize=False, standardize_targets=False, precision="float64")
        rows = read_rows(clone(estimator), plain, X, y, sample_weight, eval_set)
        first = next(iter(readings.values()), rows)
        X = rows.train.X
        readings[_kind(own)] = replace(rows, feature_names=first.feature_names)
    weight = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    return SearchRows(readings, weight)


def _kind(settings: Settings) -> tuple[Any, ...]:
    """Return what y is checked for."""
    return settings.loss.takes, settings.loss.least


def _encoding(settings: Settings) -> tuple[Any, ...]:
    """Return all that the encoded targets of some rows follow from, beside y."""
    if settings.loss.takes == "labels":
        return (settings.loss.takes,)
    is_scaled = bool(settings.standardize_targets)
    return *_kind(settings), settings.loss.centres, is_scaled, settings.precision


def _learn(
    whole: JobRows, rows: Index | None, settings: Settings, weight: npt.NDArray[np.float64] | None
) -> tuple[Targets, Array]:
    """Return the vocabulary of some rows, and their targets encoded."""
    chosen = _chosen(whole.train.targets, rows)
    if not isinstance(whole.targets, Values):
        return whole.targets, chosen
    whose = f"y of {settings.owner}.fit"
    found, encoded = targets.learn(settings.loss, chosen, whose, settings.standardize_targets, weight)
    assert isinstance(found, Values)  # as the whole is
    return replace(found, one_axis=whole.targets.one_axis), encoded


def _encode(vocabulary: Targets, raw: Array, settings: Settings) -> Array:
    """Return targets that were read as they are, encoded."""
    is_real = isinstance(vocabulary, Values)
    encoded = vocabulary.encode(raw, f"y of {settings.owner}.fit") if is_real else raw
    return _as_kernels_take(encoded, settings)


def _as_kernels_take(encoded: Array, settings: Settings) -> Array:
    return encoded.astype(settings.precision) if encoded.ndim == 2 else encoded


def _chosen(values: Array, rows: Index | None) -> Array:
    return values if rows is None else values[rows]


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
    if not (y.shape[0] if hasattr(y, "shape") else len(y)):
        raise InvalidDataError(f"X of {whose} must have one row or more, got none")
    if not hasattr(y, "toarray"):
        y = y if hasattr(y, "shape") else np.asarray(y)
        assert_all_finite(np.asarray(y), input_name="y")
    return X, y
