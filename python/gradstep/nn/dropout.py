"""Dropout: which inputs of which layer an update leaves out.

Whether a unit is dropped says a word of 32 bits, a pure function of the seed, the layer, the update, the
row's place in the batch and the unit. So nothing is drawn in advance, and every backend, any number of
threads and a run that is taken up again find the same units. `mixed` is the generator of Steele, Lea and
Flood, "Fast splittable pseudorandom number generators" (2014), a word of 64 bits for each row; from there on
two rounds of multiply and xorshift with the constants of C. Wellons, "Prospecting for hash functions" (2018),
which take few instructions of vectors of 32-bit lanes.

What is kept is divided by the share that is kept, so that sums keep their expectation and predictions need
nothing: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting" (2014),
section 10.

The functions take NumPy arrays, and Numba compiles them for single numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def mixed(x: Any) -> Any:
    """Return words of 64 bits that look random for any x, uint64."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def word(unit: Any, low: Any, high: Any) -> Any:
    """Return the word of a unit, uint32, from its number and both halves of its row's, uint32 all of them."""
    # Products of single numbers are of 64 bits in Numba.
    x = np.uint32(unit ^ low)
    x = np.uint32((x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D))
    x = np.uint32(x ^ high)
    x = np.uint32((x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B))
    return np.uint32(x ^ (x >> np.uint32(16)))
