"""The Numba backend: NumPy arrays into the form the kernels take, and back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from gradstep.backends import numba_kernels as kernels
from gradstep.backends.protocol import Figures, Running, never, running
from gradstep.plan import Layers, Objective, Plan, State
from gradstep.problem import ROW_TYPES, Problem

Array = npt.NDArray[np.floating]

# Rows evaluated at a time: with d = 3072 in float32 such a batch stays in a 1 MB cache.
_EVALUATION_ROWS = 64

# A call of a kernel aims at this, so that a stop or a signal is seen soon.
_SECONDS = 0.03


class NumbaBackend:
    """Executes plans in loops that numba compiles at first use, on one thread, without the GIL."""

    name = "numba"

    def session(
        self, plan: Plan, problem: Problem, evaluated: Sequence[Problem] = (), *, n_threads: int = 1
    ) -> NumbaSession:
        """Prepare to train on the rows of a problem, and to evaluate those of others."""
        return NumbaSession(self, plan, problem, evaluated)

    def evaluate(
        self, objective: Objective, problem: Problem, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> Figures:
        """Return loss, cost and accuracy of every model over all rows (weighted, if they are)."""
        loss, correct = np.zeros(len(parameters)), np.zeros(len(parameters))
        _over_rows(kernels.add_figures, objective.layers, problem, parameters, loss, correct)
        loss /= problem.n
        return Figures(loss, loss + _penalty(objective, parameters), correct / problem.n)

    def loss_and_gradient(
        self, objective: Objective, problem: Problem, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> tuple[Figures, npt.NDArray[Any]]:
        """Return the figures over all rows as one batch, and the gradient of the cost (m, P)."""
        layers, gradient = objective.layers, np.zeros_like(parameters)
        packed = _Packed(layers, parameters.dtype, 0)
        sums = packed.pack(gradient)
        _over_rows(kernels.add_gradient, layers, problem, parameters, problem.n, sums)
        packed.unpack(sums, gradient)
        with np.errstate(over="ignore", invalid="ignore"):
            for layer in range(layers.count):
                slope = (2 * objective.l2).astype(parameters.dtype)[:, None, None]
                layers.weights(gradient, layer)[...] += slope * layers.weights(parameters, layer)
        return self.evaluate(objective, problem, parameters), gradient

    def scores(
        self, objective: Objective, problem: Problem, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> npt.NDArray[Any]:
        """Return the last layer's output of every model, shape (m, n, k)."""
        shape = len(parameters), problem.n, objective.layers.sizes[-1]
        scores = np.empty(shape, dtype=parameters.dtype)
        _over_rows(kernels.write_scores, objective.layers, problem, parameters, scores)
        return scores


class NumbaSession:
    """One plan being executed, on one thread."""

    def __init__(
        self, backend: NumbaBackend, plan: Plan, problem: Problem, evaluated: Sequence[Problem]
    ) -> None:
        self.backend, self.plan, self.problem, self.evaluated = backend, plan, problem, evaluated

    def train(self, state: State, t0: int, t1: int, *, should_stop: Callable[[], bool] = never) -> Running:
        """Do the updates ``t0 <= t < t1`` on `state`, in place."""
        plan, problem = self.plan, self.problem
        objective, dtype = plan.objective, state.parameters.dtype
        packed = _Packed(objective.layers, dtype, min(plan.batch_size, problem.n))
        rows, parameters = _rows(problem, dtype), packed.pack(state.parameters)
        l2, updates, finite = objective.l2.astype(np.float64), state.updates.copy(), state.finite.copy()
        sums = np.zeros((3, len(finite)))
        try:
            for stretch in plan.stretches(t0, t1):
                for first, last in _portions(stretch.t1 - stretch.t0):
                    if should_stop() or not finite.any():
                        return running(sums)
                    kernels.train(
                        packed.network, rows, packed.workspace, parameters, l2,
                        _read_only(stretch.rows), _read_only(stretch.starts),
                        _read_only(stretch.learning_rate), first, last, stretch.t0, updates, finite, sums,
                    )  # fmt: skip
        finally:
            packed.unpack(parameters, state.parameters)
            state.updates[:], state.finite[:] = updates, finite
        return running(sums)

    def evaluate(self, parameters: npt.NDArray[Any]) -> list[Figures]:
        """Return the figures of every model on each of the problems to be evaluated."""
        objective = self.plan.objective
        return [self.backend.evaluate(objective, problem, parameters) for problem in self.evaluated]


