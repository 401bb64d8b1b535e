"""What a training leaves: all that prediction needs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep import backends
from gradstep.datasets.schema import Schema
from gradstep.errors import InvalidDataError
from gradstep.nn.activations import Activation
from gradstep.nn.losses import Loss
from gradstep.nn.metrics import Metric, Metrics
from gradstep.nn.scorers import Scorer
from gradstep.plan.network import Layers, Objective
from gradstep.plan.rows import TrainingData, prepare
from gradstep.plan.standardization import Standardization
from gradstep.plan.targets import Targets
from gradstep.training.evaluation import metrics_of_models
from gradstep.training.scoring import score
from gradstep.utils import threads

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained model: it predicts and evaluates without any estimator.

    Attributes
    ----------
    layers : Layers
    block : ndarray of shape (P,), float32 or float64
        The parameters; `coefs` and `intercepts` are views of it.
    loss : Loss
    activations : tuple of Activation
        One for every hidden layer.
    l2 : float
        For the cost.
    metrics : tuple of Metric
        What `evaluate` tells beside loss and cost.
    standardization : Standardization
        Of the features.
    targets : Targets
        What turns scores into answers.
    feature_names : ndarray of shape (d,), or None
        Where X had string column names.
    schema : Schema, or None
        How tables become rows of X, and the names of classes, where the data told them.
    """

    layers: Layers
    block: Array
    loss: Loss
    activations: tuple[Activation, ...]
    l2: float
    metrics: tuple[Metric, ...]
    standardization: Standardization
    targets: Targets
    feature_names: Array | None = None
    schema: Schema | None = None

    def with_block(self, block: Array) -> Fitted:
        """Return the same model with other parameters (P,)."""
        return replace(self, block=block)

    @property
    def coefs(self) -> list[Array]:
        """Weights of every layer, (in, out)."""
        return [self.layers.weights(self.block, layer) for layer in range(self.layers.count)]

    @property
    def intercepts(self) -> list[Array]:
        """Biases of every layer, (out,)."""
        return [self.layers.biases(self.block, layer) for layer in range(self.layers.count)]

    @cached_property
    def objective(self) -> Objective:
        """The model as backends take it, a group of one."""
        l2 = np.array([self.l2], dtype=np.float64)
        return Objective.alike(self.layers, self.loss, self.activations, l2)

    def data(self, X: Array, targets: Array | None = None, weight: Array | None = None) -> TrainingData:
        """Return validated rows, with encoded targets, as backends take them."""
        if targets is not None and targets.ndim == 2:
            targets = targets.astype(self.block.dtype)
        return prepare(X, targets, weight, self.standardization)

    def scores(
        self, X: Array, backend: str = "auto", n_threads: int | None = None
    ) -> npt.NDArray[np.float64]:
        """Return the last layer's output for validated rows, shape (n, k).

        Raises
        ------
        InvalidDataError
            A score is not finite.
        """
        data = self.data(X)
        executes = backends.choose(backend, self.objective)
        used = threads.choose(n_threads, data.n * self.layers.parameters)
        scores = executes.scores(self.objective, data, self.block[None], n_threads=used)[0]
        finite = np.isfinite(scores)
        if not finite.all():
            row = int(np.flatnonzero(~finite.all(axis=1))[0])
            raise InvalidDataError(f"row {row} of X is too large for this model: its scores are not finite")
        return np.asarray(scores, dtype=np.float64)

    def predict(self, X: Array, backend: str = "auto", n_threads: int | None = None) -> Array:
        """Return the answer to every validated row, in the form and the units of y."""
        return self.targets.decode(self.loss.answers(self.scores(X, backend, n_threads)))

    def evaluate(self, data: TrainingData, backend: str = "auto", n_threads: int | None = None) -> Metrics:
        """Return loss, cost and metrics on rows that `data` made."""
        executes = backends.choose(backend, self.objective)
        used = threads.choose(n_threads, data.n * self.layers.parameters)
        evaluation = executes.evaluate(self.objective, data, self.block[None], n_threads=used)
        if any(metric.from_answers for metric in self.metrics):
            scores = executes.scores(self.objective, data, self.block[None], n_threads=used)
            evaluation = evaluation._replace(scores=scores)
        values = metrics_of_models(self.metrics, self.loss, self.targets, data, evaluation)
        told = {name: float(of_models[0]) for name, of_models in values.items()}
        return Metrics(told | self.by_scorers(data, backend, n_threads))

    def by_scorers(
        self, data: TrainingData, backend: str = "auto", n_threads: int | None = None
    ) -> dict[str, float]:
        """Return the metrics on rows that are scores of scikit-learn's kind.

        Raises
        ------
        InvalidParameterError
            One of them cannot be told of this model and these rows.
        """
        scorers = [own for own in self.metrics if isinstance(own, Scorer) and own.scorer is not None]
        if not scorers:
            return {}

        def scores_of(rows: TrainingData) -> Array:
            executes = backends.choose(backend, self.objective)
            used = threads.choose(n_threads, rows.n * self.layers.parameters)
            scores = executes.scores(self.objective, rows, self.block[None], n_threads=used)[0]
            return np.asarray(scores, dtype=np.float64)

        def others(X: Array) -> Array:
            return self.scores(X, backend, n_threads)

        return score(scorers, (self.loss, self.targets), data, scores_of(data), others)
