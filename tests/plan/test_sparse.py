"""Sparse rows as backends read them, and the scale of their columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import MaxAbsScaler

from gradstep.errors import InvalidDataError
from gradstep.plan.rows import as_rows, lies_ready, prepare, readable
from gradstep.plan.sparse import first_not_finite, largest
from gradstep.plan.standardization import Standardization


def rows(n: int = 30, d: int = 9, dtype: npt.DTypeLike = np.float64, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return scipy.sparse.csr_array((rng.integers(-5, 6, (n, d)) * (rng.random((n, d)) < 0.3)).astype(dtype))


def unsorted(X: Any) -> Any:
    """Return the same CSR with the elements of every row backwards, each told of in two parts."""
    rows_of = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    order = np.lexsort((-X.indices, rows_of))
    values, indices = np.repeat(X.data[order] / 2, 2), np.repeat(X.indices[order], 2)
    return scipy.sparse.csr_array((values, indices, 2 * X.indptr), shape=X.shape)


def arrays(X: Any) -> list[npt.NDArray[Any]]:
    return [X.data, X.indices, X.indptr]


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_every_format_becomes_csr_of_the_same_numbers(kind: str, dtype: npt.DTypeLike) -> None:
    X = abs(rows()).astype(dtype)
    given_rows = X.asformat(kind)
    found = as_rows(given_rows)
    assert found.format == "csr"
    assert found.dtype == dtype
    assert lies_ready(found)
    np.testing.assert_array_equal(found.toarray(), X.toarray())
    assert given_rows.format == kind


def test_what_is_csr_already_is_shared() -> None:
    for X in (rows(), scipy.sparse.csr_matrix(rows())):
        for own, theirs in zip(arrays(as_rows(X)), arrays(X), strict=True):
            assert np.shares_memory(own, theirs)
    found = as_rows(rows())
    assert as_rows(found) is found


def test_duplicates_are_added_up_in_a_copy() -> None:
    X = rows()
    given_rows = unsorted(X)
    before = [array.copy() for array in arrays(given_rows)]
    found = as_rows(given_rows)
    np.testing.assert_array_equal(found.toarray(), X.toarray())
    assert found.nnz == X.nnz
    for now, then in zip(arrays(given_rows), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_what_rows_say_of_themselves_is_not_believed() -> None:
    X = unsorted(rows())
    X.has_sorted_indices = X.has_canonical_format = True
    np.testing.assert_array_equal(as_rows(X).toarray(), rows().toarray())


@pytest.mark.parametrize(
    "dtype, wanted",
    [
        (np.bool_, np.float32),
        (np.int8, np.float32),
        (np.uint16, np.float32),
        (np.int64, np.float64),
    ],
)
def test_other_types_are_converted_as_those_of_dense_rows(dtype: npt.DTypeLike, wanted: type) -> None:
    X = abs(rows()).astype(dtype)
    found = as_rows(X)
    assert found.dtype == np.dtype(wanted) == as_rows(X.toarray()).dtype
    np.testing.assert_array_equal(found.toarray(), X.toarray().astype(wanted))


def put(name: str, value: Any) -> Any:
    X = rows()
    setattr(X, name, value(getattr(X, name)))
    return X


def with_last(value: int) -> Any:
    return lambda array: np.concatenate([array[:-1], [value]]).astype(array.dtype)


BROKEN = [
    put("indices", with_last(9)),
    put("indices", with_last(-1)),
    put("indptr", lambda array: np.concatenate([[1], array[1:]])),
    put("indptr", lambda array: np.concatenate([array[:1], array[:0:-1]])),
    put("indptr", with_last(10**6)),
    put("data", lambda array: array[:-1]),
]


@pytest.mark.parametrize("X", BROKEN, ids=["large", "negative", "begin", "falls", "end", "values"])
def test_arrays_that_do_not_fit_together_are_refused(X: Any) -> None:
    with pytest.raises(InvalidDataError, match=r"sparse X of shape \(30, 9\) must have indptr that rises"):
        as_rows(X)


def test_too_many_columns_are_refused() -> None:
    X = scipy.sparse.csr_array((3, 2**31))
    with pytest.raises(InvalidDataError, match="at most 2147483647 columns, got 2147483648"):
        as_rows(X)


@given(seed=st.integers(0, 1000), n=st.integers(1, 40), d=st.integers(1, 8))
def test_the_scale_is_that_of_max_abs_scaler(seed: int, n: int, d: int) -> None:
    X = rows(n, d, seed=seed)
    found = Standardization.of(as_rows(X))
    np.testing.assert_array_equal(found.scale, MaxAbsScaler().fit(X).scale_)
    assert not found.centres
    weight = np.random.default_rng(seed).integers(0, 3, n).astype(float)
    index = np.random.default_rng(seed).integers(0, n, n)
    chosen = abs(X.toarray()[index[weight > 0]])
    wanted = chosen.max(axis=0, initial=0)
    np.testing.assert_array_equal(largest(X, weight, index), np.where(wanted > 0, wanted, 1))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_element_that_is_not_finite_is_found(value: float) -> None:
    X = rows()
    assert first_not_finite(X) is None
    row, column = 17, int(X.indices[X.indptr[17]])
    X.data[X.indptr[17]] = value
    X.data[-1] = value
    found = first_not_finite(X)
    assert found is not None
    assert found[:2] == (row, column)
    np.testing.assert_array_equal(found[2], [value])
    assert first_not_finite(abs(rows()).astype(np.uint8)) is None


def test_rows_become_dense_where_they_are_to_be_centred() -> None:
    X = as_rows(rows())
    data = prepare(X, None, None, Standardization(np.ones(9), np.ones(9)), index=[2, 2, 0])
    found = readable(data, np.float32)
    np.testing.assert_array_equal(found.X, X.toarray()[[2, 2, 0]])
    plain = prepare(X, None, index=[2, 2, 0])
    assert readable(plain, np.float32) is plain
