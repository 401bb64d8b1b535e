"""Slices of the training of a group: pure functions of values, that any process may run."""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradstep.errors import InvalidParameterError
from gradstep.plan.build import Given
from gradstep.plan.settings import Settings
from gradstep.training.group_state import GroupState
from gradstep.training.loop import TrainingLoop
from gradstep.training.outset import Outset
from gradstep.training.record import ModelNews
from gradstep.training.recorder import FitRecorder
from gradstep.training.result import TrainingResult
from gradstep.training.setup import JobRows, make_job
from gradstep.utils.text import given

if TYPE_CHECKING:
    from gradstep.search.trials import Trial

#: Judges the model at a place of the group that came to its own end; returns what it found, and whether the
#: parameters are wanted all the same.
Judge = Callable[[int, TrainingResult], tuple[Any, bool]]

# A goal that is so little behind an update is that update.
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class SliceNews:
    """What became of a group in a slice of its training.

    Attributes
    ----------
    models : tuple of m ModelNews
        Of all models that the slice began with. Those whose training is over are no longer in the state.
    outsets : tuple of m Outset, or None
        Of all models, of the first slice of a group; what they have in common is there once.
    done : int
        Updates that the group has done.
    seconds : float
        Spent on the group so far.
    """

    models: tuple[ModelNews, ...]
    outsets: tuple[Outset, ...] | None
    done: int
    seconds: float


class OpenGroup:
    """A group in training in this process: what a slice works with, and the next one may go on with.

    Nothing depends on whether it does: closed and opened again from its state, every model is the same to
    the bit.

    Parameters
    ----------
    rows : JobRows
        Of all models; in folds those of one fold.
    settings : sequence of m Settings
    kept : GroupState, optional
        Of these models; None begins.
    n_threads : int, optional
        In place of what the settings say.
    histories : sequence of m lists of dict, optional
        Rows of the histories so far, where they are wanted.

    Attributes
    ----------
    recorders : list of m FitRecorder
        Of all models, those that have left among them.

    Raises
    ------
    InvalidParameterError, BackendUnavailableError, MemoryError
        As `make_job` does.
    """

    recorders: list[FitRecorder]

    def __init__(
        self,
        rows: JobRows,
        settings: Sequence[Settings],
        kept: GroupState | None = None,
        n_threads: int | None = None,
        histories: Sequence[Iterable[dict[str, float]]] | None = None,
    ) -> None:
        began = time.perf_counter()
        if n_threads is not None:
            settings = [replace(own, n_threads=n_threads) for own in settings]
        begun = None if kept is None else Given(parameters=kept.parameters, goes_on=True)
        job, fitted = make_job(settings, rows, begun)
        self.recorders = [FitRecorder(own, job, model) for own, model in zip(settings, fitted, strict=True)]
        if kept is None:
            # A copy: training changes it in place, and a model that diverges at once is the initial one.
            parameters = np.stack([model.block for model in fitted])
            self._loop = TrainingLoop(job, parameters, self.recorders, time.perf_counter() - began)
            return
        state, done = kept.state(job.plan), kept.done
        described, to_come = job.plan.described(state), job.plan.rates(done)
        before = [()] * len(settings) if histories is None else histories
        for place, (own, rows_before) in enumerate(zip(kept.models, before, strict=True)):
            self.recorders[place].go_on(own, described[place].copy(), to_come[place], rows_before)
        seconds = kept.seconds + time.perf_counter() - began
        self._loop = TrainingLoop(replace(job, evaluates_untrained=False), state, self.recorders, seconds)

    @property
    def done(self) -> int:
        """Updates that the models have done."""
        return self._loop.done

    @property
    def is_over(self) -> bool:
        """Whether no model is left that has updates to come."""
        return self._loop.is_over

    def update_of(self, epoch: float) -> int:
        """Return the number of updates that so many epochs are, a begun one counted as whole."""
        return math.ceil(epoch * self._loop.job.plan.updates_per_epoch - _ROUNDING)

    def advance(self, goal: int, should_stop: Callable[[], bool]) -> None:
        """Train until the first evaluation at or after update `goal`, as `TrainingLoop.advance`."""
        self._loop.advance(goal, should_stop)

    @property
    def left(self) -> list[FitRecorder]:
        """Those of the models whose training goes on."""
        return [own for own in self.recorders if own in self._loop.observers]

    def drop(self, leaving: Collection[object]) -> None:
        """Let models go, whose trainings somebody else has ended."""
        self._loop.drop(leaving)

    def kept(self) -> GroupState:
        """Return a copy of all that the models that are left need to go on; between two evaluations."""
        loop = self._loop
        return GroupState.of(loop.state, [own.state() for own in self.left], loop.seconds)

    def news(self) -> SliceNews:
        """Return what became of all models since the group was opened."""
        return SliceNews(
            tuple(own.news() for own in self.recorders),
            tuple(own.outset for own in self.recorders),
            self.done,
            self._loop.seconds,
        )


