"""Every schedule by its closed form, and what `learning_rate` may be."""

from __future__ import annotations

import doctest
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradstep import schedules
from gradstep.errors import CorruptFileError, InvalidParameterError
from gradstep.schedules import Constant, CyclicTriangular, Recorded, Schedule, StepDecay

EXAMPLES: list[Schedule] = [
    Constant(0.1),
    StepDecay(0.05, factor=0.5, every=3),
    CyclicTriangular(1e-5, 1e-1, step_size=7),
    Recorded((0.3, 0.2, 0.1)),
]
each = pytest.mark.parametrize("schedule", EXAMPLES, ids=lambda schedule: type(schedule).__name__)


def test_the_examples_in_the_docstrings_are_true() -> None:
    results = doctest.testmod(schedules)
    assert results.attempted >= 6
    assert results.failed == 0


def test_constant() -> None:
    assert schedules.evaluate(Constant(0.25), 3, 10).tolist() == [0.25] * 3


def test_step_decay_is_its_closed_form() -> None:
    rates = schedules.evaluate(StepDecay(0.8, factor=0.5, every=2), 24, updates_per_epoch=4)
    assert rates.tolist() == [0.8] * 8 + [0.4] * 8 + [0.2] * 8


def test_cyclic_triangular_at_its_corners() -> None:
    rates = schedules.evaluate(CyclicTriangular(1e-5, 1e-1, step_size=980), 3921, updates_per_epoch=100)
    assert rates[[0, 1960, 3920]].tolist() == [1e-5] * 3
    assert rates[[980, 2940]].tolist() == pytest.approx([1e-1] * 2, rel=1e-15)
    assert rates[490] == pytest.approx((1e-5 + 1e-1) / 2, rel=1e-14)
    assert rates.argmax() in {980, 2940}
    np.testing.assert_allclose(np.diff(rates[:981]), (1e-1 - 1e-5) / 980, rtol=1e-9)
    np.testing.assert_allclose(np.diff(rates[980:1961]), -(1e-1 - 1e-5) / 980, rtol=1e-9)


@given(t=st.integers(0, 10**6), step=st.integers(1, 10**4), low=st.floats(0, 1), rise=st.floats(0, 10))
def test_cyclic_triangular_is_the_formula_of_its_paper(t: int, step: int, low: float, rise: float) -> None:
    rate = CyclicTriangular(low, low + rise, step_size=step)(t, 100)
    cycle = math.floor(1 + t / (2 * step))
    x = abs(t / step - 2 * cycle + 1)
    assert rate == pytest.approx(low + (low + rise - low) * max(0.0, 1 - x), abs=1e-9)
    assert low <= rate <= (low + rise) * (1 + 1e-15)


def test_recorded_gives_back_what_it_holds_and_no_more() -> None:
    assert schedules.evaluate(Recorded((0.3, 0.2)), 2, 1).tolist() == [0.3, 0.2]
    with pytest.raises(InvalidParameterError, match="Recorded holds 2 updates, got 2"):
        schedules.evaluate(Recorded((0.3, 0.2)), 3, 1)


@pytest.mark.parametrize("learning_rate", [0.1, 1, np.float32(0.5), np.int64(2), True], ids=repr)
def test_a_number_is_constant(learning_rate: Any) -> None:
    rates = schedules.evaluate(learning_rate, 4, 2)
    assert rates.tolist() == [float(learning_rate)] * 4
    assert rates.dtype == np.float64


def test_a_callable_gets_the_update_number() -> None:
    assert schedules.evaluate(lambda t: 1 / (1 + t), 3, 2).tolist() == [1, 1 / 2, 1 / 3]
    assert schedules.evaluate(lambda t: np.float32(t), 3, 2).tolist() == [0, 1, 2]


def test_no_updates_are_no_rates() -> None:
    assert schedules.evaluate(0.1, 0, 1).shape == (0,)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, -0.5], ids=repr)
