"""What scores are judged by: losses, each with its formulas in the one text that all of Python shares.

A loss is four formulas of numbers, one output of one row at a time. They take arrays as well as single
numbers, so that NumPy runs them on whole batches and Numba compiles them: with s a score, y what the output
should say, and top the row's highest score,

    share(is_label, k, number)     y of an output, where targets are class labels
    parts(s, y, top)               two terms a and b, each summed over the outputs of a row to A and B
    row(A, B, k)                   loss of the row
    slope(s, y, top, A, k)         derivative of the row's loss with respect to s

Rows are averaged, weighted if they are. Nothing is clipped, and nothing cancels where a score is large.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from gradstep.nn.metrics import F1, R2, Accuracy, MeanAbsoluteError, Metric, SubsetAccuracy
from gradstep.utils.concepts import Concept
from gradstep.utils.constraints import NUMBER, Constraint, at_least, below
from gradstep.utils.names import module_getattr

__all__ = ["Loss", "Multilabel", "Poisson", "Sigmoid", "Softmax", "Squared"]

if not TYPE_CHECKING:  # who checks types shall know what is not there
    __getattr__ = module_getattr("gradstep.losses", __all__)

#: Short names, as type checkers know them: of losses for classes and labels, and of those for real values.
LabelLossName = Literal["softmax", "sigmoid", "multilabel"]
ValueLossName = Literal["squared", "poisson"]

Array = npt.NDArray[Any]


class Loss(Concept):
    """Base of all losses.

    Attributes
    ----------
    takes : str
        Targets that it is for, one of `gradstep.plan.targets`: "labels" (n,) of classes, "values" (n, k)
        or "indicators" (n, k) of 0 and 1.
    metrics : tuple of Metric
        What a history tells beside loss and cost.
    least : float
        Smallest value that a target may have.
    centres : bool
        Whether real targets are standardised to mean 0 and deviation 1; else to mean 1 alone.
    """

    family = "loss"
    home = "gradstep.losses"
    takes: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]] = ()
    least: ClassVar[float] = -np.inf
    centres: ClassVar[bool] = True

    def numbers(self) -> tuple[float, ...]:
        """Return what models of a group may have different: at most one number, that of `share`."""
        return ()

    @staticmethod
    def share(is_label: Any, k: Any, number: Any) -> Any:
        """Return y of an output, for targets that are class labels."""
        raise NotImplementedError

    @staticmethod
    def parts(s: Any, y: Any, top: Any) -> tuple[Any, Any]:
        """Return the two terms that are summed over the outputs of a row."""
        raise NotImplementedError

    @staticmethod
    def row(a: Any, b: Any, k: Any) -> Any:
        """Return the loss of a row from the sums of its terms."""
        return a / k

    @staticmethod
    def slope(s: Any, y: Any, top: Any, a: Any, k: Any) -> Any:
        """Return the derivative of a row's loss with respect to a score."""
        raise NotImplementedError

    @staticmethod
    def answers(scores: Array) -> Array:
        """Return what scores (..., k) answer: class indices (...,), values or indicators (..., k)."""
        raise NotImplementedError

    @staticmethod
    def probabilities(scores: Array) -> Array:
        """Return the probabilities of classes, which sum to 1, or of labels, for scores (..., k)."""
        raise NotImplementedError

    @classmethod
    def log_probabilities(cls, scores: Array) -> Array:
        """Return their logarithms, finite where a probability is too small for a number."""
        logarithms: Array = np.log(cls.probabilities(scores))
        return logarithms

    @classmethod
    def decision(cls, scores: Array) -> Array:
        """Return scores (..., k) as `decision_function` has them: of two classes one number a row, (...,)."""
        return scores[..., 1] - scores[..., 0] if cls.takes == "labels" and scores.shape[-1] == 2 else scores

    @classmethod
    def output(cls, scores: Array) -> Array:
        """Return what the loss takes scores (..., k) for: the probabilities, unless it says otherwise."""
        return cls.probabilities(scores)