class _Packed:
    """Layers with every W transposed into panels, as `numba_kernels` says, and scratch for batches.

    Parameters
    ----------
    layers : Layers
    dtype : data type of the parameters
    rows : int
        Most rows of a batch.
    """

    def __init__(self, layers: Layers, dtype: npt.DTypeLike, rows: int) -> None:
        self.layers = layers
        inputs, outputs = np.array(layers.sizes[:-1]), np.array(layers.sizes[1:])
        capacity, stride = rows + rows % 2, int(kernels.STRIDE)
        padded, panels = outputs + outputs % 2, -(-inputs // int(kernels.PANEL))
        lengths = padded * (panels * stride + 1)
        weights = np.cumsum(lengths) - lengths
        values = capacity * panels * stride
        biases = weights + lengths - padded
        table = (inputs, outputs, padded, panels, weights, biases, np.cumsum(values) - values)
        self.length = int(lengths.sum())
        self.network = kernels.Network(*(column.astype(np.uint64) for column in table))
        self.workspace = kernels.Workspace(
            values=np.zeros(values.sum(), dtype),
            delta=np.zeros(values[1:].max(initial=0), dtype),
            sums=np.zeros(capacity * padded.max(), dtype),
            steps=np.zeros(capacity * padded.max(), dtype),
            capacity=np.uint64(capacity),
        )

    def pack(self, parameters: Array) -> Array:
        """Return a packed copy of parameters (m, P)."""
        packed = np.zeros((len(parameters), self.length), parameters.dtype)
        for theirs, ours in self._views(parameters, packed):
            ours[...] = theirs
        return packed

    def unpack(self, packed: Array, parameters: Array) -> None:
        """Copy packed parameters back into parameters (m, P)."""
        for theirs, ours in self._views(parameters, packed):
            theirs[...] = ours

    def _views(self, parameters: Array, packed: Array) -> Iterator[tuple[Array, Array]]:
        """Yield views of the same numbers in both forms: the panels of each W, and each b."""
        m, panel, stride = len(parameters), int(kernels.PANEL), int(kernels.STRIDE)
        for layer in range(self.layers.count):
            inputs, outputs = self.layers.sizes[layer : layer + 2]
            W, b = self.layers.weights(parameters, layer), self.layers.biases(parameters, layer)
            start, end = int(self.network.weights[layer]), int(self.network.biases[layer])
            panels = packed[:, start:end].reshape(m, int(self.network.panels[layer]), -1, stride)
            for number, first in enumerate(range(0, inputs, panel)):
                part = W[:, first : first + panel].swapaxes(1, 2)
                yield part, panels[:, number, :outputs, : part.shape[2]]
            yield b, packed[:, end : end + outputs]


def _rows(problem: Problem, dtype: npt.DTypeLike) -> kernels.Rows:
    """Return the problem as flat arrays, so that all types and distances of rows are one signature."""
    X, (mean, scale) = problem.X, (problem.standardization.mean, problem.standardization.scale)
    step = X.strides[0] // X.itemsize if problem.n > 1 else problem.d
    length = (problem.n - 1) * step + problem.d
    flat = as_strided(X, (length,), (X.itemsize,), writeable=False)
    of_type = {kind.type: _read_only(np.empty(0, kind)) for kind in ROW_TYPES}
    of_type[X.dtype.type] = flat
    mean, inverse = mean.astype(np.float64), 1.0 / scale.astype(np.float64)
    return kernels.Rows(
        bytes=of_type[np.uint8],
        singles=of_type[np.float32],
        doubles=of_type[np.float64],
        step=np.uint64(step),
        mean=mean.astype(dtype),
        inverse=inverse.astype(dtype),
        mean64=mean,
        inverse64=inverse,
        y=_read_only(problem.y),
        weight=_read_only(np.ones(problem.n) if problem.weight is None else problem.weight),
    )


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a read-only view: numba compiles anew for arrays that may and may not be written."""
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view


def _over_rows(
    kernel: Callable[..., None], layers: Layers, problem: Problem, parameters: Array, *more: object
) -> None:
    """Call a kernel that adds up over rows or writes by row on all rows, a portion at a time."""
    packed = _Packed(layers, parameters.dtype, min(_EVALUATION_ROWS, problem.n))
    rows, blocks = _rows(problem, parameters.dtype), packed.pack(parameters)
    order = np.arange(problem.n, dtype=np.int32)
    for first, last in _portions(-(-problem.n // _EVALUATION_ROWS)):
        part = order[first * _EVALUATION_ROWS : last * _EVALUATION_ROWS]
        kernel(packed.network, rows, packed.workspace, blocks, _read_only(part), *more)


def _portions(total: int) -> Iterator[tuple[int, int]]:
    """Cut ``range(total)`` into pieces that take the caller about _SECONDS each; begin with 1."""
    first, size = 0, 1
    while first < total:
        last, start = min(first + size, total), time.perf_counter()
        yield first, last
        seconds = max(time.perf_counter() - start, 1e-9)
        first, size = last, max(1, int(size * min(8.0, _SECONDS / seconds)))


def _penalty(objective: Objective, parameters: Array) -> npt.NDArray[np.float64]:
    """Return ``l2 * sum(W**2)`` of every model."""
    squares = np.zeros(len(parameters))
    with np.errstate(over="ignore", invalid="ignore"):
        for layer in range(objective.layers.count):
            W = objective.layers.weights(parameters, layer)
            squares += np.square(W, dtype=np.float64).sum(axis=(1, 2))
        return objective.l2 * squares
