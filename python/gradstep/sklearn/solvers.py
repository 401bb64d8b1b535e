"""Optimizers that have done updates before: those of a solver between two calls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradstep.nn.optimizers import Optimizer
from gradstep.nn.rules import Rule

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Later(Optimizer):
    """An optimizer whose update 0 is its update number `done`."""

    of: Optimizer
    done: int

    @property
    def rule(self) -> type[Rule]:
        return self.of.rule

    def numbers(self, updates: npt.NDArray[np.int64], rates: Array, l2: Array) -> dict[str, Array | float]:
        return self.of.numbers(updates + self.done, rates, l2)


def after(optimizer: Optimizer, done: int) -> Optimizer:
    """Return an optimizer that goes on after so many updates.

    >>> from gradstep.nn.optimizers import SGD
    >>> after(SGD(), 0)
    SGD(momentum=0.0, nesterov=False, rate_in_velocity=False)
    """
    return _Later(optimizer, done) if done else optimizer
