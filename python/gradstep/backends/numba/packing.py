"""NumPy arrays into the form that the Numba backend's kernels take, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from gradstep.backends.numba.kernels.arrays import (
    LANES,
    OUTPUTS,
    PANEL,
    ROWS,
    STRIDE,
    Models,
    Network,
    PackedRows,
    Portion,
    Source,
    Workspace,
    read_only,
)
from gradstep.backends.numba.kernels.formulas import addresses
from gradstep.backends.numba.kernels.parts import GROUP
from gradstep.backends.numba.kernels.reading import reader_address
from gradstep.nn.rules import DescentRule, Rule
from gradstep.plan.dropout import Dropout
from gradstep.plan.network import Objective
from gradstep.plan.order import Augmentation
from gradstep.plan.plan import Plan, UpdateRange
from gradstep.plan.rows import TrainingData
from gradstep.plan.sparse import is_sparse

Array = npt.NDArray[Any]

_CACHE_LINE = 64

_PANEL, _STRIDE = int(PANEL), int(STRIDE)


class Packing:
    """Where the numbers of some models lie in the arrays of the kernels, for batches of up to so many rows.

    `threads` are those that train the models together, by a plan of theirs.
    """

    objective: Objective
    dtype: np.dtype[Any]
    rule: type[Rule]
    threads: int
    dropout: Dropout | None
    slots: int
    m: int
    capacity: int
    parts: int
    tasks: int

    def __init__(
        self,
        objective: Objective,
        dtype: np.dtype[Any],
        rows: int,
        rule: type[Rule] = DescentRule,
        threads: int = 1,
        plan: Plan | None = None,
    ) -> None:
        self.objective, self.dtype, self.rule, self.threads = objective, dtype, rule, threads
        self.dropout = None if plan is None else plan.dropout
        self.slots = rule.slots if plan is None else plan.slots
        self._most = np.empty((0, 2))
        if plan is not None and plan.limits is not None:
            self._most = np.ascontiguousarray(plan.limits.T)
        self.m, self.capacity = len(objective.l2), int(_up(rows, ROWS))
        sizes = np.array(objective.layers.sizes)
        inputs, outputs = sizes[:-1], sizes[1:]
        padded, panels = _up(outputs, OUTPUTS), -(-inputs // _PANEL)
        weights = padded * panels * _STRIDE
        lengths = weights + _up(padded, LANES)
        starts = np.cumsum(lengths) - lengths
        values = np.concatenate([[0], panels[1:] * _STRIDE]) * self.capacity
        sums = padded * self.capacity
        self._columns = {
            "inputs": inputs,
            "outputs": outputs,
            "padded": padded,
            "panels": panels,
            "weights": starts,
            "biases": starts + weights,
            "values": np.cumsum(values) - values,
            "sums": np.cumsum(sums) - sums,
        }
        self._lengths = {"models": int(lengths.sum()), "values": int(values.sum()), "sums": int(sums.sum())}
        tasks = panels * -(-padded // int(GROUP))
        #: Of the weights, whose squares are noted apart.
        self.parts = int(tasks.sum())
        #: Into how many parts the larger phase of an update can be cut.
        self.tasks = max(int(tasks[0]), self.capacity // int(ROWS))

    def network(self) -> Network:
        """Return sizes, places and formulas."""
        kind, objective = self.dtype, self.objective
        between = [addresses(type(each), kind) for each in objective.activations[0]]
        activations, slopes = np.array(between, dtype=np.uint64).reshape(-1, 2).T.copy()
        (loss,), (rule,) = addresses(type(objective.loss), kind), addresses(self.rule, kind)
        columns: dict[str, Any] = {name: each.astype(np.uint64) for name, each in self._columns.items()}
        addressed = {"activations": activations, "slopes": slopes}
        return Network(**columns, **addressed, loss=np.uint64(loss), rule=np.uint64(rule))

    def workspace(self, *, trains: bool) -> Workspace:
        """Return scratch for training, or for the evaluations of one thread."""
        panels, values = int(self._columns["panels"][0]) if trains else 1, self._lengths["values"]
        of_layers = self.zeros(self.m, values)
        return Workspace(
            capacity=np.uint64(self.capacity),
            trains=trains,
            tiles=self.zeros(panels * self.capacity * _STRIDE),
            room=aligned((self.threads, _PANEL * 8), np.uint8),
            values=of_layers,
            kept=self.zeros(self.m, values) if self.dropout and trains else of_layers,
            sums=self.zeros(self.m, self._lengths["sums"]),
            delta=self.zeros(values if trains else 0),
            gradient=self.zeros(self.threads, int(GROUP) * _STRIDE),
            clipped=self.zeros(self.m, self._lengths["models"] if self._most.size else 0),
            squares=np.zeros((self.m, self.parts if self._most.size else 0)),
            judged=np.zeros((self.m, 2, self.capacity)),
        )

    def models(self) -> Models:
        """Return packed models, all zero."""
        parameters, of_loss = self.zeros(self.m, self._lengths["models"]), self.objective.loss_numbers
        of_loss = of_loss if of_loss.size else np.zeros((self.m, 1))
        return Models(
            parameters=parameters,
            changed=parameters,
            slots=self.zeros(self.m, self.slots, self._lengths["models"]),
            most=self._most,
            numbers=np.hstack([self.objective.activation_numbers, of_loss]).astype(self.dtype),
            updates=np.zeros(self.m, dtype=np.int64),
            finite=np.ones((self.threads, self.m), dtype=np.bool_),
            sums=np.zeros((3, self.m)),
            penalties=np.zeros((self.m, self.parts)),
            limits=self.dropout.limits if self.dropout else np.zeros((self.m, 0), dtype=np.int32),
            scales=(self.dropout.scales if self.dropout else np.zeros((self.m, 0))).astype(self.dtype),
        )

    def zeros(self, *shape: int) -> Array:
        """Return zeros of the type of the parameters."""
        return aligned(shape, self.dtype)

    def pack(self, parameters: Array, packed: Array) -> None:
        """Copy parameters (m, P) into packed ones."""
        for theirs, ours in self._views(parameters, packed):
            ours[...] = theirs

    def unpack(self, packed: Array, parameters: Array) -> None:
        """Copy packed parameters back into parameters (m, P)."""
        for theirs, ours in self._views(parameters, packed):
            theirs[...] = ours

    def _views(self, parameters: Array, packed: Array) -> Iterator[tuple[Array, Array]]:
        """Yield views of the same numbers in both forms: full panels of each W, the last one, and each b."""
        m, layers = len(parameters), self.objective.layers
        for layer in range(layers.count):
            inputs, outputs = layers.sizes[layer : layer + 2]
            count, start, end = (int(self._columns[name][layer]) for name in ("panels", "weights", "biases"))
            W, b = layers.weights(parameters, layer), layers.biases(parameters, layer)
            panels = packed[:, start:end].reshape(m, count, -1, _STRIDE)
            full, rest = divmod(inputs, _PANEL)
            theirs = W[:, : full * _PANEL].reshape(m, full, _PANEL, outputs)
            yield theirs.swapaxes(2, 3), panels[:, :full, :outputs, :_PANEL]
            if rest:
                yield W[:, full * _PANEL :].swapaxes(1, 2), panels[:, full, :outputs, :rest]
            yield b, packed[:, end : end + outputs]


def _up(number: Any, multiple: Any) -> Any:
    """Round up to a multiple."""
    return -(-number // int(multiple)) * int(multiple)


def aligned(shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Return zeros whose every row begins with a cache line, if a row is a whole number of them."""
    kind = np.dtype(dtype)
    raw = np.zeros(int(np.prod(shape)) * kind.itemsize + _CACHE_LINE, dtype=np.uint8)
    start = -raw.ctypes.data % _CACHE_LINE
    array: Array = raw[start : start + raw.size - _CACHE_LINE].view(kind).reshape(shape)
    return array


