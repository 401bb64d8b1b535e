"""What estimators have in common: they hand settings and rows down, and publish what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from gradstep.datasets.schema import Schema
from gradstep.datasets.sets import DataSet
from gradstep.errors import InvalidDataError
from gradstep.estimators.features import HiddenFeatures
from gradstep.estimators.reading import check_weight, read_targets, rows_to_predict
from gradstep.estimators.resuming import Resuming
from gradstep.nn.metrics import Metrics
from gradstep.plan.network import Layers
from gradstep.plan.settings import FAMILIES, OWNERS, Settings
from gradstep.plan.standardization import Standardization
from gradstep.storage import model_file
from gradstep.training.fitted import Fitted
from gradstep.training.history import History
from gradstep.training.recorder import FitRecorder
from gradstep.training.result import TrainingResult
from gradstep.training.status import Status
from gradstep.utils.busy import at_work, wants_stop
from gradstep.utils.concepts import Concept
from gradstep.utils.constraints import FLAG, check
from gradstep.utils.nested_params import NestedParameters


class BaseTrainer(HiddenFeatures, Resuming, NestedParameters):
    """An estimator around settings, rows and a fitted value. It owns no mathematics."""

    concepts: ClassVar[Mapping[str, type[Concept]]] = FAMILIES

    backend: str
    n_threads: int | None
    callbacks: Any
    early_stopping: Any
    random_state: Any

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

    def settings(self, like: BaseTrainer | None = None) -> Settings:
        """Return the parameters, checked and frozen; values that it shares with `like`, which was, need none.

        Raises
        ------
        InvalidParameterError
            A parameter breaks its constraint.
        """
        checked = like.get_params(deep=False) if type(like) is type(self) else None
        return Settings.of(self._owner(), self.get_params(deep=False), checked)

    def learned(self, result: TrainingResult) -> dict[str, Any]:
        """Return what a training came to as the learned attributes that tell of it."""
        fitted = result.fitted
        learned: dict[str, Any] = {
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
            "_checkpoint": result.checkpoint,
            **self._learned_of_targets(fitted),
        }
        if fitted.feature_names is not None:
            learned["feature_names_in_"] = fitted.feature_names
        if fitted.schema is not None:
            learned["schema_"] = fitted.schema
        return learned

    def publish(self, result: TrainingResult) -> None:
        """Make what a training came to the learned attributes."""
        learned = self.learned(result)
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
            checkpoint=self._checkpoint,
        )

    def snapshot(self) -> Self:
        """Return an estimator with the model and the history of this moment.

        Callbacks are left out, and the state that `resume` goes on from.
        """
        result = self.result()
        snapshot: Self = clone(self).set_params(callbacks=())
        snapshot.publish(replace(result, history=result.history.copy(), checkpoint=None))
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

    def save(self, path: str | PathLike[str], *, resumable: bool = False) -> None:
        """Write the model to a file, in one step: an older file stays whole until the new one is.

        The file holds parameters, history and all that prediction needs; a function as
        `learning_rate` as the rates it gave, and no callbacks. See `gradstep.storage.model_file`.
        An older file hands on its permissions; a link is followed.

        Parameters
        ----------
        path : str or path-like
        resumable : bool, default=False
            Whether the file has what `resume` and `partial_fit` go on from, too: what the optimizer keeps of
            every weight, which is one or two numbers more where it has momentum or moments, and the last
            weights where those kept are the best.

        Raises
        ------
        InvalidDataError
            `load` could not read it again: weights are not finite, labels are objects, or a parameter was
            set to what it must not be; or the model has nothing to go on from. Nothing is written.
        OSError
            The file cannot be written; an older one is untouched.
        """
        check(f"{self._owner()}.save", "resumable", resumable, (FLAG,))
        result = self.result()
        if resumable:
            self._left(f"{self._owner()}.save with resumable=True")
        else:
            result = replace(result, checkpoint=None)
        model_file.save(self._owner(), self.get_params(deep=False), result, path)

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
            self._checkpoint = self._checkpoint and self._checkpoint.sharing(self._fitted.block)

    @classmethod
    def _owner(cls) -> str:
        """Return whose constraints hold: those of the class itself, or of the one it is derived from."""
        return next(base.__name__ for base in cls.__mro__ if base.__name__ in OWNERS)

    def _evaluate(self, X: Any, y: Any, sample_weight: Any) -> Metrics:
        """Return loss, cost and metrics on the rows of X."""
        self.settings()
        fitted = self._model()
        whose = f"{self._owner()}.evaluate"
        rows, encoded = read_targets(self, fitted.targets, X, y, whose)
        weight = check_weight(sample_weight, rows.shape[0], whose)
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