class _LabelLoss(Loss):
    takes = "labels"
    metrics: ClassVar[tuple[Metric, ...]] = (Accuracy(),)

    @staticmethod
    def answers(scores: Array) -> Array:
        """Return the class of the highest score, the first of several, (...,)."""
        indices: Array = scores.argmax(axis=-1)
        return indices


@dataclass(frozen=True)
class Softmax(_LabelLoss):
    """Cross-entropy of the scores' softmax against the class.

    ``log(sum(exp(s))) - sum(y * s)`` of a row, with ``y = (1 - label_smoothing) * onehot +
    label_smoothing / k``; the gradient is ``softmax(s) - y``.

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Share of the target that is spread evenly over all classes, in [0, 1) [1]_.

    References
    ----------
    .. [1] C. Szegedy et al., "Rethinking the Inception architecture for computer vision", CVPR (2016).

    >>> Softmax(label_smoothing=0.1).numbers()
    (0.1,)
    """

    label_smoothing: float = 0.0
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {
        "label_smoothing": (NUMBER, at_least(0), below(1))
    }

    def numbers(self) -> tuple[float, ...]:
        """Return the share that is spread over all classes."""
        return (float(self.label_smoothing),)

    @staticmethod
    def share(is_label: Any, k: Any, number: Any) -> Any:
        """Return ``(1 - number) * is_label + number / k``."""
        return (1 - number) * is_label + number / k

    @staticmethod
    def parts(s: Any, y: Any, top: Any) -> tuple[Any, Any]:
        """Return exp and product, shifted by the row's highest score."""
        return np.exp(s - top), y * (s - top)

    @staticmethod
    def row(a: Any, b: Any, k: Any) -> Any:
        """Return ``log(sum(exp(s - top))) - sum(y * (s - top))``."""
        return np.log(a) - b

    @staticmethod
    def slope(s: Any, y: Any, top: Any, a: Any, k: Any) -> Any:
        """Return ``softmax(s) - y``."""
        return np.exp(s - top) / a - y

    @staticmethod
    def probabilities(scores: Array) -> Array:
        """Return the softmax of scores (..., k)."""
        exponentials = np.exp(scores - scores.max(axis=-1, keepdims=True))
        probabilities: Array = exponentials / exponentials.sum(axis=-1, keepdims=True)
        return probabilities

    @classmethod
    def log_probabilities(cls, scores: Array) -> Array:
        """Return the logarithms of the softmax of scores (..., k)."""
        shifted = scores - scores.max(axis=-1, keepdims=True)
        logarithms: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        return logarithms


class _Binary(Loss):
    """Binary cross-entropies of the scores' sigmoids, averaged over the outputs."""

    @staticmethod
    def parts(s: Any, y: Any, top: Any) -> tuple[Any, Any]:
        """Return log(1 + exp(t)), with t = -s where y is 1 and s where it is 0: nothing cancels."""
        t = s * (1 - 2 * y)
        # 0 * t is NaN where a score is not finite.
        return np.maximum(t, 0) + np.log1p(np.exp(-np.abs(t))) + 0 * t, 0 * t

    @staticmethod
    def slope(s: Any, y: Any, top: Any, a: Any, k: Any) -> Any:
        """Return ``(sigmoid(s) - y) / k``."""
        return (np.exp(np.minimum(s, 0)) / (1 + np.exp(-np.abs(s))) - y) / k

    @staticmethod
    def probabilities(scores: Array) -> Array:
        """Return the sigmoid of every score."""
        sigmoids: Array = np.exp(np.minimum(scores, 0)) / (1 + np.exp(-np.abs(scores)))
        return sigmoids

    @classmethod
    def log_probabilities(cls, scores: Array) -> Array:
        """Return the logarithm of the sigmoid of every score."""
        logarithms: Array = np.minimum(scores, 0) - np.log1p(np.exp(-np.abs(scores)))
        return logarithms


