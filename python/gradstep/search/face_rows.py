"""The rows of a search over faces of scikit-learn's networks, each of which reads its own as alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.utils import _safe_indexing

from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.estimators.validation import ValidationRows
from gradstep.plan.order import Order
from gradstep.plan.plan import State
from gradstep.plan.rows import TrainingData
from gradstep.search.face_keeping import arrays_of
from gradstep.search.face_recorder import FaceRecorder
from gradstep.search.face_settings import FaceSettings
from gradstep.search.folds import Fold, folds_of, pairs_of
from gradstep.search.groups import Sizes
from gradstep.sklearn.base import BaseFace
from gradstep.sklearn.beginning import Beginning
from gradstep.sklearn.together import begin_together
from gradstep.sklearn.training import EpochObserver, FaceTraining
from gradstep.training.checkpoint import digest_of
from gradstep.training.group_state import GroupState
from gradstep.training.record import ModelNews
from gradstep.utils.hold_out import hold_out_rows

# X, y and sample weights, which may be None.
Part = tuple[Any, Any, Any]


class FaceSearchRows:
    """All that the faces of a search are trained and evaluated on.

    The faces of a fold are fitted on a copy of its rows, as each alone would be: what they know of labels and
    scales is of those rows.

    Parameters
    ----------
    face : MLPClassifier or MLPRegressor
        Any of the search.
    given : tuple (X, y, sample_weight)
    others : ValidationRows, optional
        Rows to validate on.
    folds : sequence of Fold, default=(Fold(),)
    """

    folds: tuple[Fold, ...]

    transformed = None

    def __init__(
        self,
        face: BaseFace,
        given: Part,
        others: ValidationRows | None = None,
        folds: Sequence[Fold] = (Fold(),),
    ) -> None:
        self._face, self._given, self._others = face, given, others
        self.folds = tuple(folds)

    @property
    def n_folds(self) -> int:
        """Models of every trial."""
        return len(self.folds)

    def hold_out(self, share: float, seed: int) -> FaceSearchRows:
        """Return the same rows with a share of them, of labels the same of every class, to validate on.

        Raises
        ------
        InvalidDataError
            There are too few rows, or too few of a class.
        """
        whose, labels = "`validation_share` of Sweep", self._labels()
        pair = hold_out_rows(self._given[1].shape[0], labels, share, seed, whose)
        return FaceSearchRows(self._face, self._given, None, folds_of([pair], labels, None, whose))

    def split(self, folds: Any, whose: str) -> FaceSearchRows:
        """Return the same rows in folds, which `whose` names in messages.

        Raises
        ------
        InvalidParameterError, InvalidDataError
            The folds are none, or not of these rows, or one of them has too few.
        """
        labels, y = self._labels(), self._given[1]
        by_groups = "the pairs of row numbers, as list(splitter.split(X, y, groups))"
        pairs = pairs_of(folds, (np.zeros(y.shape[0]), y, None), whose, labels is not None, by_groups)
        return FaceSearchRows(self._face, self._given, None, folds_of(pairs, labels, None))

    def through(self, transformed: Any) -> FaceSearchRows:
        """Raise InvalidParameterError: nothing stands before the faces of a Sweep."""
        raise InvalidParameterError(
            f"`trainer` of Sweep must be a Trainer or Regressor where a table is read anew for every fold, "
            f"got a {type(self._face).__name__}; FusedSearchCV takes a pipeline that ends in one"
        )

    def sizes(self, fold: int) -> Sizes:
        """Return what the bytes of a model of a fold follow from."""
        X, y, _ = self._given
        rows, labels = self.folds[fold].train, self._labels()
        n, d = y.shape[0], X.shape[1] if hasattr(X, "shape") else len(X[0])
        k = int(labels.max()) + 1 if labels is not None else 1 if y.ndim == 1 else y.shape[1]
        return Sizes(n if rows is None else len(rows), int(d), k)

    def job_rows(self, first: FaceSettings, fold: int = 0) -> FaceParts:
        """Return all that a group of a fold is trained and evaluated on; `first` are settings of a model."""
        own = self.folds[fold]
        held_out = None if own.held_out is None else _taken(self._given, own.held_out)
        if self._others is not None:
            held_out = self._others.X, self._others.y, self._others.sample_weight
        return FaceParts(_taken(self._given, own.train), held_out, self.sizes(fold))

    def sizes_of(self, rows: FaceParts) -> Sizes:
        """Return what the bytes of a model of a group follow from."""
        return rows.sizes

    def open(self, rows: FaceParts, settings: Sequence[FaceSettings]) -> FaceGroup:
        """Return a group before its first update."""
        return FaceGroup.of(rows, settings)

    def digest(self) -> str:
        """Return what tells these rows, and their folds, from others."""
        others: Part | tuple[()] = ()
        if self._others is not None:
            others = self._others.X, self._others.y, self._others.sample_weight
        folds = [numbers for fold in self.folds for numbers in (fold.train, fold.held_out)]
        return digest_of([array for part in (*self._given, *others, *folds) for array in arrays_of(part)])

    def release(self) -> None:
        """Let go what was made for a fold: nothing is kept."""

    def _labels(self) -> Any:
        """Return class indices (n,), None where y are no labels of one class a row."""
        y = self._given[1]
        if not is_classifier(self._face) or (y.ndim == 2 and y.shape[1] > 1):
            return None
        return np.unique(np.asarray(y), return_inverse=True)[1].reshape(-1)


class FaceParts(NamedTuple):
    """Rows of a fold, as they were given.

    Attributes
    ----------
    train : tuple (X, y, sample_weight)
    held_out : tuple (X, y, sample_weight), or None
        Rows that are evaluated after every epoch, and decide nothing.
    sizes : Sizes
    """

    train: Part
    held_out: Part | None
    sizes: Sizes


class FaceGroup(FaceTraining):
    """A group of faces in training; see `OpenGroup`.

    Attributes
    ----------
    recorders : list of m FaceRecorder
        Of all models, those that have left among them.
    """

    recorders: list[FaceRecorder]
    observers: list[EpochObserver]

    def __init__(self, recorders: Sequence[FaceRecorder], order: Order) -> None:
        super().__init__(recorders, order)
        self.recorders = list(recorders)

    @classmethod
    def of(cls, rows: FaceParts, settings: Sequence[FaceSettings]) -> FaceGroup:
        """Return m models before their first update; the first of them reads the rows.

        Raises
        ------
        ValueError
            As `fit` of the faces does.
        InvalidDataError
            The validation rows cannot be read as those to train on are.
        """
        faces = [clone(own.face) for own in settings]
        begun = faces[0].begin(*rows.train)
        if rows.held_out is not None:
            others = _read_beside(faces[0], begun, rows.held_out)
            begun = begun._replace(rows=replace(begun.rows, others=others))
        record = partial(FaceRecorder, known=faces[0].known_of_rows(), metric=settings[0].metric)
        return cls(*begin_together(faces, begun, record))

    @property
    def left(self) -> list[FaceRecorder]:
        """Those of the models whose training goes on."""
        return [own for own in self.recorders if own in self.observers]

    def kept(self) -> GroupState:
        """Return a copy of all that the models that are left need to go on; between two epochs."""
        return GroupState.of(self.state(), [own.state_beside() for own in self.left], self.seconds)

    def bring_back(self, news: Sequence[ModelNews], state: GroupState | None) -> None:
        """Bring all models to where they were; `state` is that of those that go on, if there are some."""
        for recorder, own in zip(self.recorders, news, strict=True):
            recorder.go_on(own)
        self.pass_over(max(len(own.rows) for own in news))
        left = [recorder for recorder in self.recorders if not recorder.is_over]
        if state is None:
            self.observers = []
            return
        plain = State(state.parameters, state.slots, state.updates, state.finite)
        super().go_on(left, plain, state.seconds)
        for recorder, beside in zip(left, state.models, strict=True):
            recorder.take_beside(beside)

    def update_of(self, epoch: float) -> int:
        """Return the number of updates that so many epochs are."""
        return math.ceil(epoch) * self.updates_per_epoch


def _read_beside(face: BaseFace, begun: Beginning, others: Part) -> TrainingData:
    try:
        return face.read_beside(begun, *others)
    except KeyError as error:
        raise InvalidDataError(
            f"the validation rows of Sweep must have labels of the rows to train on alone, got "
            f"{error.args[0]!r}"
        ) from error
    except ValueError as error:
        raise InvalidDataError(f"the validation rows of Sweep cannot be read: {error}") from error


def _taken(given: Part, numbers: Any) -> Part:
    """Return some of the rows; None are all."""
    if numbers is None:
        return given
    X, y, weight = (None if part is None else _safe_indexing(part, numbers) for part in given)
    return X, y, weight
