"""Trials of a study that train together, and what the study is told of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from gradstep.errors import OpenTrialsWarning
from gradstep.search.pruners import Pruner
from gradstep.search.study_space import StudySpace
from gradstep.search.sweep import Sweep
from gradstep.search.trials import Trial
from gradstep.training.status import Status
from gradstep.utils.processes import has_ended, this_process
from gradstep.utils.warn import warn

if TYPE_CHECKING:
    import optuna

# Attribute of a trial: the process that trains it, by which what a killed one has left is known.
_RUN = "gradstep_run"


class StudyBatch:
    """Trials that were asked for together. As a context: at its end no trial is left running in the study.

    Parameters
    ----------
    study : optuna.Study
    metric : str
        Column of the history that the study is told.
    pruner : Pruner, optional
        After its rungs, and at the end, a trial's metric is reported to the study.

    Attributes
    ----------
    settings : list of dict
        Of the trials to train.
    numbers : list of int
        Their numbers in the study.
    is_exhausted : bool
        Whether the sampler has said that there is nothing more to try.
    """

    is_exhausted: bool

    def __init__(self, study: optuna.Study, metric: str, pruner: Pruner | None) -> None:
        self._study, self._metric, self._pruner = study, metric, pruner
        self._run = this_process()
        self.settings: list[dict[str, Any]] = []
        self.numbers: list[int] = []
        self.is_exhausted = False
        self._members: list[optuna.Trial] = []
        self._untold: dict[int, optuna.Trial] = {}
        self._rungs: list[float] | None = None
        # Of every member how many rungs are behind it, and the last step reported.
        self._passed: list[int] = []
        self._steps: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tell the study that what it was not told of has failed."""
        from optuna.trial import TrialState

        for trial in list(self._untold.values()):
            self._tell(trial, TrialState.FAIL)

    def ask(self, space: StudySpace, count: int, should_stop: Callable[[], bool]) -> None:
        """Ask for so many settings; a function of a trial may leave one out by raising TrialPruned."""
        from optuna import TrialPruned
        from optuna.trial import TrialState

        for _ in range(count):
            if should_stop():
                return
            trial, setting = space.ask(self._study)
            self._untold[trial.number] = trial
            trial.set_user_attr(_RUN, self._run)
            try:
                self.settings.append(setting())
            except TrialPruned:
                self._tell(trial, TrialState.PRUNED)
                continue
            self._members.append(trial)
            self.numbers.append(trial.number)
            self._passed.append(0)
            self._steps.append(-1)

    def on_evaluation(self, sweep: Sweep) -> None:
        """Report what the trials of a sweep have come to, and tell what is over."""
        if self._rungs is None:
            last = max(int(own.settings.epochs) for own in sweep.trials_)
            self._rungs = [*(self._pruner.rungs(last) if self._pruner else ()), math.inf]
        for place, (trial, own) in enumerate(zip(self._members, sweep.trials_, strict=True)):
            if trial.number in self._untold:
                self._report(place, own)
                if own.status.is_over:
                    self._end(trial, own)

    def _report(self, place: int, own: Trial) -> None:
        """Report the metric at every rung that a trial has come to since, and at its end."""
        for rung in (self._rungs or [])[self._passed[place] :]:
            rows = _rows_at(own, rung)
            if rows is None:
                return
            self._passed[place] += 1
            step = max(math.ceil(row["epoch"]) for row in rows)
            if step > self._steps[place]:
                self._steps[place] = step
                self._members[place].report(float(np.mean([row[self._metric] for row in rows])), step)

    def _end(self, trial: optuna.Trial, own: Trial) -> None:
        """Tell what a trial has come to."""
        from optuna.trial import TrialState

        score, status = own.score(self._metric), own.status
        trial.set_user_attr("status", status.value)
        lasts = [history.rows[-1]["epoch"] for history in own.histories if len(history)]
        trial.set_user_attr("n_iter", math.ceil(max(lasts, default=0)))
        errors = [*own.failures.values(), *(recorder.error for recorder in own.recorders.values())]
        for error in [error for error in errors if error is not None][:1]:
            trial.set_user_attr("error", str(error))
        if status.is_complete and not math.isnan(score):
            self._tell(trial, TrialState.COMPLETE, score)
        else:
            self._tell(trial, TrialState.PRUNED if status is Status.PRUNED else TrialState.FAIL)

    def _tell(self, trial: optuna.Trial, state: optuna.trial.TrialState, score: float | None = None) -> None:
        try:
            self._study.tell(trial, score, state, skip_if_finished=True)
        except RuntimeError as error:
            # A sampler that has tried all ends the study's own loop, which there is none of here.
            if "Study.stop" not in str(error):
                raise
            self.is_exhausted = True
        self._untold.pop(trial.number, None)


def _rows_at(own: Trial, epoch: float) -> list[dict[str, float]] | None:
    """Return the first row of every fold after so many epochs, or its last; None where one is not so far."""
    found = []
    for fold in range(own.folds):
        recorder = own.recorders.get(fold)
        rows = recorder.history.rows if recorder else []
        if recorder is None or not rows:
            return None
        if rows[-1]["epoch"] >= epoch:
            found.append(next(row for row in rows if row["epoch"] >= epoch))
        elif recorder.status.is_over:
            found.append(rows[-1])
        else:
            return None
    return found


def end_what_is_dead(study: optuna.Study) -> None:
    """Tell the study that trials have failed that a killed run of ours has left running.

    Trials of others stay, and so do those of runs that are alive; of those on other hosts a warning tells.
    """
    from optuna.trial import TrialState

    elsewhere = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        run = trial.user_attrs.get(_RUN)
        ended = has_ended(run) if isinstance(run, str) else False
        if ended:
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        elif ended is None:
            elsewhere.append(trial.number)
    if elsewhere:
        numbers = ", ".join(map(str, elsewhere))
        warn(
            f"trials {numbers} of study {study.study_name!r} run on another machine, or ran until it was "
            f"lost: study.tell(number, state=optuna.trial.TrialState.FAIL) ends those that did",
            OpenTrialsWarning,
        )
