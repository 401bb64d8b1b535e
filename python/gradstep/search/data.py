"""The rows of a search: read once for all its models, of which each has those of a fit of its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils import indexable

from gradstep.errors import InvalidDataError
from gradstep.estimators.base import BaseTrainer
from gradstep.estimators.reading import check_axes, check_lengths, read_rows
from gradstep.plan import forms
from gradstep.plan.settings import Settings
from gradstep.plan.standardization import Standardization
from gradstep.search.folds import Fold, folds_of, pairs_of
from gradstep.search.groups import Sizes
from gradstep.search.slices import OpenGroup
from gradstep.search.transformed import Readings, Transformed
from gradstep.training.checkpoint import digest, digest_of, sampled
from gradstep.training.rows import ReadRows
from gradstep.training.setup import JobRows
from gradstep.utils import text
from gradstep.utils.hold_out import hold_out_rows

# What is to be read, and by whom: X, y, sample_weight and eval_set.
Given = tuple[Any, Any, Any, Any]


class SearchRows:
    """All that the models of a search are trained and evaluated on.

    The models of a fold are trained on its rows as a fit of their own would be: mean and scale of features
    and of real targets are those of the rows trained on. Labels alone are learned from all rows, so that
    every fold has the same outputs. What a fold needs is made when it is asked for, and X is never copied.

    Parameters
    ----------
    readings : mapping of tuple to ReadRows
        All rows and those of the eval set, by the kind of targets that a loss takes.
    folds : sequence of Fold, default=(Fold(),)
    transformed : Transformed, optional
        Makes the features; by default they are those that were read.
    """

    folds: tuple[Fold, ...]

    def __init__(
        self,
        readings: Readings,
        folds: Sequence[Fold] = (Fold(),),
        transformed: Transformed | None = None,
    ) -> None:
        self._readings = readings
        self.folds = tuple(folds)
        self.transformed = transformed
        self._of_fold: tuple[int, Readings, Fold] | None = None
        self._made: dict[tuple[Any, ...], JobRows] = {}
        self._scales: dict[tuple[Any, ...], Standardization] = {}

    @property
    def n_folds(self) -> int:
        """Models of every trial."""
        return len(self.folds)

    @property
    def d(self) -> int | None:
        """Number of inputs, unless transformers make them."""
        return None if self.transformed else int(self._whole().X.shape[1])

    def sizes(self, fold: int) -> Sizes:
        """Return what the bytes of a model of a fold follow from; with transformers the least."""
        whole, rows = self._whole(), self.folds[fold].train
        return Sizes(whole.n if rows is None else len(rows), self.d or 0, whole.vocabulary.k)

    def hold_out(self, share: float, seed: int) -> SearchRows:
        """Return the same rows with a share of them, of labels the same of every class, to validate on.

        Raises
        ------
        InvalidDataError
            There are too few rows, or too few of a class.
        """
        whole, whose = self._whole(), "`validation_share` of Sweep"
        pair = hold_out_rows(whole.n, whole.labels, share, seed, whose)
        return SearchRows(self._readings, folds_of([pair], whole.labels, whole.weight, whose))

    def split(self, folds: Any, whose: str) -> SearchRows:
        """Return the same rows in folds, which `whose` names in messages.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            The folds are none, or not of these rows, or one of them has too few.
        """
        whole = self._whole()
        given = (np.zeros(whole.n), whole.targets, None)
        by_groups = "the pairs of row numbers, as list(splitter.split(X, y, groups))"
        pairs = pairs_of(folds, given, whose, is_stratified=whole.labels is not None, by_groups=by_groups)
        return SearchRows(self._readings, folds_of(pairs, whole.labels, whole.weight))

    def through(self, transformed: Transformed) -> SearchRows:
        """Return the same targets in the same folds, with features that transformers make."""
        return SearchRows(self._readings, self.folds, transformed)

    def apart(self) -> SearchRows:
        """Return the same rows, of which something else can be made at the same time."""
        return SearchRows(self._readings, self.folds, self.transformed)

    def job_rows(self, first: Settings, fold: int = 0) -> JobRows:
        """Return all that a group of a fold is trained and evaluated on; `first` are settings of a model."""
        drawn = first.validation_fraction and (first.validation_fraction, first.random_state)
        weighed = drawn, first.class_weight
        asked = (_encoding(first), bool(first.standardize), first.evaluate_every is None)
        key = (fold, weighed, *asked)
        if self._of_fold is not None and self._of_fold[0] != fold:
            # One fold at a time: what transformers make is a copy of its rows.
            self.release()
        if key not in self._made:
            self._made[key] = self._rows(first, self.folds[fold], (fold, weighed))
        return self._made[key]

    def sizes_of(self, rows: JobRows) -> Sizes:
        """Return what the bytes of a model of a group follow from."""
        return Sizes(rows.train.n, rows.train.d, rows.targets.k)

    def open(self, rows: JobRows, settings: Sequence[Settings]) -> OpenGroup:
        """Return a group before its first update."""
        return OpenGroup(rows, settings)

    def _rows(self, settings: Settings, fold: Fold, numbered: tuple[Any, ...]) -> JobRows:
        """Return the rows of a fold as settings ask for them."""
        reading, fold = self._reading(numbered[0], fold, settings)
        train, held_out = reading.parts(settings, fold.train, fold.held_out)
        if not settings.standardize:
            return reading.job_rows(settings, train, held_out)
        if numbered not in self._scales:
            self._scales[numbered] = reading.standardization(settings, train)
        return reading.job_rows(settings, train, held_out, self._scales[numbered])

    def _reading(self, number: int, fold: Fold, settings: Settings) -> tuple[ReadRows, Fold]:
        """Return what a fold is a part of, and that part: of what is made for it, all."""
        if self.transformed is None:
            return self._readings[_kind(settings)], fold
        if self._of_fold is None:
            self._of_fold = number, *self.transformed.read(number, fold, self._readings)
        _, readings, part = self._of_fold
        return readings[_kind(settings)], part

    def digest(self) -> str:
        """Return what tells these rows, and their folds, from others."""
        parts: list[Any] = [array for fold in self.folds for array in (fold.train, fold.held_out)]
        for reading in self._readings.values():
            parts += [*sampled(reading.X), reading.targets, reading.weight]
        sets = [reading.held_out for reading in self._readings.values()]
        own = digest(sets, self._whole().vocabulary) + digest_of(parts)
        return own if self.transformed is None else own + self.transformed.digest()

    def release(self) -> None:
        """Let go what was made for a fold."""
        self._made.clear()
        self._of_fold = None

    def _whole(self) -> ReadRows:
        return next(iter(self._readings.values()))


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
    readings: dict[tuple[Any, ...], ReadRows] = {}
    for own in settings:
        if _kind(own) in readings:
            continue
        rows = read_rows(estimator, own, X, y, sample_weight, eval_set)
        X = rows.X
        first = next(iter(readings.values()), rows)
        readings[_kind(own)] = replace(rows, feature_names=first.feature_names)
    return SearchRows(readings)


def _kind(settings: Settings) -> tuple[Any, ...]:
    """Return what y is checked for."""
    return settings.loss.takes, settings.loss.least


def _encoding(settings: Settings) -> tuple[Any, ...]:
    """Return all that the encoded targets of some rows follow from, beside y."""
    if settings.loss.takes == "labels":
        return (settings.loss.takes,)
    is_scaled = bool(settings.standardize_targets)
    return *_kind(settings), settings.loss.centres, is_scaled, settings.precision


def rows_of(X: Any, y: Any, whose: str, kinds: Collection[str] = ()) -> tuple[Any, Any]:
    """Return rows and targets as what can be indexed, if they are as many; an estimator checks the rest.

    Where losses take one kind of targets, y is read as those.
    """
    if y is None:
        raise InvalidDataError(f"{whose} requires y to be passed, but the target y is None")
    for name, value in (("X", X), ("y", y)):
        if value is None or isinstance(value, (str, bytes)):
            raise InvalidDataError(f"{name} of {whose} must be an array, got {text.given(value)}")
    check_axes(X, f"X of {whose}")
    check_lengths(X, y, whose)
    try:
        X, y = indexable(X, y)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"X and y of {whose} must be arrays of as many rows: {error}") from error
    if not (y.shape[0] if hasattr(y, "shape") else len(y)):
        raise InvalidDataError(f"X of {whose} must have one row or more, got none")
    if len(kinds) == 1:
        y = forms.plain(y, next(iter(kinds)), f"y of {whose}")
    return X, y if hasattr(y, "shape") else np.asarray(y)
