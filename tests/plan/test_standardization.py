"""Mean and scale of the features: right values for all types, units and choices of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from gradstep import backends
from gradstep.errors import InvalidDataError
from gradstep.plan.standardization import Standardization, sums_of_bytes
from makers import HERE

TYPES = ("uint8", "float32", "float64")


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


def test_a_column_that_varies_by_less_than_digits_is_named() -> None:
    X = np.array([[1.0, 1e-322, 2], [2.0, 5e-324, 5e-324], [3.0, 0, 0]])
    message = (
        r"^column 1 of X must have a standard deviation of 5e-321 or more .*, got values of up to 1e-322:"
    )
    with pytest.raises(InvalidDataError, match=message):
        Standardization.of(X)


# The powers of 2 leave all digits, down to where float64 itself has fewer.
UNITS = [2.0**-1030, 2.0**-1000, 2.0**-600, 2.0**-140, 1.0, 2.0**500, 2.0**1015]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("weighted", [False, True])
def test_columns_of_any_unit_are_measured(unit: float, weighted: bool) -> None:
    rng = np.random.default_rng(0)
    near = np.array([0, 1, -30, 1e5]) + rng.normal(size=(70_001, 4))
    weight = rng.uniform(0, 2, size=len(near)) if weighted else None
    expected = Standardization.of(near, weight)
    X = near * [1, unit, unit, 1]
    measured = Standardization.of(X, weight)
    np.testing.assert_allclose(measured.mean, expected.mean * [1, unit, unit, 1], rtol=1e-9)
    np.testing.assert_allclose(measured.scale, expected.scale * [1, unit, unit, 1], rtol=1e-9)
    # Columns beside are not disturbed.
    np.testing.assert_array_equal(measured.scale[[0, 3]], expected.scale[[0, 3]])
    # What comes out are rows of mean 0 and deviation 1.
    np.testing.assert_allclose(measured.apply(X), expected.apply(near), rtol=1e-9, atol=1e-9)


def test_values_of_both_ends_of_the_floats_are_measured() -> None:
    X = np.array([[1.7e308, 5e-324], [-1.7e308, -1.7e308], [1.7e308, 1e-300]])
    measured = Standardization.of(X)
    near = np.array([[1.7, 0], [-1.7, -1.7], [1.7, 0]])
    np.testing.assert_allclose(measured.mean / 1e308, near.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(measured.scale / 1e308, near.std(axis=0), rtol=1e-14)
    np.testing.assert_allclose(measured.apply(X), (near - near.mean(axis=0)) / near.std(axis=0), rtol=1e-13)


def test_float32_of_the_smallest_unit_is_measured() -> None:
    X = (np.array([[3.0], [1], [0], [0]]) * 2.0**-149).astype(np.float32)
    measured = Standardization.of(X)
    assert measured.mean.tolist() == [2.0**-149]
    np.testing.assert_allclose(measured.scale, np.sqrt(1.5) * 2.0**-149, rtol=1e-14)


@pytest.mark.parametrize("unit", [2.0**-1000, 1.0, 2.0**900])
@pytest.mark.parametrize("n", [1000, 30_000])
def test_columns_constant_but_for_rounding_are_those_of_scikit_learn(unit: float, n: int) -> None:
    noise = 10.0 ** np.arange(-16, -4)
    near = 0.1 + noise * np.where(np.arange(n) % 3, -1, 1)[:, None]
    expected = StandardScaler().fit(near).scale_
    measured = Standardization.of(near * unit)
    assert (expected == 1).any()
    assert (expected != 1).any()
    np.testing.assert_array_equal(measured.scale == 1, expected == 1)
    is_scaled = expected != 1
    # Rounding has its share of so small a deviation.
    np.testing.assert_allclose(measured.scale[is_scaled] / unit, expected[is_scaled], rtol=0.1)


def test_a_tiny_column_around_0_is_not_constant() -> None:
    X = 1e-9 * np.array([[-1.0], [1.0]] * 500_000)
    np.testing.assert_allclose(Standardization.of(X).scale, 1e-9, rtol=1e-12)


@pytest.mark.parametrize("unit", [5e-324, 1e-310, 1e200])
def test_weights_of_any_unit_measure_alike(unit: float) -> None:
    rng = np.random.default_rng(0)
    X, weight = rng.normal(size=(50, 3)), rng.integers(0, 4, size=50).astype(np.float64)
    one, other = Standardization.of(X, weight), Standardization.of(X, weight * unit)
    np.testing.assert_allclose(other.mean, one.mean, rtol=1e-12)
    np.testing.assert_allclose(other.scale, one.scale, rtol=1e-12)


def test_rows_that_weigh_nothing_are_not_measured() -> None:
    X = np.array([[1.0, 1e-200], [3.0, 3e-200], [1e300, 1e300], [-1e308, 1.0]])
    measured = Standardization.of(X, np.array([1.0, 1, 0, 0]))
    np.testing.assert_allclose(measured.mean, [2, 2e-200], rtol=1e-14)
    np.testing.assert_allclose(measured.scale, [1, 1e-200], rtol=1e-14)


@given(data=st.data())
def test_chosen_rows_measure_like_their_copies(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(TYPES), label="dtype")
    unit = data.draw(st.sampled_from([1.0, 1e-42, 1e30]), label="unit") if dtype != "uint8" else 1.0
    rng = np.random.default_rng(data.draw(st.integers(0, 99), label="seed"))
    X = (rng.integers(0, 256, size=(40, 3)) * unit).astype(dtype)
    X[:, 2] = X[0, 2]
    index = np.array(data.draw(st.lists(st.integers(0, 39), min_size=1, max_size=60), label="index"))
    weight = rng.uniform(0.1, 2, size=len(index)) if data.draw(st.booleans(), label="weighted") else None
    n_threads = data.draw(st.integers(1, 3), label="n_threads")
    chosen = Standardization.of(X, weight, index=index, n_threads=n_threads)
    copied = Standardization.of(X[index], weight)
    np.testing.assert_array_equal(chosen.mean, copied.mean)
    np.testing.assert_array_equal(chosen.scale, copied.scale)


@pytest.mark.parametrize("dtype", TYPES)
def test_many_chosen_rows_measure_like_their_copies(dtype: str) -> None:
    rng = np.random.default_rng(0)
    X = rng.uniform(0, 255, size=(90_001, 50)).astype(dtype)
    index = rng.permutation(len(X))[:80_000]
    ways = [sums_of_bytes, *(backends.get(name).sums_of_bytes for name in ("cpp",) if name in HERE)]
    for way in ways:
        chosen = Standardization.of(X, index=index, n_threads=2, sums=way)
        copied = Standardization.of(X[index])
        np.testing.assert_array_equal(chosen.mean, copied.mean)
        np.testing.assert_array_equal(chosen.scale, copied.scale)


def test_identity_leaves_features_alone() -> None:
    identity = Standardization.identity(3)
    assert identity.mean.tolist() == [0, 0, 0]
    assert identity.scale.tolist() == [1, 1, 1]
