"""How a search trains on the workers of an engine: the same models, to the bit, in whatever order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from gradstep import backends
from gradstep.errors import ExecutorError, FailedModelsWarning, InterruptedWarning, InvalidParameterError
from gradstep.search.data import SearchRows
from gradstep.search.engines import opened
from gradstep.search.engines.scheduler import Load, Scheduler
from gradstep.search.engines.workforce import Workforce
from gradstep.search.group import Group
from gradstep.search.groups import Limits, model_bytes
from gradstep.search.keeping import SearchKeeper
from gradstep.search.kept_models import SavedSearch, bring_back_left, bring_back_over, take_down
from gradstep.search.load import GroupLoad, LoadContext, Model, RungStart, regroup
from gradstep.search.payload import Payload, Scoring, SliceOrder, train_slice
from gradstep.search.runner import GroupRunner, LocalRunner, RunnerMaker, SearchRun
from gradstep.search.slices import OpenGroup, require_picklable
from gradstep.search.trials import Trial
from gradstep.sklearn.base import BaseFace
from gradstep.storage.keeper import Kept, KeptGroup
from gradstep.training.record import ModelNews
from gradstep.training.status import Status
from gradstep.utils.text import given
from gradstep.utils.warn import warn

#: Most models of a load: more are not faster, and to cut them for who is idle takes longer.
MOST_MODELS = 16

# Seconds between two looks of who watches: to look at thousands of trials takes longer than a slice's news.
_LOOK = 0.25


@contextmanager
def hired(
    executor: Any,
    whose: str,
    trials: Sequence[Trial],
    rows: Sequence[SearchRows],
    scoring: Scoring | None = None,
    *,
    keep: Callable[[], SearchKeeper | None],
    keeps_models: bool = False,
    on_score: Callable[[int, int, Any], None] | None = None,
) -> Iterator[RunnerMaker]:
    """Give what makes the runner of a search: on the workers of an executor, or without one in this process.

    `keep` makes what keeps it, where it is known of which instruction set its bits are. Of a search that is
    scored, all folds of a trial are trained though one diverges.

    Raises
    ------
    InvalidParameterError
        A trial has what cannot be sent to another process.
    ExecutorError
        The workers are not there, or cannot work together.
    """
    if executor is None:
        yield partial(LocalRunner, gives_up=scoring is None, keeper=keep())
        return
    name = f"`executor` of {whose}"
    check_not_face(executor, trials[0].estimator, name)
    _check_sendable(trials, name)
    with opened(executor) as engine, Workforce(engine, Payload(rows, scoring), name) as workforce:
        with backends.pinned(workforce.isa):
            keeper = keep()
        yield partial(
            EngineRunner,
            workforce=workforce,
            keeper=keeper,
            keeps_models=keeps_models,
            on_score=on_score,
        )


def check_not_face(executor: Any, estimator: Any, whose: str) -> None:
    """Raise InvalidParameterError where one of scikit-learn's networks is to train on an executor."""
    if executor is not None and isinstance(estimator, BaseFace):
        raise InvalidParameterError(
            f"{whose} must be None for {type(estimator).__name__}, got {given(executor)}: "
            f"Trainers and Regressors alone train elsewhere"
        )


def _check_sendable(trials: Sequence[Trial], whose: str) -> None:
    """Raise InvalidParameterError where a trial has what cannot be sent to another process."""
    for trial in trials:
        callbacks = trial.settings.callbacks
        if callbacks:
            raise InvalidParameterError(
                f"`callbacks` of trial {trial.number} must be none for {whose}, got {given(callbacks[0])}: "
                f"it is to be shown an estimator after every evaluation, and the model trains elsewhere, "
                f"where all that it does would stay. `callbacks` of the search are called here, after slices"
            )
    require_picklable(trials, whose)


