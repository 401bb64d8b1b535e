"""Which rows are held out: one rule for data sets, searches and estimators."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidDataError


def hold_out_rows(
    n: int, labels: npt.NDArray[Any] | None, share: float, seed: int | None, whose: str
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Draw a share of n rows, rounded up, to hold out; of labels nearly the same share of every class.

    The rows to train on have at least one row of every class, so that a class of a single row is theirs.

    Parameters
    ----------
    n : int
    labels : ndarray of shape (n,), or None
        Labels or class indices; None where rows are held out without a look at what they are.
    share : float
        In (0, 1).
    seed : int >= 0, or None
        The same number draws the same rows on every machine; None draws anew.
    whose : str
        What the share is in messages, such as "`validation_share` of Sweep".

    Returns
    -------
    train, held_out : ndarray of int32
        Numbers of the rows, sorted; together all of them.

    Raises
    ------
    InvalidDataError
        There are too few rows to have some of every class left, or some held out.
    """
    count = held_out_count(n, share)
    classes = 1 if labels is None else len(np.unique(labels))
    if n - count < classes:
        kept = "one row" if labels is None else f"one row of each of the {classes} classes"
        raise InvalidDataError(
            f"{whose}, {share:g}, must leave {kept} to train on, but holds out {count} of {n}"
        )
    order = drawn_order(n, labels, seed).astype(np.int32)
    return np.sort(order[count:]), np.sort(order[:count])


def held_out_count(n: int, share: float) -> int:
    """Return how many rows a share of n is."""
    return math.ceil(n * share)


def drawn_order(n: int, labels: npt.NDArray[Any] | None, seed: int | None) -> npt.NDArray[np.intp]:
    """Return the numbers of n rows in random order, from the front of which rows are held out.

    With labels, each stretch of the order has the classes in nearly equal proportions, but for its end,
    where one row of every class stands.
    """
    # Sorting raw words of PCG64, whose stream NumPy never changes, keeps splits the same for good.
    words = np.random.PCG64(np.random.SeedSequence(seed)).random_raw(n)
    order = np.argsort(words, kind="stable")
    if labels is None:
        return order
    _, codes, counts = np.unique(labels[order], return_inverse=True, return_counts=True)
    by_class = np.argsort(codes, kind="stable")
    rank = np.empty(n, dtype=np.int64)
    rank[by_class] = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    place = (rank + 0.5) / counts[codes]
    place[rank == counts[codes] - 1] = 1.0
    return order[np.argsort(place, kind="stable")]
