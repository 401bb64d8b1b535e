"""First weights of a network. Biases start at 0."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradstep.constraints import NUMBER, at_least, check
from gradstep.plan import Layers

#: Standard deviation of the output layer's weights under "he".
OUTPUT_STD = 0.01


@dataclass(frozen=True)
class Normal:
    """Weights of every layer from a normal distribution of mean 0 and this standard deviation.

    Parameters
    ----------
    std : float
        Standard deviation, >= 0.

    >>> Normal(0.01)
    Normal(std=0.01)
    """

    std: float

    def __post_init__(self) -> None:
        check("Normal", "std", self.std, (NUMBER, at_least(0)))


def deviations(layers: Layers, init: str | Normal) -> list[float]:
    """Return the standard deviation of the weights of every layer.

    "he": ``sqrt(2 / in)`` for layers that a ReLU follows, which keeps the variance of their
    outputs [1]_, and ``OUTPUT_STD`` for the output layer, which no ReLU follows: nearly equal
    probabilities at the start let a few small steps already count on small tables.
    "xavier": ``sqrt(1 / in)`` for every layer.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers", ICCV (2015).
    """
    if isinstance(init, Normal):
        return [init.std] * layers.count
    if init == "xavier":
        return [math.sqrt(1 / inputs) for inputs in layers.sizes[:-1]]
    return [math.sqrt(2 / inputs) for inputs in layers.sizes[:-2]] + [OUTPUT_STD]


def draw(
    layers: Layers, init: str | Normal, generator: np.random.Generator, dtype: npt.DTypeLike
) -> npt.NDArray[np.floating]:
    """Return the first parameters of one model, shape (P,).

    Drawn in float64 layer by layer and then rounded to `dtype`, so that both precisions start alike.
    """
    parameters = np.zeros(layers.parameters)
    for layer, std in enumerate(deviations(layers, init)):
        W = layers.weights(parameters, layer)
        W[...] = generator.normal(0.0, std, W.shape)
    return parameters.astype(dtype)