def advance(
    rows: JobRows,
    settings: tuple[Settings, ...],
    kept: GroupState | None,
    goal: float,
    n_threads: int | None,
    should_stop: Callable[[], bool],
    judge: Judge | None = None,
) -> tuple[GroupState, SliceNews]:
    """Train the models of a group up to an epoch.

    It is a pure function: state and news follow from what is given, but for the seconds, in whatever process
    and however the training is cut into slices, on one instruction set.

    Parameters
    ----------
    rows : JobRows
        Of all models; in folds those of one fold.
    settings : tuple of m Settings
        Of the models that are left.
    kept : GroupState, or None
        What the slice before has left of these models, of which some may have been dropped by `select`;
        None begins. It is not changed.
    goal : float
        Epochs, those of `kept` included: the slice ends with the first evaluation there or behind.
    n_threads : int, or None
        None as the settings say.
    should_stop : callable
        Asked now and then. A True ends the slice, with an evaluation of what was done: what then comes is
        not what it would have been.
    judge : callable, optional
        Called as ``judge(place, result)`` with every model that came to its own end in this slice; what it
        finds is the `score` of its news, which then have no parameters unless it wants them.

    Returns
    -------
    kept : GroupState
        Of the models whose training is not over, in their order; there may be none.
    news : SliceNews
        Of all m models.

    Raises
    ------
    InvalidParameterError, BackendUnavailableError, MemoryError
        As `make_job` does, and whatever the judge raises.
    """
    group = OpenGroup(rows, settings, kept, n_threads)
    group.advance(group.update_of(goal), should_stop)
    news = group.news()
    if kept is not None:
        news = replace(news, outsets=None)
    if judge is not None:
        found = enumerate(zip(group.recorders, news.models, strict=True))
        news = replace(news, models=tuple(_judged(judge, place, *pair) for place, pair in found))
    return group.kept(), news


def _judged(judge: Judge, place: int, recorder: FitRecorder, news: ModelNews) -> ModelNews:
    if not news.status.is_complete:
        return news
    score, is_wanted = judge(place, recorder.result())
    return replace(news, score=score, block=news.block if is_wanted else None)


def require_picklable(trials: Sequence[Trial], whose: str = "`executor` of Sweep") -> None:
    """Raise where settings cannot be sent to another process, before anything trains.

    Parameters
    ----------
    trials : sequence of Trial
    whose : str
        What sends them, in messages.

    Raises
    ------
    InvalidParameterError
        The message has the trial, the parameter and its value.
    """
    for trial in trials:
        for name in (field.name for field in fields(trial.settings)):
            value = getattr(trial.settings, name)
            reason = _not_picklable(value)
            if reason:
                raise InvalidParameterError(
                    f"`{name}` of trial {trial.number} must be what pickle can send to another process for "
                    f"{whose}, as a function that a module defines under its own name, got {given(value)}: "
                    f"{reason}"
                )


def _not_picklable(value: Any) -> str:
    """Return why a value cannot be pickled, "" where it can."""
    try:
        pickle.dumps(value)
    except Exception as error:  # a class of one's own may raise anything
        return str(error) or type(error).__name__
    return ""
