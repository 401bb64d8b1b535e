"""What a training leaves: all that prediction needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep import backends
from gradstep.backends.protocol import Backend
from gradstep.datasets.schema import Schema
from gradstep.errors import InvalidDataError
from gradstep.nn.activations import Activation
from gradstep.nn.losses import Loss
from gradstep.nn.metrics import Metric, Metrics
from gradstep.nn.scorers import Scorer
from gradstep.plan.network import Layers, Objective
from gradstep.plan.rows import TrainingData, is_readable, prepare, readable_pieces
from gradstep.plan.standardization import Standardization
from gradstep.plan.targets import Targets
from gradstep.training.evaluation import metrics_of_models
from gradstep.training.scoring import score, score_by_own_rows
from gradstep.utils import threads
from gradstep.utils.pieces import pieces

Array = npt.NDArray[Any]

# Of the parameters' type and in float64, whether it is finite, and what an answer makes of it.
_BYTES_OF_SCORE = 32


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

    def linear(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return what the decisions of a model without hidden layers multiply rows by, and what they add.

        Of rows X in their own units, (n, d), they are ``X @ coefficients.T + intercepts``: the mean and the
        scale that features are standardised by are in both. Of two classes there is one decision.

        Returns
        -------
        tuple (coefficients of shape (k, d), intercepts of shape (k,))
        """
        (W,), (b,) = self.coefs, self.intercepts
        per_unit = W.astype(np.float64) / self.standardization.scale[:, None]
        at_zero = b - self.standardization.mean @ per_unit
        decisions = self.loss.decision(np.vstack([per_unit, at_zero]))
        decisions = decisions[:, None] if decisions.ndim == 1 else decisions
        return np.ascontiguousarray(decisions[:-1].T), decisions[-1].copy()

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
        return self.answers(X, lambda scores: scores, backend, n_threads)

    def predict(self, X: Array, backend: str = "auto", n_threads: int | None = None) -> Array:
        """Return the answer to every validated row, in the form and the units of y.

        Raises
        ------
        InvalidDataError
            A score or an answer is not finite.
        """
        answers = self.answers(
            X, lambda scores: self.targets.decode(self.loss.answers(scores)), backend, n_threads
        )
        if answers.dtype.kind == "f" and not (finite := np.isfinite(answers)).all():
            # Scores below 1.8e308 may stand for more than that: as logarithms, or in units of y.
            row = int(np.flatnonzero(~finite.reshape(len(answers), -1).all(axis=1))[0])
            raise InvalidDataError(
                f"row {row} of X is too large for this model: its prediction is not finite"
            )
        return answers

    def answers(
        self,
        X: Array,
        answer: Callable[[npt.NDArray[np.float64]], Array],
        backend: str = "auto",
        n_threads: int | None = None,
    ) -> Array:
        """Return what `answer` makes of the scores (n, k) of validated rows.

        Rows are converted and scores held piece by piece: beside what is returned, which begins with an
        axis of n, memory is bounded. No bit depends on the pieces.

        Raises
        ------
        InvalidDataError
            A score is not finite.
        """
        executes, data = backends.choose(backend, self.objective), self.data(X)
        if data.n <= executes.rows_together:
            return answer(self._scores(executes, data, 0, n_threads))
        copied = 0 if is_readable(data, self.block.dtype) else data.d
        bytes_of_row = 8 * copied + _BYTES_OF_SCORE * self.layers.sizes[-1]
        whole: Array | None = None
        for part in pieces(data.n, bytes_of_row, executes.rows_together):
            if part.stop - part.start == data.n:
                return answer(self._scores(executes, data, 0, n_threads))
            found = answer(self._scores(executes, self.data(X[part]), part.start, n_threads))
            if whole is None:
                whole = np.empty((data.n, *found.shape[1:]), dtype=found.dtype)
            whole[part] = found
        return np.empty(0) if whole is None else whole

    def hidden(self, X: Array, layer: int, backend: str = "auto", n_threads: int | None = None) -> Array:
        """Return the output of hidden layer number `layer` for validated rows, (n, h), of the precision.

        Raises
        ------
        InvalidDataError
            What comes into the activation is not finite.
        """
        layers, activation = Layers(self.layers.sizes[: layer + 2]), self.activations[layer]
        # The layers up to this one are a network of their own, whose scores are what the activation gets.
        front = replace(
            self,
            layers=layers,
            block=self.block[: layers.parameters],
            activations=self.activations[:layer],
        )
        number = activation.number()
        return front.answers(
            X, lambda z: activation.of(z, number).astype(self.block.dtype), backend, n_threads
        )

    def _scores(
        self, executes: Backend, data: TrainingData, first: int, n_threads: int | None
    ) -> npt.NDArray[np.float64]:
        """Return the scores of rows, which are those from row `first` on of more."""
        used = threads.choose(n_threads, data.n * self.layers.parameters)
        scores = executes.scores(self.objective, data, self.block[None], n_threads=used)[0]
        finite = np.isfinite(scores)
        if not finite.all():
            row = first + int(np.flatnonzero(~finite.all(axis=1))[0])
            raise InvalidDataError(f"row {row} of X is too large for this model: its scores are not finite")
        return np.asarray(scores, dtype=np.float64)

    def evaluate(self, data: TrainingData, backend: str = "auto", n_threads: int | None = None) -> Metrics:
        """Return loss, cost and metrics on rows that `data` made."""
        executes = backends.choose(backend, self.objective)
        used = threads.choose(n_threads, data.n * self.layers.parameters)
        evaluation = executes.evaluate(self.objective, data, self.block[None], n_threads=used)
        if any(metric.from_answers for metric in self.metrics):
            evaluation = evaluation._replace(scores=self._scores_of_all(executes, data, n_threads)[None])
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
        scorers = [own for own in self._scorers() if not own.has_own_rows]
        if not scorers:
            return {}
        executes = backends.choose(backend, self.objective)
        scores = self._scores_of_all(executes, data, n_threads).astype(np.float64, copy=False)
        others = partial(self.scores, backend=backend, n_threads=n_threads)
        return score(scorers, (self.loss, self.targets), data, scores, others)

    def by_own_rows(self, backend: str = "auto", n_threads: int | None = None) -> dict[str, float]:
        """Return the metrics that are functions of the model alone, whose rows are their own.

        Raises
        ------
        InvalidParameterError
            One of them cannot be told of this model.
        """
        scorers = [own for own in self._scorers() if own.has_own_rows]
        if not scorers:
            return {}
        others = partial(self.scores, backend=backend, n_threads=n_threads)
        return score_by_own_rows(scorers, (self.loss, self.targets), others)

    def _scorers(self) -> list[Scorer]:
        """Return the metrics that are scores of the model; what a file did not keep is none."""
        return [own for own in self.metrics if isinstance(own, Scorer) and own.scorer is not None]

    def _scores_of_all(self, executes: Backend, data: TrainingData, n_threads: int | None) -> Array:
        """Return the scores of rows (n, k), whether finite or not; rows that are copied are so in pieces."""
        used = threads.choose(n_threads, data.n * self.layers.parameters)
        parts = [
            executes.scores(self.objective, piece, self.block[None], n_threads=used)[0]
            for piece in readable_pieces(data, self.block.dtype, executes.rows_together)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
