"""Rows of tiny and of huge units are finite numbers: every backend learns from them as from any."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from cases import Case, everything
from gradstep.backends import Backend
from gradstep.plan.rows import TrainingData, prepare, readable
from gradstep.plan.standardization import Standardization

# Powers of 2, which leave all digits: type of the rows, units of the columns.
UNITS = (
    ("float32", 2.0**-120),
    ("float32", 2.0**-115),
    ("float32", 2.0**110),
    ("float64", 2.0**-140),
    ("float64", 2.0**-1015),
    ("float64", 2.0**-600),
    ("float64", 2.0**1005),
)
units = pytest.mark.parametrize(("dtype", "unit"), UNITS)


def case_of(dtype: str, **options: Any) -> Case:
    """Return a case of columns around different means."""
    return Case("units", n=45, d=5, hidden=(6,), dtype=dtype, **options)


def in_units(data: TrainingData, unit: npt.ArrayLike) -> TrainingData:
    """Return the same rows with columns multiplied."""
    X = (data.X * np.asarray(unit)).astype(data.X.dtype)
    return prepare(X, data.targets, data.weight, Standardization.of(X))


@units
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_unit_changes_nothing(backend: Backend, dtype: str, unit: float, precision: str) -> None:
    case = case_of(dtype)
    near = case.data(precision=precision)
    near = prepare(near.X, near.targets, None, Standardization.of(near.X))
    far = in_units(near, [1, unit, unit, 1, unit])
    expected = everything(backend, case, precision, 1, near)
    tolerance = 1e-9 if precision == dtype == "float64" else 1e-4
    for one, other in zip(everything(backend, case, precision, 2, far), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
    # Rows by number are read anew, in the same way.
    index = np.arange(case.n - 1, -1, -1)
    mapped = replace(prepare(far.X, far.targets, None, far.standardization, index=index))
    packed = prepare(far.X[::-1].copy(), far.targets, None, far.standardization)
    for one, other in zip(
        everything(backend, case, precision, 1, mapped),
        everything(backend, case, precision, 1, packed),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


@units
def test_what_is_read_are_the_same_numbers(dtype: str, unit: float) -> None:
    near = case_of(dtype).data()
    far = in_units(near, [1, unit, 1, 1, unit])
    ready = readable(far, "float32")
    rows = ready.standardization.apply(ready.X)
    expected = Standardization.of(near.X).apply(near.X)
    np.testing.assert_allclose(rows, expected, rtol=1e-6, atol=1e-6)
    assert ready.standardization.fits(np.result_type(ready.X.dtype, "float32"))
    assert readable(ready, "float32") is ready


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_rows_of_ordinary_units_are_read_where_they_lie(dtype: str) -> None:
    data = case_of(dtype).data()
    for unit in (1e-20, 1e20) if dtype != "uint8" else (1,):
        far = in_units(data, unit)
        assert readable(far, "float32") is far


@pytest.mark.parametrize("other", ["uint8", "float32"])
def test_rows_of_another_type_than_was_trained_on(backend: Backend, other: str) -> None:
    # Mean and scale of float64 that no float32 holds: there are still right scores of float32 rows.
    case = case_of("float64")
    X = np.random.default_rng(0).integers(0, 256, size=(case.n, case.d)).astype(other)
    standardization = Standardization(np.array([3.0, 1e60, -1e60, 0, 9]), np.array([50.0, 1e60, 1e61, 1, 5]))
    block = case.parameters("float32")
    scores = [
        backend.scores(case.objective, prepare(rows, None, None, standardization), block)
        for rows in (X, X.astype(np.float64))
    ]
    assert np.isfinite(scores[0]).all()
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5, atol=1e-5)
