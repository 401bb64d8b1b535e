"""The data side of training: rows as they lie, targets, weights, mean and scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidDataError
from gradstep.plan import sparse
from gradstep.plan.mapped import MappedRows
from gradstep.plan.standardization import Standardization
from gradstep.utils.pieces import pieces

#: Element types that a backend reads where they lie; anything else is converted once.
ROW_TYPES = (np.dtype(np.uint8), np.dtype(np.float32), np.dtype(np.float64))

# Kernels number rows by int32.
_MOST_ROWS = 2**31 - 1


@dataclass(frozen=True)
class TrainingData:
    """Rows, targets and all that a backend needs to read them.

    Attributes
    ----------
    X : ndarray or sparse array of shape (rows, d) of any real type
        What lies as `as_rows` says is never copied; of anything else a training makes one copy, and
        what is done once copies piece by piece.
    targets : ndarray of shape (n,), int32, or (n, k), float
        Class indices in [0, k), or values of the type of the parameters; class 0 throughout where only
        scores are wanted.
    weight : ndarray of shape (n,) or (m, n), float64, or None
        Weights of mean 1, of all models or a row for each of m models that train together; None when
        every row counts the same.
    standardization : Standardization
    index : ndarray of shape (n,), int32, or None
        The rows of X that the data consists of, in this order, any of them several times; None are all
        of them. X is never copied for it.
    """

    X: npt.NDArray[Any]
    targets: npt.NDArray[Any]
    weight: npt.NDArray[np.float64] | None
    standardization: Standardization
    index: npt.NDArray[np.int32] | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.X.shape[0] if self.index is None else self.index.shape[0])

    @property
    def d(self) -> int:
        """Number of inputs."""
        return int(self.X.shape[1])

    @property
    def squared_norm(self) -> float:
        """What the squared norm of a row is on average, as it is trained on; of dense rows d stands for it.

        That is what it is where they are standardised. Sparse rows are not centred, and a column with few
        elements adds little.
        """
        if not sparse.is_sparse(self.X) or self.n == 0:
            return float(self.d)
        of_X = sparse.squared_norms(self.X, self.standardization.scale)
        norms = of_X if self.index is None else of_X[self.index]
        weight = self.weight if self.weight is not None and self.weight.ndim == 1 else None
        # By the largest, so that a sum of such numbers is finite.
        most = max(float(norms.max()), 1.0)
        return most * float(np.average(norms / most, weights=weight))

    def select(self, models: Sequence[int]) -> TrainingData:
        """Return the data of some of m models that train together, in the order given."""
        if self.weight is None or self.weight.ndim == 1:
            return self
        return replace(self, weight=self.weight[list(models)])

    def in_X(self, places: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return where in X rows lie, given their places 0 <= place < n in the data."""
        return places if self.index is None else self.index[places]

    @property
    def mapped(self) -> MappedRows | None:
        """Where in a file X lies, None where that is in memory."""
        return MappedRows.of(self.X)

    def require_whole(self) -> None:
        """Raise unless the file that X is mapped from, if it is, still has all of its rows.

        Raises
        ------
        InvalidDataError
            It was cut.
        """
        mapped = self.mapped
        if mapped is not None:
            mapped.require_whole()

    def take(self, places: npt.ArrayLike) -> TrainingData:
        """Return the data of some rows, given their places 0 <= place < n here, in this order.

        Targets are theirs, weights theirs scaled to mean 1 anew; X is shared.

        Raises
        ------
        InvalidDataError
            A place is none of these rows, or the weights of those that are taken sum to 0.
        """
        chosen = as_index(places, self.n)
        weight = None if self.weight is None else _of_mean_1(self.weight[..., chosen])
        return replace(self, targets=self.targets[chosen], weight=weight, index=self.in_X(chosen))


def readable(data: TrainingData, precision: npt.DTypeLike) -> TrainingData:
    """Return data that kernels of a precision can standardise: the same, for all ordinary units.

    Kernels take rows as ``(x - mean) * (1 / scale)`` in the wider of their type and the precision. Where that
    cannot hold these numbers, as float32 cannot 1 / 1e-42, the rows are copied as float64, with columns that
    are too far from 1 even for that multiplied by powers of 2. Sparse rows become dense where they are to be
    centred.
    """
    if is_readable(data, precision):
        return data
    X, standardization = data.X if data.index is None else data.X[data.index], data.standardization
    X = as_rows(sparse.dense(X) if standardization.centres else X)
    if not standardization.fits(np.result_type(X.dtype, precision)):
        X = X.astype(np.float64)
    if not standardization.fits(np.result_type(X.dtype, precision)):
        exponents = standardization.exponents()
        X = sparse.times_2_to(X, exponents) if sparse.is_sparse(X) else np.ldexp(X, exponents, out=X)
        standardization = standardization.times_2_to(exponents)
    return replace(data, X=X, index=None, standardization=standardization)


def is_readable(data: TrainingData, precision: npt.DTypeLike) -> bool:
    """Whether kernels of a precision can read the rows where they lie."""
    if sparse.is_sparse(data.X) and data.standardization.centres:
        return False
    return lies_ready(data.X) and data.standardization.fits(np.result_type(data.X.dtype, precision))


