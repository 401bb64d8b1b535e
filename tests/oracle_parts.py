"""The oracle's losses, activations, optimizers and averages, each a row of a table: plain Python loops.

What a table's entry makes takes the numbers that the package's own object has, by the same names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, expm1, fsum, log, log1p, sqrt, tanh
from typing import Any, NamedTuple, Protocol

Vector = list[float]


def sigmoid(s: float) -> float:
    """Return ``1 / (1 + exp(-s))`` without an exponential of a large number."""
    return 1 / (1 + exp(-s)) if s > 0 else exp(s) / (1 + exp(s))


class Loss(Protocol):
    """Judges the scores of one row."""

    def loss(self, scores: Vector, target: Any) -> float:
        """Return the loss of the row."""
        ...

    def gradient(self, scores: Vector, target: Any) -> Vector:
        """Return its derivatives with respect to the scores."""
        ...

    def hit(self, scores: Vector, target: Any) -> bool:
        """Tell whether the row is answered right."""
        ...


@dataclass
class Softmax:
    """Cross-entropy against the class, of which a share is spread over all classes."""

    label_smoothing: float = 0.0

    def _wanted(self, k: int, label: int) -> Vector:
        spread = self.label_smoothing / k
        return [1 - self.label_smoothing + spread if j == label else spread for j in range(k)]

    def loss(self, scores: Vector, label: int) -> float:
        """Return ``-sum(q * log(softmax(s)))``."""
        top = max(scores)
        log_sum = log(fsum(exp(s - top) for s in scores))
        wanted = self._wanted(len(scores), label)
        return fsum(q * (log_sum + (top - s)) for q, s in zip(wanted, scores, strict=True) if q)

    def gradient(self, scores: Vector, label: int) -> Vector:
        """Return ``softmax(s) - q``."""
        shifted = [exp(s - max(scores)) for s in scores]
        wanted = self._wanted(len(scores), label)
        return [e / fsum(shifted) - q for e, q in zip(shifted, wanted, strict=True)]

    def hit(self, scores: Vector, label: int) -> bool:
        """Tell whether the highest score, the first of equals, is the label's."""
        return scores.index(max(scores)) == label


def binary_cross_entropy(s: float, is_true: bool) -> float:
    """Return -log(p) = log(1 + exp(-s)) of what is true and -log(1 - p) = log(1 + exp(s)) of what is not."""
    t = -s if is_true else s
    return max(t, 0.0) + log1p(exp(-abs(t)))


@dataclass
class Sigmoid:
    """Mean of the binary cross-entropies of the label against all others."""

    def loss(self, scores: Vector, label: int) -> float:
        """Return the mean."""
        return fsum(binary_cross_entropy(s, j == label) for j, s in enumerate(scores)) / len(scores)

    def gradient(self, scores: Vector, label: int) -> Vector:
        """Return ``(p - y) / k``."""
        return [(sigmoid(s) - (j == label)) / len(scores) for j, s in enumerate(scores)]

    def hit(self, scores: Vector, label: int) -> bool:
        """Tell whether the highest score, the first of equals, is the label's."""
        return scores.index(max(scores)) == label


@dataclass
class Multilabel:
    """Mean of the binary cross-entropies of k labels, each true or not."""

    def loss(self, scores: Vector, target: Vector) -> float:
        """Return the mean."""
        terms = (binary_cross_entropy(s, y == 1) for s, y in zip(scores, target, strict=True))
        return fsum(terms) / len(scores)

    def gradient(self, scores: Vector, target: Vector) -> Vector:
        """Return ``(p - y) / k``."""
        return [(sigmoid(s) - y) / len(scores) for s, y in zip(scores, target, strict=True)]

    def hit(self, scores: Vector, target: Vector) -> bool:
        """Tell whether every label is answered right."""
        return all((s > 0) == (y == 1) for s, y in zip(scores, target, strict=True))


@dataclass
class Squared:
    """Half the mean of the squared errors."""

    def loss(self, scores: Vector, target: Vector) -> float:
        """Return ``sum((s - y)**2) / (2 * k)``."""
        return fsum((s - y) ** 2 for s, y in zip(scores, target, strict=True)) / (2 * len(scores))

    def gradient(self, scores: Vector, target: Vector) -> Vector:
        """Return ``(s - y) / k``."""
        return [(s - y) / len(scores) for s, y in zip(scores, target, strict=True)]

    def hit(self, scores: Vector, target: Vector) -> bool:
        """Tell that no real value is right or wrong."""
        return False


@dataclass
class Poisson:
    """Half the mean of the Poisson deviances, with means ``exp(s)``."""

    def loss(self, scores: Vector, target: Vector) -> float:
        """Return the mean of ``mu - y + y * log(y / mu)``, where 0 log 0 is 0."""
        terms = [
            part
            for s, y in zip(scores, target, strict=True)
            for part in (exp(s), -y, y * log(y) if y else 0.0, -y * s)
        ]
        return fsum(terms) / len(scores)

    def gradient(self, scores: Vector, target: Vector) -> Vector:
        """Return ``(mu - y) / k``."""
        return [(exp(s) - y) / len(scores) for s, y in zip(scores, target, strict=True)]

    def hit(self, scores: Vector, target: Vector) -> bool:
        """Tell that no count is right or wrong."""
        return False


