"""Rows that are mostly zero: SciPy's CSR, of which backends read the elements that are told of."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from gradstep.errors import InvalidDataError
from gradstep.utils.pieces import pieces

Array = npt.NDArray[Any]

# Kernels number inputs by int32.
_MOST_COLUMNS = 2**31 - 1


class CsrRows(scipy.sparse.csr_array):  # type: ignore[misc]
    """CSR that `as_csr` has checked, and slices of it: what other CSR says of itself need not be so."""


def is_sparse(X: Any) -> bool:
    """Whether X is one of SciPy's sparse arrays or matrices."""
    return bool(scipy.sparse.issparse(X))


def as_csr(X: Any, dtype: npt.DTypeLike | None = None) -> Any:
    """Return sparse rows as CSR whose elements ascend within a row, each told of once.

    What is so already shares its arrays with X. Elements that are told of several times are added up as
    ``X.toarray()`` does. X itself stays as it is.

    Raises
    ------
    InvalidDataError
        X has too many columns, or its arrays do not fit together.
    """
    if X.shape[1] > _MOST_COLUMNS:
        raise InvalidDataError(f"sparse X must have at most {_MOST_COLUMNS} columns, got {X.shape[1]}")
    given = X.tocsr()
    starts = _in_memory(given.indptr)
    count = int(starts[-1])
    values, inputs = _in_memory(given.data)[:count], _in_memory(given.indices)[:count]
    _check_arrays(values, starts, inputs, X.shape)
    values = np.ascontiguousarray(values, dtype=values.dtype if dtype is None else dtype)
    rows = CsrRows((values, inputs, starts), shape=X.shape)
    if not _ascends(starts, inputs):
        rows = rows.copy()
        rows.sum_duplicates()
    rows.has_canonical_format = True
    return rows


def lies_ready(X: Any, types: tuple[np.dtype[Any], ...]) -> bool:
    """Whether X is CSR of one of these types, as `as_csr` leaves it."""
    return isinstance(X, CsrRows) and X.dtype in types


def dense(X: Any) -> Array:
    """Return rows that may be sparse as an array (n, d)."""
    rows: Array = X.toarray() if is_sparse(X) else X
    return rows


def times_2_to(X: Any, exponents: npt.NDArray[np.integer]) -> Any:
    """Return CSR with every column multiplied by a power of 2, in float64."""
    values = np.ldexp(X.data.astype(np.float64), exponents[X.indices])
    return as_csr(scipy.sparse.csr_array((values, X.indices, X.indptr), shape=X.shape))


def largest(
    X: Any, weight: npt.NDArray[np.float64] | None = None, index: npt.NDArray[np.integer] | None = None
) -> npt.NDArray[np.float64]:
    """Return the largest absolute value of every column of CSR, (d,), and 1 where there is none but 0.

    Of the rows of X that `index` names, all by default, those whose `weight` is 0 are left out.
    """
    most, count = np.zeros(X.shape[1]), X.shape[0] if index is None else len(index)
    numbers = np.arange(count) if weight is None else np.flatnonzero(weight)
    numbers = np.unique(numbers if index is None else index[numbers])
    for part in pieces(len(numbers), 24 * (1 + X.nnz // max(X.shape[0], 1))):
        some = X if part.stop - part.start == X.shape[0] else X[numbers[part]]
        np.maximum.at(most, some.indices, np.abs(some.data.astype(np.float64)))
    return np.where(most > 0, most, 1.0)


def squared_norms(X: Any, scale: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the squared norm of every row of CSR whose columns are divided by a scale (d,); finite."""
    norms, most = np.zeros(X.shape[0]), np.finfo(np.float64).max
    for part in pieces(len(norms), 24 * (1 + X.nnz // max(len(norms), 1))):
        some = X if part.stop - part.start == len(norms) else X[part]
        numbers = np.repeat(np.arange(some.shape[0]), np.diff(some.indptr))
        with np.errstate(over="ignore"):
            squares = np.square(some.data / scale[some.indices])
            norms[part] = np.bincount(numbers, squares, minlength=some.shape[0])
    return np.minimum(norms, most)


def first_not_finite(X: Any) -> tuple[int, int, Array] | None:
    """Return row, column and value (1,) of an element of CSR that is not finite; None where all are."""
    if X.dtype.kind != "f":
        return None
    # What kernels read is float64 at most.
    with np.errstate(over="ignore"):
        wrong = np.flatnonzero(~np.isfinite(X.data if X.dtype.itemsize <= 8 else X.data.astype(np.float64)))
    if not wrong.size:
        return None
    place = int(wrong[0])
    row = int(np.searchsorted(X.indptr, place, side="right")) - 1
    return row, int(X.indices[place]), X.data[place : place + 1]


def _in_memory(array: Array) -> Array:
    """Return an array, copied if a file lies behind it, which may be cut."""
    owner: Any = array
    while isinstance(owner, np.ndarray | memoryview):
        owner = owner.base if isinstance(owner, np.ndarray) else owner.obj
    return np.array(array) if isinstance(owner, mmap.mmap) else array


def _check_arrays(values: Array, starts: Array, inputs: Array, shape: tuple[int, int]) -> None:
    """Raise unless rows begin in order and columns are of the shape: who reads goes by them."""
    fits = (
        len(starts) == shape[0] + 1
        and starts[0] == 0
        and bool((starts[1:] >= starts[:-1]).all())
        and len(values) == len(inputs) == starts[-1]
        and (not len(inputs) or (int(inputs.min()) >= 0 and int(inputs.max()) < shape[1]))
    )
    if not fits:
        raise InvalidDataError(
            f"sparse X of shape {shape} must have indptr that rises from 0 and indices below {shape[1]}, "
            f"as its check_format() wants"
        )


def _ascends(starts: Array, inputs: Array) -> bool:
    """Whether inputs rise within every row."""
    rises = inputs[1:] > inputs[:-1]
    borders = starts[1:-1]
    rises[borders[(borders > 0) & (borders < len(inputs))] - 1] = True
    return bool(rises.all())