@dataclass(frozen=True)
class Sigmoid(_Binary, _LabelLoss):
    """Mean over the classes of the binary cross-entropies against 1 for the row's class and 0 for the others.

    ``mean(-(y * log(p) + (1 - y) * log(1 - p)))`` with ``p = sigmoid(s)``; the gradient is ``(p - y) / k``.

    >>> Sigmoid.takes
    'labels'
    """

    @staticmethod
    def share(is_label: Any, k: Any, number: Any) -> Any:
        """Return 1 for the row's class and 0 for the others."""
        return is_label

    @staticmethod
    def probabilities(scores: Array) -> Array:
        """Return the sigmoids of every row, divided by their sum."""
        logarithms = _Binary.log_probabilities(scores)
        # Of a row whose sigmoids are all too small for a number, too.
        shares = np.exp(logarithms - logarithms.max(axis=-1, keepdims=True))
        probabilities: Array = shares / shares.sum(axis=-1, keepdims=True)
        return probabilities

    @classmethod
    def log_probabilities(cls, scores: Array) -> Array:
        """Return the logarithms of the sigmoids of every row, divided by their sum."""
        return Softmax.log_probabilities(_Binary.log_probabilities(scores))

    @classmethod
    def output(cls, scores: Array) -> Array:
        """Return the sigmoid of every score."""
        return _Binary.probabilities(scores)


@dataclass(frozen=True)
class Multilabel(_Binary):
    """Mean over the outputs of the binary cross-entropies against an indicator matrix of 0 and 1.

    ``mean(-(y * log(p) + (1 - y) * log(1 - p)))`` with ``p = sigmoid(s)``; the gradient is ``(p - y) / k``.
    A row's answer is every output whose score is above 0.

    >>> Multilabel().answers(np.array([[-0.5, 2.0]])).tolist()
    [[0.0, 1.0]]
    """

    takes = "indicators"
    metrics: ClassVar[tuple[Metric, ...]] = (SubsetAccuracy(), F1())

    @staticmethod
    def answers(scores: Array) -> Array:
        """Return 1 where a score is above 0, else 0, of the scores' type and shape (..., k)."""
        indicators: Array = (scores > 0).astype(scores.dtype)
        return indicators


class _ValueLoss(Loss):
    takes = "values"
    metrics: ClassVar[tuple[Metric, ...]] = (R2(), MeanAbsoluteError())


@dataclass(frozen=True)
class Squared(_ValueLoss):
    """Mean over the outputs of half squared errors: ``mean((s - y)**2) / 2``.

    The gradient is ``(s - y) / k``.

    >>> Squared.row(2.0, 0.0, 4)
    0.5
    """

    @staticmethod
    def parts(s: Any, y: Any, top: Any) -> tuple[Any, Any]:
        """Return half of the squared error."""
        return 0.5 * (s - y) * (s - y), 0 * s

    @staticmethod
    def slope(s: Any, y: Any, top: Any, a: Any, k: Any) -> Any:
        """Return ``(s - y) / k``."""
        return (s - y) / k

    @staticmethod
    def answers(scores: Array) -> Array:
        """Return the scores."""
        return scores


@dataclass(frozen=True)
class Poisson(_ValueLoss):
    """Mean over the outputs of half the Poisson deviance of targets >= 0, with ``mu = exp(s)``.

    ``mean(y * log(y / mu) - y + mu)`` of a row, where ``0 * log(0) = 0``; the gradient is ``(mu - y) / k``.
    With one output it is the `poisson` of scikit-learn's MLPRegressor.

    >>> float(Poisson().answers(np.array([0.0]))[0])
    1.0
    """

    least: ClassVar[float] = 0.0
    centres = False

    @staticmethod
    def parts(s: Any, y: Any, top: Any) -> tuple[Any, Any]:
        """Return ``exp(s) - y * s + y * log(y) - y``; the logarithm of 1 stands where y is 0."""
        return np.exp(s) - y * s + (y * np.log(y + (y == 0)) - y), 0 * s

    @staticmethod
    def slope(s: Any, y: Any, top: Any, a: Any, k: Any) -> Any:
        """Return ``(exp(s) - y) / k``."""
        return (np.exp(s) - y) / k

    @staticmethod
    def answers(scores: Array) -> Array:
        """Return the means, exp of the scores."""
        with np.errstate(over="ignore"):  # who asks for predictions hears of those that are not finite
            means: Array = np.exp(scores)
        return means
