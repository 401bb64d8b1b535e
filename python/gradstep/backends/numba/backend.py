"""The Numba backend: it prepares what the kernels take, and calls them a portion at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.backends.numba import kernels as kernels
from gradstep.backends.numba.packing import NO_COINS, Packing, capacity, images_of, read_only, rows_of
from gradstep.backends.numba.team import Team
from gradstep.backends.protocol import Figures, Running, never, running
from gradstep.plan.plan import Augmentation, Objective, Plan, State
from gradstep.plan.rows import Problem, sums_of_bytes

Array = npt.NDArray[np.floating]
Indices = npt.NDArray[np.integer]

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
        packing = Packing(objective)
        training = _Training(packing, problem, parameters.dtype, m, _EVALUATION_ROWS, 1, None)
        training.packing.pack(parameters, training.parameters)
        sums = training.packing.zeros(m, parameters.dtype)
        order, finite = np.arange(problem.n, dtype=np.int32), np.ones(m, dtype=np.bool_)
        for first, last in Pace().portions(-(-problem.n // _EVALUATION_ROWS)):
            part = order[first * _EVALUATION_ROWS : last * _EVALUATION_ROWS]
            kernels.add_gradient(
                training.network, training.rows, training.images, training.workspace, training.parameters,
                finite, read_only(part), NO_COINS, problem.n, sums,
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

    def sums_of_bytes(self, X: npt.NDArray[np.uint8], n_threads: int) -> npt.NDArray[Any]:
        """Return the sums of every column and of its squares, (2, d); exact."""
        return sums_of_bytes(X, n_threads)


class NumbaSession:
    """One plan being executed; it keeps its threads and all arrays that the kernels need."""

    def __init__(self, plan: Plan, problem: Problem, evaluated: Sequence[Problem], n_threads: int) -> None:
        self.plan, self.problem, self.evaluated = plan, problem, evaluated
        self._team, self._pace, self._begun = Team(n_threads), Pace(), False
        self._lanes: list[_Lane] = []
        self._forward: _Forward | None = None

    def train(self, state: State, t0: int, t1: int, *, should_stop: Callable[[], bool] = never) -> Running:
        """Do the updates ``t0 <= t < t1`` on `state`, in place."""
        if not self._lanes or self._lanes[0].parameters.dtype != state.parameters.dtype:
            self._lanes = self._lay_lanes(state.parameters.dtype)
        for lane in self._lanes:
            lane.begin(state)
        try:
            self._walk(t0, t1, should_stop)
        finally:
            for lane in self._lanes:
                lane.end(state)
        return running(np.concatenate([lane.sums for lane in self._lanes], axis=1))

    def _lay_lanes(self, dtype: npt.DTypeLike) -> list[_Lane]:
        """Give every thread a lane of its own if models are as many, or many enough not to lie uneven."""
        m, team = len(self.plan.objective.l2), self._team.size
        lanes = team if team <= m and -(-m // team) * team <= 1.25 * m else 1
        shares = [slice(m * lane // lanes, m * (lane + 1) // lanes) for lane in range(lanes)]
        return [_Lane(self.plan, self.problem, dtype, share, team // lanes) for share in shares]

    def _walk(self, t0: int, t1: int, should_stop: Callable[[], bool]) -> None:
        lanes, team = self._lanes, self._team
        for stretch in self.plan.stretches(t0, t1):
            order, starts = read_only(stretch.rows), read_only(stretch.starts)
            coins = NO_COINS if stretch.coins is None else read_only(stretch.coins)
            for first, last in self._pace.portions(stretch.t1 - stretch.t0):
                if should_stop() or not any(lane.finite[0].any() for lane in lanes):
                    return
                rates, gate = read_only(stretch.learning_rate), team.gate
                walks = [
                    partial(lane.train, order, coins, starts, rates, first, last, stretch.t0, gate)
                    for lane in lanes
                ]
                # The first update of a session is the caller's alone: it may have to compile.
                most = lanes[0].tasks if len(lanes) == 1 else len(lanes)
                team.run(partial(_share_out, walks), most if self._begun else 1)
                self._begun = True

    def evaluate(self, parameters: npt.NDArray[Any]) -> list[Figures]:
        """Return the figures of every model on each of the problems to be evaluated."""
        if self._forward is None or self._forward.dtype != parameters.dtype:
            self._forward = _Forward(self.plan.objective, parameters.dtype, self.evaluated, self._team)
        return self._forward.figures(parameters)


def _share_out(walks: Sequence[Callable[[int, int, int], None]], thread: int, team: int) -> None:
    """Walk a single lane together, or a lane for each thread; those that no thread is left for, alone."""
    if len(walks) == 1:
        walks[0](team, thread, team)
    elif len(walks) == team:
        walks[thread](team, 0, 1)
    else:
        for walk in walks[thread::team]:
            walk(1, 0, 1)


class _Training:
    """What the updates of m models need, for batches of up to so many rows."""

    def __init__(
        self, packing: Packing, problem: Problem, dtype: npt.DTypeLike, m: int, rows: int, threads: int,
        augmentation: Augmentation | None,
    ) -> None:  # fmt: skip
        room, self.packing = capacity(rows), packing
        # Threads whose shares meet within a panel have a tile each for it.
        tiles = (packing.panels() + threads - 1) * room
        self.rows = rows_of(problem, dtype)
        self.images = images_of(problem, augmentation, threads)
        self.network = packing.network(room)
        self.workspace = packing.workspace(dtype, room, m=m, tiles=tiles, trains=True)
        self.parameters = packing.zeros(m, dtype)
        self.tasks = max(packing.tasks(), room // int(kernels.ROWS))


class _Lane(_Training):
    """Models that some threads train update by update, beside other threads with other models."""

    def __init__(
        self, plan: Plan, problem: Problem, dtype: npt.DTypeLike, models: slice, threads: int
    ) -> None:
        if problem.weight is not None and problem.weight.ndim == 2:
            problem = replace(problem, weight=problem.weight[models])
        b, l2 = min(plan.batch_size, problem.n), plan.objective.l2[models]
        super().__init__(Packing(plan.objective), problem, dtype, len(l2), b, threads, plan.augmentation)
        self.models, self.threads, self.l2 = models, threads, l2.astype(np.float64)

    def begin(self, state: State) -> None:
        """Take what `state` knows of the models."""
        self.packing.pack(state.parameters[self.models], self.parameters)
        self.updates = state.updates[self.models].copy()
        # Every thread has a row of its own.
        self.finite = np.tile(state.finite[self.models], (self.threads, 1))
        self.sums = np.zeros((3, len(self.l2)))

    def train(
        self, order: Indices, coins: Indices, starts: Indices, rates: Array, first: int, last: int, t0: int,
        gate: Indices, everyone: int, thread: int, threads: int,
    ) -> None:  # fmt: skip
        """Do the updates first <= i < last of a stretch that begins with update t0."""
        kernels.train(
            self.network, self.rows, self.images, self.workspace, self.parameters, self.l2, order, coins,
            starts, rates[self.models], first, last, t0, self.updates, self.finite, self.sums, gate,
            everyone, thread, threads,
        )  # fmt: skip

    def end(self, state: State) -> None:
        """Write what has become of the models."""
        self.packing.unpack(self.parameters, state.parameters[self.models])
        state.updates[self.models], state.finite[self.models] = self.updates, self.finite[0]


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
