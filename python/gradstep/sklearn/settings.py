"""What the parameters of a scikit-learn face ask for, checked by scikit-learn's constraints and frozen."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.utils._param_validation import HasMethods, Hidden, Interval, StrOptions

from gradstep.nn.activations import Activation
from gradstep.nn.optimizers import SGD, Adam, Optimizer
from gradstep.plan.checkpoint import Checkpoint
from gradstep.plan.settings import MOST_THREADS
from gradstep.utils.warn import warn

_SHARE = Interval(Real, 0, 1, closed="left")

#: scikit-learn's constraints of the parameters that its classes do not have.
FURTHER_CONSTRAINTS: dict[str, list[Any]] = {
    "dropout": [_SHARE, "array-like"],
    "input_dropout": [_SHARE],
    "standardize": ["boolean"],
    "precision": [StrOptions({"auto", "float32", "float64"})],
    "backend": [StrOptions({"auto", "cpp", "numba", "numpy"})],
    "n_threads": [Interval(Integral, 1, MOST_THREADS, closed="both"), None],
    "callbacks": [tuple, list, Hidden(HasMethods("__iter__"))],
    "checkpoint": [Checkpoint, None],
}

#: Solvers that train in mini-batches.
STOCHASTIC = ("sgd", "adam")

# Rows of a batch by default, where there are as many.
_USUAL_BATCH = 200


@dataclass(frozen=True)
class MLPSettings:
    """The parameters of one training, in scikit-learn's words; `hidden` and `activation` in ours."""

    owner: str
    hidden: tuple[int, ...]
    activation: Activation
    solver: str
    alpha: float
    batch_size: int | str
    learning_rate: str
    learning_rate_init: float
    power_t: float
    max_iter: int
    shuffle: bool
    tol: float
    verbose: bool | int
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    max_fun: int
    dropout: tuple[float, ...]
    input_dropout: float
    standardize: bool
    precision: str
    backend: str
    n_threads: int | None
    callbacks: tuple[Callable[..., Any], ...]

    @classmethod
    def of(cls, estimator: Any) -> Self:
        """Return the parameters of an estimator, which has checked them by its constraints.

        Raises
        ------
        ValueError
            `hidden_layer_sizes` has a size below 1, or `dropout` other than shares of the hidden layers.
        """
        hidden = _sizes(estimator.hidden_layer_sizes)
        own = {name: getattr(estimator, name) for name in _AS_THEY_ARE}
        return cls(
            owner=type(estimator).__name__,
            hidden=hidden,
            dropout=_shares(estimator.dropout, len(hidden)),
            activation=Activation.resolve(estimator.activation),
            callbacks=tuple(estimator.callbacks),
            **own,
        )

    @property
    def is_stochastic(self) -> bool:
        """Whether the solver trains in mini-batches."""
        return self.solver in STOCHASTIC

    @cached_property
    def optimizer(self) -> Optimizer:
        """The stochastic solver as an optimizer, in scikit-learn's conventions."""
        if self.solver == "adam":
            return Adam(self.beta_1, self.beta_2, self.epsilon, epsilon_hat=True)
        return SGD(self.momentum, bool(self.nesterovs_momentum), rate_in_velocity=True)

    @property
    def dropped(self) -> tuple[float, ...]:
        """What is dropped of the inputs of every layer, those of the rows first."""
        return (float(self.input_dropout), *self.dropout)

    @property
    def initial_factor(self) -> float:
        """The c of ``sqrt(c / (in + out))``, the bound of initial weights."""
        return 2.0 if self.activation.name == "logistic" else 6.0

    def rows_of_batch(self, n: int) -> int:
        """Return the rows of an update of n rows."""
        return min(_USUAL_BATCH if isinstance(self.batch_size, str) else int(self.batch_size), n)

    def warn_of_clipping(self, n: int) -> None:
        """Warn, as scikit-learn does, where the batch that was asked for is more than all n rows."""
        if not isinstance(self.batch_size, str) and self.batch_size > n:
            warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
                UserWarning,
            )

    def dtype_for(self, X: Any) -> np.dtype[Any]:
        """Return the type of the parameters for rows X: float32 for float32, else float64."""
        if self.precision != "auto":
            return np.dtype(self.precision)
        return np.dtype(np.float32 if X.dtype == np.float32 else np.float64)

    def rate_of_epoch(self, seen: int) -> float:
        """Return the learning rate of "invscaling" after so many rows have been trained on."""
        rate: float = self.learning_rate_init / float(seen + 1) ** self.power_t
        return rate


_AS_THEY_ARE = [
    name
    for name in MLPSettings.__dataclass_fields__
    if name not in ("owner", "hidden", "activation", "dropout", "callbacks")
]


def _sizes(given: Any) -> tuple[int, ...]:
    sizes = list(given) if isinstance(given, Iterable) else [given]
    if any(size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return tuple(map(operator.index, sizes))


def _shares(given: Any, layers: int) -> tuple[float, ...]:
    """Return the share that is dropped of every hidden layer."""
    if isinstance(given, Real):
        return (float(given),) * layers
    shares = tuple(map(float, given))
    if len(shares) != layers or not all(0 <= share < 1 for share in shares):
        raise ValueError(
            f"dropout must be a share in [0, 1) or one for each of the {layers} hidden layers, got {given!r}."
        )
    return shares
