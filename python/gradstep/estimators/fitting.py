"""How an estimator trains: rows are read, one loop runs, and what it came to is published."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning

from gradstep.errors import InterruptedWarning, InvalidDataError, InvalidParameterError
from gradstep.estimators.autolog import autologged
from gradstep.estimators.callbacks import LogTo
from gradstep.estimators.keeping import FitKeeper, left_by, parameters_of, take_up
from gradstep.estimators.reading import read_rows
from gradstep.estimators.validation import ValidationRows
from gradstep.nn.schedules import Schedule
from gradstep.plan.build import Given, usual_schedule
from gradstep.plan.plan import State
from gradstep.plan.settings import Settings
from gradstep.plan.targets import Labels, Targets
from gradstep.training import progress
from gradstep.training.checkpoint import Trajectory, digest
from gradstep.training.convergence import fall_of_last_cycle, promised_fall
from gradstep.training.fit_tasks import FitTasks, TakesCallbacks
from gradstep.training.fitted import Fitted
from gradstep.training.history import History
from gradstep.training.loop import TrainingLoop
from gradstep.training.outset import Outset
from gradstep.training.record import ModelRecord
from gradstep.training.recorder import FitRecorder
from gradstep.training.result import TrainingResult
from gradstep.training.rows import ReadRows
from gradstep.training.setup import JobRows, TrainingJob, make_job
from gradstep.training.status import Status
from gradstep.utils import interrupt, text
from gradstep.utils.concepts import restored
from gradstep.utils.log import of_room
from gradstep.utils.warn import warn

_log = of_room(__name__)


class Fitting(TakesCallbacks):
    """What `fit` does, and does again from where it was where `warm_start` says so."""

    settings: Callable[[], Settings]
    result: Callable[[], TrainingResult]
    learned: Callable[[TrainingResult], dict[str, Any]]
    publish: Callable[[TrainingResult], None]
    on_row: Callable[[FitRecorder], Callable[[], bool] | None]
    get_params: Callable[..., dict[str, Any]]
    random_state: Any
    _owner: Callable[[], str]
    _model: Callable[[], Fitted]

    history_: History
    status_: Status
    interrupted_: bool
    backend_: str
    n_iter_: int
    n_features_in_: int

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation: ValidationRows | None,
        resume: bool = False,
    ) -> None:
        """Train a group of one, and publish what it came to. Until there is a new model the old one stays.

        Before the training begins, Ctrl-C finds nothing changed and raises at once.
        """
        with autologged(self) as log:
            self._fit_told((X, y, sample_weight), validation, resume, log)

    def _fit_told(
        self,
        given_rows: tuple[Any, Any, Any],
        validation: ValidationRows | None,
        resume: bool,
        log: LogTo | None,
    ) -> None:
        """Train, and tell it who follows: callbacks of both kinds and, if there is one, a run."""
        began = time.perf_counter()
        settings = self._settings_for(validation)
        keeper = FitKeeper.open(settings, resume, f"{settings.owner}.fit")
        if keeper:
            settings = keeper.seeded(settings, self.random_state)
        with keeper or nullcontext(), progress.of_verbose(settings.verbose, settings.epochs) as watch:
            rows = read_rows(self, settings, *given_rows, validation)
            given, chosen = self._beginning(settings, rows)
            if keeper:
                keeper.begin(settings, chosen)
            saved = keeper.saved if keeper else None
            if saved is not None:
                given = Given(parameters=parameters_of(saved), goes_on=True)
            job, (fitted,) = make_job([settings], chosen, given)
            # What a minimiser of all rows remembers of its way is no part of a state.
            run = None if settings.optimizer.takes_all_rows else run_of(settings, job, chosen)
            recorder = FitRecorder(settings, job, fitted, run=run)
            tasks = self._begin_tasks(job.evaluations, *given_rows)
            if log is not None:
                log.log_parameters(self)
            if keeper and saved is not None and keeper.is_over:
                record = saved.models[0].record(settings, Outset.of(job, fitted))
                result = record.result()
                self.publish(replace(result, checkpoint=left_by(saved, run, result.history)))
                tasks.end()
                self._tell(settings, record, job)
                return
            start: npt.NDArray[Any] | State = fitted.block[None].copy()
            if saved is not None and saved.state is not None:
                job, start = replace(job, evaluates_untrained=False), saved.state.state(job.plan)
                take_up(recorder, saved, job, start)
            recorder.watch = watch.on_row if settings.verbose else None
            self._train(job, recorder, start, began, keeper, tasks, log)
        tasks.end()
        self._tell(settings, recorder, job)

    def _settings_for(self, validation: ValidationRows | None) -> Settings:
        """Return the settings of a training, with a seed."""
        settings = self.settings().for_rows(validation is not None).seeded()
        settings.check_watched(validation is not None)
        if validation is not None:
            settings.check_held_out(validation.argument)
        return settings

    def _beginning(self, settings: Settings, rows: ReadRows) -> tuple[Given | None, JobRows]:
        """Return what a fit begins with: where it starts warm, the weights and what they are for."""
        if not settings.warm_start or not hasattr(self, "coefs_"):
            return None, rows.job_rows(settings, *rows.parts(settings))
        model, whose = self._model(), f"{settings.owner}.fit with warm_start=True"
        check_targets(rows.vocabulary, model.targets, whose)
        check_sizes(settings, model, rows.X.shape[1], whose)
        chosen = rows.job_rows(settings, *rows.parts(settings), model.standardization, model.targets)
        return Given(parameters=model.block[None]), chosen

    def _train(
        self,
        job: TrainingJob,
        recorder: FitRecorder,
        start: npt.NDArray[Any] | State,
        began: float,
        keeper: FitKeeper | None = None,
        tasks: FitTasks | None = None,
        log: LogTo | None = None,
    ) -> None:
        """Train to the end, to a stop or to an error, and publish what the training came to."""
        owner = recorder.settings.owner
        _log.info("%s: %d rows, up to update %d", owner, job.train.n, job.plan.updates)
        recorder.on_row = self._asks(recorder, tasks, log)
        spent = recorder.history.rows[-1]["seconds"] if recorder.history.rows else 0.0
        loop = TrainingLoop(job, start, [recorder], spent + time.perf_counter() - began)
        recorder.state_of = lambda: loop.state_of(recorder)
        with interrupt.deferred() as stop:
            try:
                if keeper:
                    keeper.train(loop, recorder, stop)
                else:
                    loop.advance(job.plan.updates, stop)
            except BaseException:
                if not recorder.is_new:
                    recorder.end(Status.INTERRUPTED)
                    self.publish(recorder.result())
                raise
            if recorder.is_new and not recorder.error:
                raise KeyboardInterrupt
            if not recorder.status.is_over:
                recorder.end(Status.INTERRUPTED)
            self.publish(recorder.result())
            if keeper:
                keeper.finish()
        _log.info("%s: %s in epoch %d, backend %s", owner, self.status_, self.n_iter_, self.backend_)

    def _asks(
        self, recorder: FitRecorder, tasks: FitTasks | None, log: LogTo | None
    ) -> Callable[[], bool] | None:
        """Return what a recorder is to call after every row: the callbacks of both kinds are asked."""
        own = self.on_row(recorder)
        is_told = tasks is not None and tasks.are_told
        if log is None and not is_told:
            return own

        def call() -> bool:
            wants_stop = own() if own else False
            if log is not None:
                log.log_row(recorder.row)
            # A row of the network before its first update is of no epoch.
            if tasks is not None and is_told and recorder.row["update"] > 0:
                wants_stop |= tasks.end_part(lambda: self.learned(recorder.result()))
            return wants_stop

        return call

    def _tell(self, settings: Settings, recorder: ModelRecord, job: TrainingJob) -> None:
        """Raise or warn of how a training ended."""
        if recorder.error:
            raise recorder.error
        self._warn_of_unfinished(settings, job)
        if self.interrupted_:
            warn(f"training interrupted at update {self.history_['update'][-1]}", InterruptedWarning)

    def _warn_of_unfinished(self, settings: Settings, job: TrainingJob) -> None:
        """Warn where all epochs are done and the loss would still fall much."""
        if self.status_ is not Status.COMPLETED:
            return
        rates, rule = job.plan.learning_rate[0], settings.learning_rate
        ends = rule.cycle_ends(job.plan.updates_per_epoch, len(rates)) if isinstance(rule, Schedule) else []
        if len(ends) > 1:
            fall, told = (
                fall_of_last_cycle(self.history_, ends),
                "the last cycle of its rates lowered the loss",
            )
        else:
            usual = usual_schedule(settings.optimizer, settings.loss, job.train.squared_norm)
            fall = promised_fall(self.history_, rates, usual.high)
            told = "at its last pace, as many again would lower the loss"
        if fall is not None:
            warn(
                f"{self._owner()} has not converged after {settings.epochs} epochs: {told} by {fall:.0%} or "
                f"so. More `epochs` "
                f"{'' if settings.optimizer.takes_all_rows else 'or another `learning_rate` '}may help",
                ConvergenceWarning,
            )


def run_of(settings: Settings, job: TrainingJob, rows: JobRows | None) -> Trajectory:
    """Return what a training must have in common with one that goes on from it."""
    assert isinstance(settings.random_state, (int, np.integer))  # of seeded settings
    return Trajectory(
        seed=int(settings.random_state),
        epochs=int(settings.epochs),
        updates_per_epoch=job.plan.updates_per_epoch,
        agreed=settings.agreed(),
        data=None if rows is None else digest([rows.train, rows.held_out], rows.targets),
    )


def check_agreed(run: Trajectory, settings: Settings, whose: str, names: Iterable[str] | None = None) -> None:
    """Raise InvalidParameterError where a parameter is not as it was, that a training follows from."""
    now = settings.agreed()
    name = run.changed(now, names)
    if name:
        before, given = (_shown(agreed, name) for agreed in (run.agreed, now))
        raise InvalidParameterError(f"`{name}` of {whose}, {before}, got {given}")


def _shown(agreed: Mapping[str, str], name: str) -> str:
    """Return a parameter that was agreed on as a user writes it."""
    return text.given(restored(json.loads(agreed[name]))) if name in agreed else "nothing"


def check_targets(found: Targets, known: Targets, whose: str) -> None:
    """Raise InvalidDataError where y has other classes, or is of another kind, than the model knows."""
    if found.kind != known.kind:
        raise InvalidDataError(f"y of {whose} must be {known.kind} as before, got {found.kind}")
    if isinstance(found, Labels) and isinstance(known, Labels):
        classes, before = found.classes.tolist(), known.classes.tolist()
        if classes != before:
            raise InvalidDataError(
                f"y of {whose} must have the classes of before, {text.given(before)}, "
                f"got {text.given(classes)}"
            )
    elif found.k != known.k:
        raise InvalidDataError(f"y of {whose} must have {known.k} columns as before, got {found.k}")


def check_sizes(settings: Settings, model: Fitted, d: int, whose: str) -> None:
    """Raise where rows have another width, or a network other hidden layers, than the model.

    Raises
    ------
    InvalidDataError, InvalidParameterError
    """
    inputs, *hidden, _ = model.layers.sizes
    if d != inputs:
        raise InvalidDataError(f"X of {whose} must have {inputs} columns as before, got {d}")
    if settings.hidden != tuple(hidden):
        raise InvalidParameterError(
            f"`hidden` of {whose} must be that of the model, {tuple(hidden)}, got {settings.hidden}"
        )


def with_origin(fitted: Fitted, model: Fitted) -> Fitted:
    """Return a model that keeps what another one knew of its columns."""
    names = model.feature_names if fitted.feature_names is None else fitted.feature_names
    return replace(fitted, feature_names=names, schema=model.schema)