LOSSES: dict[str, Callable[..., Loss]] = {
    "softmax": Softmax,
    "sigmoid": Sigmoid,
    "multilabel": Multilabel,
    "squared": Squared,
    "poisson": Poisson,
}


class Activation(NamedTuple):
    """A function of what enters a unit, and its derivative; at a kink, that from below."""

    of: Callable[[float], float]
    slope: Callable[[float], float]


def relu() -> Activation:
    """Return ``max(z, 0)``."""
    return Activation(lambda z: max(z, 0.0), lambda z: 1.0 if z > 0 else 0.0)


def hyperbolic_tangent() -> Activation:
    """Return tanh, with the derivative 1 / cosh**2."""
    return Activation(tanh, lambda z: 1 - tanh(z) ** 2)


def logistic() -> Activation:
    """Return ``1 / (1 + exp(-z))``."""
    return Activation(sigmoid, lambda z: sigmoid(z) * sigmoid(-z))


def identity() -> Activation:
    """Return z itself."""
    return Activation(lambda z: z, lambda z: 1.0)


def leaky_relu(negative_slope: float) -> Activation:
    """Return z above 0 and a share of it below."""
    return Activation(
        lambda z: z if z > 0 else negative_slope * z, lambda z: 1.0 if z > 0 else negative_slope
    )


def selu() -> Activation:
    """Return z above 0 and alpha (exp(z) - 1) below, both scaled: Klambauer et al. (2017), section 2."""
    scale, alpha = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
    return Activation(
        lambda z: scale * z if z > 0 else scale * alpha * expm1(z),
        lambda z: scale if z > 0 else scale * alpha * exp(z),
    )


ACTIVATIONS: dict[str, Callable[..., Activation]] = {
    "relu": relu,
    "tanh": hyperbolic_tangent,
    "logistic": logistic,
    "identity": identity,
    "leaky_relu": leaky_relu,
    "selu": selu,
}

#: Takes a parameter, the derivative of the cost, the learning rate and whether it is a weight; returns the
#: parameter after the update. Made anew for every parameter: it remembers what the optimizer does.
Step = Callable[[float, float, float, bool], float]


def sgd(momentum: float, nesterov: bool, rate_in_velocity: bool = False) -> Step:
    """Return the update of torch.optim.SGD, or that of keras.optimizers.SGD."""
    velocity = 0.0

    def step(w: float, g: float, rate: float, is_weight: bool) -> float:
        nonlocal velocity
        if rate_in_velocity:
            velocity = momentum * velocity - rate * g
            return w + (momentum * velocity - rate * g if nesterov else velocity)
        velocity = momentum * velocity + g
        return w - rate * (g + momentum * velocity if nesterov else velocity)

    return step


def adam(
    beta1: float, beta2: float, epsilon: float, weight_decay: float = 0.0, epsilon_hat: bool = False
) -> Step:
    """Return algorithm 1 of Kingma and Ba (2014); with decay, algorithm 2 of Loshchilov and Hutter (2019).

    With epsilon hat it is the form that Kingma and Ba give at the end of section 2.
    """
    m = v = 0.0
    t = 0

    def step(w: float, g: float, rate: float, is_weight: bool) -> float:
        nonlocal m, v, t
        t += 1
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        if is_weight:
            w -= rate * weight_decay * w
        if epsilon_hat:
            return w - rate * sqrt(1 - beta2**t) / (1 - beta1**t) * m / (sqrt(v) + epsilon)
        return w - rate * m_hat / (sqrt(v_hat) + epsilon)

    return step


def rmsprop(decay: float, epsilon: float) -> Step:
    """Return the update of torch.optim.RMSprop, neither centred nor with momentum."""
    square = 0.0

    def step(w: float, g: float, rate: float, is_weight: bool) -> float:
        nonlocal square
        square = decay * square + (1 - decay) * g**2
        return w - rate * g / (sqrt(square) + epsilon)

    return step


def adagrad(epsilon: float) -> Step:
    """Return the update of torch.optim.Adagrad."""
    square = 0.0

    def step(w: float, g: float, rate: float, is_weight: bool) -> float:
        nonlocal square
        square += g**2
        return w - rate * g / (sqrt(square) + epsilon)

    return step


#: Takes the parameters after every update and the updates of an epoch, and returns their average.
Average = Callable[[Sequence[Vector], int], Vector]


def ema(decay: float) -> Average:
    """Return an exponential moving average that begins with what is first."""

    def average(blocks: Sequence[Vector], updates_per_epoch: int) -> Vector:
        mean = blocks[0]
        for block in blocks[1:]:
            mean = [decay * m + (1 - decay) * w for m, w in zip(mean, block, strict=True)]
        return mean

    return average


def last_epochs(epochs: int) -> Average:
    """Return the mean over the ends of the last epochs."""

    def average(blocks: Sequence[Vector], updates_per_epoch: int) -> Vector:
        ends = blocks[updates_per_epoch - 1 :: updates_per_epoch][-epochs:]
        return [fsum(of_weight) / len(ends) for of_weight in zip(*ends, strict=True)]

    return average


AVERAGES: dict[str, Callable[..., Average]] = {"ema": ema, "last_epochs": last_epochs}

OPTIMIZERS: dict[str, Callable[..., Step]] = {
    "sgd": sgd,
    "adam": adam,
    "adamw": adam,
    "rmsprop": rmsprop,
    "adagrad": adagrad,
}
