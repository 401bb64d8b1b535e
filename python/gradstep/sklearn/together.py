"""Faces that train in shared passes over the rows, each to the bit what it is alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from gradstep.plan.order import Order
from gradstep.sklearn.base import BaseFace
from gradstep.sklearn.beginning import Beginning
from gradstep.sklearn.curves import Curves, EpochRule
from gradstep.sklearn.rows import FaceRows
from gradstep.sklearn.training import EpochObserver, train_in_batches
from gradstep.training import fit_tasks

Array = npt.NDArray[Any]
Observer = TypeVar("Observer", bound=EpochObserver)

#: Parameters that may differ between the faces of a group: numbers of the solver and of its rule of stopping.
OWN = {
    *("alpha", "learning_rate", "learning_rate_init", "power_t", "max_iter", "tol", "n_iter_no_change"),
    *("momentum", "nesterovs_momentum", "beta_1", "beta_2", "epsilon", "max_fun"),
}

# The most of a group, as of other searches.
_MOST = 64


def groups_of(faces: Sequence[BaseFace]) -> list[list[int]]:
    """Return which faces one pass can train, by their places.

    They are of one class and share all parameters but numbers of the solver and of its rule of stopping. A
    face that is trained by "lbfgs", goes on from earlier weights, prints or has callbacks, or whose seed is
    no int, trains alone.

    >>> from gradstep.sklearn import MLPClassifier
    >>> groups_of([MLPClassifier(alpha=alpha, random_state=0) for alpha in (0.1, 1.0)])
    [[0, 1]]
    """
    kinds: dict[Any, list[int]] = {}
    for place, face in enumerate(faces):
        kinds.setdefault(_shared(face) or place, []).append(place)
    return [
        members[first : first + _MOST]
        for members in kinds.values()
        for first in range(0, len(members), _MOST)
    ]


def fit_together(
    faces: Sequence[BaseFace], X: Any, y: Any, sample_weight: Any, should_stop: Callable[[], bool]
) -> list[Exception | None]:
    """Fit faces that `groups_of` has put together, on the same rows.

    Parameters
    ----------
    faces : sequence of MLPClassifier or MLPRegressor
        With parameters that hold, and not fitted yet.
    X, y, sample_weight
        As for their `fit`.
    should_stop : callable
        Asked now and then; a True ends the training, whose models are then half trained.

    Returns
    -------
    list of Exception or None
        What `fit` of each would have raised.
    """
    try:
        if len(faces) == 1:
            faces[0].fit(X, y, sample_weight=sample_weight)
            return [None]
        begun = faces[0].begin(X, y, sample_weight)
        observers, order = begin_together(faces, begun, EpochObserver)
        train_in_batches(observers, order, should_stop)
    except MemoryError:
        raise
    except Exception as error:
        # What is wrong with the rows is wrong for all of them.
        return [error] * len(faces)
    errors: list[Exception | None] = []
    for face, observer in zip(faces, observers, strict=True):
        try:
            face.finish(observer, faces[0])
            errors.append(None)
        except ValueError as error:
            errors.append(error)
    return errors


def _shared(face: BaseFace) -> Any:
    """Return what the faces of a group have in common; None of one that trains alone."""
    settings = face.settings()
    is_seeded = isinstance(face.random_state, (int, np.integer))
    if (
        not (settings.is_stochastic and is_seeded)
        or settings.warm_start
        or settings.verbose
        or settings.callbacks
        or fit_tasks.are_set(face)
    ):
        return None
    shared = {name: value for name, value in face.get_params(deep=False).items() if name not in OWN}
    return type(face), settings.optimizer.rule, repr(sorted(shared.items()))


def begin_together(
    faces: Sequence[BaseFace],
    begun: Beginning,
    observe: Callable[[EpochRule, FaceRows, Array], Observer],
) -> tuple[list[Observer], Order]:
    """Return what observes every model of a group before its first update, and the order of its rows.

    Parameters
    ----------
    faces : sequence of MLPClassifier or MLPRegressor
        As `groups_of` puts them together.
    begun : Beginning
        What the first of them begins with; with its seed all draw the same.
    observe : callable
        Makes an observer of a rule, rows and initial parameters (P,).
    """
    state = faces[0].first_state(begun)
    observers = []
    for face in faces:
        own = face.settings()
        own.warn_of_clipping(begun.rows.train.n)
        of_face = replace(state, learning_rate=float(own.learning_rate_init))
        curves = Curves.start(own.early_stopping)
        rule = EpochRule(own, curves, of_face, begun.rows.train.n, int(own.max_iter))
        observers.append(observe(rule, begun.rows, begun.block))
    return observers, faces[0].order(begun)
