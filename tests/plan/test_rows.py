"""Rows are read where they lie, and standardised by exact means and scales."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradstep import backends
from gradstep.errors import InvalidDataError
from gradstep.plan.rows import ROW_TYPES, TrainingData, as_rows, prepare
from gradstep.plan.standardization import Standardization, sums_of_bytes

TYPES = ("uint8", "float32", "float64")


def table(dtype: str, n: int = 6, d: int = 4) -> npt.NDArray[Any]:
    return np.arange(n * d).reshape(n, d).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    "view",
    [
        lambda X: X,
        lambda X: X[::2],
        lambda X: X[2:5],
        lambda X: X[:, 1:],
        lambda X: X[1::3, 1:3],
        lambda X: X[:, 2:3],
        lambda X: X[:1, ::2][:, :1],
        lambda X: X[3:4],
        lambda X: np.broadcast_to(X[:1], X.shape),
        lambda X: np.lib.stride_tricks.sliding_window_view(X.ravel(), 3),
    ],
    ids=[
        "whole",
        "every-second",
        "slice",
        "columns",
        "block",
        "one-column",
        "one-cell",
        "one-row",
        "broadcast",
        "overlapping",
    ],
)
def test_rows_that_lie_ready_are_not_copied(dtype: str, view: Any) -> None:
    X = view(table(dtype))
    assert as_rows(X) is X
    assert np.shares_memory(prepare(X, np.zeros(len(X), dtype=np.int64)).X, X)


@pytest.mark.parametrize("dtype", TYPES)
def test_read_only_and_memory_mapped_rows_are_not_copied(dtype: str, tmp_path: Any) -> None:
    X = table(dtype)
    X.flags.writeable = False
    assert as_rows(X) is X
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert as_rows(mapped) is mapped


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    "view",
    [
        np.asfortranarray,
        lambda X: X[:, ::2],
        lambda X: X[:, ::-1],
        lambda X: X[::-1],
    ],
    ids=["fortran", "column-stride", "columns-back", "rows-back"],
)
def test_rows_that_lie_otherwise_are_copied_once(dtype: str, view: Any) -> None:
    X = view(table(dtype))
    rows = as_rows(X)
    assert rows.dtype == dtype
    assert rows.flags.c_contiguous
    assert not np.shares_memory(rows, X)
    np.testing.assert_array_equal(rows, X)


@pytest.mark.parametrize(
    ("given_type", "expected"),
    [
        ("bool", "float32"),
        ("int8", "float32"),
        ("int16", "float32"),
        ("uint16", "float32"),
        ("float16", "float32"),
        ("int32", "float64"),
        ("uint32", "float64"),
        ("int64", "float64"),
        ("uint64", "float64"),
        ("longdouble", "float64"),
        (">f4", "float32"),
        (">f8", "float64"),
        (">i2", "float32"),
    ],
)
def test_other_types_become_one_that_holds_their_values(given_type: str, expected: str) -> None:
    X = table("float64").astype(given_type)
    rows = as_rows(X)
    assert rows.dtype == expected
    assert rows.dtype.isnative
    assert rows.flags.c_contiguous
    np.testing.assert_array_equal(rows, X.astype("float64"))


@pytest.mark.parametrize("given_type", ["int16", "uint16", "float16"])
def test_the_extremes_of_small_types_stay_exact(given_type: str) -> None:
    info: Any = np.finfo(given_type) if given_type.startswith("f") else np.iinfo(given_type)
    X = np.array([[info.min, info.max]], dtype=given_type)
    np.testing.assert_array_equal(as_rows(X).astype(np.float64), X.astype(np.float64))


def test_unaligned_rows_are_copied() -> None:
    raw = np.zeros(4 * 8 + 1, dtype=np.uint8)
    X = raw[1:].view(np.float64).reshape(2, 2)
    assert not X.flags.aligned
    rows = as_rows(X)
    assert rows.flags.aligned
    assert not np.shares_memory(rows, X)


def test_rows_a_fraction_of_an_element_apart_are_copied() -> None:
    record = np.zeros(3, dtype=[("x", np.float32, 2), ("tag", np.uint8)])
    rows = as_rows(record["x"])
    assert rows.strides == (8, 4)


@given(
    X=hnp.arrays(
        st.sampled_from([np.dtype(t) for t in (*TYPES, "int8", "float16", "int64", ">f4", ">f8", "bool")]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
        elements={"allow_nan": False, "allow_infinity": False, "min_value": 0, "max_value": 1},
    ),
    rows=st.slices(6),
    columns=st.slices(6),
    transpose=st.booleans(),
)
def test_any_view_keeps_its_values_and_can_be_read_by_backends(
    X: npt.NDArray[Any], rows: slice, columns: slice, transpose: bool
) -> None:
    view = (X.T if transpose else X)[rows, columns]
    ready = as_rows(view)
    np.testing.assert_array_equal(ready, view.astype(np.float64))
    assert ready.dtype in ROW_TYPES
    assert ready.flags.aligned
    n, d = ready.shape
    if d > 1 and n > 0:
        assert ready.strides[1] == ready.itemsize
    if n > 1 and d > 0:
        assert ready.strides[0] >= d * ready.itemsize
        assert ready.strides[0] % ready.itemsize == 0


def test_prepare_makes_labels_int32_and_weights_of_mean_1() -> None:
    data = prepare(table("float32"), np.array([0, 1, 2, 0, 1, 2]), np.array([0, 1, 2, 3, 4, 5]))
    assert data.targets.dtype == np.int32
    assert data.targets.tolist() == [0, 1, 2, 0, 1, 2]
    assert data.weight is not None
    np.testing.assert_allclose(data.weight, np.arange(6) / 2.5)
    assert (data.n, data.d) == (6, 4)
    assert (data.standardization.mean == 0).all()
    assert (data.standardization.scale == 1).all()


def test_equal_weights_are_none_and_missing_labels_zero() -> None:
    data: TrainingData = prepare(table("uint8"), None, np.full(6, 0.3))
    assert data.weight is None
    assert data.targets.tolist() == [0] * 6
    assert data.targets.dtype == np.int32


def test_weights_of_many_models_are_those_of_each() -> None:
    weight = np.random.default_rng(0).uniform(size=(4, 1001))
    weight[1] = 0.3
    together = prepare(table("uint8", n=1001), None, weight).weight
    assert together is not None
    for row, own in zip(together, weight, strict=True):
        alone = prepare(table("uint8", n=1001), None, own).weight
        np.testing.assert_array_equal(row, 1.0 if alone is None else alone)
    assert prepare(table("uint8"), None, np.full((3, 6), 0.3)).weight is None


def test_more_rows_than_an_index_can_count_are_refused() -> None:
    with pytest.raises(InvalidDataError, match=r"^X must have at most 2147483647 rows, got 2147483648$"):
        prepare(np.empty((2**31, 0), dtype=np.uint8), None)


def test_the_measure_of_bytes_has_the_same_bits_for_any_number_of_threads() -> None:
    X = np.random.default_rng(0).integers(0, 256, (1001, 7), dtype=np.uint8)
    one = Standardization.of(X)
    np.testing.assert_allclose(one.scale, X.astype(np.float64).std(axis=0), rtol=1e-13)
    for n_threads in (2, 3, 7):
        many = Standardization.of(X, n_threads=n_threads)
        np.testing.assert_array_equal(many.mean, one.mean)
        np.testing.assert_array_equal(many.scale, one.scale)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_sums_of_bytes_are_those_of_integers_on_every_backend(n_threads: int) -> None:
    there = [name for name, reason in backends.availability().items() if reason is None]
    ways = [sums_of_bytes, *(backends.get(name).sums_of_bytes for name in there)]
    full = np.random.default_rng(0).integers(200, 256, (70_001, 13), dtype=np.uint8)
    wide = np.random.default_rng(1).integers(0, 256, (3, 3100), dtype=np.uint8)
    for X in (full, full[::-2, 1:], full.T[:, :50], wide, np.broadcast_to(wide[0], (5, 3100)), wide[:0]):
        integers = X.astype(np.int64)
        wanted = [integers.sum(axis=0), np.square(integers).sum(axis=0)]
        for way in ways:
            np.testing.assert_array_equal(way(X, n_threads), wanted)
        if len(X):
            measured = [Standardization.of(X, n_threads=n_threads, sums=way) for way in ways]
            for other in measured[1:]:
                np.testing.assert_array_equal(other.scale, measured[0].scale)


def test_the_measure_of_columns_worked_out_by_hand() -> None:
    X = np.array([[1, 10, 5], [3, 10, 5], [5, 40, 5]], dtype=np.uint8)
    measured = Standardization.of(X)
    np.testing.assert_allclose(measured.mean, [3, 20, 5], rtol=1e-15)
    np.testing.assert_allclose(measured.scale, [np.sqrt(8 / 3), np.sqrt(200), 1], rtol=1e-15)
    weighted = Standardization.of(X, np.array([1.0, 0.0, 3.0]))
    np.testing.assert_allclose(weighted.mean, [4, 32.5, 5], rtol=1e-15)
    np.testing.assert_allclose(weighted.scale, [np.sqrt(3), np.sqrt(168.75), 1], rtol=1e-15)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_many_chunks_measure_like_one(dtype: str, weighted: bool) -> None:
    rng = np.random.default_rng(0)
    X = rng.uniform(0, 255, size=(70_001, 9)).astype(dtype)
    weight = rng.uniform(0, 2, size=len(X)) if weighted else None
    measured = Standardization.of(X, weight)
    mean = np.average(X.astype(np.float64), axis=0, weights=weight)
    variance = np.average((X - mean) ** 2, axis=0, weights=weight)
    np.testing.assert_allclose(measured.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(measured.scale, np.sqrt(variance), rtol=1e-12)
    assert measured.mean.dtype == measured.scale.dtype == np.float64


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("offset", [0.0, 1.0, 1e5, 1e6])
def test_a_big_offset_costs_no_digits(dtype: str, offset: float) -> None:
    spread = np.array([[-1.0], [1.0], [0.5], [-0.5]] * 1000)
    X = (offset + spread).astype(dtype)
    exact = X.astype(np.float64) - offset
    measured = Standardization.of(X)
    np.testing.assert_allclose(measured.mean - offset, exact.mean(), atol=1e-15 * max(offset, 1) * 10)
    np.testing.assert_allclose(measured.scale, exact.std(), rtol=1e-9)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, -3.3, 1e-300, 1e8 + 0.1, 1e15 / 3])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("n", [2, 1237])
def test_constant_columns_have_scale_1(value: float, dtype: str, n: int) -> None:
    X = np.zeros((n, 2))
    X[:, 0] = value if dtype != "uint8" else int(abs(value)) % 256
    X[::2, 1] = 1
    measured = Standardization.of(X.astype(dtype))
    assert measured.scale[0] == 1
    assert measured.scale[1] != 1
    weight = np.random.default_rng(0).uniform(size=n)
    assert Standardization.of(X.astype(dtype), weight).scale[0] == 1
    # A column that is constant where the weights are not zero.
    X[0, 0] += 1
    weight[0] = 0
    assert Standardization.of(X.astype(dtype), weight).scale[0] == 1


@pytest.mark.parametrize("value", [0.1, 1e15 / 3])
@pytest.mark.parametrize("n", [1237, 70_001])
def test_the_measure_of_a_constant_column_is_exact(value: float, n: int) -> None:
    # The larger table is walked in several chunks.
    X = np.full((n, 9), value)
    X[::3, 1] = -value
    measured = Standardization.of(X)
    assert measured.mean[[0, 8]].tolist() == [value, value]
    assert measured.scale[[0, 8]].tolist() == [1, 1]
    np.testing.assert_allclose(measured.scale[1], X[:, 1].std(), rtol=1e-12)


def test_nearly_constant_columns_keep_their_scale() -> None:
    X = np.array([[1e-30], [-1e-30]] * 5)
    np.testing.assert_allclose(Standardization.of(X).scale, 1e-30, rtol=1e-12)
    X = 1 + np.array([[1e-12], [-1e-12]] * 5)
    np.testing.assert_allclose(Standardization.of(X).scale, 1e-12, rtol=1e-3)


def test_one_row_has_scale_1() -> None:
    measured = Standardization.of(np.array([[3.0, -2.0]]))
    assert measured.mean.tolist() == [3, -2]
    assert measured.scale.tolist() == [1, 1]


@pytest.mark.parametrize("value", [1e200, 1.7e308])
def test_values_too_large_to_square_name_their_column(value: float) -> None:
    X = np.array([[0.0, value], [1.0, -value], [2.0, value]])
    with pytest.raises(InvalidDataError, match=r"^column 1 of X has values too large to standardize"):
        Standardization.of(X)


def test_identity_leaves_features_alone() -> None:
    identity = Standardization.identity(3)
    assert identity.mean.tolist() == [0, 0, 0]
    assert identity.scale.tolist() == [1, 1, 1]
