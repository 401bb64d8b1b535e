"""What rows should be answered with: how y becomes numbers for the kernels, and answers become y again.

A vocabulary is learned from the y of a training. It encodes every y that follows by the same rule and
decodes what a model answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidDataError
from gradstep.nn.losses import Loss
from gradstep.plan import forms
from gradstep.plan.standardization import Standardization
from gradstep.utils import text

Array = npt.NDArray[Any]
Weight = npt.NDArray[np.float64] | None


class Targets:
    """Base of the vocabularies.

    Attributes
    ----------
    kind : {"labels", "values", "indicators"}
        What a loss takes.
    k : int
        Outputs of the network.
    """

    kind: ClassVar[str]

    @property
    def k(self) -> int:
        """Outputs of the network."""
        raise NotImplementedError

    def read(self, y: Any, whose: str) -> Array:
        """Return y, given in whatever form, as labels (n,), or as values or indicators (n, k).

        Raises
        ------
        InvalidDataError
            y is nothing of the kind; the message begins with `whose`.
        """
        raise NotImplementedError

    def encode(self, y: Any, whose: str) -> Array:
        """Return y as kernels take it: class indices (n,), int32, or values (n, k), float64.

        Raises
        ------
        InvalidDataError
            y is not of this vocabulary; the message begins with `whose`.
        """
        raise NotImplementedError

    def decode(self, answers: Array) -> Array:
        """Return a loss's answers in the form and the units of y."""
        raise NotImplementedError

    def in_units(self, values: Array) -> Array:
        """Return encoded targets or a loss's answers in the units that metrics are told in."""
        return values


@dataclass(frozen=True, eq=False)
class Labels(Targets):
    """Classes.

    Attributes
    ----------
    classes : ndarray of shape (k,)
        The labels, sorted.
    """

    classes: Array
    kind = "labels"

    @property
    def k(self) -> int:
        """One output for each class."""
        return len(self.classes)

    @classmethod
    def learn(cls, y: Any, whose: str) -> tuple[Labels, npt.NDArray[np.int32]]:
        """Return the vocabulary of labels (n,) and their indices.

        Raises
        ------
        InvalidDataError
            Values that are no labels, labels that have no common order, or one class only.
        """
        from sklearn.utils.multiclass import check_classification_targets

        labels = forms.labels(y, whose)
        try:
            check_classification_targets(labels)
            classes, indices = np.unique(labels, return_inverse=True)
        except TypeError as error:
            raise InvalidDataError(f"{whose} must have labels of one type: {error}") from error
        except ValueError as error:
            raise InvalidDataError(
                f"{whose} must be class labels: {error}; real values are for Regressor"
            ) from error
        if len(classes) < 2:
            raise InvalidDataError(
                f"{whose} must have two classes or more, got one class: {classes.tolist()[0]!r}"
            )
        return cls(classes), indices.astype(np.int32)

    def read(self, y: Any, whose: str) -> Array:
        """Return class labels (n,)."""
        return forms.labels(y, whose)

    def encode(self, y: Any, whose: str) -> Array:
        """Return the index of every label (n,) among the classes."""
        known = {label: index for index, label in enumerate(self.classes.tolist())}
        given = self.read(y, whose)
        try:
            labels, inverse = np.unique(given, return_inverse=True)
        except TypeError as error:
            raise InvalidDataError(f"{whose} must have labels of one type: {error}") from error
        unseen = [label for label in labels.tolist() if label not in known]
        if unseen:
            raise InvalidDataError(
                f"{whose} must have only labels that Trainer.fit has seen, got {text.given(unseen)}; "
                f"seen: {text.given(self.classes.tolist())}"
            )
        indices = np.array([known[label] for label in labels.tolist()], dtype=np.int32)
        encoded: Array = indices[inverse]
        return encoded

    def decode(self, answers: Array) -> Array:
        """Return the labels of class indices (n,)."""
        labels: Array = self.classes[answers]
        return labels


