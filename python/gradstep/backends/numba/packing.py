"""NumPy arrays into the form that the Numba backend's kernels take, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from gradstep.backends.numba.kernels import formulas, reading
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
from gradstep.backends.numba.kernels.passes import GROUP
from gradstep.nn.rules import DescentRule, Rule
from gradstep.plan.network import Objective
from gradstep.plan.order import Augmentation
from gradstep.plan.plan import UpdateRange
from gradstep.plan.rows import TrainingData

Array = npt.NDArray[Any]

_CACHE_LINE = 64

_PANEL, _STRIDE, _OUTPUTS = int(PANEL), int(STRIDE), int(OUTPUTS)


class Packing:
    """Where the numbers of some models lie in the arrays of the kernels.

    Parameters
    ----------
    objective : Objective
    dtype : dtype
        Of parameters and arithmetic.
    rows : int
        Most rows of a batch.
    rule : type of Rule, optional
        None does for evaluations.
    threads : int
        Those that train the models together.
    """

    def __init__(
        self,
        objective: Objective,
        dtype: npt.DTypeLike,
        rows: int,
        *,
        rule: type[Rule] | None = None,
        threads: int = 1,
    ) -> None:
        self.objective, self.rule, self.dtype = objective, rule, np.dtype(dtype)
        self.capacity, self.threads = int(_up(rows, ROWS)), threads
        self.slots = 0 if rule is None else rule.slots
        sizes = np.array(objective.layers.sizes)
        inputs, outputs = sizes[:-1], sizes[1:]
        padded, panels = _up(outputs, OUTPUTS), -(-inputs // _PANEL)
        weights = padded * panels * _STRIDE
        lengths = weights + _up(padded, LANES)
        starts = np.cumsum(lengths) - lengths
        # Of the layers' inputs and outputs.
        values = np.concatenate([[0], panels[1:] * _STRIDE]) * self.capacity
        sums = padded * self.capacity
        places = (np.cumsum(each) - each for each in (values, sums))
        table = (inputs, outputs, padded, panels, starts, starts + weights, *places)
        self.length, self.values, self.sums = int(lengths.sum()), int(values.sum()), int(sums.sum())
        #: Of the first layer, into how many parts it can be cut.
        self.tasks = int(panels[0] * -(-padded[0] // int(GROUP)))
        self.network = self._network(*(column.astype(np.uint64) for column in table))
        self._places = [tuple(map(int, row)) for row in zip(panels, starts, starts + weights, strict=True)]

    def _network(self, *table: Array) -> Network:
        activations = [type(activation) for activation in self.objective.activations[0]]
        addresses = [formulas.activation_addresses(each, self.dtype) for each in activations]
        of, slopes = np.array(addresses, dtype=np.uint64).reshape(-1, 2).T.copy()
        loss = np.uint64(formulas.loss_address(type(self.objective.loss), self.dtype))
        rule = np.uint64(0 if self.rule is None else formulas.rule_address(self.rule, self.dtype))
        places = dict(zip(Network._fields, table, strict=False))
        fused = self.rule is DescentRule
        return Network(**places, activations=of, slopes=slopes, loss=loss, rule=rule, fused=fused)

    def workspace(self, *, trains: bool) -> Workspace:
        """Return scratch for training, or for the evaluations of one thread."""
        m, net, capacity = len(self.objective.l2), self.network, self.capacity
        tiles = (int(net.panels[0]) if trains else 1) * capacity
        return Workspace(
            capacity=np.uint64(capacity),
            trains=trains,
            tiles=self.zeros(tiles * _STRIDE),
            room=aligned((self.threads, _PANEL * 8), np.uint8),
            values=self.zeros(m, self.values),
            sums=self.zeros(m, self.sums),
            delta=self.zeros(self.values if trains else 0),
            gradient=self.zeros(self.threads, _OUTPUTS * _STRIDE),
            judged=np.zeros((m, 2, capacity)),
        )

    def models(self) -> Models:
        """Return packed models, all zero."""
        m, parameters = len(self.objective.l2), self.zeros(len(self.objective.l2), self.length)
        loss_numbers = self.objective.loss_numbers
        return Models(
            parameters=parameters,
            changed=parameters,
            slots=self.zeros(m, self.slots, self.length),
            loss_numbers=(loss_numbers[:, 0] if loss_numbers.size else np.zeros(m)).astype(self.dtype),
            activation_numbers=self.objective.activation_numbers.astype(self.dtype),
            updates=np.zeros(m, dtype=np.int64),
            finite=np.ones((self.threads, m), dtype=np.bool_),
            sums=np.zeros((3, m)),
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
        for layer, (count, start, end) in enumerate(self._places):
            inputs, outputs = layers.sizes[layer : layer + 2]
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


def rows_of(data: TrainingData, dtype: npt.DTypeLike, augmentation: Augmentation | None = None) -> PackedRows:
    """Return a data set as flat arrays of bytes: all types and distances of rows are one signature then."""
    X, n = data.X, data.n
    step = X.strides[0] // X.itemsize if n > 1 else data.d
    flat = as_strided(X, ((n - 1) * step + data.d,), (X.itemsize,), writeable=False)
    standardization = data.standardization
    scaling = np.concatenate([standardization.mean, 1.0 / standardization.scale])
    _, height, width = (1, 1, 1) if augmentation is None else augmentation.image_shape
    labels, values = np.empty(0, dtype=np.int32), np.empty((0, 0), dtype=dtype)
    if data.targets.ndim == 1:
        labels = data.targets
    else:
        values = np.ascontiguousarray(data.targets, dtype=dtype)
    source = Source(
        bytes=read_only(flat.view(np.uint8)),
        size=np.uint64(X.itemsize),
        step=np.uint64(step),
        scaling=scaling.astype(np.result_type(X.dtype, dtype)).view(np.uint8),
        inputs=np.uint64(data.d),
        height=np.int64(height),
        width=np.int64(width),
        edge=augmentation is not None and augmentation.edge,
    )
    return PackedRows(
        source=source,
        read=np.uint64(reading.reader_address(X.dtype, np.dtype(dtype))),
        labels=read_only(labels),
        values=read_only(values),
        weight=read_only(np.ones((1, n)) if data.weight is None else data.weight.reshape(-1, n)),
    )


def portion_of(updates: UpdateRange, dtype: npt.DTypeLike) -> Portion:
    """Return updates as the kernels take them, none of them done."""
    m, count, _, r = updates.numbers.shape
    numbers = updates.numbers.reshape(m, 2 * count, r).swapaxes(1, 2)
    return Portion(
        order=read_only(updates.row_indices),
        draws=read_only(np.empty((0, 3), dtype=np.int16) if updates.draws is None else updates.draws),
        starts=read_only(updates.starts),
        numbers=np.ascontiguousarray(numbers, dtype=dtype),
        first=0,
        last=count,
        t0=updates.t0,
    )


def chunks_of(n: int, rows: int, m: int, dtype: npt.DTypeLike) -> Portion:
    """Return all rows in order, some at a time, to add up the gradient of their mean loss."""
    count = -(-n // rows)
    starts = np.minimum(np.arange(count + 1) * rows, n)
    numbers = np.ones((m, count, 2, 2))
    numbers[..., 1] = (np.diff(starts) / n)[:, None]
    return portion_of(UpdateRange(0, count, np.arange(n, dtype=np.int32), starts, numbers), dtype)
