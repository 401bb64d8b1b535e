"""Rows as they were read, and the parts of them that a training takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep import backends
from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.plan import targets
from gradstep.plan.class_weights import shown, weights_of_rows
from gradstep.plan.rows import TrainingData, prepare
from gradstep.plan.settings import Settings
from gradstep.plan.standardization import Standardization
from gradstep.plan.targets import Targets, Values
from gradstep.training.setup import JobRows
from gradstep.utils import threads
from gradstep.utils.hold_out import hold_out_rows

Array = npt.NDArray[Any]
Index = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class ReadRows:
    """Rows that were read and checked, neither standardised nor rounded. X is never copied.

    Attributes
    ----------
    X : ndarray or sparse array of shape (n, d)
        As backends read it.
    targets : ndarray of shape (n,), int32, or (n, k), float64
        Class indices; indicators or real values in the units of y.
    vocabulary : Targets
        Of all rows, real values being left as they are.
    weight : ndarray of shape (n,), float64, or None
        Sample weights as they were given.
    held_out : TrainingData, or None
        Rows for validation that were given beside these, likewise neither standardised nor rounded.
    feature_names : ndarray of shape (d,), or None
        Where X had string column names.
    """

    X: Array
    targets: Array
    vocabulary: Targets
    weight: npt.NDArray[np.float64] | None
    held_out: TrainingData | None
    feature_names: npt.NDArray[np.object_] | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.X.shape[0])

    @property
    def labels(self) -> npt.NDArray[np.int32] | None:
        """Class indices, where y are labels."""
        return self.targets if self.targets.ndim == 1 else None

    def parts(
        self, settings: Settings, train: Index | None = None, held_out: Index | None = None
    ) -> tuple[Index | None, Index | None]:
        """Return the rows to train on and those to validate on, by number.

        They are `train`, all rows by default, and `held_out`, unless a `validation_fraction` of `train` is
        to be held out: then the rest of `train` and that.

        Raises
        ------
        InvalidDataError
            There are too few rows for it.
        """
        if settings.validation_fraction is None:
            return train, held_out
        whose, state = f"`validation_fraction` of {settings.owner}", settings.random_state
        if isinstance(state, np.random.RandomState):
            state = state.randint(2**31 - 1)
        numbers = np.arange(self.n, dtype=np.int32) if train is None else train
        labels = None if self.labels is None else self.labels[numbers]
        seed = None if state is None else int(state)
        kept, drawn = hold_out_rows(len(numbers), labels, settings.validation_fraction, seed, whose)
        parts = numbers[kept], numbers[drawn]
        self._check_weights(*parts, whose)
        return parts

    def weights(self, settings: Settings, train: Index | None = None) -> npt.NDArray[np.float64] | None:
        """Return what the rows to train on weigh, those of their classes included; None where all are equal.

        Raises
        ------
        InvalidParameterError
            `class_weight` does not fit the classes.
        """
        own: npt.NDArray[np.float64] | None = _chosen(self.weight, train)
        if settings.class_weight is None:
            return own
        encoded = _chosen(self.targets, train)
        weights = weights_of_rows(settings.class_weight, self.vocabulary, encoded, own, settings.owner)
        if weights is not None:
            _check_class_weight(weights, encoded, settings)
        return weights

    def standardization(self, settings: Settings, train: Index | None = None) -> Standardization:
        """Return mean and scale of the weighted rows to train on, by the backend and threads asked for."""
        if not settings.standardize:
            return Standardization.identity(self.X.shape[1])
        return Standardization.of(
            self.X,
            self.weights(settings, train),
            index=train,
            n_threads=threads.choose(settings.n_threads, self.X.size),
            sums=backends.get(settings.backend).sums_of_bytes,
        )

    def job_rows(
        self,
        settings: Settings,
        train: Index | None = None,
        held_out: Index | None = None,
        scale: Standardization | None = None,
        vocabulary: Targets | None = None,
    ) -> JobRows:
        """Return rows as a training takes them.

        Parameters
        ----------
        settings : Settings
        train, held_out : ndarray of int32, optional
            What `parts` gave: all rows by default, and those that were given beside them.
        scale : Standardization, optional
            What `standardization` gives, which is asked by default.
        vocabulary : Targets, optional
            Encodes real values, by default as these rows to train on have it.

        Raises
        ------
        InvalidDataError
            Real values are too large to standardise, or validation rows weigh nothing.
        InvalidParameterError
            `class_weight` does not fit the classes.
        """
        weight, scale = self.weights(settings, train), scale or self.standardization(settings, train)
        vocabulary, encoded = self._learn(settings, train, weight, vocabulary)
        own = prepare(self.X, _as_kernels_take(encoded, settings), weight, scale, train)
        beside = self.held_out
        if settings.evaluate_every is None:
            beside = None
        elif held_out is not None:
            known = _encode(vocabulary, self.targets[held_out], settings)
            beside = prepare(self.X, known, _chosen(self.weight, held_out), scale, held_out)
        elif beside is not None:
            known = _encode(vocabulary, beside.targets, settings)
            beside = replace(beside, targets=known, standardization=scale)
        return JobRows(own, beside, vocabulary, self.feature_names)

    def _learn(
        self,
        settings: Settings,
        train: Index | None,
        weight: npt.NDArray[np.float64] | None,
        vocabulary: Targets | None,
    ) -> tuple[Targets, Array]:
        """Return the vocabulary of the rows to train on, and their targets encoded."""
        chosen, whole = _chosen(self.targets, train), self.vocabulary
        if not isinstance(whole, Values):
            return whole, chosen
        whose = f"y of {settings.owner}.fit"
        if vocabulary is not None:
            return vocabulary, vocabulary.encode(chosen, whose)
        found, encoded = targets.learn(settings.loss, chosen, whose, settings.standardize_targets, weight)
        assert isinstance(found, Values)  # as the whole is
        return replace(found, one_axis=whole.one_axis), encoded

    def _check_weights(self, train: Index, held_out: Index, whose: str) -> None:
        if self.weight is None:
            return
        if not self.weight[held_out].any():
            raise InvalidDataError(f"{whose} must hold out a row of sample weight > 0, but holds out none")
        counted = train[self.weight[train] > 0]
        if not len(counted) or (self.labels is not None and np.ptp(self.labels[counted]) == 0):
            what = "one row" if self.labels is None else "two classes or more"
            raise InvalidDataError(f"{whose} must leave {what} of sample weight > 0 to train on")


def _check_class_weight(weights: Array, encoded: Array, settings: Settings) -> None:
    """Raise InvalidParameterError where classes weigh nothing, and too little is left to train on."""
    counted, is_labels = weights > 0, encoded.ndim == 1
    if not counted.any() or (is_labels and np.ptp(encoded[counted]) == 0):
        what = "two classes or more" if is_labels else "one row"
        raise InvalidParameterError(
            f"`class_weight` of {settings.owner} must leave {what} of weight > 0 to train on, "
            f"got {shown(settings.class_weight)}"
        )


def _encode(vocabulary: Targets, raw: Array, settings: Settings) -> Array:
    """Return targets that were read as they are, encoded."""
    is_real = isinstance(vocabulary, Values)
    encoded = vocabulary.encode(raw, f"y of {settings.owner}.fit") if is_real else raw
    return _as_kernels_take(encoded, settings)


def _as_kernels_take(encoded: Array, settings: Settings) -> Array:
    return encoded.astype(settings.precision) if encoded.ndim == 2 else encoded


def _chosen(values: Any, rows: Index | None) -> Any:
    return values if rows is None or values is None else values[rows]
