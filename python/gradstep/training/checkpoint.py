"""All that a training needs to go on as if it had never stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.nn.metrics import BestTracker
from gradstep.nn.schedules import ReduceOnPlateau
from gradstep.plan.plan import State
from gradstep.plan.rows import TrainingData
from gradstep.plan.targets import Labels, Targets

Array = npt.NDArray[Any]

# Of X so many elements, as float64, are part of a digest (a quarter of a millisecond), and no row less than
# whole.
_SAMPLE = 1 << 15


@dataclass(frozen=True)
class Trajectory:
    """What stays the same however often a training goes on.

    Attributes
    ----------
    seed : int
        What its random state has come to: of it follow initial weights, order of rows and all draws.
    epochs : int
        Those that are planned.
    updates_per_epoch : int
        Of `fit`, or of the first of several passes.
    agreed : mapping of str to str
        The parameters that the trajectory follows from, as text.
    data : str, or None
        Digest of all rows; None where there is no set of rows to go over again.
    """

    seed: int
    epochs: int
    updates_per_epoch: int
    agreed: Mapping[str, str]
    data: str | None

    def changed(self, now: Mapping[str, str], names: Iterable[str] | None = None) -> str:
        """Return the first parameter (of `names`) that is not as it was, or ""."""
        names = self.agreed if names is None else names
        return next((name for name in names if self.agreed.get(name) != now.get(name)), "")


@dataclass(frozen=True, eq=False)
class Best:
    """What early stopping goes by.

    Attributes
    ----------
    tracker : BestTracker
    row : dict
        Of the history, the best so far.
    parameters : ndarray of shape (P,), or None
        Those that it describes.
    """

    tracker: BestTracker
    row: dict[str, float]
    parameters: Array | None


@dataclass(frozen=True, eq=False)
class Plateau:
    """What `ReduceOnPlateau` goes by.

    Attributes
    ----------
    rule : ReduceOnPlateau
    tracker : BestTracker
    rate : float
        That of the updates to come.
    """

    rule: ReduceOnPlateau
    tracker: BestTracker
    rate: float


@dataclass(frozen=True, eq=False)
class FitState:
    """The state of one training at the boundary of an update.

    Attributes
    ----------
    run : Trajectory
    parameters : ndarray of shape (P,)
        Those after the last update, which need not be those of the model that is kept.
    slots : ndarray of shape (s, P)
        What is kept of earlier updates.
    update : int
        Updates that were done.
    epoch : int
        Epochs that were begun.
    best : Best, or None
    plateau : Plateau, or None
    """

    run: Trajectory
    parameters: Array
    slots: Array
    update: int
    epoch: int
    best: Best | None = None
    plateau: Plateau | None = None

    def state(self) -> State:
        """Return the state of a group of one, which training may change."""
        return State(
            self.parameters[None].copy(),
            self.slots[None].copy(),
            np.array([self.update], dtype=np.int64),
            np.ones(1, dtype=np.bool_),
        )

    def sharing(self, block: Array) -> FitState:
        """Return the same with `block`, where it has these numbers, in the place of parameters."""
        own = block if np.array_equal(self.parameters, block) else self.parameters
        best = self.best
        if best is not None and best.parameters is not None and np.array_equal(best.parameters, block):
            best = replace(best, parameters=block)
        return replace(self, parameters=own, best=best)


def digest(sets: Iterable[TrainingData | None], targets: Targets) -> str:
    """Return what tells rows from others: targets, weights, order, shape, and some elements of X.

    Parameters
    ----------
    sets : iterable of TrainingData or None
        The rows to train on and those to validate on, of which there may be none. Mean and scale, which
        follow from every element of X, are part of it.
    targets : Targets
    """
    found = hashlib.blake2b(digest_size=16)
    if isinstance(targets, Labels):
        found.update(repr(targets.classes.tolist()).encode())
    for data in sets:
        if data is None:
            found.update(b"none")
            continue
        scale = data.standardization
        for array in (*sampled(data.X), data.index, data.targets, data.weight, scale.mean, scale.scale):
            _add(found, array)
    return found.hexdigest()


def digest_of(arrays: Iterable[Array | None]) -> str:
    """Return what tells arrays from others, by all of their elements."""
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        _add(found, array)
    return found.hexdigest()


def sampled(X: Any) -> list[Array]:
    """Return rows of X, evenly spread, the last among them, and what else X is."""
    if not isinstance(X, np.ndarray):
        # Of sparse rows, where they start and end, and elements evenly spread.
        places = _spread(len(X.data), 1)
        return [np.array(X.shape), X.indptr, X.indices[places], X.data[places].astype(np.float64)]
    places = _spread(X.shape[0], X.shape[1])
    return [np.array(X.shape), X[places].astype(np.float64)]


def _spread(n: int, size: int) -> npt.NDArray[np.int64]:
    """Return places among n, evenly spread, of which each is of so many elements."""
    most = min(n, max(1, _SAMPLE // max(1, size)))
    return np.unique(np.linspace(0, max(n - 1, 0), most).astype(np.int64))


def _add(found: Any, array: Array | None) -> None:
    if array is None:
        found.update(b"none")
        return
    found.update(repr(array.shape).encode())
    found.update(np.ascontiguousarray(array).data if array.size else b"")
