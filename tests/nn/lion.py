"""An optimizer with a rule of its own, in a file of its own: what a user would write to add one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from gradstep.nn.optimizers import Optimizer
from gradstep.nn.rules import Rule

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LionRule(Rule):
    """``g = dw + decay * w; w = shrink * w - rate * sign(b1 * m + r1 * g); m = b2 * m + r2 * g``."""

    name = "lion"
    slots = 1
    numbers = ("decay", "b1", "r1", "b2", "r2", "shrink", "rate")
    for_biases: ClassVar[Mapping[str, float]] = {"decay": 0.0, "shrink": 1.0}

    @staticmethod
    def step(w: Any, dw: Any, slots: Any, numbers: Any) -> tuple[Any, Any]:
        """Return the new weight and the momentum m."""
        decay, b1, r1, b2, r2, shrink, rate = numbers
        (m,) = slots
        g = dw + decay * w
        return shrink * w - rate * np.sign(b1 * m + r1 * g), (b2 * m + r2 * g,)


@dataclass(frozen=True)
class Lion(Optimizer):
    """Steps of one size by the sign of a momentum: X. Chen et al., arXiv 2302.06675 (2023), algorithm 2."""

    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0

    @property
    def rule(self) -> type[Rule]:
        """One slot, and a sign."""
        return LionRule

    def numbers(self, updates: npt.NDArray[np.int64], rates: Array, l2: Array) -> dict[str, Array | float]:
        """Return the numbers of the rule by name."""
        return {
            "decay": 2 * l2,
            "b1": self.beta1,
            "r1": 1 - self.beta1,
            "b2": self.beta2,
            "r2": 1 - self.beta2,
            "shrink": 1 - rates * self.weight_decay,
            "rate": rates,
        }
