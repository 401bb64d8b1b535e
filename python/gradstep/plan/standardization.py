"""Mean and scale of the features, measured without a float copy of the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidDataError
from gradstep.plan import sparse

#: What a backend's `sums_of_bytes` is.
Sums = Callable[[npt.NDArray[np.uint8], int], npt.NDArray[Any]]

Array = npt.NDArray[Any]
Weights = npt.NDArray[np.float64]
Chunks = Iterator[tuple[slice, Array]]

# Rows per step when a whole array is walked: bounds the temporary to a few megabytes.
_CHUNK_BYTES = 1 << 21

# A variance below may have lost digits of squares that underflow.
_LEAST_SQUARE = 2.0**-900

# Of scales and means: beyond, a reciprocal or a difference of rows leaves the range of the type.
_RANGES = {
    np.dtype(kind): (64 * float(np.finfo(kind).tiny), float(np.finfo(kind).max) * 2.0**-28)
    for kind in (np.float32, np.float64)
}

# Below, a mean is not known to a thousandth of the deviation.
_LEAST_SCALE = 2.0**-1064


@dataclass(frozen=True, repr=False)
class Standardization:
    """Per-feature mean and scale; a feature x enters a network as ``(x - mean) / scale``.

    Attributes
    ----------
    mean, scale : ndarray of shape (d,), float64
        In the units of X, read-only; a column that is constant but for rounding has scale 1. Sparse rows
        have a mean of 0.
    """

    mean: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        # Own and for good: what follows from them is computed once.
        for name in ("mean", "scale"):
            numbers = np.array(getattr(self, name), dtype=np.float64)
            numbers.flags.writeable = False
            object.__setattr__(self, name, numbers)

    def __repr__(self) -> str:
        return f"Standardization({len(self.mean)} features)"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.mean, self.scale)

    @classmethod
    def identity(cls, d: int) -> Standardization:
        """Leave the features as they are."""
        return cls(np.zeros(d), np.ones(d))

    @cached_property
    def inverse_scale(self) -> npt.NDArray[np.float64]:
        """What kernels multiply by, (d,)."""
        return 1.0 / self.scale

    @cached_property
    def centres(self) -> bool:
        """Whether a mean is not 0, so that zeros do not stay what they are."""
        return bool(self.mean.any())

    @cached_property
    def _extremes(self) -> tuple[float, float]:
        """The smallest scale, and the largest of scales and means."""
        return float(self.scale.min()), float(max(self.scale.max(), np.abs(self.mean).max()))

    def fits(self, dtype: np.dtype[Any]) -> bool:
        """Whether a type of floats can hold mean and 1 / scale, and what comes in between."""
        (least, most), (smallest, largest) = _RANGES[dtype], self._extremes
        return least <= smallest and largest <= most

    def exponents(self) -> npt.NDArray[np.integer]:
        """Return by which powers of 2 columns are multiplied, (d,), for float64 to hold these numbers."""
        least, most = _RANGES[np.dtype(np.float64)]
        fits = (self.scale >= least) & (self.scale <= most) & (np.abs(self.mean) <= most)
        return np.where(fits, 0, -np.frexp(self.scale)[1])

    def times_2_to(self, exponents: npt.NDArray[np.integer]) -> Standardization:
        """Return mean and scale of columns that are multiplied by powers of 2."""
        return Standardization(np.ldexp(self.mean, exponents), np.ldexp(self.scale, exponents))

    def apply(self, X: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return rows (n, d) of numbers standardised in float64."""
        near, rows = self, X
        if not self.fits(np.dtype(np.float64)):
            exponents = self.exponents()
            near, rows = self.times_2_to(exponents), np.ldexp(X.astype(np.float64), exponents)
        standardized: npt.NDArray[np.float64] = (rows - near.mean) / near.scale
        return standardized

    @classmethod
    def of(
        cls,
        X: npt.NDArray[Any],
        weight: npt.NDArray[np.float64] | None = None,
        *,
        index: npt.NDArray[np.integer] | None = None,
        n_threads: int = 1,
        sums: Sums | None = None,
        whose: str = "X",
    ) -> Standardization:
        """Measure the (weighted) mean and standard deviation of every column of some rows of X.

        X is walked in chunks of rows, so a memory-mapped array is never held whole; bytes by
        `n_threads` threads, which change no bit, and by a backend's `sums_of_bytes` if that is given.

        Sparse rows are not centred, which would leave no zeros: they have mean 0, and as scale the largest
        absolute value of every column in rows that weigh something, as scikit-learn's `MaxAbsScaler` has.

        Parameters
        ----------
        X : ndarray or sparse array of shape (rows, d)
        weight : ndarray of shape (n,), optional
            Weights >= 0 of the n rows that are measured, with a sum > 0; only their ratios count.
        index : ndarray of shape (n,) of integers, optional
            Those rows of X, any of them several times; all by default.
        n_threads : int, default=1
        sums : callable, optional
        whose : str, default="X"
            What has the columns, in messages.

        Raises
        ------
        InvalidDataError
            A column varies so little that its deviation is no number of some digits.
        """
        if sparse.is_sparse(X):
            return cls(np.zeros(X.shape[1]), sparse.largest(X, weight, index))
        rows = _ChosenRows(X, index, whose)
        if X.dtype == np.uint8 and weight is None:
            return cls(*_of_bytes(rows, sums or sums_of_bytes, n_threads))
        weights = np.ones(rows.n) if weight is None else np.ldexp(weight, -np.frexp(weight.max())[1])
        return cls(*_of_numbers(rows, weights))


