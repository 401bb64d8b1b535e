"""Rows on their way into a batch: their images flipped and shifted, then converted and standardised."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from gradstep.backends.numba.kernels.arrays import (
    ONE,
    PANEL,
    STRIDE,
    ZERO,
    Array,
    Batch,
    Index,
    Place,
    Source,
    read_only,
)
from gradstep.backends.numba.kernels.compiling import apart, compiled, emitted
from gradstep.backends.numba.kernels.vectors import prefetch

TWO = np.uint64(2)

# Types of the rows and of what they are standardised in, where a loop is compiled.
ELEMENT, WIDE = np.uint8, np.float32


@emitted
def elements(typing: Any, array: Any, kind: Any) -> Any:
    """Return a pointer to an array of bytes as numbers of another type."""
    pointer: Any = types.CPointer

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.bitcast(data, context.get_value_type(signature.return_type))

    return pointer(kind.dtype)(array, kind), generate


def arguments(kind: Any) -> tuple[Any, ...]:
    """Return arguments as `read` takes them."""
    raw, order, index = np.empty(0, np.uint8), read_only(np.empty(0, np.int32)), np.int64(0)
    starts = read_only(np.empty(0, np.uint64))
    source = Source(read_only(raw), ZERO, ZERO, starts, order, raw, ZERO, index, index, False)
    batch = Batch(
        order, order, read_only(np.empty((0, 3), np.int16)), order, read_only(np.empty(0, np.uint64))
    )
    return source, batch, ZERO, ZERO, ZERO, Place(np.empty(0, kind), ZERO), raw


@apart(arguments)
def read(
    source: Source, batch: Batch, begin: Index, end: Index, panel: Index, to: Place, room: Array
) -> None:
    """Read and standardise a panel of the rows ``begin <= r < end``, moved if there are draws.

    Memory is asked for the panel of the rows that follow meanwhile, since it is slow to answer.
    """
    x, moved = elements(source.bytes, ELEMENT), elements(room, ELEMENT)
    scaling, first, size, step = elements(source.scaling, WIDE), panel * PANEL, source.size, source.step
    count = min(PANEL, source.inputs - first)
    for r in range(begin, end):
        if r < np.uint64(batch.following.size):
            next_row = np.uint64(batch.following[r]) * step + first
            prefetch(Place(source.bytes, next_row * size), count * size)
        row, into = np.uint64(batch.in_X[r]) * step, to.start + (r - begin) * STRIDE
        own = Place(x, row + first)
        if batch.draws.size:
            move(Place(x, row), source, batch.draws[r], first, count, moved)
            own = Place(moved, ZERO)
        for i in range(count):
            centred = WIDE(own.array[own.start + i]) - scaling[first + i]
            to.array[into + i] = centred * scaling[source.inputs + first + i]


@apart(arguments)
def read_sparse(
    source: Source, batch: Batch, begin: Index, end: Index, panel: Index, to: Place, room: Array
) -> None:
    """Read and scale a panel of sparse rows ``begin <= r < end``: zeros, and the elements that there are."""
    x, scaling = elements(source.bytes, ELEMENT), elements(source.scaling, WIDE)
    first = panel * PANEL
    behind = first + min(PANEL, source.inputs - first)
    for r in range(begin, end):
        row, into = np.uint64(batch.in_X[r]), to.start + (r - begin) * STRIDE
        for i in range(PANEL):
            to.array[into + i] = 0
        low, last = source.starts[row], source.starts[row + ONE]
        high = last
        while low < high:
            middle = (low + high) // TWO
            if np.uint64(source.columns[middle]) < first:
                low = middle + ONE
            else:
                high = middle
        while low < last and np.uint64(source.columns[low]) < behind:
            column = np.uint64(source.columns[low])
            centred = WIDE(x[low]) - scaling[column]
            to.array[into + column - first] = centred * scaling[source.inputs + column]
            low += ONE


@compiled
def move(row: Place, source: Source, draws: Array, first: Index, count: Index, to: Array) -> None:
    """Write some inputs of an image, flipped and then shifted, line by line."""
    height, width = source.height, source.width
    flip, dy, dx = draws[0] != 0, np.int64(draws[1]), np.int64(draws[2])
    i: Index = np.int64(first)
    end, place = i + np.int64(count), np.int64(0)
    while i < end:
        line, x0 = i // width, i % width
        x1, y = min(width, x0 + end - i), line % height
        nearest = min(max(y - dy, 0), height - 1)
        begin, place = np.int64(row.start) + (line - y + nearest) * width, place - x0
        # Pixels low <= x < high come from within the image, if the line does.
        low, high = min(max(dx, x0), x1), min(max(width + dx, x0), x1)
        if not source.edge and nearest != y - dy:
            low = high = x1
        outside = row.array[begin + width - 1 if (dx > 0) == flip else begin] if source.edge else 0
        for x in range(x0, low):
            to[place + x] = outside
        start, step = (begin + width - 1 + dx, -1) if flip else (begin - dx, 1)
        for x in range(low, high):
            to[place + x] = row.array[start + step * x]
        for x in range(high, x1):
            to[place + x] = outside
        place, i = place + x1, i + x1 - x0


def reader_address(element: np.dtype[Any], kind: np.dtype[Any], is_sparse: bool = False) -> int:
    """Return where `read` is for rows of a type, and for arithmetic in `kind`; or `read_sparse`."""
    reader = read_sparse if is_sparse else read
    return reader.address(kind, ELEMENT=element.type, WIDE=np.result_type(element, kind).type)
