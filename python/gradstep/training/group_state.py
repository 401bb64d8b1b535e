"""All that the models of a group need to go on training: plain arrays and numbers, in any process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from gradstep.nn.lbfgs import MinimizerState
from gradstep.plan.plan import Plan, State
from gradstep.training import line_search
from gradstep.training.checkpoint import Best, Plateau
from gradstep.training.line_search import At, SearchState

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class ModelState:
    """What a model that goes on has beside its parameters and slots.

    Attributes
    ----------
    row : dict
        The last one of its history; empty before the first.
    best : Best, or None
        What early stopping goes by. Where its row is the last one, its parameters are those that the state
        of the group describes, and None here.
    plateau : Plateau, or None
        What `ReduceOnPlateau` goes by; the rates to come follow from it.
    minimizer : MinimizerState, or None
        What a line search remembers.
    at : At, or None
        What all rows came to, where that stands.
    """

    row: dict[str, float]
    best: Best | None = None
    plateau: Plateau | None = None
    minimizer: MinimizerState | None = None
    at: At | None = None

    def best_with(self, described: Array) -> Best | None:
        """Return what early stopping goes by, with parameters; `described` (P,) are those of the last row."""
        if self.best is None or self.best.parameters is not None or not self.best.row:
            return self.best
        return replace(self.best, parameters=described)

    def sharing(self) -> Self:
        """Return the same without parameters that the state of the group describes."""
        best = self.best
        if best is None or best.row.get("update") != self.row.get("update"):
            return self
        return replace(self, best=replace(best, parameters=None))


@dataclass(frozen=True, eq=False)
class GroupState:
    """Models of a group between two evaluations: all that they need to go on, and nothing twice.

    Rates, the order of rows and all draws are functions of settings and update, and no part of it.

    Attributes
    ----------
    parameters : ndarray of shape (m, P), float32 or float64
    slots : ndarray of shape (m, s, P), of that type
    updates : ndarray of shape (m,), int64
        Updates that each has done.
    finite : ndarray of shape (m,), bool
    models : tuple of m ModelState
    seconds : float
        Spent so far.
    """

    parameters: Array
    slots: Array
    updates: npt.NDArray[np.int64]
    finite: npt.NDArray[np.bool_]
    models: tuple[ModelState, ...]
    seconds: float

    @classmethod
    def of(cls, state: State, models: Sequence[ModelState], seconds: float) -> Self:
        """Return the state of models that train, as a copy."""
        models = [own.sharing() for own in models]
        if isinstance(state, SearchState):
            found = zip(models, state.minimizers, state.at, strict=True)
            models = [replace(own, minimizer=search.state(), at=at) for own, search, at in found]
        return cls(
            state.parameters.copy(),
            state.slots.copy(),
            state.updates.copy(),
            state.finite.copy(),
            models=tuple(models),
            seconds=seconds,
        )

    @property
    def done(self) -> int:
        """Updates that the models have done."""
        return int(self.updates.max(initial=0))

    def select(self, models: Sequence[int]) -> Self:
        """Return the state of some models of the group, in the order given."""
        places = list(models)
        return replace(
            self,
            parameters=self.parameters[places],
            slots=self.slots[places],
            updates=self.updates[places],
            finite=self.finite[places],
            models=tuple(self.models[place] for place in places),
        )

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Return the models of several groups as one, in their order; seconds are those of the slowest.

        Raises
        ------
        ValueError
            They have not done the same number of updates.
        """
        done = sorted({part.done for part in parts})
        if len(done) != 1:
            raise ValueError(f"groups that are joined must have done the same updates, got {done}")
        return cls(
            np.concatenate([part.parameters for part in parts]),
            np.concatenate([part.slots for part in parts]),
            np.concatenate([part.updates for part in parts]),
            np.concatenate([part.finite for part in parts]),
            models=tuple(own for part in parts for own in part.models),
            seconds=max(part.seconds for part in parts),
        )

    def state(self, plan: Plan) -> State:
        """Return a copy that training may change."""
        plain = State(self.parameters.copy(), self.slots.copy(), self.updates.copy(), self.finite.copy())
        if not plan.takes_all_rows:
            return plain
        minimizers = [own.minimizer for own in self.models if own.minimizer is not None]
        return line_search.go_on(plain, plan.optimizers, minimizers, [own.at for own in self.models])
