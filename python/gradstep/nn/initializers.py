"""Initial weights of a network. Biases start at 0."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from gradstep.utils.concepts import Concept
from gradstep.utils.constraints import NONE, NUMBER, WHOLE, Constraint, at_least, either

__all__ = ["He", "Initializer", "Normal", "Xavier"]

#: Short names, as type checkers know them.
InitializerName = Literal["he", "xavier"]

#: Standard deviation of the output layer's weights under `He`.
OUTPUT_STD = 0.01

_SEED = (either(WHOLE, NONE), at_least(0))


class Initializer(Concept):
    """Base of all initial weights: normal ones, whose deviations a class says.

    Attributes
    ----------
    seed : int, or None
        Of the weights; None takes what `random_state` of Trainer gives.
    """

    family = "init"
    home = "gradstep"
    seed: int | None

    def deviations(self, sizes: Sequence[int]) -> list[float]:
        """Return the standard deviation of the weights of every layer of a network (d, h, ..., k)."""
        raise NotImplementedError


@dataclass(frozen=True)
class He(Initializer):
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

    >>> He().deviations((8, 2, 3))
    [0.5, 0.01]
    """

    seed: int | None = None
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {"seed": _SEED}

    def deviations(self, sizes: Sequence[int]) -> list[float]:
        """Return the standard deviation of the weights of every layer."""
        return [math.sqrt(2 / inputs) for inputs in sizes[:-2]] + [OUTPUT_STD]


@dataclass(frozen=True)
class Xavier(Initializer):
    """Normal weights of standard deviation ``sqrt(1 / in)`` in every layer.

    Parameters
    ----------
    seed : int, optional
        Of the weights, >= 0; by default it comes from the `random_state` of Trainer.

    >>> Xavier().deviations((4, 16, 3))
    [0.5, 0.25]
    """

    seed: int | None = None
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {"seed": _SEED}

    def deviations(self, sizes: Sequence[int]) -> list[float]:
        """Return the standard deviation of the weights of every layer."""
        return [math.sqrt(1 / inputs) for inputs in sizes[:-1]]


@dataclass(frozen=True)
class Normal(Initializer):
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
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {
        "std": (NUMBER, at_least(0)),
        "seed": _SEED,
    }

    def deviations(self, sizes: Sequence[int]) -> list[float]:
        """Return the standard deviation of the weights of every layer."""
        return [float(self.std)] * (len(sizes) - 1)
