"""How a step changes a weight: rules, each one formula of numbers that all of Python shares.

A rule is a function ``step(w, dw, slots, numbers) -> (w, slots)`` of a weight, the derivative of the loss and
what the rule keeps of earlier steps. It takes arrays as well as single numbers: NumPy runs it on whole blocks
and Numba compiles it. All numbers of an update, bias corrections included, are made by the optimizers in
`gradstep.nn.optimizers`: a rule decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gradstep.utils.concepts import Concept

__all__ = ["AdamRule", "DescentRule", "MomentumRule", "Rule"]


class Rule(Concept):
    """Base of all rules.

    Attributes
    ----------
    slots : int
        Numbers that it keeps of every parameter, all 0 before the first update.
    numbers : tuple of str
        What it is given for every update, in this order.
    for_biases : dict of str to float
        What stands there for biases, which are free: nothing makes them smaller but the gradient.
    """

    family = "rule"
    home = "gradstep.nn.rules"
    slots: ClassVar[int] = 0
    numbers: ClassVar[tuple[str, ...]]
    for_biases: ClassVar[Mapping[str, float]]

    @staticmethod
    def step(w: Any, dw: Any, slots: Any, numbers: Any) -> tuple[Any, Any]:
        """Return the new weight and the new slots."""
        raise NotImplementedError


@dataclass(frozen=True)
class DescentRule(Rule):
    """``w = keep * w + scale * dw``."""

    name = "descent"
    numbers: ClassVar[tuple[str, ...]] = ("keep", "scale")
    for_biases: ClassVar[Mapping[str, float]] = {"keep": 1.0}

    @staticmethod
    def step(w: Any, dw: Any, slots: Any, numbers: Any) -> tuple[Any, Any]:
        """Return the new weight."""
        keep, scale = numbers
        return keep * w + scale * dw, slots


@dataclass(frozen=True)
class MomentumRule(Rule):
    """``g = dw + decay * w; v = mu * v + a * g; w = shrink * w + b * v + c * g``."""

    name = "momentum"
    slots = 1
    numbers: ClassVar[tuple[str, ...]] = ("decay", "mu", "a", "shrink", "b", "c")
    for_biases: ClassVar[Mapping[str, float]] = {"decay": 0.0, "shrink": 1.0}

    @staticmethod
    def step(w: Any, dw: Any, slots: Any, numbers: Any) -> tuple[Any, Any]:
        """Return the new weight and the velocity v."""
        decay, mu, a, shrink, b, c = numbers
        (v,) = slots
        g = dw + decay * w
        v = mu * v + a * g
        return shrink * w + b * v + c * g, (v,)


@dataclass(frozen=True)
class AdamRule(Rule):
    """First and second moments of the gradient.

    ``g = dw + decay * w; m = b1 * m + r1 * g; v = b2 * v + r2 * g**2;
    w = shrink * w - rate * m / (sqrt(v) + epsilon)``.
    """

    name = "adam"
    slots = 2
    numbers: ClassVar[tuple[str, ...]] = ("decay", "b1", "r1", "b2", "r2", "shrink", "rate", "epsilon")
    for_biases: ClassVar[Mapping[str, float]] = {"decay": 0.0, "shrink": 1.0}

    @staticmethod
    def step(w: Any, dw: Any, slots: Any, numbers: Any) -> tuple[Any, Any]:
        """Return the new weight and the moments m and v."""
        decay, b1, r1, b2, r2, shrink, rate, epsilon = numbers
        m, v = slots
        g = dw + decay * w
        m = b1 * m + r1 * g
        v = b2 * v + r2 * (g * g)
        return shrink * w - rate * (m / (v**0.5 + epsilon)), (m, v)
