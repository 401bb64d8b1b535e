"""NumPy arrays into the form that the Numba backend's kernels take, and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from gradstep.backends.numba import kernels as kernels
from gradstep.plan.plan import Augmentation, Objective
from gradstep.plan.rows import ROW_TYPES, Problem

Array = npt.NDArray[np.floating]

_CACHE_LINE = 64

NO_COINS = np.empty((0, 3), dtype=np.int16)
NO_COINS.flags.writeable = False
_PANEL, _STRIDE = int(kernels.PANEL), int(kernels.STRIDE)


class Packing:
    """Where things lie in the arrays of the kernels, for one network and its loss.

    Attributes
    ----------
    network : numba_kernels.Network
    """

    def __init__(self, objective: Objective) -> None:
        self.layers = layers = objective.layers
        self._loss = {"softmax": kernels.SOFTMAX, "sigmoid": kernels.SIGMOID}[objective.loss]
        inputs, outputs = np.array(layers.sizes[:-1]), np.array(layers.sizes[1:])
        padded, panels = _up(outputs, kernels.OUTPUTS), -(-inputs // _PANEL)
        weights = padded * panels * _STRIDE
        lengths = weights + _up(padded, kernels.LANES)
        starts = np.cumsum(lengths) - lengths
        self.length = int(lengths.sum())
        self._padded, self._panels = padded, panels
        # Of the layers' inputs and outputs, for each row of a batch.
        self._values = np.concatenate([[0], panels[1:] * _STRIDE])
        table = (inputs, outputs, padded, panels, starts, starts + weights)
        places = (np.cumsum(values) - values for values in (self._values, padded))
        self._table, self._per_row = table, tuple(places)

    def network(self, capacity: int) -> kernels.Network:
        """Return sizes and places for batches of `capacity` rows."""
        places = (place * capacity for place in self._per_row)
        columns = (column.astype(np.uint64) for column in (*self._table, *places))
        return kernels.Network._make([*columns, self._loss])

    def workspace(
        self, dtype: npt.DTypeLike, capacity: int, *, m: int, tiles: int, trains: bool
    ) -> kernels.Workspace:
        """Return scratch for m models, and for `tiles` rows of a panel.

        Without `trains` it does for forward passes alone.
        """
        values, partials = int(self._values.sum()), int(self._panels[0] * self._padded[0])
        models = m if trains else 0
        return kernels.Workspace(
            tiles=aligned((tiles * _STRIDE,), dtype),
            partials=aligned((models, partials * capacity), dtype),
            values=aligned((m, values * capacity), dtype),
            sums=aligned((m, int(self._padded.sum()) * capacity), dtype),
            delta=aligned((int(self._values.max()) * capacity if trains else 0,), dtype),
            losses=np.zeros((models, capacity)),
            hits=np.zeros((models, capacity)),
            capacity=np.uint64(capacity),
        )

    def tasks(self) -> int:
        """Return into how many parts the first layer can be cut."""
        return int(self._panels[0] * -(-self._padded[0] // int(kernels.GROUP)))

    def panels(self) -> int:
        """Return the panels of the first layer."""
        return int(self._panels[0])

    def zeros(self, m: int, dtype: npt.DTypeLike) -> Array:
        """Return packed parameters of m models, all zero."""
        return aligned((m, self.length), dtype)

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
        m = len(parameters)
        for layer in range(self.layers.count):
            inputs, outputs = self.layers.sizes[layer : layer + 2]
            W, b = self.layers.weights(parameters, layer), self.layers.biases(parameters, layer)
            start, end = (int(self._table[column][layer]) for column in (4, 5))
            panels = packed[:, start:end].reshape(m, int(self._panels[layer]), -1, _STRIDE)
            full, rest = divmod(inputs, _PANEL)
            theirs = W[:, : full * _PANEL].reshape(m, full, _PANEL, outputs)
            yield theirs.swapaxes(2, 3), panels[:, :full, :outputs, :_PANEL]
            if rest:
                yield W[:, full * _PANEL :].swapaxes(1, 2), panels[:, full, :outputs, :rest]
            yield b, packed[:, end : end + outputs]


def capacity(rows: int) -> int:
    """Return the rows that a batch has room for, as the kernels walk them."""
    return int(_up(rows, kernels.ROWS))


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


def rows_of(problem: Problem, dtype: npt.DTypeLike) -> kernels.Rows:
    """Return the problem as flat arrays, so that all types and distances of rows are one signature."""
    X, (mean, scale) = problem.X, (problem.standardization.mean, problem.standardization.scale)
    step = X.strides[0] // X.itemsize if problem.n > 1 else problem.d
    length = (problem.n - 1) * step + problem.d
    flat = as_strided(X, (length,), (X.itemsize,), writeable=False)
    of_type = {kind.type: read_only(np.empty(0, kind)) for kind in ROW_TYPES}
    of_type[X.dtype.type] = flat
    mean, inverse = mean.astype(np.float64), 1.0 / scale.astype(np.float64)

    def copy(numbers: Array, kind: npt.DTypeLike) -> Array:
        array = aligned(numbers.shape, kind)
        array[...] = numbers
        return array

    return kernels.Rows(
        bytes=of_type[np.uint8],
        singles=of_type[np.float32],
        doubles=of_type[np.float64],
        step=np.uint64(step),
        mean=copy(mean, dtype),
        inverse=copy(inverse, dtype),
        mean64=copy(mean, np.float64),
        inverse64=copy(inverse, np.float64),
        y=read_only(problem.y),
        weight=read_only(np.ones(problem.n) if problem.weight is None else problem.weight.ravel()),
        weights_apart=np.uint64(0 if problem.weight is None or problem.weight.ndim == 1 else problem.n),
    )


def images_of(problem: Problem, augmentation: Augmentation | None, threads: int) -> kernels.Images:
    """Return what the kernels need to augment the rows of a problem, if they are to."""
    length = 0 if augmentation is None else threads * _PANEL
    bytes_, singles, doubles = (
        aligned((length if kind == problem.X.dtype else 0,), kind) for kind in ROW_TYPES
    )
    _, height, width = (1, 1, 1) if augmentation is None else augmentation.image_shape
    edge = augmentation is not None and augmentation.edge
    return kernels.Images(np.int64(height), np.int64(width), edge, bytes_, singles, doubles)


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a read-only view: numba compiles anew for arrays that may and may not be written."""
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view
