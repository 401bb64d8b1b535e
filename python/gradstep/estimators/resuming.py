"""Trainings that go on over the same rows, from the state in which they were left."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Self

import numpy.typing as npt

from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.estimators.fitting import Fitting, check_agreed, with_origin
from gradstep.estimators.reading import read_rows
from gradstep.estimators.validation import ValidationRows
from gradstep.plan.build import Given
from gradstep.training import progress
from gradstep.training.checkpoint import FitState, digest
from gradstep.training.fitted import Fitted
from gradstep.training.recorder import Begun, FitRecorder
from gradstep.training.setup import make_job
from gradstep.utils.busy import alone
from gradstep.utils.constraints import NONE, WHOLE, at_least, check, either
from gradstep.utils.names import known_parameters


class Resuming(Fitting):
    """What goes over the rows of `fit` again."""

    _checkpoint: FitState | None
    _fitted: Fitted

    @known_parameters
    @alone
    def resume(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        eval_set: Any = None,
        *,
        epochs: int | None = None,
        X_val: npt.ArrayLike | None = None,
        y_val: npt.ArrayLike | None = None,
        sample_weight_val: npt.ArrayLike | None = None,
    ) -> Self:
        """Train on, over the rows of `fit`, from the state in which the training was left.

        The result is, to the bit, that of one `fit` of all these epochs: weights, history and what the
        optimizer, early stopping and plateaus know go on, the order of rows and random changes too, with any
        number of threads. The history goes on, and gets a row where the training was left.

        A training that was interrupted goes on to the epochs that were planned. With `epochs`, so many more
        are planned; rates of a schedule over the whole run, as of "auto", are then those that one run of all
        these epochs has from there on, while what is done was done by those of the shorter run: for the same
        bits give a schedule that does not depend on the length of the run. `learning_rate`, `early_stopping`,
        callbacks, `evaluate_every`, backend and threads may have been changed since; then the training goes
        on by the new ones. Early stopping that has ended a training has its whole patience again.

        Copies and pickles can go on, and models that `save` wrote with ``resumable=True``.

        Parameters
        ----------
        X, y, sample_weight, eval_set, X_val, y_val, sample_weight_val
            What `fit` was given.
        epochs : int, optional
            More epochs, a begun one being counted as done; by default those that were planned and are not
            done.

        Returns
        -------
        self

        Raises
        ------
        InvalidDataError
            The rows are not those of `fit`, or the model has no state to go on from: it was trained in a
            search, by `partial_fit` or by L-BFGS, has diverged, was saved without, or its weights were
            replaced.
        InvalidParameterError
            `epochs` is not >= 1, or None where all are done; or a parameter has been changed that the
            trajectory follows from, as `optimizer`, `batch_size`, `l2` or `precision`.
        DivergedError
            As in `fit`.
        """
        began, whose = time.perf_counter(), f"{self._owner()}.resume"
        check(whose, "epochs", epochs, (either(WHOLE, NONE), at_least(1)))
        validation = ValidationRows.named(eval_set, X_val, y_val, sample_weight_val, whose)
        checkpoint, settings = self._left(whose), self._settings_for(validation)
        run = checkpoint.run
        if run.data is None:
            raise InvalidDataError(
                f"{whose} goes over the rows of fit, this model was trained by partial_fit"
            )
        check_agreed(run, settings, f"{whose} must be that of fit")
        planned = run.epochs if epochs is None else checkpoint.epoch + int(epochs)
        if planned * run.updates_per_epoch <= checkpoint.update:
            raise InvalidParameterError(
                f"`epochs` of {whose} must be given where all {planned} that were planned are done, got None"
            )
        settings = replace(settings, epochs=planned, random_state=run.seed, evaluate_untrained=False)
        with progress.of_verbose(settings.verbose, planned) as watch:
            rows = read_rows(self, settings, X, y, sample_weight, validation, method="resume")
            chosen = rows.job_rows(settings, *rows.parts(settings))
            if digest([chosen.train, chosen.held_out], chosen.targets) != run.data:
                raise InvalidDataError(
                    f"the rows of {whose} must be those of fit in their order, with the same targets, "
                    f"weights and validation rows, got others; warm_start=True and partial_fit take others"
                )
            job, (fitted,) = make_job([settings], chosen, Given(parameters=checkpoint.parameters[None]))
            fitted = with_origin(fitted, self._fitted)
            run, begun = replace(run, epochs=planned), Begun(self.result(), checkpoint)
            recorder = FitRecorder(settings, job, fitted, run=run, begun=begun)
            recorder.watch = watch.on_row if settings.verbose else None
            self._train(job, recorder, checkpoint.state(), began)
        self._tell(settings, recorder, job)
        return self

    def _left(self, whose: str) -> FitState:
        """Return the state in which a training was left; a stream's may be over other rows."""
        model, checkpoint = self._model(), self._checkpoint
        reason = ""
        if self.settings().optimizer.takes_all_rows:
            reason = "what its `optimizer` remembers is not kept"
        elif checkpoint is None:
            reason = (
                "it has diverged, was trained in a search, or was copied or saved without: see "
                "save(..., resumable=True)"
            )
        elif model is not self._fitted:
            reason = "its weights were replaced"
        if checkpoint is None or reason:
            raise InvalidDataError(
                f"{whose} needs a model with the state of its training, this one has none, for {reason}; "
                f"warm_start=True goes on from weights alone"
            )
        return checkpoint