def test_a_bad_rate_is_named_with_its_update(bad: float) -> None:
    message = f"`learning_rate` of Trainer must give finite rates >= 0, got {bad} at update 3"
    with pytest.raises(InvalidParameterError) as caught:
        schedules.evaluate(lambda t: bad if t >= 3 else 0.1, 6, 2)
    assert str(caught.value) == message
    with pytest.raises(InvalidParameterError) as caught:
        schedules.evaluate(Recorded((0.1, 0.1, 0.1, bad)), 4, 2)
    assert str(caught.value) == message
    with pytest.raises(InvalidParameterError, match="at update 0"):
        schedules.evaluate(bad, 6, 2)


def test_no_rate_is_as_bad_as_one_that_is_not_finite() -> None:
    with pytest.raises(InvalidParameterError, match="got nan at update 1"):
        schedules.evaluate(lambda t: None if t else 0.1, 2, 2)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    "learning_rate", ["fast", [0.1, 0.2, 0.3], lambda t: [t, t], lambda t: "slow"], ids=str
)
def test_what_is_no_number_is_refused(learning_rate: Any) -> None:
    with pytest.raises(
        InvalidParameterError, match="`learning_rate` of Trainer must give one number per update"
    ):
        schedules.evaluate(learning_rate, 2, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Constant(-0.1), "`value` of Constant must be >= 0, got -0.1"),
        (lambda: Constant(math.nan), "`value` of Constant must be >= 0, got nan"),
        (lambda: StepDecay(0), "`start` of StepDecay must be > 0, got 0"),
        (lambda: StepDecay(math.nan), "`start` of StepDecay must be > 0, got nan"),
        (lambda: StepDecay(1, factor=0), "`factor` of StepDecay must be in (0, 1], got 0"),
        (lambda: StepDecay(1, factor=1.5), "`factor` of StepDecay must be in (0, 1], got 1.5"),
        (lambda: StepDecay(1, every=0), "`every` of StepDecay must be >= 1 epoch, got 0"),
        (lambda: CyclicTriangular(-1, 1, 5), "`low` of CyclicTriangular must be >= 0, got -1"),
        (lambda: CyclicTriangular(2, 1, 5), "`high` of CyclicTriangular must be >= low, got (2, 1)"),
        (lambda: CyclicTriangular(0, 1, 0), "`step_size` of CyclicTriangular must be >= 1 update, got 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_settings(make: Callable[[], Schedule], message: str) -> None:
    with pytest.raises(InvalidParameterError) as caught:
        make()
    assert str(caught.value) == message


@each
def test_plain_data_makes_the_same_schedule(schedule: Schedule) -> None:
    data = json.loads(json.dumps(schedules.to_dict(schedule)))
    assert schedules.from_dict(data) == schedule
    assert data["schedule"] == type(schedule).__name__


@each
def test_a_schedule_is_a_schedule_and_hashable(schedule: Schedule) -> None:
    assert isinstance(schedule, Schedule)
    assert len({schedule, schedules.from_dict(schedules.to_dict(schedule))}) == 1


@pytest.mark.parametrize(
    "data", [{}, {"schedule": "Warp"}, {"schedule": None, "value": 1}, {"value": 1}], ids=str
)
def test_unknown_names_are_refused(data: dict[str, Any]) -> None:
    with pytest.raises(CorruptFileError, match="a schedule must be one of Constant, StepDecay"):
        schedules.from_dict(data)


@pytest.mark.parametrize(
    "data",
    [
        {"schedule": "Constant"},
        {"schedule": "Constant", "value": 1, "more": 2},
        {"schedule": "StepDecay", "value": 1},
        {"schedule": "CyclicTriangular", "low": 0},
    ],
    ids=str,
)
def test_wrong_fields_are_refused(data: dict[str, Any]) -> None:
    with pytest.raises(CorruptFileError, match="cannot have the fields"):
        schedules.from_dict(data)


def test_from_dict_leaves_its_argument_alone() -> None:
    data = {"schedule": "Recorded", "rates": [0.1]}
    schedules.from_dict(data)
    assert data == {"schedule": "Recorded", "rates": [0.1]}
