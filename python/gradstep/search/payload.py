"""What workers of a search do: slices of trainings, and scores of models that came to their ends."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.base import clone
from sklearn.utils import _safe_indexing

from gradstep.estimators.base import BaseTrainer
from gradstep.plan.settings import Settings
from gradstep.search.data import SearchRows
from gradstep.search.judgement import Judgement, has_failed
from gradstep.search.slices import Judge, SliceNews, advance
from gradstep.search.steps import with_trainer
from gradstep.search.transformed import TransformError
from gradstep.training.group_state import GroupState
from gradstep.training.result import TrainingResult
from gradstep.training.setup import JobRows

# Folds whose rows a process keeps: what transformers make of them is a copy.
_MOST_FOLDS = 4


@dataclass(frozen=True, eq=False)
class Scoring:
    """How the models of folds are scored.

    Attributes
    ----------
    estimator : Trainer, Regressor or Pipeline
        Of the search.
    scorer : callable
        Of a model, X and y.
    given : tuple (X, y)
        All rows, as the user gave them.
    rows : sequence of sequences of arrays of row numbers or masks
        Those of every fold that are held out, and perhaps those that are trained on.
    is_kept : bool
        Whether the search has a checkpoint: models whose scorers fail then come back.
    """

    estimator: Any
    scorer: Callable[..., Any]
    given: tuple[Any, Any]
    rows: Sequence[Sequence[Any]]
    is_kept: bool = False

    def judge(self, model: Any, fold: int) -> tuple[Judgement, ...]:
        """Return the judgements of a model on each of the rows of its fold.

        Raises
        ------
        MemoryError
            There is not enough memory for a scorer.
        """
        parts = [[_safe_indexing(values, of_folds[fold]) for values in self.given] for of_folds in self.rows]
        return tuple(Judgement.of(self.scorer, model, part) for part in parts)


def scored_rows(pairs: Sequence[tuple[Any, Any]], with_train_rows: bool) -> list[tuple[Any, ...]]:
    """Return the rows of every fold by which its models are scored: held out, and those trained on."""
    train_rows, held_out = zip(*pairs, strict=True)
    return [held_out, train_rows] if with_train_rows else [held_out]


@dataclass(frozen=True, eq=False)
class SliceOrder:
    """A slice as values.

    Attributes
    ----------
    source, fold : int
        Which rows.
    settings : tuple of m Settings
    kept : GroupState, or None
        None begins.
    goal : float
        Epochs.
    n_threads : int
    estimators : tuple of m estimators
        Where models are scored: what they are models of; else empty.
    """

    source: int
    fold: int
    settings: tuple[Settings, ...]
    kept: GroupState | None
    goal: float
    n_threads: int
    estimators: tuple[BaseTrainer, ...] = ()


@dataclass(frozen=True, eq=False)
class SliceAnswer:
    """What became of a slice.

    Attributes
    ----------
    kept : GroupState, or None
    news : SliceNews, or None
    failure : Exception, or None
        What transformers raised: then there is nothing else.
    """

    kept: GroupState | None = None
    news: SliceNews | None = None
    failure: Exception | None = None


class Payload:
    """What the workers of a search need, and what they make of it: one in every process.

    Parameters
    ----------
    rows : sequence of SearchRows
    scoring : Scoring, optional
        Where models are scored when they have come to their ends.
    """

    rows: tuple[SearchRows, ...]

    def __init__(self, rows: Sequence[SearchRows], scoring: Scoring | None = None) -> None:
        self.rows = tuple(rows)
        self.scoring = scoring
        self._made: OrderedDict[tuple[int, int], SearchRows] = OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"rows": self.rows, "scoring": self.scoring}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def train(self, should_stop: Callable[[], bool], order: SliceOrder) -> SliceAnswer:
        """Do a slice."""
        try:
            rows = self._job_rows(order)
        except TransformError as failure:
            return SliceAnswer(failure=failure.error)
        judge = self._judge(order) if self.scoring else None
        found = advance(rows, order.settings, order.kept, order.goal, order.n_threads, should_stop, judge)
        return SliceAnswer(*found)

    def _job_rows(self, order: SliceOrder) -> JobRows:
        """Return the rows of a slice; several threads of a process share them."""
        place = order.source, order.fold
        with self._lock:
            if place not in self._made:
                self._made[place] = self.rows[order.source].apart()
            self._made.move_to_end(place)
            while len(self._made) > _MOST_FOLDS:
                self._made.popitem(last=False)
            return self._made[place].job_rows(order.settings[0], order.fold)

    def _judge(self, order: SliceOrder) -> Judge:
        scoring, transformed = self.scoring, self.rows[order.source].transformed
        assert scoring is not None

        def judge(place: int, result: TrainingResult) -> tuple[tuple[Judgement, ...], bool]:
            trainer = clone(order.estimators[place])
            trainer.publish(result)
            before = None if transformed is None else transformed.fitted[order.fold]
            found = scoring.judge(with_trainer(scoring.estimator, trainer, before), order.fold)
            return found, scoring.is_kept and has_failed(found)

        return judge


def train_slice(payload: Payload, should_stop: Callable[[], bool], order: SliceOrder) -> SliceAnswer:
    """Do a slice of a search with what all its slices need."""
    return payload.train(should_stop, order)
