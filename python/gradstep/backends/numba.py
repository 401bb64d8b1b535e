"""The Numba backend: it prepares what the kernels take, and calls them a portion at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.backends import numba_kernels as kernels
from gradstep.backends.numba_packing import Packing, capacity, read_only, rows_of
from gradstep.backends.numba_team import Team
from gradstep.backends.protocol import Figures, Running, never, running
from gradstep.plan import Objective, Plan, State
from gradstep.problem import Problem

Array = npt.NDArray[np.floating]

# Rows that one thread evaluates at a time; their figures are summed in the order of such chunks.
_EVALUATION_ROWS = 64

# A call of a kernel aims at this, so that a stop or a signal is seen soon.
_SECONDS = 0.03


class NumbaBackend:
    """Executes plans in loops that numba compiles at first use, on threads of its own, without the GIL."""

    name = "numba"

    def session(
        self, plan: Plan, problem: Problem, evaluated: Sequence[Problem] = (), *, n_threads: int = 1
    ) -> NumbaSession:
        """Prepare to train on the rows of a problem, and to evaluate those of others."""
        return NumbaSession(plan, problem, evaluated, n_threads)

    def evaluate(
        self, objective: Objective, problem: Problem, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> Figures:
        """Return loss, cost and accuracy of every model over all rows (weighted, if they are)."""
        return _Forward(objective, parameters.dtype, [problem], Team(n_threads)).figures(parameters)[0]

    def loss_and_gradient(
        self, objective: Objective, problem: Problem, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> tuple[Figures, npt.NDArray[Any]]:
        """Return the figures over all rows as one batch, and the gradient of the cost (m, P)."""
        layers, gradient, m = objective.layers, np.zeros_like(parameters), len(parameters)
        training = _Training(Packing(objective), problem, parameters.dtype, m, _EVALUATION_ROWS, 1)
        training.packing.pack(parameters, training.parameters)
        sums = training.packing.zeros(m, parameters.dtype)
        order, finite = np.arange(problem.n, dtype=np.int32), np.ones(m, dtype=np.bool_)
        for first, last in Pace().portions(-(-problem.n // _EVALUATION_ROWS)):
            part = order[first * _EVALUATION_ROWS : last * _EVALUATION_ROWS]
            kernels.add_gradient(
                training.network, training.rows, training.workspace, training.parameters, finite,
                read_only(part), problem.n, sums,
            )  # fmt: skip
        training.packing.unpack(sums, gradient)
        with np.errstate(over="ignore", invalid="ignore"):
            for layer in range(layers.count):
                slope = (2 * objective.l2).astype(parameters.dtype)[:, None, None]
                layers.weights(gradient, layer)[...] += slope * layers.weights(parameters, layer)
        return self.evaluate(objective, problem, parameters, n_threads=n_threads), gradient

    def scores(
        self, objective: Objective, problem: Problem, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> npt.NDArray[Any]:
        """Return the last layer's output of every model, shape (m, n, k)."""
        return _Forward(objective, parameters.dtype, [problem], Team(n_threads)).scores(parameters)


class NumbaSession:
    """One plan being executed; it keeps its threads and all arrays that the kernels need."""

    def __init__(self, plan: Plan, problem: Problem, evaluated: Sequence[Problem], n_threads: int) -> None:
        self.plan, self.problem, self.evaluated = plan, problem, evaluated
        self._team, self._pace = Team(n_threads), Pace()
        self._training: _Training | None = None
        self._forward: _Forward | None = None

    def train(self, state: State, t0: int, t1: int, *, should_stop: Callable[[], bool] = never) -> Running:
        """Do the updates ``t0 <= t < t1`` on `state`, in place."""
        plan, team, l2 = self.plan, self._team, self.plan.objective.l2.astype(np.float64)
        dtype, m, b = state.parameters.dtype, len(l2), min(plan.batch_size, self.problem.n)
        if self._training is None or self._training.parameters.dtype != dtype:
            packing = Packing(plan.objective)
            self._training = _Training(packing, self.problem, dtype, m, b, team.size)
        own = self._training
        own.packing.pack(state.parameters, own.parameters)
        updates, finite = state.updates.copy(), np.tile(state.finite, (team.size, 1))
        sums = np.zeros((3, m))
        try:
            for stretch in plan.stretches(t0, t1):
                batches = (stretch.rows, stretch.starts, stretch.learning_rate)
                order, starts, rates = (read_only(array) for array in batches)
                for first, last in self._pace.portions(stretch.t1 - stretch.t0):
                    if should_stop() or not finite[0].any():
                        return running(sums)
                    update = partial(
                        kernels.train, own.network, own.rows, own.workspace, own.parameters, l2,
                        order, starts, rates, first, last, stretch.t0, updates, finite, sums, team.gate,
                    )  # fmt: skip
                    # The first update of a session is the caller's alone: it may have to compile.
                    team.run(update, own.tasks if own.begun else 1)
                    own.begun = True
        finally:
            own.packing.unpack(own.parameters, state.parameters)
            state.updates[:], state.finite[:] = updates, finite[0]
        return running(sums)

    def evaluate(self, parameters: npt.NDArray[Any]) -> list[Figures]:
        """Return the figures of every model on each of the problems to be evaluated."""
        if self._forward is None or self._forward.dtype != parameters.dtype:
            self._forward = _Forward(self.plan.objective, parameters.dtype, self.evaluated, self._team)
        return self._forward.figures(parameters)


