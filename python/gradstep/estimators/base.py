"""What estimators have in common: they hand settings and rows down, and publish what comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from gradstep.datasets.schema import Schema
from gradstep.datasets.sets import DataSet
from gradstep.errors import InvalidDataError
from gradstep.estimators.features import HiddenFeatures
from gradstep.estimators.reading import check_weight, read_rows, read_targets, rows_to_predict
from gradstep.estimators.validation import ValidationRows
from gradstep.nn.metrics import Metrics
from gradstep.plan.build import usual_schedule
from gradstep.plan.network import Layers
from gradstep.plan.settings import FAMILIES, OWNERS, Settings
from gradstep.plan.standardization import Standardization
from gradstep.storage import model_file
from gradstep.training import progress
from gradstep.training.convergence import promised_fall
from gradstep.training.fitted import Fitted
from gradstep.training.history import History
from gradstep.training.loop import TrainingLoop
from gradstep.training.recorder import FitRecorder
from gradstep.training.result import TrainingResult
from gradstep.training.setup import TrainingJob, make_job
from gradstep.training.status import Status
from gradstep.utils import interrupt
from gradstep.utils.busy import at_work, wants_stop
from gradstep.utils.concepts import Concept
from gradstep.utils.constraints import check
from gradstep.utils.nested_params import NestedParameters
from gradstep.utils.warn import warn


class BaseTrainer(HiddenFeatures, NestedParameters):
    """An estimator around settings, rows and a fitted value. It owns no mathematics."""

    concepts: ClassVar[Mapping[str, type[Concept]]] = FAMILIES

    backend: str
    n_threads: int | None
    callbacks: Any

    coefs_: list[npt.NDArray[Any]]
    intercepts_: list[npt.NDArray[Any]]
    standardization_: Standardization
    history_: History
    status_: Status
    interrupted_: bool
    n_iter_: int
    batch_size_: int
    backend_: str
    n_threads_: int
    updates_per_epoch_: int
    snapshots_: list[Self]
    n_features_in_: int
    feature_names_in_: npt.NDArray[Any]
    _fitted: Fitted

    def settings(self) -> Settings:
        """Return the parameters, checked and frozen.

        Raises
        ------
        InvalidParameterError
            A parameter breaks its constraint.
        """
        return Settings.of(self._owner(), self.get_params(deep=False))

    def publish(self, result: TrainingResult) -> None:
        """Make what a training came to the learned attributes."""
        fitted = result.fitted
        learned = {
            "_fitted": fitted,
            "coefs_": fitted.coefs,
            "intercepts_": fitted.intercepts,
            "standardization_": fitted.standardization,
            "history_": result.history,
            "status_": result.status,
            "interrupted_": result.status is Status.INTERRUPTED,
            "n_iter_": result.n_iter,
            "batch_size_": result.batch_size,
            "backend_": result.backend,
            "n_threads_": result.n_threads,
            "updates_per_epoch_": result.updates_per_epoch,
            "n_features_in_": fitted.layers.sizes[0],
            **self._learned_of_targets(fitted),
        }
        if fitted.feature_names is not None:
            learned["feature_names_in_"] = fitted.feature_names
        if fitted.schema is not None:
            learned["schema_"] = fitted.schema
        # Of an earlier training nothing is left, and whatever interrupts this line finds all of one model.
        gone = {"feature_names_in_", "schema_"}
        if vars(self).get("history_") is not result.history:
            gone.add("snapshots_")
        self.__dict__ = {name: value for name, value in vars(self).items() if name not in gone} | learned

    def on_row(self, recorder: FitRecorder) -> Callable[[], bool] | None:
        """Return what a recorder is to call after every row: it publishes, then asks the callbacks."""
        if not self.callbacks:
            return None

        def call() -> bool:
            self.publish(recorder.result())
            # In a search nothing else says that this one is being trained.
            with at_work(self):
                return wants_stop(self._owner(), [ask(self, dict(recorder.row)) for ask in self.callbacks])

        return call

    def result(self) -> TrainingResult:
        """Return what was learned as one value.

        Raises
        ------
        NotFittedError
            There is no model.
        """
        return TrainingResult(
            self._model(),
            self.history_,
            self.status_,
            n_iter=self.n_iter_,
            batch_size=self.batch_size_,
            updates_per_epoch=self.updates_per_epoch_,
            backend=self.backend_,
            n_threads=self.n_threads_,
        )

    def snapshot(self) -> Self:
        """Return an estimator with the model and the history of this moment; callbacks are left out."""
        result = self.result()
        snapshot: Self = clone(self).set_params(callbacks=())
        snapshot.publish(replace(result, history=result.history.copy()))
        return snapshot

    def remember(self, data: DataSet) -> Self:
        """Keep the names of columns and classes of the data trained on, and how its tables became inputs.

        The model then has `schema_`, by which `gradstep.datasets.load_rows` and `gradstep predict` take
        further tables; `save` keeps it. The inputs of a table get names: from now on scikit-learn's check of
        names holds for the model, and it warns where rows have none.

        Parameters
        ----------
        data : DataSet
            What a loader returned, whose `train` rows the model was fitted on.

        Returns
        -------
        self

        Raises
        ------
        InvalidDataError
            The data has another number of columns than the model has inputs.
        NotFittedError
            There is no model.
        """
        result = self.result()
        fitted, schema = result.fitted, data.schema or Schema()
        if data.train.X.shape[1] != fitted.layers.sizes[0]:
            raise InvalidDataError(
                f"data of {self._owner()}.remember must have {fitted.layers.sizes[0]} columns as the model "
                f"has inputs, got {data.train.X.shape[1]}"
            )
        # A class of the held-out rows alone is none that the model knows.
        class_names = data.class_names if len(data.class_names) == fitted.targets.k else ()
        names = fitted.feature_names if data.schema is None else np.array(schema.inputs, dtype=object)
        schema = replace(schema, class_names=class_names)
        self.publish(replace(result, fitted=replace(fitted, schema=schema, feature_names=names)))
        return self

    def publish_snapshots(self, snapshots: list[Self]) -> None:
        """Make models that were kept on the way the learned attribute `snapshots_`."""
        self.snapshots_ = snapshots

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model to a file, in one step: an older file stays whole until the new one is.

        The file holds parameters, history and all that prediction needs; a function as
        `learning_rate` as the rates it gave, and no callbacks. See `gradstep.storage.model_file`.
        An older file hands on its permissions; a link is followed.

        Raises
        ------
        InvalidDataError
            `load` could not read it again: weights are not finite, labels are objects, or a parameter was
            set to what it must not be. Nothing is written.
        OSError
            The file cannot be written; an older one is untouched.
        """
        model_file.save(self._owner(), self.get_params(deep=False), self.result(), path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read a model that `save` wrote. Nothing in the file is ever run.

        Raises
        ------
        CorruptFileError
            The file is damaged, truncated, altered, or not a model of this class.
        OSError
            There is no such file, it is a folder, a pipe or a device, or it cannot be read.
        """
        _, parameters, result = model_file.load(cls._owner(), path)
        estimator = cls(**parameters)
        estimator.publish(result)
        return estimator

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # What was pickled are copies; views of one block again, so that no prediction has to join them.
        if hasattr(self, "_fitted"):
            self._fitted = self._model()
            self.coefs_ = self._fitted.coefs
            self.intercepts_ = self._fitted.intercepts

    @classmethod
    def _owner(cls) -> str:
        """Return whose constraints hold: those of the class itself, or of the one it is derived from."""
        return next(base.__name__ for base in cls.__mro__ if base.__name__ in OWNERS)

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation: ValidationRows | None) -> None:
        """Train a group of one, and publish what it came to. Until there is a new model the old one stays.

        Before the training begins, Ctrl-C finds nothing changed and raises at once.
        """
        began = time.perf_counter()
        settings = self.settings().for_rows(validation is not None)
        settings.check_watched(validation is not None)
        if validation is not None:
            settings.check_held_out(validation.argument)
        with progress.of_verbose(settings.verbose, settings.epochs) as watch:
            rows = read_rows(self, settings, X, y, sample_weight, validation)
            job, (fitted,) = make_job([settings], rows.job_rows(settings, *rows.parts(settings)))
            recorder = FitRecorder(settings, job, fitted)
            recorder.on_row = self.on_row(recorder)
            recorder.watch = watch.on_row if settings.verbose else None
            loop = TrainingLoop(job, fitted.block[None].copy(), [recorder], time.perf_counter() - began)
            with interrupt.deferred() as stop:
                try:
                    loop.advance(job.plan.updates, stop)
                except BaseException:
                    if recorder.row:
                        recorder.end(Status.INTERRUPTED)
                        self.publish(recorder.result())
                    raise
                if not (recorder.row or recorder.error):
                    raise KeyboardInterrupt
                if not recorder.status.is_over:
                    recorder.end(Status.INTERRUPTED)
                self.publish(recorder.result())
        if recorder.error:
            raise recorder.error
        self._warn_of_unfinished(settings, job)
        if self.interrupted_:
            warn(f"training interrupted at update {self.history_['update'][-1]}")

    def _warn_of_unfinished(self, settings: Settings, job: TrainingJob) -> None:
        """Warn where all epochs are done and the loss would still fall much."""
        if self.status_ is not Status.COMPLETED:
            return
        rates = job.plan.learning_rate[0]
        usual = usual_schedule(settings.optimizer, settings.loss, self.n_features_in_)
        fall = promised_fall(self.history_, rates, usual.high)
        if fall is not None:
            warn(
                f"{self._owner()} has not converged after {settings.epochs} epochs: at its last pace, as "
                f"many again would lower the loss by {fall:.0%} or so. More `epochs` or another "
                "`learning_rate` may help",
                ConvergenceWarning,
            )

    def _evaluate(self, X: Any, y: Any, sample_weight: Any) -> Metrics:
        """Return loss, cost and metrics on the rows of X."""
        self.settings()
        fitted = self._model()
        whose = f"{self._owner()}.evaluate"
        rows, encoded = read_targets(self, fitted.targets, X, y, whose)
        weight = check_weight(sample_weight, len(rows), whose)
        return fitted.evaluate(fitted.data(rows, encoded, weight), self.backend, self.n_threads)

    def _read_y(self, y: Any, method: str) -> npt.NDArray[Any]:
        """Return y, in whatever form, as `fit` reads it."""
        return self._model().targets.read(y, f"y of {self._owner()}.{method}")

    def _predict(self, X: Any) -> npt.NDArray[Any]:
        return self._model().predict(self._rows(X), self.backend, self.n_threads)

    def _answers(
        self, X: Any, answer: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]
    ) -> npt.NDArray[np.float64]:
        """Return what `answer` makes of the scores (n, k) of any number of rows."""
        return self._model().answers(self._rows(X), answer, self.backend, self.n_threads)

    def _rows(self, X: Any) -> npt.NDArray[Any]:
        return rows_to_predict(self, X)

    def _model(self) -> Fitted:
        """Return the fitted model, with weights that were put in place of the learned ones."""
        if not hasattr(self, "coefs_"):
            check_is_fitted(self, "coefs_")
        constraints = OWNERS[self._owner()][0]
        for name in ("backend", "n_threads"):
            check(self._owner(), name, getattr(self, name), constraints[name])
        fitted = self._fitted
        block = fitted.block if fitted.block.base is None else fitted.block.base
        parts = [part for pair in zip(self.coefs_, self.intercepts_, strict=True) for part in pair]
        if all(part.base is block for part in parts):
            return fitted
        sizes = (self.coefs_[0].shape[0], *(W.shape[1] for W in self.coefs_))
        return replace(fitted, layers=Layers(sizes), block=np.concatenate(parts, axis=None))

    def _learned_of_targets(self, fitted: Fitted) -> dict[str, Any]:
        """Return the learned attributes that tell of y."""
        return {}