def rows_of(data: TrainingData, dtype: np.dtype[Any], augmentation: Augmentation | None = None) -> PackedRows:
    """Return a data set as arrays of bytes, so that all types and distances of rows are one signature."""
    X, n, targets = data.X, data.n, data.targets
    flat, step, starts, columns = _flat_sparse(X) if is_sparse(X) else _flat(X)
    standardization = data.standardization
    scaling = np.concatenate([standardization.mean, standardization.inverse_scale])
    _, height, width = augmentation.image_shape if augmentation else (1, 1, 1)
    source = Source(
        bytes=read_only(flat.view(np.uint8)),
        size=np.uint64(flat.itemsize),
        step=np.uint64(step),
        starts=read_only(starts),
        columns=read_only(columns),
        scaling=scaling.astype(np.result_type(X.dtype, dtype)).view(np.uint8),
        inputs=np.uint64(data.d),
        height=np.int64(height),
        width=np.int64(width),
        edge=augmentation is not None and augmentation.edge,
    )
    return PackedRows(
        source=source,
        read=np.uint64(reader_address(X.dtype, dtype, is_sparse(X))),
        labels=read_only(targets if targets.ndim == 1 else np.empty(0, dtype=np.int32)),
        values=read_only(
            np.ascontiguousarray(targets if targets.ndim == 2 else np.empty((0, 0)), dtype=dtype)
        ),
        weight=read_only(np.ones((1, n)) if data.weight is None else data.weight.reshape(-1, n)),
    )


