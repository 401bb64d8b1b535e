"""Mean and scale of the features, measured without a float copy of the rows."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidDataError

#: What a backend's `sums_of_bytes` is.
Sums = Callable[[npt.NDArray[np.uint8], int], npt.NDArray[Any]]

# Rows per step when a whole array is walked: bounds the temporary to a few megabytes.
_CHUNK_BYTES = 1 << 21


@dataclass(frozen=True)
class Standardization:
    """Per-feature mean and scale; a feature x enters a network as ``(x - mean) / scale``.

    Attributes
    ----------
    mean, scale : ndarray of shape (d,), float64
        In the units of X; a column of scale 0 has scale 1.
    """

    mean: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]

    @classmethod
    def identity(cls, d: int) -> Standardization:
        """Leave the features as they are."""
        return cls(np.zeros(d), np.ones(d))

    @classmethod
    def of(
        cls,
        X: npt.NDArray[Any],
        weight: npt.NDArray[np.float64] | None = None,
        *,
        n_threads: int = 1,
        sums: Sums | None = None,
    ) -> Standardization:
        """Measure the (weighted) mean and standard deviation of every column of X.

        X is walked in chunks of rows, so a memory-mapped array is never held whole; bytes by
        `n_threads` threads, which change no bit, and by a backend's `sums_of_bytes` if that is given.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            mean, variance = (
                _moments_of_bytes(len(X), (sums or sums_of_bytes)(X, n_threads))
                if X.dtype == np.uint8 and weight is None
                else _moments(X, weight)
            )
        finite = np.isfinite(mean) & np.isfinite(variance)
        if not finite.all():
            column = int(np.flatnonzero(~finite)[0])
            raise InvalidDataError(
                f"column {column} of X has values too large to standardize: its mean is "
                f"{mean[column]}, its variance {variance[column]}"
            )
        scale = np.sqrt(variance)
        scale[scale == 0] = 1.0
        return cls(mean, scale)


Moments = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def _moments(X: npt.NDArray[Any], weight: npt.NDArray[np.float64] | None) -> Moments:
    """Return mean and variance of every column, in two walks."""
    n, d = X.shape
    weights = np.ones(n) if weight is None else weight
    mean, variance = np.zeros(d), np.zeros(d)
    # Measured from a row that counts, a constant column has a variance of exactly 0.
    origin = X[np.argmax(weights > 0)].astype(np.float64)
    for rows in _row_chunks(X):
        mean += weights[rows] @ (X[rows] - origin)
    mean = origin + mean / weights.sum()
    for rows in _row_chunks(X):
        centred = X[rows] - mean
        variance += weights[rows] @ np.square(centred, out=centred)
    return mean, variance / weights.sum()


def _moments_of_bytes(n: int, sums: npt.NDArray[Any]) -> Moments:
    """Return the same from the sums of n rows' bytes, which are exact."""
    total, squares = sums.astype(np.float64)
    return total / n, np.maximum(squares * n - total * total, 0) / n**2


def sums_of_bytes(X: npt.NDArray[np.uint8], n_threads: int) -> npt.NDArray[Any]:
    """Return the sums of every column and of its squares, (2, d); exact."""
    with ThreadPoolExecutor(n_threads) as pool:
        parts = list(pool.map(lambda rows: _sums_of_share(X[rows]), _shares(X.shape[0], n_threads)))
    return np.asarray(np.sum(parts, axis=0))


def _sums_of_share(X: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return them of some rows: sums of up to 258 squares of bytes are exact in float32.

    No product does the sums: a BLAS would wake its threads, which then keep ours from their cores.
    """
    sums, step = np.zeros((2, X.shape[1])), 128
    for start in range(0, X.shape[0], step):
        chunk = X[start : start + step].astype(np.float32)
        sums[0] += chunk.sum(axis=0)
        sums[1] += np.square(chunk, out=chunk).sum(axis=0)
    return sums


def _shares(n: int, count: int) -> list[slice]:
    ends = [n * share // count for share in range(count + 1)]
    return [slice(*share) for share in pairwise(ends)]


def _row_chunks(X: npt.NDArray[Any]) -> list[slice]:
    n, d = X.shape
    step = max(1, _CHUNK_BYTES // (8 * max(d, 1)))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]
