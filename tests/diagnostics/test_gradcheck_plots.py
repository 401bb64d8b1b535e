"""What a gradient check measures is what its names say, and each way to judge has its columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas
import pytest

import gradstep as gs
from gradstep.diagnostics.gradcheck import GradientCheck, GradientCheckRow
from gradstep.errors import InvalidParameterError

Array = npt.NDArray[np.float64]


def row(a: Any, n: Any, **options: Any) -> GradientCheckRow:
    given = {"skipped": 0, "eps": 1e-3, "size": 1.0, **options}
    return GradientCheckRow.of("W1", "central", np.array(a, dtype=float), np.array(n, dtype=float), **given)


def result(*rows: GradientCheckRow) -> GradientCheck:
    return GradientCheck(list(rows), "numpy", 1e-3, {"forward": 1e-8, "central": 1e-5}, 0.0)


def check(hidden: tuple[int, ...], **options: Any) -> GradientCheck:
    data = gs.datasets.load_digits().train
    trainer = gs.Trainer(hidden=hidden, l2=0.01, random_state=0, backend="numpy", **options)
    return gs.gradient_check(trainer, data.X[:20], data.y[:20], entries=60)


def test_norms_are_those_of_the_vectors() -> None:
    found = row([3.0, 0.0], [0.0, 4.0])
    assert (found.error_norm, found.sum_of_norms, found.norm_ratio) == (5.0, 7.0, 5 / 7)
    assert (found.checked, found.low, found.high) == (2, 0.0, 3.0)
    assert (found.mean, found.std, found.maximum) == (3.5, 0.5, 4.0)


def test_the_range_keeps_its_signs() -> None:
    found = row([-2.0, -0.5, -1.0], [-2.0, -0.5, -1.0])
    assert (found.low, found.high, found.norm_ratio) == (-2.0, -0.5, 0.0)


def test_a_gradient_of_zero_is_right_about_zero_and_wrong_about_the_rest() -> None:
    assert row([0.0, 0.0], [0.0, 0.0]).norm_ratio == 0
    assert row([0.0, 0.0], [0.0, 1.0]).norm_ratio == 1


def test_nothing_checked_has_no_numbers() -> None:
    found = row([], [], skipped=4)
    assert (found.checked, found.skipped) == (0, 4)
    assert np.isnan([found.error_norm, found.sum_of_norms, found.norm_ratio, found.low, found.high]).all()
    assert not result(found).almost_equal()
    assert result(found, row([1.0], [1.0])).almost_equal()


@pytest.mark.parametrize("decimal", [2, 6])
@pytest.mark.parametrize("share", [0.99, 1.01])
def test_almost_equal_judges_as_numpy_does(decimal: int, share: float) -> None:
    a = np.array([0.5, -2.0, 0.0])
    n = a + np.array([0.0, 0.0, share * 1.5 * 10.0**-decimal])
    try:
        np.testing.assert_array_almost_equal(a, n, decimal=decimal)
        expected = True
    except AssertionError:
        expected = False
    assert expected == (share < 1)
    assert row(a, n).almost_equal(decimal) == result(row(a, n)).almost_equal(decimal) == expected


def test_a_gradient_that_is_not_finite_is_not_almost_equal() -> None:
    assert not row([np.nan, 1.0], [np.nan, 1.0]).almost_equal(0)


def test_columns_are_the_numbers_of_the_rows() -> None:
    found = check((5,))
    assert list(found) == [*GradientCheckRow._fields, "norm_ratio"]
    for name in found:
        assert found[name].tolist() == [getattr(row, name) for row in found.rows]
    frame = found.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame["norm_ratio"].tolist() == [row.norm_ratio for row in found.rows]
    with pytest.raises(InvalidParameterError, match=r"no column 'ratio'; it has array, .*norm_ratio"):
        found["ratio"]


def test_one_kind_of_difference_alone() -> None:
    found = check((5,))
    central = found.by("central")
    assert central["array"].tolist() == ["W1", "b1", "W2", "b2"]
    assert set(central["difference"]) == {"central"}
    assert central.steps == {"central": 1e-5}
    assert central.max_relative_error() == found.max_relative_error()
    for method in (central.by, central.max_relative_error, lambda kind: central.almost_equal(6, kind)):
        with pytest.raises(InvalidParameterError, match=r"must be one of central, got 'forward'"):
            method("forward")


def test_a_table_has_the_columns_asked_for() -> None:
    found = result(row([3.0, 0.0], [0.0, 4.0]), row([1.0], [1.0])._replace(array="b1"))
    assert found.table("array", "error_norm", "sum_of_norms", "norm_ratio").splitlines() == [
        "array  error norm  sum of norms    norms",
        "W1        5.0e+00       7.0e+00  7.1e-01",
        "b1        0.0e+00       2.0e+00  0.0e+00",
    ]


@pytest.fixture(params=[(), (10,)], ids=["one layer", "two layers"], scope="module")
def found(request: pytest.FixtureRequest) -> GradientCheck:
    return check(request.param, init=gs.Normal(0.1))


class TestWaysToJudge:
    """Five ways in which gradients are judged, of one layer and of two."""

    def test_almost_equal_to_six_decimals(self, found: GradientCheck) -> None:
        assert found.almost_equal(decimal=6)
        assert found.almost_equal(decimal=6, difference="forward")

    def test_central_differences_are_closer_than_forward_ones(self, found: GradientCheck) -> None:
        forward, central = found.by("forward"), found.by("central")
        assert (central["relative"] < forward["relative"]).all()
        assert forward.max_relative_error("forward") < 1e-4

    def test_relative_errors_below_a_millionth(self, found: GradientCheck) -> None:
        assert (found.by("central")["relative"] < 1e-6).all()

    def test_norms_of_differences(self, found: GradientCheck) -> None:
        central = found.by("central")
        assert (central["error_norm"] < 1e-7 * central["sum_of_norms"]).all()
        # The mean of the squares is that of the entries: norm and mean and std are of one vector.
        squares = central["checked"] * (central["mean"] ** 2 + central["std"] ** 2)
        np.testing.assert_allclose(central["error_norm"], np.sqrt(squares), rtol=1e-9)

    def test_errors_beside_the_range_of_the_gradient(self, found: GradientCheck) -> None:
        central = found.by("central")
        assert (central["low"] < central["high"]).all()
        assert (central["maximum"] < 1e-6 * (central["high"] - central["low"])).all()


@pytest.mark.parametrize("hidden", [(), (10,)], ids=["one layer", "two layers"])
def test_large_weights_pass_too(hidden: tuple[int, ...]) -> None:
    assert check(hidden, init=gs.Normal(2.0)).passed(1e-6)