def readable_pieces(
    data: TrainingData, precision: npt.DTypeLike, multiple: int = 1
) -> Iterator[TrainingData]:
    """Yield data as `readable` makes it: whole, or where that takes a copy in pieces one after the other.

    Weights are those of the whole. All pieces but the last have a multiple of so many rows.
    """
    if data.n == 0 or is_readable(data, precision):
        yield readable(data, precision)
        return
    for part in pieces(data.n, 8 * data.d, multiple):
        X = data.X[part if data.index is None else data.index[part]]
        weight = None if data.weight is None else np.ascontiguousarray(data.weight[..., part])
        piece = replace(data, X=X, targets=data.targets[part], weight=weight, index=None)
        yield readable(piece, precision)


def lies_ready(X: npt.NDArray[Any]) -> bool:
    """Whether X is of a type that kernels read, with the elements of a row side by side."""
    if sparse.is_sparse(X):
        return sparse.lies_ready(X, ROW_TYPES)
    return (
        X.dtype in ROW_TYPES
        and X.flags.aligned
        and (X.shape[1] <= 1 or X.strides[1] == X.itemsize)
        and (X.shape[0] <= 1 or (X.strides[0] >= 0 and X.strides[0] % X.itemsize == 0))
    )


def as_rows(X: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return X in a form that backends read where it lies: X itself whenever it is one already.

    float16, bool and integers of up to 16 bits become float32 (exactly), other types float64;
    Fortran-ordered, column-strided and big-endian arrays are copied. Sparse rows become CSR likewise.

    Raises
    ------
    InvalidDataError
        X has no real numbers, or is sparse and its arrays do not fit together.
    MemoryError
        There is none for the copy; the message says how many bytes it takes.
    """
    _check_real(X)
    if lies_ready(X):
        return X
    dtype = _row_type(X.dtype)
    if sparse.is_sparse(X):
        rows: npt.NDArray[Any] = sparse.as_csr(X, dtype)
        return rows
    try:
        return np.array(X, dtype=dtype, order="C")
    except MemoryError as error:
        raise MemoryError(
            f"X of shape {X.shape} and dtype {X.dtype} is read as a {dtype} copy, which takes "
            f"{X.size * dtype.itemsize:,} bytes; uint8, float32 and float64 rows are read where they lie"
        ) from error


def _row_type(given: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type in which elements of another are read."""
    if given.newbyteorder("=") in ROW_TYPES:
        return given.newbyteorder("=")
    return np.dtype(np.float32 if given.kind in "biuf" and given.itemsize <= 2 else np.float64)


def _check_real(X: npt.NDArray[Any]) -> None:
    if X.dtype.kind not in "biuf":
        raise InvalidDataError(f"X must hold real numbers, got dtype {X.dtype}")


def as_index(places: npt.ArrayLike, rows: int) -> npt.NDArray[np.int32]:
    """Return row numbers as int32.

    Raises
    ------
    InvalidDataError
        They are no whole numbers along one axis, or not all of them are >= 0 and < `rows`.
    """
    index = np.asarray(places)
    if index.ndim != 1 or (index.dtype.kind not in "iu" and index.size):
        raise InvalidDataError(
            f"row numbers must be whole numbers (n,), got dtype {index.dtype} and shape {index.shape}"
        )
    outside = np.flatnonzero((index < 0) | (index >= rows))
    if outside.size:
        raise InvalidDataError(f"row numbers must be >= 0 and < {rows}, got {index[outside[0]]}")
    return np.ascontiguousarray(index, dtype=np.int32)


def prepare(
    X: npt.NDArray[Any],
    targets: npt.NDArray[Any] | None,
    weight: npt.NDArray[Any] | None = None,
    standardization: Standardization | None = None,
    index: npt.ArrayLike | None = None,
) -> TrainingData:
    """Make TrainingData of validated arrays.

    Parameters
    ----------
    X : ndarray of shape (rows, d)
        Any real dtype and layout, finite.
    targets : ndarray of shape (n,) of class indices or (n, k) of floats, or None for class 0 throughout
    weight : ndarray of shape (n,) or (m, n), optional
        Sample weights >= 0 with a positive sum, of all models or a row for each of m; scaled to mean 1
        here.
    standardization : Standardization, optional
        The identity by default.
    index : array-like of shape (n,) of whole numbers, optional
        The rows of X that targets and weights are of; all of them by default.

    Raises
    ------
    InvalidDataError
        X has no real numbers or too many rows, `index` names others than its rows, or weights sum to 0.
    """
    _check_real(X)
    count, d = X.shape
    if count > _MOST_ROWS:
        raise InvalidDataError(f"X must have at most {_MOST_ROWS} rows, got {count}")
    chosen = None if index is None else as_index(index, count)
    n = count if chosen is None else len(chosen)
    if targets is None:
        targets = np.zeros(n, dtype=np.int32)
    targets = np.ascontiguousarray(targets, dtype=None if targets.ndim == 2 else np.int32)
    weight = None if weight is None else _of_mean_1(np.ascontiguousarray(weight, dtype=np.float64))
    return TrainingData(X, targets, weight, standardization or Standardization.identity(d), chosen)


def _of_mean_1(weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    """Scale every row of weights (..., n); None where all of them are equal."""
    most = weight.max(axis=-1, keepdims=True, initial=0)
    if weight.size and not (most > 0).all():
        raise InvalidDataError("sample weights must have a sum > 0, got 0 throughout")
    equal = (weight == weight[..., :1]).all(axis=-1, keepdims=True)
    if equal.all():
        return None
    # By a power of two first: sums of the largest and reciprocals of the smallest numbers overflow.
    near_1 = np.ldexp(weight, -np.frexp(most)[1])
    return np.where(equal, 1.0, near_1 * (weight.shape[-1] / near_1.sum(axis=-1, keepdims=True)))
