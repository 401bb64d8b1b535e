"""How a search trains: its groups one after the other, or in turns where trials are compared on the way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from gradstep.errors import InterruptedWarning
from gradstep.search.data import SearchRows
from gradstep.search.engines.scheduler import SliceRecord
from gradstep.search.face_recorder import FaceRecorder
from gradstep.search.group import Group
from gradstep.search.groups import Limits, check_memory, partition
from gradstep.search.keeping import SearchKeeper
from gradstep.search.kept_models import SavedSearch, bring_back_group, in_turn, take_down_group
from gradstep.search.progress import SearchProgress, of_verbose
from gradstep.search.pruners import Pruner
from gradstep.search.slices import OpenGroup
from gradstep.search.transformed import TransformError
from gradstep.search.trials import Trial
from gradstep.storage.keeper import Kept, KeptGroup
from gradstep.training.recorder import FitRecorder
from gradstep.training.status import Status
from gradstep.utils import interrupt
from gradstep.utils.log import of_room
from gradstep.utils.warn import warn

_log = of_room(__name__)


@dataclass(eq=False)
class SearchRun:
    """What a search is at.

    Attributes
    ----------
    trials : list of Trial
    groups : list of Group
        A group that memory does not hold is replaced by its halves.
    interrupted : bool
        Whether Ctrl-C or `on_evaluation` ended it.
    slices : list of SliceRecord
        What the workers of an engine did; none where there are none.
    """

    trials: list[Trial]
    groups: list[Group]
    interrupted: bool = False
    slices: list[SliceRecord] = field(default_factory=list)


def run_trials(
    trials: list[Trial],
    rows: Sequence[SearchRows],
    limits: Limits,
    pruner: Pruner | None = None,
    *,
    on_start: Callable[[SearchRun], None] | None = None,
    on_evaluation: Callable[[Group], bool] | None = None,
    progress: SearchProgress | None = None,
    runner: RunnerMaker | None = None,
) -> SearchRun:
    """Train all models of all trials, all that can be in one pass over the rows.

    Every search stands on this. Within a rung its groups know nothing of each other, and what each is made
    of are values (see `search/slices.py`). Ctrl-C in the main thread stops at the boundary of an update and
    warns; a second one raises KeyboardInterrupt at once. What then is still running is "interrupted".

    Parameters
    ----------
    trials : list of Trial
        Their recorders follow what is trained, also where an error ends the search.
    rows : sequence of SearchRows, in the same folds
        Each trial is trained on that of its `source`.
    limits : Limits
        Of the groups.
    pruner : Pruner, optional
        Which trials leave on the way. Memory then holds all models at once.
    on_start : callable, optional
        Called with the SearchRun when the groups are made, before anything is trained.
    on_evaluation : callable, optional
        Called with a group after every evaluation of it. A True ends the search.
    progress : SearchProgress, optional
        Who watches.
    runner : callable, optional
        Makes what trains the groups, LocalRunner by default.

    Returns
    -------
    SearchRun

    Raises
    ------
    MemoryError
        A single model does not fit in memory.
    """
    for trial in trials:
        trial.folds = rows[0].n_folds
    progress = progress or of_verbose(0, None)
    run = SearchRun(trials, _groups(trials, rows, limits, progress))
    if on_start:
        on_start(run)
    n = sum(rows[0].sizes(fold).n for fold in range(rows[0].n_folds)) // rows[0].n_folds

    def call(group: Group) -> bool:
        progress.tell(trials, n)
        return bool(on_evaluation and on_evaluation(group))

    trainer = (runner or LocalRunner)(run, rows, limits, call)
    with progress, interrupt.deferred() as stop:
        try:
            trainer.train(pruner, stop)
        finally:
            cut = any(not trial.status.is_over or trial.status is Status.INTERRUPTED for trial in trials)
            run.interrupted = trainer.is_ended or (stop.requested and cut)
    done = sum(trial.status.is_complete for trial in trials)
    _log.info("%d of %d trials have come to their end", done, len(trials))
    if stop.requested and cut:
        told = f"search interrupted after {done} of {len(trials)} trials; their table is kept"
        warn(told, InterruptedWarning)
    return run


def _groups(
    trials: Sequence[Trial], rows: Sequence[SearchRows], limits: Limits, progress: SearchProgress
) -> list[Group]:
    """Return which models train together, and say it."""
    groups = []
    for source, own in enumerate(rows):
        members = [trial for trial in trials if trial.source == source]
        settings = [trial.settings for trial in members]
        found = []
        for fold in range(own.n_folds):
            of_fold = f"fold {fold}" if own.n_folds > 1 else ""
            name = "" if own.transformed is None else own.transformed.name
            for part in partition(settings, own.sizes(fold), limits):
                reason = "; ".join(filter(None, (name, of_fold, part.reason)))
                found.append(Group(tuple((members[place].number, fold) for place in part.models), reason))
        if own.transformed is None:
            # All folds of a setting before the next: a search that is interrupted has settings that are done.
            found.sort(key=lambda group: group.models[0])
        groups += found
    for number, group in enumerate(groups):
        line = f"group {number}: {len(group.models)} models; {group.reason}"
        _log.info(line)
        progress.say(line)
    return groups


#: Makes a runner of a run, its rows, limits, and what to call after evaluations.
RunnerMaker = Callable[[SearchRun, Sequence[SearchRows], Limits, Callable[[Group], bool]], "GroupRunner"]


class GroupRunner(ABC):
    """Trains the groups of a search from rung to rung, wherever that is.

    Parameters
    ----------
    run : SearchRun
    rows : sequence of SearchRows
    limits : Limits
    on_evaluation : callable
        Called with a group after every evaluation of it. A True ends the search.
    gives_up : bool, default=True
        Whether the other folds of a trial end when one has diverged.
    keeper : SearchKeeper, optional
        What keeps the search while it runs, or has it go on.

    Attributes
    ----------
    is_ended : bool
        Whether `on_evaluation` has ended the search.
    """

    def __init__(
        self,
        run: SearchRun,
        rows: Sequence[SearchRows],
        limits: Limits,
        on_evaluation: Callable[[Group], bool],
        gives_up: bool = True,
        keeper: SearchKeeper | None = None,
    ) -> None:
        self._keeper = keeper
        self._trials = run.trials
        self._groups = run.groups
        self._rows = rows
        self._limits = limits
        self._on_evaluation = on_evaluation
        self._gives_up = gives_up
        self.is_ended = False

    def train(self, pruner: Pruner | None, should_stop: Callable[[], bool]) -> None:
        """Train all models to their ends, or until `should_stop` says so."""
        last = max(int(trial.settings.epochs) for trial in self._trials)
        try:
            if self._keeper:
                self._keeper.begin(self._trials, self)
            is_over = not pruner or self._climb(pruner, last, should_stop)
            is_over = is_over and self._advance_all(last, should_stop)
            if self._keeper:
                self._keeper.write(is_over)
        finally:
            self._close()

    def _climb(self, pruner: Pruner, last: int, should_stop: Callable[[], bool]) -> bool:
        """Train from rung to rung. Returns False when the search ends before the last of them."""
        done = self._keeper.rungs if self._keeper else 0
        for rung, epoch in list(enumerate(pruner.rungs(last)))[done:]:
            if not self._advance_all(epoch, should_stop):
                return False
            self._compare(pruner, rung, last)
            if self._keeper:
                self._keeper.rungs = rung + 1
        return True

    def _compare(self, pruner: Pruner, rung: int, last: int) -> None:
        """Prune the trials that do not go on."""
        curves = [trial.curve(pruner.metric or "validation_loss") for trial in self._trials]
        pruned = np.array([trial.status is Status.PRUNED for trial in self._trials])
        alive = pruner.survivors(rung, last, curves, pruned)
        self._prune([trial for trial, lives in zip(self._trials, alive, strict=True) if not lives])

    @abstractmethod
    def _advance_all(self, epoch: int, should_stop: Callable[[], bool]) -> bool:
        """Train all groups up to the end of an epoch. Returns False when the search ends before."""

    @abstractmethod
    def _prune(self, trials: Sequence[Trial]) -> None:
        """End what still runs of these trials: their other folds, where one has diverged."""

    @abstractmethod
    def kept(self) -> Kept:
        """Return all that there is of the models, as it is now."""

    @abstractmethod
    def take_up(self, saved: SavedSearch) -> None:
        """Bring models to where they were when they were kept."""

    @property
    def _ends_siblings(self) -> bool:
        """Whether other folds of a trial end when one has diverged."""
        return self._gives_up and self._rows[0].n_folds > 1

    def _close(self) -> None:
        """End what still runs."""
        for group in self._groups:
            group.training, group.is_over = None, True
        self._release()
        for trial in self._trials:
            trial.end(Status.INTERRUPTED)
            trial.settle()

    def _release(self, kept: SearchRows | None = None) -> None:
        """Let go what was made of rows, but of those that are trained on."""
        for rows in self._rows:
            if rows is not kept:
                rows.release()


class LocalRunner(GroupRunner):
    """Trains the groups of a search in this process, one after the other."""

    is_ended: bool

    def _advance_all(self, epoch: int, should_stop: Callable[[], bool]) -> bool:
        """Train all groups up to the end of an epoch. Returns False when the search ends before."""
        place = 0
        while place < len(self._groups):
            place += self._advance(place, epoch, should_stop)
            if self.is_ended or should_stop():
                return False
        return True

    def _advance(self, place: int, epoch: int, should_stop: Callable[[], bool]) -> int:
        """Train a group up to the end of an epoch; return 0 where its halves stand in its place, else 1."""
        group = self._groups[place]
        if group.is_over:
            return 1
        try:
            training = group.training = group.training or self._begin(group)
            if training is None:
                group.is_over = True
                return 1
            goal = training.update_of(epoch)
            while training.done < goal and not (training.is_over or should_stop() or self.is_ended):
                training.advance(training.done + 1, should_stop)
                if self._ends_siblings:
                    self._prune(self._diverged(group))
                group.is_over = training.is_over
                self.is_ended = bool(self._on_evaluation(group))
                if self._keeper:
                    self._keeper.on_evaluation(self._kept(group), is_cut=should_stop())
            if training.is_over:
                group.training, group.is_over = None, True
        except MemoryError as error:
            begun = group.training is not None and group.training.done > 0
            if begun or len(group.models) == 1:
                raise
            self._groups[place : place + 1] = _halves(group, error)
            return 0
        return 1

    def _begin(self, group: Group) -> OpenGroup | None:
        """Begin to train what other folds have not ended already, if there are any and rows for them."""
        trials = self._trials
        left = [
            (trial, fold)
            for trial, fold in group.models
            if not trials[trial].is_ended and fold not in trials[trial].failures
        ]
        if not left:
            return None
        settings = [self._trials[trial].settings for trial, _ in left]
        own = self._rows[self._trials[left[0][0]].source]
        self._release(own)
        try:
            rows = own.job_rows(settings[0], left[0][1])
        except TransformError as failure:
            for trial, fold in left:
                self._trials[trial].failures[fold] = failure.error
            return None
        check_memory(settings, own.sizes_of(rows), self._limits)
        training = own.open(rows, settings)
        for (trial, fold), recorder in zip(left, training.recorders, strict=True):
            self._trials[trial].begin(fold, recorder)
        return training

    def _diverged(self, group: Group) -> list[Trial]:
        """Return the trials of a group that have diverged in one fold."""
        numbers = dict.fromkeys(trial for trial, _ in group.models)
        return [self._trials[n] for n in numbers if self._trials[n].status is Status.DIVERGED]

    def _prune(self, trials: Sequence[Trial]) -> None:
        """End what still runs of these trials: their other folds, where one has diverged."""
        ended = [record for trial in trials for record in trial.end(Status.PRUNED)]
        leaving = [record for record in ended if isinstance(record, FitRecorder | FaceRecorder)]
        for group in self._groups:
            if leaving and group.training is not None:
                group.training.drop(leaving)

    def kept(self) -> Kept:
        """Return all that there is of the models, as it is now."""
        return Kept([self._kept(group) for group in self._groups], {})

    def _kept(self, group: Group) -> KeptGroup:
        return KeptGroup(group.models, group.reason, partial(take_down_group, group, self._trials))

    def take_up(self, saved: SavedSearch) -> None:
        """Bring models to where they were when they were kept."""
        if self._ends_siblings:
            saved = in_turn(saved, self._trials)
        self._groups[:] = [Group(part.models, part.reason) for part in saved.parts]
        for group, part in zip(self._groups, saved.parts, strict=True):
            if part.group is not None:
                source = self._rows[self._trials[group.models[0][0]].source]
                bring_back_group(group, part.group, self._trials, source)
        if self._ends_siblings:
            for group in self._groups:
                self._prune([trial for trial in self._diverged(group) if not trial.is_ended])


def _halves(group: Group, error: MemoryError) -> list[Group]:
    count = len(group.models)
    reason = f"{group.reason}; cut in two, for memory did not hold {count} models: {error}"
    _log.info("%d models: %s", count, reason)
    return [Group(models, reason) for models in (group.models[: count // 2], group.models[count // 2 :])]
