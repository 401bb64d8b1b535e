"""First weights of a network. Biases start at 0."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import CorruptFileError
from gradstep.plan.plan import Layers
from gradstep.utils.constraints import NONE, NUMBER, WHOLE, at_least, check, either

#: Standard deviation of the output layer's weights under `He`.
OUTPUT_STD = 0.01

_SEED = (either(WHOLE, NONE), at_least(0))


@dataclass(frozen=True)
class He:
    """Normal weights that keep the variance of the outputs of layers that a ReLU follows [1]_.

    Their standard deviation is ``sqrt(2 / in)``, and ``OUTPUT_STD`` in the output layer, which no
    ReLU follows: nearly equal probabilities at the start let a few small steps already count on
    small tables.

    Parameters
    ----------
    seed : int, optional
        Of the weights, >= 0; by default it comes from the `random_state` of Trainer.

    References
    ----------
    .. [1] K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers", ICCV (2015).

    >>> He().deviations(Layers((8, 2, 3)))
    [0.5, 0.01]
    """

    seed: int | None = None

    def __post_init__(self) -> None:
        check("He", "seed", self.seed, _SEED)

    def deviations(self, layers: Layers) -> list[float]:
        """Return the standard deviation of the weights of every layer."""
        return [math.sqrt(2 / inputs) for inputs in layers.sizes[:-2]] + [OUTPUT_STD]


@dataclass(frozen=True)
class Xavier:
    """Normal weights of standard deviation ``sqrt(1 / in)`` in every layer.

    Parameters
    ----------
    seed : int, optional
        Of the weights, >= 0; by default it comes from the `random_state` of Trainer.

    >>> Xavier().deviations(Layers((4, 16, 3)))
    [0.5, 0.25]
    """

    seed: int | None = None

    def __post_init__(self) -> None:
        check("Xavier", "seed", self.seed, _SEED)

    def deviations(self, layers: Layers) -> list[float]:
        """Return the standard deviation of the weights of every layer."""
        return [math.sqrt(1 / inputs) for inputs in layers.sizes[:-1]]


@dataclass(frozen=True)
class Normal:
    """Normal weights of mean 0 and one standard deviation in every layer.

    Parameters
    ----------
    std : float
        Standard deviation, >= 0.
    seed : int, optional
        Of the weights, >= 0; by default it comes from the `random_state` of Trainer.

    >>> Normal(0.01, seed=3)
    Normal(std=0.01, seed=3)
    """

    std: float
    seed: int | None = None

    def __post_init__(self) -> None:
        check("Normal", "std", self.std, (NUMBER, at_least(0)))
        check("Normal", "seed", self.seed, _SEED)

    def deviations(self, layers: Layers) -> list[float]:
        """Return the standard deviation of the weights of every layer."""
        return [self.std] * layers.count


Init = He | Xavier | Normal

#: What the short names stand for.
KINDS: dict[str, Init] = {"he": He(), "xavier": Xavier()}

_CLASSES: dict[str, type[Any]] = {kind.__name__: kind for kind in (He, Xavier, Normal)}


def draw(
    layers: Layers, init: str | Init, generator: np.random.Generator, dtype: npt.DTypeLike
) -> npt.NDArray[np.floating]:
    """Return the first parameters of one model, shape (P,), by its own seed where it has one.

    Drawn in float64 layer by layer and then rounded to `dtype`, so that both precisions start alike.
    """
    rule = KINDS[init] if isinstance(init, str) else init
    own = generator if rule.seed is None else np.random.default_rng(int(rule.seed))
    parameters = np.zeros(layers.parameters)
    for layer, std in enumerate(rule.deviations(layers)):
        W = layers.weights(parameters, layer)
        W[...] = own.normal(0.0, std, W.shape)
    return parameters.astype(dtype)


def to_dict(init: Init) -> dict[str, Any]:
    """Return first weights as plain data, for a model file."""
    values = asdict(init)
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()}
    return {"init": type(init).__name__, **plain}


def from_dict(data: dict[str, Any]) -> Init:
    """Return what `to_dict` described; unknown names are an error, nothing is run."""
    fields = dict(data)
    name = fields.pop("init", None)
    if name not in _CLASSES:
        raise CorruptFileError(f"first weights must be one of {', '.join(_CLASSES)}, got {name!r}")
    init: Init = _CLASSES[name](**fields)
    return init
