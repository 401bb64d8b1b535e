"""What the faces of scikit-learn's multi-layer perceptrons have in common: attributes, `fit`, predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn import get_config
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.optimize import _check_optimize_result
from sklearn.utils.validation import validate_data

from gradstep.errors import InterruptedWarning
from gradstep.plan.checkpoint import Checkpoint
from gradstep.plan.network import Layers
from gradstep.plan.order import Order, RowOrder, StreamOrder
from gradstep.plan.rows import ROW_TYPES, TrainingData, as_rows
from gradstep.plan.standardization import Standardization
from gradstep.sklearn.beginning import Beginning, FaceResult
from gradstep.sklearn.curves import Curves, EpochRule, SolverState
from gradstep.sklearn.keeping import FaceKeeper
from gradstep.sklearn.labels import FaceTargets
from gradstep.sklearn.lbfgs import FullCost, minimise
from gradstep.sklearn.model import FaceModel, from_packed, joined, to_packed
from gradstep.sklearn.plain import are_plain_targets
from gradstep.sklearn.predictions import FacePredictions
from gradstep.sklearn.rows import FaceRows, ReadFaceRows
from gradstep.sklearn.settings import MLPSettings
from gradstep.sklearn.streams import draw_parameters
from gradstep.sklearn.training import EpochObserver, train_in_batches
from gradstep.sklearn.weights import read_weights
from gradstep.training.fit_tasks import FitTasks, TakesCallbacks
from gradstep.utils import interrupt
from gradstep.utils.busy import at_work, wants_stop
from gradstep.utils.parameters import Parameters
from gradstep.utils.warn import warn

Array = npt.NDArray[Any]


def is_stochastic(estimator: Any) -> bool:
    """Return True where the solver is one that `partial_fit` has.

    Raises
    ------
    AttributeError
        It is another.
    """
    if estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic."
        )
    return True


class BaseFace(TakesCallbacks, FacePredictions, Parameters):
    """What `MLPClassifier` and `MLPRegressor` share. All that trains or predicts is this package's own."""

    activation: Any
    random_state: Any
    _random_state: np.random.RandomState
    callbacks: Any
    checkpoint: Checkpoint | None
    _standardization: Standardization
    _optimizer: SolverState

    def settings(self) -> MLPSettings:
        """Return the parameters, frozen; scikit-learn's constraints have checked them.

        Raises
        ------
        ValueError
            `hidden_layer_sizes` has a size below 1.
        """
        return MLPSettings.of(self)

    def _check_parameters(self, incremental: bool = False) -> None:
        """Raise where a parameter breaks its constraint; `partial_fit` asks once, as in scikit-learn."""
        if not (get_config()["skip_parameter_validation"] or (incremental and hasattr(self, "coefs_"))):
            self._validate_params()

    def _fit(
        self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False, resume: bool = False
    ) -> Self:
        """Train; `incremental` for one epoch, from where the last call ended."""
        checkpoint = None if incremental else self.checkpoint
        with FaceKeeper.opened(checkpoint, self, resume) as keeper:
            random_state = keeper.random_state if keeper else self.random_state
            begun = self.begin(X, y, sample_weight, incremental, check_random_state(random_state))
            is_stochastic = begun.settings.is_stochastic
            count = int(begun.settings.max_iter) * is_stochastic
            tasks = None if incremental else self._begin_tasks(count, X, y, sample_weight)
            if is_stochastic:
                self._fit_in_batches(begun, incremental, keeper, tasks)
            else:
                self._fit_by_lbfgs(begun)
            if tasks:
                tasks.end()
        self._check_finite()
        return self

    def begin(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        incremental: bool = False,
        generator: np.random.RandomState | None = None,
    ) -> Beginning:
        """Return what a training begins with: all that is read and drawn before its first update."""
        settings = self.settings()
        if incremental and settings.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        is_new = not hasattr(self, "coefs_") or not (settings.warm_start or incremental)
        read = self._read(X, y, sample_weight, incremental, is_new)
        generator = check_random_state(self.random_state) if generator is None else generator
        layers = Layers((read.X.shape[1], *settings.hidden, read.targets.outputs))
        if is_new:
            dtype = settings.dtype_for(read.X)
            block = draw_parameters(layers, settings.initial_factor, generator, dtype)
            curves = Curves.start(settings.early_stopping)
        else:
            block = self._known_block(layers)
            curves = Curves.of(self, settings.early_stopping)
        parts = read.parts(settings, generator)
        scale = read.standardization(settings, parts[0]) if is_new else self._known_standardization(layers)
        rows = read.as_trained_on(block.dtype, scale, *parts)
        self._random_state = generator
        return Beginning(settings, rows, block, curves)

    def order(self, begun: Beginning) -> Order:
        """Return the order of rows, drawn from the stream that all else was drawn from."""
        settings, n = begun.settings, begun.rows.train.n
        return StreamOrder(n, self._random_state) if settings.shuffle else RowOrder(n, False, 0)

    def _warn_of_no_end(self, rule: EpochRule) -> None:
        if rule.is_unfinished:
            warn(
                f"Stochastic Optimizer: Maximum iterations ({rule.epochs}) reached and the optimization "
                "hasn't converged yet.",
                ConvergenceWarning,
            )

    def _check_finite(self) -> None:
        if not all(np.isfinite(part).all() for part in (*self.coefs_, *self.intercepts_)):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and "
                "need to be preprocessed."
            )

    def _fit_in_batches(
        self, begun: Beginning, incremental: bool, keeper: FaceKeeper | None, tasks: FitTasks | None
    ) -> None:
        """Train by a stochastic solver; warn where all epochs are done without an end by its rule."""
        settings, rows, block, curves = begun
        state = self._solver_state(settings, block, incremental)
        epochs = 1 if incremental else int(settings.max_iter)
        observer = EpochObserver(EpochRule(settings, curves, state, rows.train.n, epochs), rows, block)
        if self.callbacks or (tasks and tasks.are_told):
            observer.on_epoch = self.on_row(observer, tasks)
        if keeper:
            keeper.follow(begun, observer)
        self._train(observer, self.order(begun), keeper)
        if not incremental:
            self._warn_of_no_end(observer.rule)

    def _fit_by_lbfgs(self, begun: Beginning) -> None:
        """Train by L-BFGS; scikit-learn's own words tell why it ended too early."""
        settings, rows, block, curves = begun
        found = minimise(FullCost(settings, rows, block.dtype), block, settings)
        n_iter = _check_optimize_result("lbfgs", found, settings.max_iter)
        self.__dict__ = vars(self) | {
            **self._learned_of_model(rows, found.x.astype(block.dtype), settings),
            "n_iter_": n_iter,
            "t_": curves.t,
            "loss_": found.fun,
        }

    def _train(self, observer: EpochObserver, order: Order, keeper: FaceKeeper | None) -> None:
        """Train and publish what it came to; Ctrl-C keeps that, too."""
        settings = observer.rule.settings
        settings.warn_of_clipping(observer.rows.train.n)
        was_interrupted = False
        with interrupt.deferred() as stop:
            try:
                if observer.is_over:  # as it was kept: what it drew is drawn
                    order.epoch(observer.rule.curves.n_iter - 1)
                else:
                    train_in_batches([observer], order, stop)
            except KeyboardInterrupt:
                # The second press ends more than this training. One that others raise is the first.
                if stop.requested:
                    self._publish(observer)
                    raise
                was_interrupted = True
            if keeper:
                keeper.finish(observer)
            if settings.early_stopping:
                observer.block = observer.best
            self._publish(observer)
            was_interrupted |= stop.requested and not observer.is_over
        if was_interrupted:
            warn("Training interrupted by user.", InterruptedWarning)

    def _publish(self, observer: EpochObserver) -> None:
        """Make what a training came to the learned attributes, in one assignment."""
        self.__dict__ = vars(self) | self._learned(observer)

    def _learned(self, observer: EpochObserver) -> dict[str, Any]:
        """Return what a training came to as the learned attributes that tell of it."""
        rule, rows = observer.rule, observer.rows
        curves = rule.curves
        return {
            **self._learned_of_model(rows, observer.block, rule.settings),
            "n_iter_": curves.n_iter,
            "t_": curves.t,
            "loss_": curves.loss,
            "loss_curve_": curves.loss_curve,
            "best_loss_": curves.best_loss,
            "validation_scores_": curves.validation_scores,
            "best_validation_score_": curves.best_validation_score,
            "_no_improvement_count": curves.no_improvement_count,
            "_optimizer": rule.state,
        }

    def _learned_of_model(self, rows: FaceRows, block: Array, settings: MLPSettings) -> dict[str, Any]:
        """Return the learned attributes that tell of the network."""
        scale, targets = rows.train.standardization, rows.targets
        layers = Layers((rows.train.d, *settings.hidden, targets.outputs))
        model = FaceModel.of_block(block, layers, targets.loss, settings.activation, scale)
        return {
            "coefs_": model.coefs,
            "intercepts_": model.intercepts,
            "n_layers_": layers.count + 1,
            "n_outputs_": targets.outputs,
            "out_activation_": targets.out_activation,
            "_standardization": scale,
            "_targets": targets,
            "_model": model,
            **self._learned_of_targets(targets),
        }

    def on_row(self, observer: EpochObserver, tasks: FitTasks | None = None) -> Callable[[], bool]:
        """Return what is to be called after every epoch: it publishes, then asks callbacks of both kinds."""

        def call() -> bool:
            self._publish(observer)
            curves = observer.rule.curves
            row = {"epoch": curves.n_iter, "loss": curves.loss}
            row["learning_rate"] = observer.rule.state.learning_rate
            if curves.validation_scores:
                row["validation_score"] = curves.validation_scores[-1]
            with at_work(self):
                asked = [ask(self, dict(row)) for ask in self.callbacks or ()]
            if tasks is not None:
                asked.append(tasks.end_part(lambda: self._learned(observer)))
            return wants_stop(type(self).__name__, asked)

        return call

    def _read(self, X: Any, y: Any, sample_weight: Any, incremental: bool, is_new: bool) -> ReadFaceRows:
        """Return X, y and weights, checked as scikit-learn does."""
        X, y = self._checked(X, y, is_new)
        targets = self._learn(y, incremental)
        weight = self._weigh(read_weights(sample_weight, X), y)
        return ReadFaceRows(as_rows(X), targets.encode(y), targets, weight)

    def _checked(self, X: Any, y: Any, is_new: bool, **more: Any) -> tuple[Any, Any]:
        """Return X and y as scikit-learn's checks leave them; bytes, which kernels read, stay bytes."""
        stays = isinstance(X, np.ndarray) and X.dtype in ROW_TYPES
        if not is_new and self._are_plain(X) and are_plain_targets(y, len(X)):
            return X, y
        checked: tuple[Any, Any] = validate_data(
            self,
            X,
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            dtype=None if stays else (np.float64, np.float32),
            reset=is_new,
            **more,
        )
        return checked

    def _learn(self, y: Any, incremental: bool) -> FaceTargets:
        """Return what y is encoded by."""
        raise NotImplementedError

    def _learned_of_targets(self, targets: Any) -> dict[str, Any]:
        """Return the learned attributes that tell of y."""
        return {}

    def _weigh(self, weight: Array | None, y: Any) -> Array | None:
        """Return the weights of rows, times those of classes where there are some."""
        return weight

    def _known_block(self, layers: Layers) -> Array:
        """Return the parameters to go on from, as one block of their own.

        Raises
        ------
        ValueError
            They are not of these layers.
        """
        sizes = (self.coefs_[0].shape[0], *(W.shape[1] for W in self.coefs_))
        if sizes != layers.sizes:
            raise ValueError(
                f"{type(self).__name__} goes on with the layers of the last call, {sizes}, where warm_start "
                f"is True and in partial_fit, got {layers.sizes}"
            )
        dtype = np.float32 if self.coefs_[0].dtype == np.float32 else np.float64
        return joined(self.coefs_, self.intercepts_).astype(dtype, copy=False)

    def _known_standardization(self, layers: Layers) -> Standardization:
        """Return that of the last call; of weights that a user has set, none."""
        known = vars(self).get("_standardization")
        return known if isinstance(known, Standardization) else Standardization.identity(layers.sizes[0])

    def _solver_state(self, settings: MLPSettings, block: Array, incremental: bool) -> SolverState:
        """Return the state that the solver goes on from."""
        known = vars(self).get("_optimizer")
        if incremental and isinstance(known, SolverState) and known.solver == settings.solver:
            shape = (settings.optimizer.rule.slots, block.size)
            if known.slots is None or known.slots.shape == shape:
                return replace(known)
        # scikit-learn drops nothing: its stream stays as it is where nothing is dropped.
        seed = self._random_state.randint(2**31 - 1) if any(settings.dropped) else 0
        return SolverState(settings.solver, float(settings.learning_rate_init), seed)

    def check(self) -> None:
        """Raise ValueError where a parameter breaks its constraint."""
        self._check_parameters()
        self.settings()

    def first_state(self, begun: Beginning) -> SolverState:
        """Return what the solver begins with, after all else was drawn."""
        return self._solver_state(begun.settings, begun.block, incremental=False)

    def read_beside(self, begun: Beginning, X: Any, y: Any, sample_weight: Any) -> TrainingData:
        """Return rows to evaluate on, read as those of a beginning are.

        Raises
        ------
        ValueError
            They cannot be read so.
        KeyError
            A label is none of those.
        """
        X, y = self._checked(X, y, is_new=False)
        targets, scale = begun.rows.targets, begun.rows.train.standardization
        read = ReadFaceRows(as_rows(X), targets.encode(y), targets, read_weights(sample_weight, X))
        return read.as_trained_on(begun.block.dtype, scale, None, None).train

    def known_of_rows(self) -> dict[str, Any]:
        """Return the attributes that tell of rows, once they are read."""
        known = ("n_features_in_", "feature_names_in_", "_random_state")
        return {name: vars(self)[name] for name in known if name in vars(self)}

    def publish(self, result: FaceResult) -> None:
        """Make what a training among others came to the learned attributes."""
        self.__dict__ = vars(self) | result.known
        self._publish(result.observer)

    def finish(self, observer: EpochObserver, first: BaseFace) -> None:
        """Publish a training on rows that `first` has read; warn and raise as `fit` does."""
        if observer.rule.settings.early_stopping:
            observer.block = observer.best
        self.publish(FaceResult(observer, first.known_of_rows()))
        self._warn_of_no_end(observer.rule)
        self._check_finite()

    def _loss_grad_lbfgs(
        self, packed_coef_inter: Array, X: Array, y: Array, sample_weight: Array | None = None, *work: Any
    ) -> tuple[float, Array]:
        """Return the cost on all rows and its gradient, as scikit-learn's method of this name does.

        Parameters
        ----------
        packed_coef_inter : ndarray of shape (P,)
            All weights and then all biases; the gradient is laid out likewise.
        X : ndarray of shape (n, d)
        y : ndarray of shape (n, k)
            As a LabelBinarizer gives it, or real values.
        sample_weight : ndarray of shape (n,), optional
        *work
            Arrays that scikit-learn's method works in, which are not looked at.
        """
        targets, settings = self._targets, self.settings()
        encoded = y.argmax(axis=1).astype(np.int32) if targets.loss.takes == "labels" else np.asarray(y)
        read = ReadFaceRows(as_rows(X), encoded, targets, sample_weight)
        layers = Layers((X.shape[1], *settings.hidden, targets.outputs))
        rows = read.as_trained_on(np.dtype(np.float64), self._known_standardization(layers), None, None)
        cost, gradient = FullCost(settings, rows, np.dtype(np.float64))(
            from_packed(packed_coef_inter, layers)
        )
        return cost, to_packed(gradient, layers)
