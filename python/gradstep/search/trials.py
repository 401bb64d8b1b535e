"""What is known of every trial of a search, while it trains and afterwards."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from gradstep.errors import InvalidParameterError
from gradstep.estimators.base import BaseTrainer
from gradstep.nn.early_stopping import EarlyStopping
from gradstep.nn.metrics import ALWAYS, Metric, columns, sign
from gradstep.plan.build import make_augmentation
from gradstep.plan.settings import Settings
from gradstep.search.face_recorder import FaceRecorder
from gradstep.search.results import Results
from gradstep.search.steps import configured, trainer_of, with_trainer
from gradstep.training.history import History
from gradstep.training.progress import FitLines
from gradstep.training.record import ModelRecord
from gradstep.training.recorder import FitRecorder
from gradstep.training.status import Status
from gradstep.utils.progress import make_console
from gradstep.utils.text import given

# What is true of a trial when it is true of one of its folds, first things first.
_ORDER = (
    *(Status.DIVERGED, Status.FAILED, Status.RUNNING, Status.INTERRUPTED),
    *(Status.PRUNED, Status.EARLY_STOPPED, Status.CONVERGED, Status.COMPLETED, Status.WAITING),
)


@dataclass(eq=False)
class Trial:
    """One setting of the parameters.

    Attributes
    ----------
    number : int
        From 0.
    params : dict
        Of the space.
    estimator : Trainer, Regressor, or a face of scikit-learn's networks
        With these parameters.
    settings : Settings or FaceSettings
        Its parameters, checked.
    source : int
        Which of the rows of its search it is trained on, where there are several.
    folds : int
        Models of the trial; one where there are no folds.
    recorders : dict of int to ModelRecord
        What the trainings of its models came to, by the fold; those that have begun.
    failures : dict of int to Exception
        What transformers raised, by the fold: it has no model.
    """

    number: int
    params: dict[str, Any]
    estimator: BaseTrainer = field(repr=False)
    settings: Settings = field(repr=False)
    source: int = 0
    folds: int = 1
    recorders: dict[int, ModelRecord] = field(default_factory=dict, repr=False)
    failures: dict[int, Exception] = field(default_factory=dict, repr=False)
    _trainers: dict[int, BaseTrainer] = field(default_factory=dict, repr=False)
    _final: set[int] = field(default_factory=set, repr=False)
    # What is true of the folds that have not begun.
    _others: Status = field(default=Status.WAITING, repr=False)

    @property
    def status(self) -> Status:
        """What the trial is at; with folds, what is true of one of them, "diverged" before anything else."""
        found = {recorder.status for recorder in self.recorders.values()}
        if self.failures:
            found.add(Status.FAILED)
        if len(self.recorders) + len(self.failures) < self.folds:
            found.add(self._others)
        if Status.WAITING in found and len(found) > 1:
            found.add(Status.RUNNING)
        return next(status for status in _ORDER if status in found)

    @property
    def is_ended(self) -> bool:
        """Whether folds that have not begun never will."""
        return self._others is not Status.WAITING

    @property
    def histories(self) -> list[History]:
        """What was measured of the model of every fold."""
        empty = History(self.settings.metrics)
        found = [self.recorders.get(fold) for fold in range(self.folds)]
        return [recorder.history if recorder else empty.copy() for recorder in found]

    def begin(self, fold: int, recorder: ModelRecord) -> None:
        """Take the recorder of a fold; where callbacks watch, an estimator of its own follows it."""
        self.recorders[fold] = recorder
        if self.settings.verbose:
            name = f"trial {self.number}" + (f", fold {fold}" if self.folds > 1 else "")
            all_rows = self.settings.verbose > 1
            lines = FitLines(make_console(), name, int(self.settings.epochs), all_rows=all_rows)
            recorder.watch = lines.on_row
        if self.settings.callbacks and isinstance(recorder, FitRecorder | FaceRecorder):
            estimator: Any = self._own(fold)
            estimator.publish(recorder.result())
            recorder.on_row = estimator.on_row(recorder)

    def trainer(self, fold: int = 0) -> BaseTrainer:
        """Return the estimator of a fold, with the model of this moment; unfitted where there is none."""
        recorder = self.recorders.get(fold)
        if recorder is None or recorder.fitted is None:
            unfitted: BaseTrainer = clone(self.estimator)
            return unfitted
        estimator = self._own(fold)
        if fold not in self._final:
            estimator.publish(recorder.result())
        if recorder.status.is_over:
            self._final.add(fold)
        return estimator

    def score(self, metric: str) -> float:
        """Return the metric of the model that is kept, the mean over folds; NaN where there is none."""
        return float(np.mean(self.scores(metric)))

    def scores(self, metric: str) -> list[float]:
        """Return the metric of the model kept of every fold."""
        if self.status in (Status.DIVERGED, Status.FAILED):
            return [math.nan] * self.folds
        recorders = [self.recorders.get(fold) for fold in range(self.folds)]
        return [recorder.row.get(metric, math.nan) if recorder else math.nan for recorder in recorders]

    def curve(self, metric: str) -> npt.NDArray[np.float64]:
        """Return a column of the history turned so that less is better, the mean over folds.

        Infinite where a value is not a number, and at the end where a fold has diverged; where a
        fold has ended before others, its last value stays.
        """
        turn = sign(metric)
        found = [turn * history[metric] for history in self.histories]
        if self.status is Status.DIVERGED:
            found = [np.append(column, np.inf) for column in found]
        longest = max(len(column) for column in found)
        padded = [np.pad(column, (0, longest - len(column)), mode="edge") for column in found]
        curve: npt.NDArray[np.float64] = np.mean(padded, axis=0)
        return np.where(np.isnan(curve), np.inf, curve)

    @property
    def others(self) -> Status:
        """What is true of the folds that have not begun."""
        return self._others

    def close(self, status: Status) -> None:
        """Say that folds that have not begun never will."""
        self._others = status

    def end(self, status: Status) -> list[ModelRecord]:
        """End what still runs, and return it; folds that have not begun by then never do."""
        if self.recorders and not self.is_ended:
            self._others = status
        running = [recorder for recorder in self.recorders.values() if not recorder.status.is_over]
        for recorder in running:
            recorder.end(status)
        return running

    def settle(self) -> None:
        """Let the estimators that callbacks have seen be what their trainings came to."""
        for fold in self._trainers:
            self.trainer(fold)

    def forget(self, only_over: bool = False) -> None:
        """Forget the models, or those that are over; what was measured stays."""
        for fold, recorder in self.recorders.items():
            if only_over and not recorder.status.is_over:
                continue
            recorder.forget()
            self._final.discard(fold)
            if self._trainers.pop(fold, None) is self.estimator:
                self.estimator = clone(self.estimator)

    def _own(self, fold: int) -> BaseTrainer:
        """Return the estimator that has the model of a fold: of the first, that of the trial itself."""
        if fold not in self._trainers:
            self._trainers[fold] = clone(self.estimator) if fold else self.estimator
        return self._trainers[fold]


def seeded(estimator: Any, seed: int) -> Any:
    """Return a copy with an int as `random_state`: its own, one drawn from it, or else this one.

    Of a pipeline it is that of the last step.
    """
    copy = clone(estimator)
    trainer = trainer_of(copy)
    if trainer.get_params(deep=False)["random_state"] is None:
        return with_trainer(copy, trainer.set_params(random_state=seed))
    return with_trainer(copy, _with_int(trainer))


def make_trials(
    estimator: Any,
    candidates: Sequence[dict[str, Any]],
    has_validation: bool,
    whose: str = "Sweep",
    monitor: str = "validation_loss",
) -> list[Trial]:
    """Return a trial for every setting, each with an estimator and settings of its own.

    Parameters
    ----------
    estimator : Trainer, Regressor, or Pipeline that ends in one
        With an int as `random_state`.
    candidates : sequence of dict
        The settings.
    has_validation : bool
        Whether there are rows to validate on.
    whose : str
        What searches, in messages.
    monitor : str
        What early stopping goes by where it is told nothing.

    Raises
    ------
    InvalidParameterError
        A setting breaks a constraint of the estimator; the message has the trial and its values.
    """
    trials: list[Trial] = []
    seed = trainer_of(estimator).random_state
    for number, params in enumerate(candidates):
        with named(number, params, whose):
            own = trainer_of(configured(estimator, params, whose))
            replaced = any(isinstance(value, BaseTrainer) for value in params.values())
            own = seeded(own, seed) if replaced else _with_int(own)
            if isinstance(own.early_stopping, EarlyStopping):
                own.set_params(early_stopping=own.early_stopping.watching(monitor))
            # Of a thousand trials nearly all values are those of the one before.
            before = trials[-1].estimator if trials else None
            settings = own.settings(before).for_rows(has_validation)
            settings.check_watched(has_validation)
            if settings.checkpoint is not None:
                raise InvalidParameterError(
                    f"`checkpoint` of {settings.owner} must be None in a search, which is kept as a whole by "
                    f"`checkpoint` of {whose}, got {given(settings.checkpoint)}"
                )
        trials.append(Trial(number, params, own, settings))
    return trials


def kinds_of(trials: Sequence[Trial]) -> set[str]:
    """Return the kinds of targets that the losses of trials take."""
    return {trial.settings.loss.takes for trial in trials}


def hold_out(trials: Sequence[Trial], others: str, by: str = "validation_fraction") -> bool:
    """Return whether trials hold out rows of their own, which the parameter `by` makes them do.

    Raises
    ------
    InvalidParameterError
        They do though there are `others`, or not all of them do.
    """
    drawing = [trial.settings for trial in trials if trial.settings.validation_fraction is not None]
    for settings in drawing if others else ():
        settings.check_held_out(others)
    if 0 < len(drawing) < len(trials):
        raise InvalidParameterError(
            f"`{by}` must be set in every trial of Sweep or in none, for scores of other rows cannot be "
            f"compared, got it in {len(drawing)} of {len(trials)}"
        )
    return bool(drawing)


def check_images(trials: Sequence[Trial], d: int | None, whose: str = "Sweep") -> None:
    """Raise InvalidParameterError where a trial augments images that rows of d inputs, if known, are not."""
    for trial in trials if d is not None else ():
        if trial.settings.augment is not None:
            with named(trial.number, trial.params, whose):
                make_augmentation(trial.settings.augment, 1, int(d or 0), 0)


def best_of(trials: Sequence[Trial], metric: str) -> Trial | None:
    """Return the best trial trained to its own end; or else the best of those that were interrupted."""
    turn, statuses = sign(metric), [trial.status for trial in trials]
    for parts in ([s.is_complete for s in statuses], [s is Status.INTERRUPTED for s in statuses]):
        found = [trial for trial, is_part in zip(trials, parts, strict=True) if is_part]
        scored = [(turn * trial.score(metric), trial) for trial in found]
        valid = [pair for pair in scored if not math.isnan(pair[0])]
        if valid:
            return min(valid, key=lambda pair: pair[0])[1]
    return None


def reason_for_none(trials: Sequence[Trial]) -> str:
    """Say why none of the trials has a model to offer."""
    found = [trial.status.value for trial in trials]
    counts = ", ".join(f"{found.count(status)} {status}" for status in dict.fromkeys(found))
    errors = [recorder.error for trial in trials for recorder in trial.recorders.values() if recorder.error]
    first = f" The first of them: {errors[0]}" if errors else ""
    return f"no trial of the search came to its end ({counts}); `results_` has what was done.{first}"


def tabulate(trials: Sequence[Trial], metric: str) -> Results:
    """Return the table of all trials, with the values of a metric as scores."""
    names = list(dict.fromkeys(name for trial in trials for name in trial.params))
    table: dict[str, list[Any]] = {"trial": [trial.number for trial in trials]}
    table |= {name: [trial.params.get(name, math.nan) for trial in trials] for name in names}
    table["status"] = [trial.status.value for trial in trials]
    scores = np.array([trial.scores(metric) for trial in trials])
    table["score"] = scores.mean(axis=1).tolist()
    if scores.shape[1] > 1:
        table["score_std"] = scores.std(axis=1).tolist()
        table |= {f"fold{fold}_score": scores[:, fold].tolist() for fold in range(scores.shape[1])}
    metrics = list({own.name: own for trial in trials for own in trial.settings.metrics}.values())
    summaries = [
        [_summary(trial.recorders.get(fold), metric, metrics) for fold in range(trial.folds)]
        for trial in trials
    ]
    for name in summaries[0][0]:
        of_trials = [[summary[name] for summary in of_folds] for of_folds in summaries]
        table[name] = [float(np.mean(values)) for values in of_trials]
    table["updates"] = [int(values) for values in table["updates"]]
    return Results(table, names, larger_is_better=sign(metric) < 0)


def _summary(recorder: ModelRecord | None, metric: str, metrics: Sequence[Metric]) -> dict[str, float]:
    """Return a model's metrics at its best evaluation and of the model kept, and where it ended."""
    rows = recorder.history.rows if recorder else []
    kept = recorder.row if recorder else {}
    last = rows[-1] if rows else {}
    values = sign(metric) * recorder.history[metric] if recorder and rows else np.empty(0)
    best = {} if np.isnan(values).all() else rows[int(np.nanargmin(values))]
    summary = {"best_epoch": best.get("epoch", math.nan)}
    for own in (*ALWAYS, *metrics):
        summary[f"best_validation_{own.name}"] = best.get(f"validation_{own.name}", math.nan)
    summary |= {name: kept.get(name, math.nan) for name in ("epoch", *columns(metrics))}
    error = recorder.error if recorder else None
    summary["updates"] = error.update if error else last.get("update", 0)
    summary["last_rate"] = error.learning_rate if error else last.get("learning_rate", math.nan)
    return summary | {"seconds": last.get("seconds", math.nan)}


def _with_int(estimator: BaseTrainer) -> BaseTrainer:
    """Return an estimator with an int in the place of a generator, the draws of which have an order."""
    state = estimator.random_state
    if not isinstance(state, np.random.RandomState):
        return estimator
    # A copy, for what the user gave is never changed.
    return estimator.set_params(random_state=int(clone(state, safe=False).randint(2**31 - 1)))


@contextmanager
def named(number: int, params: Mapping[str, Any], whose: str) -> Iterator[None]:
    """Say which trial has what is refused."""
    try:
        yield
    except InvalidParameterError as error:
        words = ", ".join(f"{name}={given(value)}" for name, value in params.items())
        raise InvalidParameterError(f"trial {number} of {whose} has {words}: {error}") from error
