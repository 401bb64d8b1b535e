"""Which inputs of layers an update leaves out, in plain Python ints: the judge of `gradstep.nn.dropout`."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

Vector = list[float]


def mixed(x: int) -> int:
    """Return the word that SplitMix64 gives from the state x."""
    x = (x + 0x9E3779B97F4A7C15) % 2**64
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


def word(seed: int, layer: int, update: int, row: int, unit: int) -> int:
    """Return the word of a unit, 0 to 2**32 - 1, of which no other number of the five has the like."""
    of_row = seed
    for number in (0, layer, update, row):
        of_row = mixed((of_row + number) % 2**64)
    high, low = divmod(of_row, 2**32)
    x = unit ^ low
    x = ((x ^ (x >> 16)) * 0x7FEB352D % 2**32) ^ high
    x = (x ^ (x >> 15)) * 0x846CA68B % 2**32
    return x ^ (x >> 16)


def factor(share: float, seed: int, layer: int, update: int, row: int, unit: int) -> float:
    """Return 0 for a unit that is dropped, and what else it is multiplied by.

    Words count from the middle, as the signed numbers that they are held to be.
    """
    place = (word(seed, layer, update, row, unit) + 2**31) % 2**32
    return 0.0 if place < floor(share * 2**32) else 1 / (1 - share)


def factors(shares: Sequence[float], sizes: Sequence[int], seed: int, update: int, row: int) -> list[Vector]:
    """Return the factors of every input of every layer, of one row of a batch."""
    return [
        [factor(share, seed, layer, update, row, unit) for unit in range(size)]
        for layer, (share, size) in enumerate(zip(shares, sizes, strict=True))
    ]
