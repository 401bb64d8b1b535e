"""Rows as a face read them, and the parts of them that a training takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.plan.rows import TrainingData, prepare
from gradstep.plan.standardization import Standardization
from gradstep.sklearn.labels import FaceTargets
from gradstep.sklearn.settings import MLPSettings
from gradstep.sklearn.streams import Index, hold_out

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class FaceRows:
    """What a face trains on.

    Attributes
    ----------
    train : TrainingData
    held_out : TrainingData, or None
        Rows whose score decides when training stops.
    weight_sum : float
        Of the rows to train on, as they were given; their number where they have no weights.
    targets : FaceTargets
        What y was encoded by.
    score_of_nothing : float, or None
        Of the rows held out, if there are some, where all scores are NaN.
    others : TrainingData, or None
        Rows that decide nothing, which are evaluated where none are held out.
    """

    train: TrainingData
    held_out: TrainingData | None
    weight_sum: float
    targets: FaceTargets
    score_of_nothing: float | None = None
    others: TrainingData | None = None

    @property
    def validation(self) -> TrainingData | None:
        """Rows that are evaluated after every epoch, if there are some."""
        return self.others if self.held_out is None else self.held_out


@dataclass(frozen=True, eq=False)
class ReadFaceRows:
    """Rows that were read and checked. X is never copied.

    Attributes
    ----------
    X : ndarray of shape (n, d)
        As backends read it.
    encoded : ndarray of shape (n,), int32, or (n, k)
        Class indices; labels or real values.
    targets : FaceTargets
        What y was encoded by.
    weight : ndarray of shape (n,), float64, or None
        Sample weights as they were given.
    """

    X: Array
    encoded: Array
    targets: FaceTargets
    weight: npt.NDArray[np.float64] | None

    def parts(
        self, settings: MLPSettings, generator: np.random.RandomState
    ) -> tuple[Index | None, Index | None]:
        """Return the rows to train on and those to validate on, by number; None are all, or none.

        Raises
        ------
        ValueError
            There are too few rows for it.
        """
        if not (settings.early_stopping and settings.is_stochastic):
            return None, None
        strata = self.targets.strata(self.encoded)
        return hold_out(self.X.shape[0], settings.validation_fraction, strata, generator)

    def standardization(self, settings: MLPSettings, train: Index | None) -> Standardization:
        """Return mean and scale of the rows to train on, where features are to be standardised."""
        if not settings.standardize:
            return Standardization.identity(self.X.shape[1])
        return Standardization.of(self.X, self._weight_of(train), index=train)

    def as_trained_on(
        self, dtype: np.dtype[Any], scale: Standardization, train: Index | None, held_out: Index | None
    ) -> FaceRows:
        """Return the parts as a training with parameters of a type takes them."""
        own, weight = self._part(dtype, scale, train), self._weight_of(train)
        total = own.n if weight is None else float(weight.sum())
        if held_out is None:
            return FaceRows(own, None, total, self.targets)
        nothing = self.targets.score_of_nothing(self.encoded[held_out], self._weight_of(held_out))
        return FaceRows(own, self._part(dtype, scale, held_out), total, self.targets, nothing)

    def _part(self, dtype: np.dtype[Any], scale: Standardization, rows: Index | None) -> TrainingData:
        encoded = self.encoded if rows is None else self.encoded[rows]
        numbers = encoded if encoded.ndim == 1 else encoded.astype(dtype)
        return prepare(self.X, numbers, self._weight_of(rows), scale, rows)

    def _weight_of(self, rows: Index | None) -> Array | None:
        return self.weight if rows is None or self.weight is None else self.weight[rows]