class EngineRunner(GroupRunner):
    """Trains the groups of a search on the workers of an engine.

    What is found is what `LocalRunner` would find: within a rung the folds of a trial are trained side by
    side, and where one diverges, those behind it go back to where they were at the last rung.

    Parameters
    ----------
    run, rows, limits, on_evaluation, keeper
        As for every runner.
    workforce : Workforce
        Of a Payload.
    keeps_models : bool, default=False
        Whether models are wanted that a comparison has pruned.
    on_score : callable, optional
        Takes trial, fold and judgements of every model that came to its end. All folds of a trial are then
        trained though one diverges.
    """

    def __init__(
        self,
        run: SearchRun,
        rows: Sequence[SearchRows],
        limits: Limits,
        on_evaluation: Callable[[Group], bool],
        *,
        workforce: Workforce,
        keeper: SearchKeeper | None = None,
        keeps_models: bool = False,
        on_score: Callable[[int, int, Any], None] | None = None,
    ) -> None:
        super().__init__(run, rows, limits, on_evaluation, on_score is None, keeper)
        self._run, self._workforce, self._keeps_models = run, workforce, keeps_models
        self._scheduler = Scheduler(workforce.engine, self._on_slice)
        self._context = LoadContext(run.trials, self._call, self._is_dropped, on_score)
        kinds = _kinds(run.groups, run.trials, rows)
        self._loads = [
            GroupLoad(self._context, list(group.models), kind)
            for group, kind in zip(run.groups, kinds, strict=True)
        ]
        reasons = {model: group.reason for group in run.groups for model in group.models}
        self._loads = regroup(self._loads, self._most)
        run.groups[:] = [Group(tuple(load.models), reasons[load.models[0]]) for load in self._loads]
        # Where models of several folds were when the rung began; None between two of them.
        self._starts: list[RungStart] | None = None
        self._looked_at = -_LOOK

    def _call(self, order: SliceOrder) -> Any:
        return self._workforce.call(train_slice, order)

    def _advance_all(self, epoch: int, should_stop: Callable[[], bool]) -> bool:
        """Train all loads up to the end of an epoch. Returns False when the search ends before."""
        self._loads = loads = regroup(self._loads, self._most)
        if self._ends_siblings and self._starts is None:
            self._starts = [RungStart.of(load) for load in loads if load.kept is not None]

        def stop() -> bool:
            """Ask whether to stop, and if so hold what there is before slices are cut."""
            if should_stop():
                self._hold()
                return True
            return False

        self._loads = _own(self._scheduler.run(loads, epoch, stop))
        trouble = self._scheduler.trouble
        if trouble is not None and not self._scheduler.records:
            raise trouble
        self.is_ended |= self._scheduler.is_ended or trouble is not None
        if self.is_ended and self._keeper:
            self._keeper.hold()
        if self._ends_siblings:
            self._end_siblings()
            self._starts = None
        return not (self.is_ended or should_stop())

    def _hold(self) -> None:
        """Keep what there is now, and nothing that comes: slices that are cut have other histories."""
        if self._keeper:
            self._loads = _own(self._scheduler.loads)
            self._keeper.hold()

    def _most(self, load: GroupLoad, models: int) -> int:
        """Return the models that a load like this may have, of so many in all."""
        own = self._trials[load.models[0][0]]
        fitting, slots = MOST_MODELS, max(1, self._workforce.engine.slots)
        if self._limits.memory is not None:
            each = model_bytes(own.settings, self._rows[own.source].sizes(load.models[0][1]))
            fitting = min(fitting, self._limits.memory // each)
        return max(1, min(fitting, models // slots))

    def _on_slice(self) -> bool:
        """Tell who watches how far the search is."""
        self._run.slices = self._scheduler.records
        now = time.monotonic()
        is_time = now - self._looked_at >= _LOOK
        self._looked_at = now if is_time else self._looked_at
        ends = bool(self._on_evaluation(Group((), "", is_over=is_time)))
        if self._keeper and self._keeper.is_due and not ends:
            self._loads = _own(self._scheduler.loads)
            self._keeper.write()
        return ends

    def kept(self) -> Kept:
        """Return all that there is of the models, as it is now."""
        if self._keeper:
            self._keeper.failed = {model: str(reason) for model, reason in self._context.failed}
        reasons = {model: group.reason for group in self._groups for model in group.models}
        groups, trials = [], self._trials
        for load in self._loads:
            models = tuple(load.models)
            if models:
                left = () if load.kept is None else models
                save = partial(take_down, models, trials, left, load.kept)
                groups.append(KeptGroup(models, reasons[models[0]], save))
        left_over = {model for group in groups for model in group.models}
        for group in self._groups:
            over = tuple(model for model in group.models if model not in left_over)
            if over:
                groups.append(KeptGroup(over, group.reason, partial(take_down, over, trials)))
        if self._starts is None:
            return Kept(groups, {})
        starts = [KeptGroup(own.models, "", partial(own.take_down, trials)) for own in self._starts]
        return Kept(groups, {}, starts)

    def take_up(self, saved: SavedSearch) -> None:
        """Bring models to where they were when they were kept, here or elsewhere."""
        if self._keeper:
            self._context.failed[:] = [
                (model, ExecutorError(reason)) for model, reason in self._keeper.failed.items()
            ]
        is_scored = self._context.on_score is not None
        self._groups[:] = [Group(part.models, part.reason) for part in saved.parts]
        kinds = _kinds(self._groups, self._trials, self._rows)
        known = {model: kind for part, kind in zip(saved.parts, kinds, strict=True) for model in part.models}
        self._loads = []
        for part, kind in zip(saved.parts, kinds, strict=True):
            if part.group is None:
                self._loads.append(GroupLoad(self._context, list(part.models), kind))
                continue
            source = self._rows[self._trials[part.models[0][0]].source]
            bring_back_over(part.group, self._trials, source)
            state = bring_back_left(part.group, self._trials, source, is_scored)
            if state is not None:
                self._loads.append(GroupLoad.going_on(self._context, part.group.left, kind, state))
        if saved.starts is not None:
            self._starts = [RungStart.bring_back(own, known[own.left[0]]) for own in saved.starts]

    def _is_dropped(self, model: Model) -> bool:
        """Whether a model needs no more training."""
        trial, fold = self._trials[model[0]], model[1]
        record = trial.recorders.get(fold)
        if fold in trial.failures or (trial.is_ended if record is None else record.status.is_over):
            return True
        before = (other for number, other in trial.recorders.items() if number < fold)
        return self._ends_siblings and any(other.status is Status.DIVERGED for other in before)

    def _end_siblings(self) -> None:
        """End the other folds of trials of which one has diverged, as if they trained one after the other."""
        for trial in self._trials:
            diverged = [fold for fold, own in trial.recorders.items() if own.status is Status.DIVERGED]
            if not diverged or trial.is_ended:
                continue
            for fold in [fold for fold in trial.recorders if fold > min(diverged)]:
                self._undo(trial, fold)
            self._prune([trial])

    def _undo(self, trial: Trial, fold: int) -> None:
        """Put a model back to where it was when the rung began; it has never begun if it had not then."""
        for load in self._loads:
            load.keep([place for place, own in enumerate(load.models) if own != (trial.number, fold)])
        for start in self._starts or ():
            if (trial.number, fold) in start.models:
                self._loads.append(start.put_back(self._context, (trial.number, fold)))
                return
        if fold not in trial.failures:
            del trial.recorders[fold]

    def _prune(self, trials: Sequence[Trial]) -> None:
        """End what still runs of these trials."""
        numbers = {trial.number for trial in trials}
        for load in self._loads:
            places = [place for place, model in enumerate(load.models) if model[0] in numbers]
            if places:
                self._end(load.part(places), Status.PRUNED)
        for trial in trials:
            trial.end(Status.PRUNED)
        self._loads = [load for load in self._loads if load.trim()]

    def _end(self, load: GroupLoad, status: Status) -> None:
        """End models where they are; what is kept of each is what its own rules say."""
        if load.kept is None:
            return
        records = load.records
        if self._keeps_models or status is Status.INTERRUPTED:
            own = self._trials[load.models[0][0]]
            rows = self._rows[own.source].job_rows(own.settings, load.models[0][1])
            settings = [self._trials[trial].settings for trial, _ in load.models]
            for record, recorder in zip(records, OpenGroup(rows, settings, load.kept).recorders, strict=True):
                recorder.end(status)
                record.take(recorder.news())
            return
        for record, state in zip(records, load.kept.models, strict=True):
            rule, row = record.settings.early_stopping, state.row
            if rule and rule.restore_best and state.best is not None and state.best.row:
                row = state.best.row
            record.take(ModelNews(record.history.rows[:0], status, row=row))

    def _close(self) -> None:
        """End what still runs, and say what went wrong on the way."""
        try:
            for load in self._loads:
                if load.trim():
                    self._end(load, Status.INTERRUPTED)
        finally:
            super()._close()
            self._run.slices = self._scheduler.records
        self._tell()

    def _tell(self) -> None:
        """Warn of workers that were lost, and of models that there are none of."""
        if self._scheduler.trouble is not None and self._scheduler.records:
            told = f"the search was interrupted: {self._scheduler.trouble}; its table is kept"
            warn(told, InterruptedWarning)
        self._scheduler.tell_of_losses()
        if self._context.failed and self._context.on_score is None:
            (trial, _), reason = self._context.failed[0]
            count = len(self._context.failed)
            told = f"{count} of the search's models cannot be trained; the first, of trial {trial}: {reason}"
            warn(told, FailedModelsWarning)


def _own(loads: Iterable[Load]) -> list[GroupLoad]:
    return [load for load in loads if isinstance(load, GroupLoad)]


def _kinds(groups: Sequence[Group], trials: Sequence[Trial], rows: Sequence[SearchRows]) -> list[Any]:
    """Return of every group what its models may be joined with: the same source, and settings that fit."""
    known: list[tuple[int, Any]] = []
    kinds = []
    for group in groups:
        trial, fold = trials[group.models[0][0]], group.models[0][1]
        found = trial.source, trial.settings.shared(rows[trial.source].sizes(fold).n)
        if found not in known:
            known.append(found)
        kinds.append(known.index(found))
    return kinds