Moments = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class _ChosenRows:
    """Some rows of X, chunk by chunk."""

    X: npt.NDArray[Any]
    index: npt.NDArray[np.integer] | None
    whose: str

    @property
    def n(self) -> int:
        return len(self.X if self.index is None else self.index)

    def of(self, places: slice) -> npt.NDArray[Any]:
        return self.X[places if self.index is None else self.index[places]]

    def chunks(self, columns: Any = slice(None), size: int = 8) -> Chunks:
        """Yield places and values of every chunk, whose elements are to become numbers of so many bytes."""
        step = max(1, _CHUNK_BYTES // (size * max(self.X.shape[1], 1)))
        for start in range(0, self.n, step):
            places = slice(start, min(start + step, self.n))
            yield places, self.of(places)[:, columns]


def _of_numbers(rows: _ChosenRows, weights: Weights) -> Moments:
    """Return mean and scale of every column, also of those whose squares leave the range of floats."""
    # Measured from a row that counts, a constant column has a variance of exactly 0.
    first = int(np.argmax(weights > 0))
    origin = rows.of(slice(first, first + 1))[0].astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, variance = _moments(rows.chunks, weights, origin)
    is_far = ~(np.isfinite(mean) & (variance >= _LEAST_SQUARE) & (variance < np.inf))
    scale = np.sqrt(np.where(is_far, 0, variance))
    scale[_is_constant(mean, scale, rows.n)] = 1.0
    mean[is_far], scale[is_far] = origin[is_far], 1.0
    far = _varying(rows, weights, origin, np.flatnonzero(is_far))
    if far.size:
        mean[far], scale[far] = _of_far_columns(rows, weights, far)
    return mean, scale


def _varying(rows: _ChosenRows, weights: Weights, origin: Array, columns: Array) -> Array:
    """Return those columns that do not have the same value in all rows that count."""
    varies = np.zeros(len(columns), dtype=np.bool_)
    for places, x in rows.chunks(columns) if columns.size else ():
        varies |= (x[weights[places] > 0] != origin[columns]).any(axis=0)
    return columns[varies]


def _of_far_columns(rows: _ChosenRows, weights: Weights, columns: Array) -> Moments:
    """Return mean and scale of columns, each of which is divided by a power of two meanwhile."""
    counts = np.flatnonzero(weights)
    if len(counts) < rows.n:
        chosen = counts if rows.index is None else rows.index[counts]
        rows, weights = replace(rows, index=chosen), weights[counts]
    most = np.zeros(len(columns))
    for _, x in rows.chunks(columns):
        np.maximum(most, np.abs(x.astype(np.float64)).max(axis=0), out=most)
    exponents = np.frexp(most)[1]

    def near_1() -> Chunks:
        for places, x in rows.chunks(columns):
            yield places, np.ldexp(x.astype(np.float64), -exponents)

    mean, variance = _moments(near_1, weights, np.zeros(len(columns)))
    is_constant = _is_constant(mean, np.sqrt(variance), rows.n)
    scale = np.where(is_constant, 1.0, np.ldexp(np.sqrt(variance), exponents))
    if (scale < _LEAST_SCALE).any():
        place = int(np.argmax(scale < _LEAST_SCALE))
        raise InvalidDataError(
            f"column {columns[place]} of {rows.whose} must have a standard deviation of {_LEAST_SCALE:.0e} "
            f"or more to be standardized, got values of up to {most[place]:.0e}: give it in another unit"
        )
    return np.ldexp(mean, exponents), scale


def _moments(chunks: Callable[[], Chunks], weights: Weights, origin: Array) -> Moments:
    """Return mean and variance of every column, in two walks; `origin` is near the mean."""
    mean, variance, total = np.zeros_like(origin), np.zeros_like(origin), weights.sum()
    for places, x in chunks():
        mean += weights[places] @ (x - origin)
    mean = origin + mean / total
    for places, x in chunks():
        centred = x - mean
        variance += weights[places] @ np.square(centred, out=centred)
    return mean, variance / total


def _is_constant(mean: Array, deviation: Array, n: int) -> npt.NDArray[np.bool_]:
    """Say which columns are constant but for rounding.

    As scikit-learn's scaler does: ``variance <= n * eps * variance + (n * mean * eps)**2``.
    """
    bound = n * np.finfo(np.float64).eps
    is_constant: npt.NDArray[np.bool_] = deviation * np.sqrt(1 - bound) <= bound * np.abs(mean)
    return is_constant


def _of_bytes(rows: _ChosenRows, sums: Sums, n_threads: int) -> Moments:
    """Return mean and scale from the sums of bytes, which are exact."""
    if rows.index is None:
        total, squares = sums(rows.X, n_threads).astype(np.float64)
    else:
        parts = [sums(x, n_threads).astype(np.float64) for _, x in rows.chunks(size=1)]
        total, squares = np.sum(parts, axis=0)
    variance = np.maximum(squares * rows.n - total * total, 0) / rows.n**2
    scale = np.sqrt(variance)
    scale[scale == 0] = 1.0
    return total / rows.n, scale


def sums_of_bytes(X: npt.NDArray[np.uint8], n_threads: int) -> npt.NDArray[Any]:
    """Return the sums of every column and of its squares, (2, d); exact."""
    shares = [X[rows] for rows in _shares(X.shape[0], n_threads)]
    try:
        with ThreadPoolExecutor(n_threads) as pool:
            parts = list(pool.map(_sums_of_share, shares))
    except RuntimeError:  # "can't start new thread"
        parts = list(map(_sums_of_share, shares))
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
