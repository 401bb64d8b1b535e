"""Rows are read where they lie, and standardised by exact means and scales."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gradstep.errors import InvalidDataError
from gradstep.plan.rows import ROW_TYPES, TrainingData, as_rows, prepare

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


def test_take_chooses_rows_of_rows() -> None:
    X = table("float32", n=9)
    weight = np.arange(1, 10)
    data = prepare(X, np.arange(9) % 4, weight)
    some = data.take([7, 0, 7, 3])
    assert some.X is data.X
    assert some.n == 4
    assert some.index is not None
    assert some.index.dtype == np.int32
    assert some.index.tolist() == [7, 0, 7, 3]
    assert some.targets.tolist() == [3, 0, 3, 3]
    assert some.weight is not None
    np.testing.assert_allclose(some.weight, np.array([8, 1, 8, 4]) * 4 / 21, rtol=1e-14)
    # Of rows of rows the places are counted in those.
    again = some.take(np.array([3, 0, 1]))
    assert again.index is not None
    assert again.index.tolist() == [3, 7, 0]
    assert again.targets.tolist() == [3, 3, 0]
    np.testing.assert_allclose(again.weight, np.array([4, 8, 1]) * 3 / 13, rtol=1e-14)
    assert again.in_X(np.array([2, 0])).tolist() == [0, 3]
    assert data.in_X(np.array([2, 0])).tolist() == [2, 0]


def test_take_of_a_group_and_of_values() -> None:
    weight = np.array([[1.0, 1, 1, 1], [1, 2, 3, 4]])
    data = prepare(table("uint8", n=4), np.arange(8.0).reshape(4, 2), weight)
    some = data.take([3, 1])
    assert some.targets.tolist() == [[6, 7], [2, 3]]
    assert some.weight is not None
    np.testing.assert_allclose(some.weight, [[1, 1], [4 / 3, 2 / 3]], rtol=1e-14)
    assert data.take([0]).weight is None
    assert some.select([1]).weight is not None


@given(data=st.data())
def test_any_rows_of_rows_are_those_of_the_composed_numbers(data: st.DataObject) -> None:
    first = data.draw(st.lists(st.integers(0, 29), min_size=1, max_size=40), label="first")
    places = data.draw(st.lists(st.integers(0, len(first) - 1), max_size=40), label="places")
    whole = prepare(table("float64", n=30), np.arange(30))
    nested, direct = whole.take(first).take(places), whole.take(np.array(first)[places])
    for name in ("index", "targets"):
        np.testing.assert_array_equal(getattr(nested, name), getattr(direct, name))
    np.testing.assert_array_equal(nested.X[nested.index], whole.X[np.array(first)[places]])


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([0, 6], r"^row numbers must be >= 0 and < 6, got 6$"),
        ([-1], r"^row numbers must be >= 0 and < 6, got -1$"),
        ([2**40], r"^row numbers must be >= 0 and < 6, got 1099511627776$"),
        ([0.5], r"^row numbers must be whole numbers \(n,\), got dtype float64 and shape \(1,\)$"),
        ([True] * 6, r"^row numbers must be whole numbers \(n,\), got dtype bool and shape \(6,\)$"),
        ([[1]], r"^row numbers must be whole numbers \(n,\), got dtype int64 and shape \(1, 1\)$"),
    ],
)
def test_row_numbers_that_are_none_are_refused(index: Any, message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        prepare(table("uint8"), None, index=index)
    with pytest.raises(InvalidDataError, match=message):
        prepare(table("uint8"), None).take(index)


def test_rows_of_a_file_stay_there(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "rows", dtype="uint8", mode="w+", shape=(20, 3))
    data = prepare(mapped, np.arange(5), None, index=[3, 1, 19, 0, 3])
    assert data.X is mapped
    assert data.take([2, 1]).X is mapped


def test_weights_that_sum_to_0_are_refused() -> None:
    weighted = prepare(table("uint8"), None, np.array([0.0, 1, 2, 0, 3, 4]))
    with pytest.raises(InvalidDataError, match=r"^sample weights must have a sum > 0, got 0 throughout$"):
        weighted.take([0, 3])
    with pytest.raises(InvalidDataError, match=r"^sample weights must have a sum > 0, got 0 throughout$"):
        prepare(table("uint8"), None, np.zeros(6))


@pytest.mark.parametrize("unit", [5e-324, 1e-310, 1e-300, 1e-20, 1e20, 2.0**1020])
def test_weights_of_any_unit_have_mean_1(unit: float) -> None:
    weight = np.array([0.0, 1, 2, 3, 1, 5])
    data = prepare(table("uint8"), None, weight * unit)
    assert data.weight is not None
    np.testing.assert_allclose(data.weight, weight / 2, rtol=1e-13)
