"""Trainings over rows as they come, in one pass over each part of them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.estimators.fitting import Fitting, check_agreed, check_sizes, run_of, with_origin
from gradstep.estimators.reading import read_rows
from gradstep.nn import schedules
from gradstep.nn.schedules import ReduceOnPlateau
from gradstep.plan.build import Given, usual_schedule
from gradstep.plan.class_weights import weights_of_rows
from gradstep.plan.order import rows_per_update
from gradstep.plan.rows import TrainingData
from gradstep.plan.settings import Settings
from gradstep.plan.targets import Labels, Targets
from gradstep.training.checkpoint import FitState
from gradstep.training.fitted import Fitted
from gradstep.training.recorder import Begun, FitRecorder
from gradstep.training.setup import JobRows, make_job
from gradstep.utils import text
from gradstep.utils.busy import alone
from gradstep.utils.names import known_parameters

# What a stream of rows must leave as it was; the rest may change from call to call.
_OF_STREAM = ("hidden", "activation", "loss", "optimizer", "precision")


class Streaming(Fitting):
    """What does a pass over some rows, from where the one before has ended."""

    _checkpoint: FitState | None
    _fitted: Fitted

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> None:
        """Do one pass over some rows, from where the pass before has ended."""
        began, whose = time.perf_counter(), f"{self._owner()}.partial_fit"
        settings = _of_stream(self.settings(), whose)
        model = self._model() if hasattr(self, "coefs_") else None
        checkpoint = self._checkpoint if model else None
        if checkpoint is not None:
            check_agreed(checkpoint.run, settings, f"{whose} must be that of the calls before", _OF_STREAM)
        known = _known_targets(settings, model, classes, whose)
        rows = read_rows(self, settings, X, y, sample_weight, known=known, method="partial_fit")
        if model is None:
            chosen = rows.job_rows(settings)
        else:
            check_sizes(settings, model, rows.X.shape[1], whose)
            chosen = rows.job_rows(settings, scale=model.standardization, vocabulary=model.targets)
        weight = weights_of_rows(
            self.settings().class_weight, chosen.targets, rows.targets, rows.weight, whose
        )
        # As they are, for between calls, too, their ratios count.
        weight = None if weight is None or (weight == 1).all() else weight
        chosen = replace(chosen, train=replace(chosen.train, weight=weight))
        self._pass(settings, chosen, model, checkpoint, began)

    def _pass(
        self,
        settings: Settings,
        rows: JobRows,
        model: Fitted | None,
        checkpoint: FitState | None,
        began: float,
    ) -> None:
        """Train one epoch of some rows, and publish."""
        count = -(-rows.train.n // rows_per_update(settings.batch_size, rows.train.n))
        first, epoch, per_epoch = 0, 0, count
        if checkpoint is not None:
            settings = replace(settings, random_state=checkpoint.run.seed)
            first, epoch = checkpoint.update, checkpoint.epoch
            per_epoch = checkpoint.run.updates_per_epoch
        given = Given(
            parameters=None if model is None else model.block[None],
            rates=_rates(settings, rows.train, (first, count), per_epoch)[None],
            first_update=first,
            first_epoch=epoch,
        )
        job, (fitted,) = make_job([settings], rows, given)
        run = replace(run_of(settings, job, None), updates_per_epoch=per_epoch)
        if model is not None:
            fitted = with_origin(fitted, model)
        if model is None or checkpoint is None:
            recorder = FitRecorder(settings, job, fitted, run=run)
            self._train(job, recorder, fitted.block[None].copy(), began)
        else:
            begun = Begun(replace(self.result(), fitted=model), checkpoint)
            recorder = FitRecorder(settings, job, fitted, run=run, begun=begun)
            # Where weights were chosen, the best by early stopping or others by hand, it goes on from those.
            is_chosen = model is not self._fitted or checkpoint.best is not None
            start = replace(checkpoint, parameters=model.block) if is_chosen else checkpoint
            self._train(job, recorder, start.state(), began)
        if recorder.error:
            raise recorder.error


class StreamingClasses(Streaming):
    """`partial_fit` of a classifier."""

    @known_parameters
    @alone
    def partial_fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        classes: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Self:
        """Do one pass over some rows in mini-batches, and go on from there in the next call.

        The state of the optimizer, the number of the update, the place in the schedule and the random numbers
        go on from call to call. Mean and scale are those of the rows of the first call: take enough of them,
        or ``standardize=False`` and rows that are standardised already. Every call is an epoch: the history
        gets a row with the running metrics; nothing else is evaluated. An epoch of a schedule has as many
        updates as the first call; "auto" is the constant rate that it begins with, for the end is not known;
        of sparse rows that of each call. `epochs` is not looked at. After a `fit` it goes on from its model.

        Parameters
        ----------
        X : array-like of shape (n, d)
            As for `fit`.
        y : array-like of shape (n,) or (n, k)
            As for `fit`; classes may be missing.
        classes : array-like of shape (k,)
            All labels that there will be; needed by the first call, unless the loss is "multilabel".
        sample_weight : array-like of shape (n,), optional
            Weights >= 0; 1 is what a row weighs without. Those of a call are not scaled to mean 1.

        Returns
        -------
        self

        Raises
        ------
        InvalidParameterError
            As in `fit`; early stopping, a plateau, `validation_fraction`, "balanced" or a schedule over the
            whole run is asked for; or `hidden`, `activation`, `loss`, `optimizer` or `precision` has changed.
        InvalidDataError
            As in `fit`; X has another width than before, y a label that is not among the classes.
        DivergedError
            As in `fit`; the model kept is that before the call.
        """
        self._partial_fit(X, y, sample_weight, classes)
        return self


class StreamingValues(Streaming):
    """`partial_fit` of a regressor."""

    @known_parameters
    @alone
    def partial_fit(
        self, X: npt.ArrayLike, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> Self:
        """Do one pass over some rows in mini-batches, and go on from there in the next call.

        The state of the optimizer, the number of the update, the place in the schedule and the random numbers
        go on from call to call. Mean and scale, of y too, are those of the rows of the first call: take
        enough of them, or ``standardize=False`` and rows that are standardised already. Every call is an
        epoch: the history gets a row with the running metrics; nothing else is evaluated. An epoch of a
        schedule has as many updates as the first call; "auto" is the constant rate that it begins with, for
        the end is not known; of sparse rows that of each call. `epochs` is not looked at. After a `fit` it
        goes on from its model.

        Parameters
        ----------
        X : array-like of shape (n, d)
            As for `fit`.
        y : array-like of shape (n,) or (n, k)
            As for `fit`.
        sample_weight : array-like of shape (n,), optional
            Weights >= 0; 1 is what a row weighs without. Those of a call are not scaled to mean 1.

        Returns
        -------
        self

        Raises
        ------
        InvalidParameterError
            As in `fit`; early stopping, a plateau, `validation_fraction` or a schedule over the whole run is
            asked for; or `hidden`, `activation`, `loss`, `optimizer` or `precision` has changed.
        InvalidDataError
            As in `fit`; X or y has another width than before.
        DivergedError
            As in `fit`; the model kept is that before the call.
        """
        self._partial_fit(X, y, sample_weight)
        return self


def _of_stream(settings: Settings, whose: str) -> Settings:
    """Return the settings of one pass over rows of which more are to come.

    Raises
    ------
    InvalidParameterError
        One of them needs the rows as a whole.
    """
    reasons = {
        "early_stopping": "nothing is evaluated",
        "validation_fraction": "nothing is held out",
        "class_weight": "classes are counted in all rows: give their weights",
        "learning_rate": "nothing is evaluated",
        "optimizer": "an iteration takes all rows",
    }
    wrong = {
        "early_stopping": settings.early_stopping is not None,
        "validation_fraction": settings.validation_fraction is not None,
        "class_weight": settings.class_weight == "balanced",
        "learning_rate": isinstance(settings.learning_rate, ReduceOnPlateau),
        "optimizer": settings.optimizer.takes_all_rows,
    }
    for name, reason in reasons.items():
        if wrong[name]:
            raise InvalidParameterError(
                f"`{name}` of {whose} must be another, for {reason}, got {getattr(settings, name)!r}"
            )
    seeded = settings.seeded()
    return replace(seeded, evaluate_every=None, evaluate_untrained=False, class_weight=None)


def _rates(
    settings: Settings, train: TrainingData, updates: tuple[int, int], per_epoch: int
) -> npt.NDArray[np.float64]:
    """Return the rates of so many updates from the first on."""
    rule: Any = settings.learning_rate
    if isinstance(rule, str):
        rule = usual_schedule(settings.optimizer, settings.loss, train.squared_norm).high
    try:
        return schedules.evaluate_on(rule, *updates, per_epoch, settings.owner)
    except InvalidParameterError as error:
        raise InvalidParameterError(
            f"`learning_rate` of {settings.owner}.partial_fit must not need the end of a run, which is not "
            f"known, got {text.given(settings.learning_rate)}: {error}"
        ) from error


def _known_targets(settings: Settings, model: Fitted | None, classes: Any, whose: str) -> Targets | None:
    """Return how y is to be read, None where the first rows tell it."""
    if model is None and settings.loss.takes != "labels":
        return None
    if model is None and classes is None:
        raise InvalidDataError(f"classes must be passed on the first call to {whose}, got None")
    if classes is None:
        return None if model is None else model.targets
    learned, _ = Labels.learn(np.unique(np.asarray(classes)), f"classes of {whose}")
    if model is None:
        return learned
    known = model.targets
    before = known.classes if isinstance(known, Labels) else np.arange(known.k)
    if learned.classes.tolist() != before.tolist():
        raise InvalidDataError(
            f"classes of {whose} must be those of the first call, {text.given(before.tolist())}, got "
            f"{text.given(learned.classes.tolist())}"
        )
    return known
