"""The compiled core. This file turns plans and problems into the arrays that `_core` takes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import gradstep._core as _core
from gradstep.backends.protocol import Figures, Running, never, running
from gradstep.errors import InvalidParameterError
from gradstep.plan.plan import Objective, Plan, State
from gradstep.plan.rows import Problem, as_rows


class CppBackend:
    """Executes plans in compiled code.

    Parameters
    ----------
    isa : str, optional
        Instruction set: "avx512vnni", "avx512", "avx2" or "baseline". By default what ``GRADSTEP_ISA``
        names, else the best that this machine runs.

    Raises
    ------
    InvalidParameterError
        The instruction set is not known, not in this build or not in this machine.
    """

    name = "cpp"

    def __init__(self, isa: str | None = None) -> None:
        usable = _core.isas()
        source = "`isa` of CppBackend"
        if isa is None and os.environ.get("GRADSTEP_ISA"):
            isa, source = os.environ["GRADSTEP_ISA"], "GRADSTEP_ISA"
        if isa is not None and isa not in usable:
            raise InvalidParameterError(
                f"{source} must be an instruction set that this build and machine have "
                f"({', '.join(usable)}), got {isa!r}"
            )
        self.isa = isa or usable[0]

    def session(
        self, plan: Plan, problem: Problem, evaluated: Sequence[Problem] = (), *, n_threads: int = 1
    ) -> CppSession:
        """Prepare to train on the rows of a problem, and to evaluate those of others."""
        return CppSession(self._models(plan.objective), plan, problem, evaluated, n_threads)

    def evaluate(
        self, objective: Objective, problem: Problem, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> Figures:
        """Return loss, cost and accuracy of every model over all rows (weighted, if they are)."""
        return Figures(*_core.evaluate(self._models(objective), _rows(problem), parameters, n_threads))

    def loss_and_gradient(
        self, objective: Objective, problem: Problem, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> tuple[Figures, npt.NDArray[Any]]:
        """Return the figures over all rows as one batch, and the gradient of the cost (m, P)."""
        models, rows = self._models(objective), _rows(problem)
        figures = Figures(*_core.evaluate(models, rows, parameters, n_threads))
        return figures, _core.gradient(models, rows, parameters, n_threads)

    def scores(
        self, objective: Objective, problem: Problem, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> npt.NDArray[Any]:
        """Return the last layer's output of every model, shape (m, n, k)."""
        return _core.scores(self._models(objective), _rows(problem), parameters, n_threads)

    def sums_of_bytes(self, X: npt.NDArray[np.uint8], n_threads: int) -> npt.NDArray[Any]:
        """Return the sums of every column and of its squares, (2, d); exact."""
        return _core.sums_of_bytes(as_rows(X), n_threads)

    def measure(self, n_threads: int) -> tuple[int, float, float, float, float]:
        """Return threads used, float32 operations a second of all and of one, bytes read likewise."""
        return _core.measure(self.isa, n_threads)

    def _models(self, objective: Objective) -> _core.Models:
        sizes = np.array(objective.layers.sizes, dtype=np.int64)
        l2 = np.ascontiguousarray(objective.l2, dtype=np.float64)
        return _core.Models(self.isa, sizes, l2, objective.loss)


class CppSession:
    """One plan being executed. The core's own session is opened by the first call, which tells the type."""

    def __init__(
        self,
        models: _core.Models,
        plan: Plan,
        problem: Problem,
        evaluated: Sequence[Problem],
        n_threads: int,
    ) -> None:
        self._models, self._plan, self._n_threads = models, plan, n_threads
        self._rows, self._evaluated = _rows(problem), [_rows(rows) for rows in evaluated]
        self._most_rows = min(plan.batch_size, problem.n)
        self._opened: dict[np.dtype[Any], _core.Session] = {}

    def train(self, state: State, t0: int, t1: int, *, should_stop: Callable[[], bool] = never) -> Running:
        """Do the updates ``t0 <= t < t1`` on `state`, in place."""
        session, sums = self._session(state.parameters.dtype), np.zeros((3, len(state.finite)))
        for stretch in self._plan.stretches(t0, t1, _core.sort):
            sums += session.train(
                stretch.rows,
                stretch.starts,
                stretch.learning_rate,
                state.parameters,
                state.updates,
                state.finite,
                stretch.coins,
                should_stop=should_stop,
            )
            if (state.updates[state.finite] < stretch.t1).any() or not state.finite.any():
                break
        return running(sums)

    def evaluate(self, parameters: npt.NDArray[Any]) -> list[Figures]:
        """Return the figures of every model on each of the problems to be evaluated."""
        return [Figures(*figures) for figures in self._session(parameters.dtype).evaluate(parameters)]

    def _session(self, dtype: np.dtype[Any]) -> _core.Session:
        changes = self._plan.augmentation
        if dtype not in self._opened:
            self._opened[dtype] = _core.Session(
                self._models,
                self._rows,
                self._most_rows,
                self._evaluated,
                doubles=dtype == np.float64,
                n_threads=self._n_threads,
                images=None if changes is None else (*changes.image_shape, changes.edge),
            )
        return self._opened[dtype]


def _rows(problem: Problem) -> _core.Rows:
    standardization = problem.standardization
    return _core.Rows(problem.X, problem.y, problem.weight, standardization.mean, 1.0 / standardization.scale)