@dataclass(frozen=True, eq=False)
class Indicators(Targets):
    """Any number of k labels a row, 1 where one is true and 0 where it is not.

    Attributes
    ----------
    count : int
        Labels, k.
    """

    count: int
    kind = "indicators"

    @property
    def k(self) -> int:
        """One output for each label."""
        return self.count

    @classmethod
    def learn(cls, y: Any, whose: str) -> tuple[Indicators, npt.NDArray[np.float64]]:
        """Return the vocabulary of an indicator matrix (n, k), and the matrix in float64."""
        values = forms.indicators(y, whose)
        return cls(values.shape[1]), values

    def read(self, y: Any, whose: str) -> Array:
        """Return the matrix (n, k) in float64."""
        values = forms.indicators(y, whose)
        if values.shape[1] != self.count:
            raise InvalidDataError(
                f"{whose} must have {self.count} columns, as in fit, got {values.shape[1]}"
            )
        return values

    def encode(self, y: Any, whose: str) -> Array:
        """Return the matrix (n, k) in float64."""
        return self.read(y, whose)

    def decode(self, answers: Array) -> Array:
        """Return indicators (n, k) as ints."""
        return answers.astype(np.int64)


@dataclass(frozen=True, eq=False)
class Values(Targets):
    """Real values, standardised for the network.

    Attributes
    ----------
    mean, scale : ndarray of shape (k,), float64
        In the units of y: the network is trained on ``(y - mean) / scale``.
    one_axis : bool
        Whether y has shape (n,), and answers have it, too.
    least : float
        Smallest value that a target may have.
    """

    mean: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    one_axis: bool
    least: float = -np.inf
    kind = "values"

    @property
    def k(self) -> int:
        """One output for each column of y."""
        return len(self.mean)

    @classmethod
    def learn(
        cls, y: Any, whose: str, loss: Loss, standardize: bool = True, weight: Weight = None
    ) -> tuple[Values, npt.NDArray[np.float64]]:
        """Return the vocabulary of y (n,) or (n, k), and y standardised, (n, k)."""
        given = forms.values(y, whose, loss.least)
        values = given[:, None] if given.ndim == 1 else given
        mean, scale = np.zeros(values.shape[1]), np.ones(values.shape[1])
        if standardize:
            mean, scale = _mean_and_scale(values, loss.centres, weight, whose)
        targets = cls(mean, scale, given.ndim == 1, loss.least)
        return targets, Standardization(mean, scale).apply(values)

    def read(self, y: Any, whose: str) -> Array:
        """Return real values in their own units, (n, k)."""
        given = forms.values(y, whose, self.least)
        values = given[:, None] if given.ndim == 1 else given
        if values.shape[1] != self.k:
            columns = "one column" if self.k == 1 else f"{self.k} columns"
            raise InvalidDataError(f"{whose} must have {columns}, as in fit, got {values.shape[1]}")
        return values

    def encode(self, y: Any, whose: str) -> Array:
        """Return y standardised, (n, k)."""
        return Standardization(self.mean, self.scale).apply(self.read(y, whose))

    def decode(self, answers: Array) -> Array:
        """Return answers (n, k) in the units of y, (n,) where y had one axis."""
        values = self.in_units(answers)
        return values[:, 0] if self.one_axis else values

    def in_units(self, values: Array) -> Array:
        """Return standardised values in the units of y."""
        return values.astype(np.float64) * self.scale + self.mean


def learn(
    loss: Loss, y: Any, whose: str, standardize: bool = True, weight: Weight = None
) -> tuple[Targets, Array]:
    """Return the vocabulary of a y for a loss, and y as kernels take it."""
    if loss.takes == "labels":
        return Labels.learn(y, whose)
    if loss.takes == "indicators":
        return Indicators.learn(y, whose)
    return Values.learn(y, whose, loss, standardize, weight)


def _mean_and_scale(values: Array, centres: bool, weight: Weight, whose: str) -> tuple[Array, Array]:
    """Return what every column is moved and divided by: to mean 0 and deviation 1, or to mean 1 alone."""
    measured = Standardization.of(values, weight, whose=whose)
    if centres:
        return measured.mean, measured.scale
    return np.zeros_like(measured.mean), np.where(measured.mean == 0, 1.0, measured.mean)
