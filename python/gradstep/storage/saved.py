"""Trainings that are kept while they run, as values: of every group its state, of every model its history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy.typing as npt

from gradstep.errors import DivergedError
from gradstep.plan.settings import Settings
from gradstep.training.group_state import GroupState
from gradstep.training.outset import Outset
from gradstep.training.record import ModelNews, ModelRecord
from gradstep.training.status import Status

#: Trial and fold of a model; of a single training (0, 0).
Key = tuple[int, int]

#: Models of a group.
Models = tuple[Key, ...]


@dataclass(frozen=True, eq=False)
class SavedRecord:
    """What a model has come to.

    Attributes
    ----------
    key : pair of int
    news : ModelNews
        Of its whole training so far.
    outset : Outset
        Without the model itself, which follows from settings and rows.
    """

    key: Key
    news: ModelNews
    outset: Outset

    @classmethod
    def of(cls, key: Key, record: ModelRecord) -> Self:
        """Return that of a model as it is now."""
        row = record.row or None
        news = ModelNews(record.history.rows[:], record.status, record.error, row, record.saved_block)
        return cls(key, news, replace(record.outset, model=None))

    def record(self, settings: Settings, outset: Outset | None = None) -> ModelRecord:
        """Return what is known of the training of a model that is over.

        `outset` has the model, which there is none of by default.
        """
        record = ModelRecord(settings, outset or self.outset)
        record.take(self.news)
        return record


@dataclass(frozen=True, eq=False)
class SavedGroup:
    """A group as it is between two evaluations.

    Attributes
    ----------
    models : tuple of SavedRecord
        Those whose training has begun.
    left : tuple of pairs of int
        Models of the state, in their order.
    state : GroupState, or None
        Of the models that go on; None where there are none.
    """

    models: tuple[SavedRecord, ...]
    left: tuple[Key, ...] = ()
    state: GroupState | None = None

    @property
    def mark(self) -> tuple[Any, ...]:
        """What is another one whenever the group is."""
        found = [(own.news.status, len(own.news.rows), own.news.block is None) for own in self.models]
        return (*found, *self.left)

    def select(self, models: Sequence[Key]) -> Self | None:
        """Return some of the models as a group of their own, None where none of them has begun."""
        begun = tuple(own for own in self.models if own.key in models)
        left = tuple(key for key in self.left if key in models)
        state = self.state
        if state is not None:
            state = state.select([self.left.index(key) for key in left]) if left else None
        return replace(self, models=begun, left=left, state=state) if begun else None


@dataclass(frozen=True)
class SavedIndex:
    """What there is beside the groups.

    Attributes
    ----------
    identity : dict of str to str
        All that must be as it was for the training to be the same one, as text.
    groups : tuple of pairs
        The models of every group, and why they train together.
    starts : tuple of tuples of Key, or None
        Models of which it is kept where they were when a rung began; None where all are where models that
        train one after the other would be.
    is_over : bool
        Whether there is nothing more to train.
    more : dict
        What else a search has come to, as JSON has it.
    arrays : dict of str to ndarray
        Likewise.
    """

    identity: Mapping[str, str]
    groups: tuple[tuple[Models, str], ...] = ()
    starts: tuple[Models, ...] | None = None
    is_over: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


def error_of(given: tuple[int, float] | None) -> DivergedError | None:
    """Return the error of a training that diverged at an update, with a rate."""
    return None if given is None else DivergedError(*given)


def is_ended(status: Status) -> bool:
    """Whether a model with this status is never trained on; an interrupted one is."""
    return status.is_over and status is not Status.INTERRUPTED