def _flat(X: Array) -> tuple[Array, int, Array, Array]:
    """Return the elements of rows, the distance from one to the next, and nothing for sparse rows alone."""
    rows, d = X.shape
    step = X.strides[0] // X.itemsize if rows > 1 else d
    flat = as_strided(X, ((rows - 1) * step + d,), (X.itemsize,), writeable=False)
    return flat, step, np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int32)


def _flat_sparse(X: Any) -> tuple[Array, int, Array, Array]:
    """Return the elements of sparse rows, no distance, where rows begin, and the column of every element."""
    return X.data, 0, X.indptr.astype(np.uint64), X.indices.astype(np.int32, copy=False)


def portion_of(updates: UpdateRange, data: TrainingData, dtype: np.dtype[Any]) -> Portion:
    """Return updates on a data set as the kernels take them, none of them done."""
    m, count, _, r = updates.numbers.shape
    keys = updates.drop_keys
    numbers = updates.numbers.reshape(m, 2 * count, r).swapaxes(1, 2)
    divisors, penalties = updates.divisors, updates.penalties
    if divisors is None:
        divisors = np.repeat(np.diff(updates.starts)[None].astype(np.float64), m, axis=0)
    if penalties is None:
        penalties = np.zeros((m, count))

    def given_or_none(of_updates: Array | None) -> Array:
        return np.ascontiguousarray(np.empty((m, 0)) if of_updates is None else of_updates, dtype=dtype)

    return Portion(
        places=read_only(updates.row_indices),
        in_X=read_only(data.in_X(updates.row_indices)),
        draws=read_only(np.empty((0, 3), dtype=np.int16) if updates.draws is None else updates.draws),
        starts=read_only(updates.starts),
        drop_keys=read_only(np.empty((count, 0), dtype=np.uint64) if keys is None else keys),
        numbers=np.ascontiguousarray(numbers, dtype=dtype),
        divisors=divisors,
        penalties=penalties,
        decays=given_or_none(updates.decays),
        shares=given_or_none(updates.shares),
        first=0,
        last=count,
        t0=updates.t0,
    )


def chunks_of(data: TrainingData, rows: int, m: int, dtype: np.dtype[Any]) -> Portion:
    """Return all rows in order, some at a time, to add up the gradient of their mean loss."""
    n = data.n
    count = -(-n // rows)
    starts = np.minimum(np.arange(count + 1) * rows, n)
    numbers = np.ones((m, count, 2, 2))
    numbers[..., 1] = (np.diff(starts) / n)[:, None]
    return portion_of(UpdateRange(0, count, np.arange(n, dtype=np.int32), starts, numbers), data, dtype)
