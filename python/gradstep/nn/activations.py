"""What stands between layers: activations, each with its formulas in the one text of all of Python.

An activation is two formulas of numbers, a unit at a time: ``of(z, number)``, and ``slope(a, number)``, its
derivative in terms of its own output a, so that nothing else is stored. They take arrays as well as single
numbers: NumPy runs them on whole layers and Numba compiles them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from gradstep.utils.concepts import Concept
from gradstep.utils.constraints import NUMBER, Constraint, at_least, below
from gradstep.utils.names import module_getattr

__all__ = ["Activation", "Identity", "LeakyRelu", "Logistic", "Relu", "Selu", "Tanh"]

if not TYPE_CHECKING:  # who checks types shall know what is not there
    __getattr__ = module_getattr("gradstep.activations", __all__)

#: Short names, as type checkers know them.
ActivationName = Literal["relu", "tanh", "logistic", "identity", "leaky_relu", "selu"]


class Activation(Concept):
    """Base of all activations."""

    family = "activation"
    home = "gradstep.activations"

    def number(self) -> float:
        """Return what models of a group may have different, 0 where there is nothing."""
        return 0.0

    @staticmethod
    def of(z: Any, number: Any) -> Any:
        """Return the output for what comes in."""
        raise NotImplementedError

    @staticmethod
    def slope(a: Any, number: Any) -> Any:
        """Return the derivative where the output is a."""
        raise NotImplementedError


@dataclass(frozen=True)
class Relu(Activation):
    """``max(z, 0)``; the slope is 1 where the output is above 0, else 0.

    >>> Relu.of(np.array([-1.0, 2.0]), 0.0).tolist()
    [0.0, 2.0]
    """

    @staticmethod
    def of(z: Any, number: Any) -> Any:
        """Return ``max(z, 0)``, NaN of NaN."""
        return np.maximum(z, 0)

    @staticmethod
    def slope(a: Any, number: Any) -> Any:
        """Return 1 where the output is above 0, else 0: an output is never below."""
        return np.sign(a)


@dataclass(frozen=True)
class Tanh(Activation):
    """``tanh(z)``; the slope is ``1 - a**2``.

    >>> Tanh.slope(np.array([0.0]), 0.0).tolist()
    [1.0]
    """

    @staticmethod
    def of(z: Any, number: Any) -> Any:
        """Return ``tanh(z)``."""
        return np.tanh(z)

    @staticmethod
    def slope(a: Any, number: Any) -> Any:
        """Return ``1 - a**2``."""
        return 1 - a * a


@dataclass(frozen=True)
class Logistic(Activation):
    """``1 / (1 + exp(-z))``; the slope is ``a * (1 - a)``.

    >>> Logistic.of(np.array([0.0]), 0.0).tolist()
    [0.5]
    """

    @staticmethod
    def of(z: Any, number: Any) -> Any:
        """Return ``1 / (1 + exp(-z))``; no exponential is of a number above 0."""
        return np.exp(np.minimum(z, 0)) / (1 + np.exp(-np.abs(z)))

    @staticmethod
    def slope(a: Any, number: Any) -> Any:
        """Return ``a * (1 - a)``."""
        return a * (1 - a)


@dataclass(frozen=True)
class Identity(Activation):
    """``z`` itself; the slope is 1.

    >>> Identity.of(3.0, 0.0)
    3.0
    """

    @staticmethod
    def of(z: Any, number: Any) -> Any:
        """Return z."""
        return z

    @staticmethod
    def slope(a: Any, number: Any) -> Any:
        """Return 1."""
        return 1 + 0 * a


@dataclass(frozen=True)
class LeakyRelu(Activation):
    """``z`` above 0 and ``negative_slope * z`` below [1]_.

    Parameters
    ----------
    negative_slope : float, default=0.01
        In [0, 1).

    References
    ----------
    .. [1] A. Maas, A. Hannun, A. Ng, "Rectifier nonlinearities improve neural network acoustic models",
       ICML (2013).

    >>> LeakyRelu.of(np.array([-1.0, 2.0]), 0.01).tolist()
    [-0.01, 2.0]
    """

    negative_slope: float = 0.01
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {
        "negative_slope": (NUMBER, at_least(0), below(1))
    }

    def number(self) -> float:
        """Return the slope below 0."""
        return float(self.negative_slope)

    @staticmethod
    def of(z: Any, number: Any) -> Any:
        """Return ``max(z, number * z)``, NaN of NaN."""
        return np.maximum(z, number * z)

    @staticmethod
    def slope(a: Any, number: Any) -> Any:
        """Return 1 where the output is above 0, else `number`."""
        return np.maximum(np.sign(a), number)


# Fixed point of mean 0 and variance 1; see the reference of Selu.
_SCALE, _ALPHA = 1.0507009873554805, 1.6732632423543772


@dataclass(frozen=True)
class Selu(Activation):
    """``scale * z`` above 0 and ``scale * alpha * (exp(z) - 1)`` below [1]_.

    With the scale 1.0507 and the alpha 1.6733 of the reference, deep layers keep mean 0 and variance 1 by
    themselves, if their weights have variance 1 / in (`Xavier`).

    References
    ----------
    .. [1] G. Klambauer et al., "Self-normalizing neural networks", NIPS (2017).

    >>> Selu.of(np.array([0.0, 1.0]), 0.0).round(4).tolist()
    [0.0, 1.0507]
    """

    @staticmethod
    def of(z: Any, number: Any) -> Any:
        """Return the output; the exponential is of no number above 0."""
        return _SCALE * (np.maximum(z, 0) + _ALPHA * np.expm1(np.minimum(z, 0)))

    @staticmethod
    def slope(a: Any, number: Any) -> Any:
        """Return `scale` where the output is above 0, else ``a + scale * alpha``."""
        above = np.sign(np.maximum(a, 0))
        return _SCALE * above + (1 - above) * (np.minimum(a, 0) + _SCALE * _ALPHA)
