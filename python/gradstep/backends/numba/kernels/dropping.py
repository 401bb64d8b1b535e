"""Inputs of layers that an update leaves out, as `gradstep.nn.dropout` says which."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gradstep.backends.numba.kernels.arrays import STRIDE, Index, Place
from gradstep.backends.numba.kernels.compiling import compiled
from gradstep.nn import dropout

Ends = tuple[Index, Index]

mixed, word = compiled(dropout.mixed), compiled(dropout.word)


class Coin(NamedTuple):
    """Where a unit is dropped, and what the others are multiplied by."""

    key: Index
    limit: Any  # a np.int32 that words are less than
    scale: Any


@compiled
def drop(to: Place, values: Place, coin: Coin, rows: Ends, first: Index, count: Index) -> None:
    """Write `count` units from unit `first` on of some rows, STRIDE apart; `to` may be `values`."""
    for r in range(rows[0], rows[1]):
        of_row, at = mixed(coin.key + r), (r - rows[0]) * STRIDE
        low, high = np.uint32(of_row), np.uint32(of_row >> np.uint64(32))
        for i in range(count):
            kept = values.array[values.start + at + i] * coin.scale
            is_dropped = np.int32(word(np.uint32(first + i), low, high)) < coin.limit
            to.array[to.start + at + i] = values.array.dtype.type(0) if is_dropped else kept
