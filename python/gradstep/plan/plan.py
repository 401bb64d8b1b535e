"""The model side of training: layer sizes, settings and order of rows, as arrays and numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

#: Sorts unsigned words of 64 bits in place.
Sort = Callable[[npt.NDArray[np.uint64]], None]

#: What scores can be judged by.
LOSSES = ("softmax", "sigmoid")


@dataclass(frozen=True)
class Layers:
    """Sizes of a fully connected network and where its parameters lie in one flat block.

    A block holds W (in, out) row by row and then b (out,) of the first layer, of the second, ...

    Attributes
    ----------
    sizes : tuple of int
        ``(d, h, ..., k)``; ``(d, k)`` is softmax or sigmoid regression. Hidden layers are ReLU.
    """

    sizes: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of layers of weights, l."""
        return len(self.sizes) - 1

    @cached_property
    def _places(self) -> list[tuple[int, int, int]]:
        """Where W and b of every layer start, and where b ends."""
        table, place = [], 0
        for inputs, outputs in pairwise(self.sizes):
            table.append((place, place + inputs * outputs, place + (inputs + 1) * outputs))
            place = table[-1][2]
        return table

    @cached_property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Start of each W and each b, ``(l, 2)``, in parameters."""
        return np.array([places[:2] for places in self._places], dtype=np.int64)

    @cached_property
    def parameters(self) -> int:
        """Number of parameters of one model, P."""
        return self._places[-1][2]

    def weights(self, block: npt.NDArray[Any], layer: int) -> npt.NDArray[Any]:
        """View the weights of a layer in blocks of shape (..., P), as (..., in, out)."""
        start, end, _ = self._places[layer]
        return block[..., start:end].reshape(*block.shape[:-1], *self.sizes[layer : layer + 2])

    def biases(self, block: npt.NDArray[Any], layer: int) -> npt.NDArray[Any]:
        """View the biases of a layer in blocks of shape (..., P), as (..., out)."""
        _, start, end = self._places[layer]
        return block[..., start:end]


@dataclass(frozen=True)
class Objective:
    """What a group of m models minimises.

    Attributes
    ----------
    layers : Layers
    loss : str
        One of `LOSSES`. "softmax": cross-entropy of the scores' softmax against the class. "sigmoid":
        mean over the k classes of the binary cross-entropies of the scores' sigmoids against 1 for the
        row's class and 0 for the others.
    l2 : ndarray of shape (m,), float64
        The lambda of ``cost = loss + l2 * sum(W**2)``; the gradient of the term is ``2 * l2 * W``;
        its strength does not depend on the batch size.
    """

    layers: Layers
    loss: str
    l2: npt.NDArray[np.float64]


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
    is to be. Coins are raw words of PCG64, as `RowOrder` has them, from a stream of their own.

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
        return _coins(self, number)


# As with the order of rows.
@lru_cache(maxsize=1)
def _coins(augmentation: Augmentation, number: int) -> npt.NDArray[np.int16]:
    seed = np.random.SeedSequence((augmentation.seed, number), spawn_key=(1,))
    flip, shift = np.random.PCG64(seed).random_raw((2, augmentation.n))
    coins = np.empty((augmentation.n, 3), dtype=np.int16)
    coins[:, 0] = flip >> np.uint64(11) < np.uint64(round(augmentation.flip * 2**53))
    # From each half of a word, scaled up and cut off: dy and dx of 0 ... 2 * pixels.
    sides = np.uint64(2 * augmentation.pixels + 1)
    for axis, half in enumerate((shift >> np.uint64(32), shift & np.uint64(2**32 - 1)), start=1):
        coins[:, axis] = (half * sides >> np.uint64(32)).astype(np.int16) - np.int16(augmentation.pixels)
    coins.flags.writeable = False
    return coins


def rows_per_update(batch_size: int | str, n: int) -> int:
    """Return the rows of an update on n rows: an explicit number is clipped to n.

    "auto" is 100, or a fiftieth of the rows where that is less: on small tables an epoch of few
    updates learns little.

    >>> rows_per_update("auto", 50_000), rows_per_update("auto", 150), rows_per_update(64, 50)
    (100, 3, 50)
    """
    return max(1, min(100, n // 50)) if batch_size == "auto" else min(int(batch_size), n)


@dataclass(frozen=True)
class Stretch:
    """Consecutive updates within one epoch, as the kernels take them.

    Attributes
    ----------
    t0, t1 : int
        Update numbers, ``t0 <= t < t1``.
    rows : ndarray of shape (starts[-1],), int32
        Rows of all its batches, one after the other.
    starts : ndarray of shape (t1 - t0 + 1,), int64
        Batch ``i`` is ``rows[starts[i]:starts[i + 1]]``.
    learning_rate : ndarray of shape (m, t1 - t0), float64
    coins : ndarray of shape (starts[-1], 3), int16, or None
        Flip (0 or 1), dy and dx of each of `rows`; None leaves them as they are.
    """

    t0: int
    t1: int
    rows: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    learning_rate: npt.NDArray[np.float64]
    coins: npt.NDArray[np.int16] | None = None


@dataclass(frozen=True)
class Plan:
    """Everything a backend needs to know about the training of a group of m models.

    Attributes
    ----------
    objective : Objective
    batch_size : int
        Rows of an update, b; the last batch of an epoch may be shorter.
    order : RowOrder
    learning_rate : ndarray of shape (m, t), float64
        Of every update of every model. Those to come may change between two calls of a session.
    augmentation : Augmentation or None
        Of the rows that are trained on; none that is evaluated is ever changed.
    """

    objective: Objective
    batch_size: int
    order: RowOrder
    learning_rate: npt.NDArray[np.float64]
    augmentation: Augmentation | None = None

    @property
    def updates(self) -> int:
        """Updates planned."""
        return int(self.learning_rate.shape[1])

    @property
    def updates_per_epoch(self) -> int:
        """Mini-batch steps of one epoch."""
        return -(-self.order.n // self.batch_size)

    def only(self, models: Sequence[int]) -> Plan:
        """Return the plan of some models of the group, in the order given."""
        objective = replace(self.objective, l2=self.objective.l2[models])
        return replace(self, objective=objective, learning_rate=self.learning_rate[models])

    def stretches(self, t0: int, t1: int, sort: Sort = np.ndarray.sort) -> Iterator[Stretch]:
        """Cut the updates ``t0 <= t < t1`` at the ends of epochs; `sort` as for `RowOrder.epoch`."""
        per_epoch, n, b = self.updates_per_epoch, self.order.n, self.batch_size
        while t0 < t1:
            epoch, first = divmod(t0, per_epoch)
            last = min(per_epoch, first + t1 - t0)
            starts = np.minimum(np.arange(first, last + 1, dtype=np.int64) * b, n)
            rows = self.order.epoch(epoch, sort)[starts[0] : starts[-1]]
            coins = self.augmentation.epoch(epoch)[starts[0] : starts[-1]] if self.augmentation else None
            end = t0 + last - first
            rates = np.ascontiguousarray(self.learning_rate[:, t0:end])
            yield Stretch(t0, end, rows, starts - starts[0], rates, coins)
            t0 = end


@dataclass
class State:
    """What training changes: plain arrays, owned by Python.

    Attributes
    ----------
    parameters : ndarray of shape (m, P), float32 or float64
        One flat block per model, laid out as `Layers` says.
    updates : ndarray of shape (m,), int64
        Updates that each model has done. A model whose batch loss stops being finite stops there.
    finite : ndarray of shape (m,), bool
        False once that has happened.
    """

    parameters: npt.NDArray[Any]
    updates: npt.NDArray[np.int64]
    finite: npt.NDArray[np.bool_]

    @classmethod
    def start(cls, parameters: npt.NDArray[Any]) -> State:
        """Begin at update 0 with these parameters, shape (m, P)."""
        m = parameters.shape[0]
        return cls(parameters, np.zeros(m, dtype=np.int64), np.ones(m, dtype=np.bool_))

    def copy(self) -> State:
        """Return a State that shares nothing with this one."""
        return State(self.parameters.copy(), self.updates.copy(), self.finite.copy())

    def only(self, models: Sequence[int]) -> State:
        """Return a copy of the state of some models of the group, in the order given."""
        return State(self.parameters[models], self.updates[models], self.finite[models])
