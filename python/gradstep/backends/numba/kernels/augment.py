"""Images flipped and shifted on their way from a problem to the kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradstep.backends.numba.kernels.arrays import PANEL, Array, Images, Index, Rows
from gradstep.backends.numba.kernels.compiling import compiled
from gradstep.backends.numba.kernels.vectors import standardize


@compiled
def read_moved(
    rows: Rows, images: Images, number: Index, coins: Array, panel: Index, to: Array, at: Index, thread: Index
) -> None:
    """Do what `read` does, of the row's image flipped and then shifted as its coins (3,) say."""
    first, start, staged = panel * PANEL, number * rows.step, thread * PANEL
    count = min(PANEL, np.uint64(rows.mean.size) - first)
    if rows.bytes.size:
        stage(rows.bytes, start, images, coins, first, count, images.bytes, staged)
        standardize(images.bytes, staged, rows.mean, rows.inverse, first, count, to, at)
    elif rows.singles.size:
        stage(rows.singles, start, images, coins, first, count, images.singles, staged)
        standardize(images.singles, staged, rows.mean, rows.inverse, first, count, to, at)
    else:
        stage(rows.doubles, start, images, coins, first, count, images.doubles, staged)
        standardize(images.doubles, staged, rows.mean64, rows.inverse64, first, count, to, at)


@compiled
def stage(
    flat: Array, start: Index, images: Images, coins: Array, first: Index, count: Index, to: Array, at: Index
) -> None:
    """Write some inputs of the image at ``flat[start]``, line by line, to ``to[at : at + count]``."""
    height, width = images.height, images.width
    flip, dy, dx = np.int64(coins[0]), np.int64(coins[1]), np.int64(coins[2])
    i: Index = np.int64(first)
    end, place = i + np.int64(count), np.int64(at)
    while i < end:
        line, x0 = i // width, i % width
        x1, y = min(width, x0 + end - i), line % height
        source = min(max(y - dy, 0), height - 1)
        if images.edge or source == y - dy:
            begin: Index = np.int64(start) + (line - y + source) * width
            write_line(flat, begin, images, flip, dx, x0, x1, to, place)
        else:
            write_outside(to, place, place + x1 - x0, 0)
        place += x1 - x0
        i += x1 - x0


@compiled
def write_line(
    flat: Array, begin: Index, images: Images, flip: Index, dx: Index, x0: Index, x1: Index,
    to: Array, at: Index,
) -> None:  # fmt: skip
    """Write pixels x0 <= x < x1 of the line at ``flat[begin]``, flipped or not and moved by dx."""
    width, inside = images.width, at - x0
    low = min(max(dx, x0), x1)
    high = max(min(width + dx, x1), low)
    nearest = begin + width - 1 if (dx > 0) == (flip != 0) else begin
    outside = flat[np.uint64(nearest)] if images.edge else flat.dtype.type(0)
    write_outside(to, at, inside + low, outside)
    if flip:
        begin += width - 1 + dx
        for x in range(low, high):
            to[np.uint64(inside + x)] = flat[np.uint64(begin - x)]
    else:
        begin -= dx
        for x in range(low, high):
            to[np.uint64(inside + x)] = flat[np.uint64(begin + x)]
    write_outside(to, inside + high, at + x1 - x0, outside)


@compiled
def write_outside(to: Array, begin: Index, end: Index, value: Any) -> None:
    """Write one value to ``to[begin:end]``."""
    for i in range(begin, end):
        to[np.uint64(i)] = value
