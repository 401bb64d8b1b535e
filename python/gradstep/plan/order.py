"""Order of rows and random changes of images: functions of a seed, or a generator, and the epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

#: Sorts unsigned words of 64 bits in place.
Sort = Callable[[npt.NDArray[np.uint64]], None]


class Order(Protocol):
    """Order of rows of every epoch."""

    @property
    def n(self) -> int:
        """Rows of the data set."""
        ...

    def epoch(self, number: int, sort: Sort = np.ndarray.sort) -> npt.NDArray[np.int32]:
        """Return the rows of epoch `number` in order, shape (n,); `sort` may be what sorts words fastest."""
        ...

    def rows(self, epochs: range, sort: Sort = np.ndarray.sort) -> npt.NDArray[np.int32]:
        """Return the rows of consecutive epochs, one after the other."""
        ...


@dataclass(frozen=True)
class RowOrder:
    """Order of rows of every epoch, a pure function of the seed and the epoch.

    So any epoch can be drawn again, and a resumed run needs no generator's state. Rows are
    sorted by raw words of PCG64, whose stream NumPy never changes: by all bits of a word but
    those that a row's number needs.

    Attributes
    ----------
    n : int
        Rows of the data set.
    shuffle : bool
        False gives 0, 1, ..., n - 1 in every epoch.
    seed : int
    """

    n: int
    shuffle: bool
    seed: int

    def epoch(self, number: int, sort: Sort = np.ndarray.sort) -> npt.NDArray[np.int32]:
        """Return the rows of epoch `number` in order, shape (n,).

        Sorting takes nearly all of the time, so a backend may bring a `sort` of its own.
        """
        if not self.shuffle:
            return np.arange(self.n, dtype=np.int32)
        return _shuffled(self.n, self.seed, number, sort)

    def rows(self, epochs: range, sort: Sort = np.ndarray.sort) -> npt.NDArray[np.int32]:
        """Return the rows of consecutive epochs, one after the other."""
        return joined([self.epoch(number, sort) for number in epochs])


class StreamOrder:
    """Order of rows from one stream of random numbers: every epoch shuffles the order of the one before.

    That of scikit-learn's neural networks, whose epochs call ``shuffle(order, random_state=generator)``.

    Parameters
    ----------
    n : int
        Rows of the data set.
    generator : RandomState
        Every new epoch takes from it what it needs. Once the last epoch that was trained on is asked for, it
        is as scikit-learn leaves it.

    Attributes
    ----------
    n : int

    >>> StreamOrder(4, np.random.RandomState(0)).epoch(0).tolist()
    [2, 3, 1, 0]
    """

    def __init__(self, n: int, generator: np.random.RandomState) -> None:
        self.n = n
        self._generator = generator
        # NumPy shuffles numbers of this size twice as fast as smaller ones.
        self._stream = np.arange(n, dtype=np.intp)
        self._order = self._stream.astype(np.int32)
        self._last = -1
        self._mark: tuple[int, Any, npt.NDArray[np.intp]] | None = None

    def epoch(self, number: int, sort: Sort = np.ndarray.sort) -> npt.NDArray[np.int32]:
        """Return the rows of epoch `number` in order, shape (n,); nothing is sorted.

        Raises
        ------
        ValueError
            The epoch came before those that were asked for last.
        """
        if number < self._last:
            self._go_back(number)
        for _ in range(self._last, number):
            self._generator.shuffle(self._stream)
        if number > self._last:
            # A new array: whoever asked before may still have the last one.
            self._order, self._last = self._stream.astype(np.int32), number
        return self._order

    def rows(self, epochs: range, sort: Sort = np.ndarray.sort) -> npt.NDArray[np.int32]:
        """Return the rows of consecutive epochs, one after the other; their stream can go back among them."""
        if len(epochs) > 1 and epochs.start > self._last:
            self._mark = (self._last, self._generator.get_state(legacy=False), self._stream.copy())
        return joined([self.epoch(number, sort) for number in epochs])

    def _go_back(self, number: int) -> None:
        """Make the stream what it was before the epochs that were asked for together."""
        if self._mark is None or number < self._mark[0]:
            raise ValueError(f"epoch {number} of a stream is gone, the last one asked for was {self._last}")
        self._last, state, stream = self._mark
        self._generator.set_state(state)
        self._stream = stream.copy()
        self._order = stream.astype(np.int32)


def joined(arrays: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return arrays one after the other; a single one as it is."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


# The last one is kept: an epoch with several evaluations asks for its order several times.
@lru_cache(maxsize=1)
def _shuffled(n: int, seed: int, number: int, sort: Sort) -> npt.NDArray[np.int32]:
    words = np.random.PCG64(np.random.SeedSequence((seed, number))).random_raw(n)
    # The number of a row in the lowest bits of its word: to sort values is three times as fast as argsort.
    number_bits = np.uint64((1 << (n - 1).bit_length()) - 1)
    words &= ~number_bits
    words |= np.arange(n, dtype=np.uint64)
    sort(words)
    order = (words & number_bits).astype(np.int32)
    order.flags.writeable = False
    return order


@dataclass(frozen=True)
class Augmentation:
    """Random flips and shifts of the images that rows are, a pure function of the seed and the epoch.

    Pixel (y, x) of a row's image becomes that at (y - dy, x - dx) of the image, flipped first if it
    is to be. Draws are raw words of PCG64, as `RowOrder` has them, from a stream of their own.

    Attributes
    ----------
    n : int
        Rows of the data set.
    seed : int
    image_shape : tuple of int
        ``(channels, height, width)``; a row holds all of the first channel line by line, then the next.
    flip : float
        Probability that left and right change places.
    pixels : int
        dy and dx are uniform on -pixels ... pixels.
    edge : bool
        What comes from outside of the image is its nearest pixel; else the raw value 0.
    """

    n: int
    seed: int
    image_shape: tuple[int, int, int]
    flip: float
    pixels: int
    edge: bool

    def epoch(self, number: int) -> npt.NDArray[np.int16]:
        """Return flip (0 or 1), dy and dx of the rows of epoch `number` in its order, shape (n, 3)."""
        return _draws(self, number)


# As with the order of rows.
@lru_cache(maxsize=1)
def _draws(augmentation: Augmentation, number: int) -> npt.NDArray[np.int16]:
    seed = np.random.SeedSequence((augmentation.seed, number), spawn_key=(1,))
    flip, shift = np.random.PCG64(seed).random_raw((2, augmentation.n))
    draws = np.empty((augmentation.n, 3), dtype=np.int16)
    draws[:, 0] = flip >> np.uint64(11) < np.uint64(round(augmentation.flip * 2**53))
    # From each half of a word, scaled up and cut off: dy and dx of 0 ... 2 * pixels.
    sides = np.uint64(2 * augmentation.pixels + 1)
    for axis, half in enumerate((shift >> np.uint64(32), shift & np.uint64(2**32 - 1)), start=1):
        draws[:, axis] = (half * sides >> np.uint64(32)).astype(np.int16) - np.int16(augmentation.pixels)
    draws.flags.writeable = False
    return draws


def rows_per_update(batch_size: int | str, n: int) -> int:
    """Return the rows of an update on n rows: an explicit number is clipped to n.

    "auto" is 100, or a fiftieth of the rows where that is less: on small tables an epoch of few
    updates learns little.

    >>> rows_per_update("auto", 50_000), rows_per_update("auto", 150), rows_per_update(64, 50)
    (100, 3, 50)
    """
    return max(1, min(100, n // 50)) if batch_size == "auto" else min(int(batch_size), n)