class _Training:
    """What the updates of m models need, for batches of up to so many rows."""

    def __init__(
        self, packing: Packing, problem: Problem, dtype: npt.DTypeLike, m: int, rows: int, threads: int
    ) -> None:
        room, self.packing, self.begun = capacity(rows), packing, False
        # Threads whose shares meet within a panel have a tile each for it.
        tiles = (packing.panels() + threads - 1) * room
        self.rows = rows_of(problem, dtype)
        self.network = packing.network(room)
        self.workspace = packing.workspace(dtype, room, m=m, tiles=tiles, trains=True)
        self.parameters = packing.zeros(m, dtype)
        self.tasks = max(packing.tasks(), room // int(kernels.ROWS))


class _Forward:
    """Forward passes of m models over the rows of some problems."""

    def __init__(
        self, objective: Objective, dtype: npt.DTypeLike, problems: Sequence[Problem], team: Team
    ) -> None:
        self.objective, self.dtype, self.team, self.pace = objective, np.dtype(dtype), team, Pace()
        self.rows = [rows_of(problem, dtype) for problem in problems]
        most = max((problem.n for problem in problems), default=1)
        self.capacity, m = capacity(min(most, _EVALUATION_ROWS)), len(objective.l2)
        packing = Packing(objective)
        self.packing, self.network = packing, packing.network(self.capacity)
        tiles = team.size * int(kernels.ROWS)
        self.workspace = packing.workspace(dtype, self.capacity, m=m * team.size, tiles=tiles, trains=False)
        self.parameters = packing.zeros(m, dtype)

    def figures(self, parameters: Array) -> list[Figures]:
        """Return the figures of every model on each of the problems."""
        self.packing.pack(parameters, self.parameters)
        penalty, found = _penalty(self.objective, parameters), []
        for rows in self.rows:
            n = len(rows.y)
            losses, hits = np.zeros((2, len(parameters), -(-n // self.capacity)))
            self._over_chunks(kernels.figures, rows, losses, hits)
            loss = losses.sum(axis=1) / n
            found.append(Figures(loss, loss + penalty, hits.sum(axis=1) / n))
        return found

    def scores(self, parameters: Array) -> Array:
        """Return the scores on the first problem, (m, n, k)."""
        self.packing.pack(parameters, self.parameters)
        shape = len(parameters), len(self.rows[0].y), self.objective.layers.sizes[-1]
        scores = np.empty(shape, dtype=parameters.dtype)
        self._over_chunks(kernels.write_scores, self.rows[0], scores)
        return scores

    def _over_chunks(self, kernel: Callable[..., None], rows: kernels.Rows, *results: Array) -> None:
        for first, last in self.pace.portions(-(-len(rows.y) // self.capacity)):
            walk = partial(
                kernel, self.network, rows, self.workspace, self.parameters, first, last, *results,
                self.team.gate,
            )  # fmt: skip
            self.team.run(walk, last - first)


class Pace:
    """Cuts work into portions that take about _SECONDS each, and remembers how long they should be."""

    def __init__(self) -> None:
        self.size = 1

    def portions(self, total: int) -> Iterator[tuple[int, int]]:
        """Cut ``range(total)``; what the caller does between two portions is timed."""
        first = 0
        while first < total:
            last, start = min(first + self.size, total), time.perf_counter()
            yield first, last
            seconds = max(time.perf_counter() - start, 1e-9)
            # From the portion's own length: the last of a range may be a short one.
            size = (last - first) * min(8.0, _SECONDS / seconds)
            first, self.size = last, max(1, int(size))


def _penalty(objective: Objective, parameters: Array) -> npt.NDArray[np.float64]:
    """Return ``l2 * sum(W**2)`` of every model."""
    squares = np.zeros(len(parameters))
    with np.errstate(over="ignore", invalid="ignore"):
        for layer in range(objective.layers.count):
            W = objective.layers.weights(parameters, layer)
            squares += np.square(W, dtype=np.float64).sum(axis=(1, 2))
        return objective.l2 * squares
