"""A loss, an activation, a metric, a schedule and a rule as a user would write them, each in one class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from gradstep.nn.activations import Activation
from gradstep.nn.losses import Loss
from gradstep.nn.metrics import R2, Metric
from gradstep.nn.optimizers import Array, Optimizer
from gradstep.nn.rules import Rule
from gradstep.nn.schedules import Schedule


@dataclass(frozen=True)
class LogCosh(Loss):
    """Mean over the outputs of ``log(cosh(s - y))``."""

    takes = "values"
    metrics = (R2(),)

    @staticmethod
    def parts(s: Any, y: Any, top: Any) -> tuple[Any, Any]:
        """Return log(cosh(e)) = |e| + log(1 + exp(-2 |e|)) - log(2)."""
        e = np.abs(s - y)
        return e + np.log1p(np.exp(-2 * e)) - 0.6931471805599453, 0 * s

    @staticmethod
    def slope(s: Any, y: Any, top: Any, a: Any, k: Any) -> Any:
        """Return ``tanh(s - y) / k``."""
        return np.tanh(s - y) / k

    @staticmethod
    def answers(scores: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the scores."""
        return scores


@dataclass(frozen=True)
class Softsign(Activation):
    """``z / (1 + |z|)``; the slope is ``(1 - |a|)**2``."""

    @staticmethod
    def of(z: Any, number: Any) -> Any:
        """Return ``z / (1 + |z|)``."""
        return z / (1 + np.abs(z))

    @staticmethod
    def slope(a: Any, number: Any) -> Any:
        """Return ``(1 - |a|)**2``."""
        return (1 - np.abs(a)) * (1 - np.abs(a))


@dataclass(frozen=True)
class LargestError(Metric):
    """Largest ``|prediction - target|`` over all rows and outputs."""

    takes = ("values",)

    def of(
        self,
        predictions: npt.NDArray[Any],
        targets: npt.NDArray[Any],
        weight: npt.NDArray[np.float64] | None = None,
    ) -> float:
        """Return the largest; weights count for nothing."""
        return float(np.abs(predictions - targets).max())


@dataclass(frozen=True)
class InverseRoot(Schedule):
    """``start / sqrt(1 + update)``."""

    start: float = 0.1

    def __call__(self, update: int, updates_per_epoch: int, updates: int | None = None) -> float:
        """Return the rate."""
        return float(self.start / (1 + update) ** 0.5)


@dataclass(frozen=True)
class ShiftRule(Rule):
    """Descent that keeps the last two gradients: each slot is handed on to the next."""

    name = "shift"
    slots = 2
    numbers = ("decay", "scale")
    for_biases: ClassVar[Mapping[str, float]] = {"decay": 0.0}

    @staticmethod
    def step(w: Any, dw: Any, slots: Any, numbers: Any) -> tuple[Any, Any]:
        """Return the new weight, this gradient and the one before."""
        decay, scale = numbers
        last, _ = slots
        g = dw + decay * w
        return w + scale * g, (g, last)


@dataclass(frozen=True)
class Shift(Optimizer):
    """Descent by `ShiftRule`."""

    @property
    def rule(self) -> type[Rule]:
        """Two slots."""
        return ShiftRule

    def numbers(self, updates: npt.NDArray[np.int64], rates: Array, l2: Array) -> dict[str, Array | float]:
        """Return the numbers of the rule by name."""
        return {"decay": 2 * l2, "scale": -rates}
