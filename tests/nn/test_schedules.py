"""Every schedule by its closed form, and what `learning_rate` may be."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradstep.errors import CorruptFileError, InvalidParameterError
from gradstep.nn import schedules
from gradstep.nn.schedules import (
    Constant,
    Cosine,
    CyclicTriangular,
    Geometric,
    Linear,
    OneCycle,
    PerEpoch,
    Piecewise,
    Recorded,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
)
from members import own_members

EXAMPLES: list[Schedule] = [
    Constant(0.1),
    StepDecay(0.05, factor=0.5, every=3),
    CyclicTriangular(1e-5, 1e-1, step_size=7),
    Linear(0.1, 0.0),
    Linear(0.0, np.float32(0.1), epochs=np.int8(3)),
    Geometric(1e-5, 1.0, epochs=2),
    Cosine(0.1),
    Cosine(0.1, low=1e-3, period=np.int8(2), factor=np.int8(2)),
    OneCycle(0.4, epochs=3),
    Piecewise((1.5, 3), (0.1, 0.0, 1)),
    ReduceOnPlateau(0.1, monitor="running_accuracy", min_rate=1e-4),
    Recorded((0.3, 0.2, 0.1)),
]
EACH = "a tuple or list, each element a finite number"
each = pytest.mark.parametrize("schedule", EXAMPLES, ids=lambda schedule: type(schedule).__name__)
high_rates, spread = st.floats(0, 10), st.floats(1e-12, 1e12)
runs = {"updates": st.integers(1, 500), "per_epoch": st.integers(1, 50)}


def test_every_schedule_has_an_example() -> None:
    own = own_members(Schedule)
    assert {type(schedule) for schedule in EXAMPLES} == set(own) - {PerEpoch}
    assert [kind for kind in own if kind is not Recorded and ">>> " not in (kind.__doc__ or "")] == []


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


@given(start=high_rates, end=high_rates, **runs)
def test_linear_is_a_line_that_ends_after_the_run(
    start: float, end: float, updates: int, per_epoch: int
) -> None:
    rates = schedules.evaluate(Linear(start, end), updates, per_epoch)
    expected = [start + (end - start) * t / updates for t in range(updates)]
    np.testing.assert_allclose(rates, expected, rtol=1e-12, atol=1e-12)
    assert rates[0] == start
    assert Linear(start, end)(updates, per_epoch, updates) == end
    assert Linear(start, end)(updates + 7, per_epoch, updates) == end


@given(start=spread, end=spread, **runs)
def test_geometric_has_one_ratio(start: float, end: float, updates: int, per_epoch: int) -> None:
    rates = [Geometric(start, end)(t, per_epoch, updates) for t in range(updates + 2)]
    assert rates[0] == start
    assert rates[updates] == rates[updates + 1] == end
    ratios = np.array(rates[1:-1]) / np.array(rates[:-2])
    np.testing.assert_allclose(ratios, (end / start) ** (1 / updates), rtol=1e-9)


def test_geometric_bears_any_span() -> None:
    rates = schedules.evaluate(Geometric(1e-300, 1e300), 4, 2)
    np.testing.assert_allclose(rates, [1e-300, 1e-150, 1, 1e150], rtol=1e-9)


@given(high=high_rates, share=st.floats(0, 1), **runs)
def test_cosine_over_the_run(high: float, share: float, updates: int, per_epoch: int) -> None:
    low = share * high
    rates = schedules.evaluate(Cosine(high, low), updates, per_epoch)
    expected = [low + (high - low) * (1 + math.cos(math.pi * t / updates)) / 2 for t in range(updates)]
    np.testing.assert_allclose(rates, expected, rtol=1e-12, atol=1e-12)
    assert rates[0] == high
    assert Cosine(high, low)(updates, per_epoch, updates) == low
    assert Cosine(high, low)(updates + 7, per_epoch, updates) == low


@given(period=st.integers(1, 5), factor=st.integers(1, 4), **runs)
def test_cosine_with_restarts_walks_cycle_after_cycle(
    period: int, factor: int, updates: int, per_epoch: int
) -> None:
    rates = schedules.evaluate(Cosine(0.5, 0.1, period, factor), updates, per_epoch)
    expected: list[float] = []
    cycle = period * per_epoch
    while len(expected) < updates:
        expected += [0.1 + 0.4 * (1 + math.cos(math.pi * s / cycle)) / 2 for s in range(cycle)]
        cycle *= factor
    np.testing.assert_allclose(rates, expected[:updates], rtol=1e-12)


@given(
    high=st.floats(1e-6, 10),
    factor=st.floats(1e-3, 1),
    final=st.floats(0, 1),
    tail=st.just(0.0) | st.floats(1e-6, 0.99),
    **runs,
)
def test_one_cycle_is_three_lines(
    high: float, factor: float, final: float, tail: float, updates: int, per_epoch: int
) -> None:
    cycle = OneCycle(high, factor, final, tail)
    rates = [cycle(t, per_epoch, updates) for t in range(updates)]
    low = factor * high
    end = low * final if tail else low
    corners = np.array([0, (1 - tail) / 2, 1 - tail, 1.0]) * updates
    expected = np.interp(np.arange(updates), corners, [low, high, low, end])
    np.testing.assert_allclose(rates, expected, rtol=1e-6, atol=1e-6 * high)
    assert rates[0] == low
    assert min(low, end) * (1 - 1e-12) <= min(rates) <= max(rates) <= high * (1 + 1e-12)
    assert cycle(updates, per_epoch, updates) == cycle(updates + 9, per_epoch, updates) == pytest.approx(end)


def test_one_cycle_at_its_corners() -> None:
    rates = [OneCycle(2.0, factor=0.25, final_factor=0.0, tail=0.5)(t, 10, 8) for t in (0, 2, 4, 6, 8, 9)]
    assert rates == [0.5, 2.0, 0.5, 0.25, 0.0, 0.0]


@pytest.mark.parametrize(
    "make",
    [
        lambda epochs: Linear(0.3, 0.1, epochs),
        lambda epochs: Geometric(0.3, 0.1, epochs),
        lambda epochs: Cosine(0.3, 0.1, epochs),
        lambda epochs: OneCycle(0.3, epochs=epochs),
    ],
    ids=["Linear", "Geometric", "Cosine", "OneCycle"],
)
def test_the_whole_run_is_as_good_as_its_epochs(make: Callable[[int | None], Schedule]) -> None:
    whole = schedules.evaluate(make(None), 28, 7)
    np.testing.assert_array_equal(whole, schedules.evaluate(make(4), 28, 7))
    np.testing.assert_array_equal(whole, schedules.evaluate(make(4), 40, 7)[:28])
    with pytest.raises(InvalidParameterError, match="over a whole run needs its number of updates, got None"):
        make(None)(3, 7)


@given(
    pieces=st.lists(st.tuples(st.integers(1, 5), high_rates), min_size=1, max_size=5), per=st.integers(1, 9)
)
def test_piecewise_is_one_rate_after_the_other(pieces: list[tuple[int, float]], per: int) -> None:
    boundaries = np.cumsum([epochs for epochs, _ in pieces]).tolist()
    rates = [rate for _, rate in pieces]
    found = schedules.evaluate(Piecewise(boundaries[:-1], rates), boundaries[-1] * per, per)
    assert found.tolist() == [rate for epochs, rate in pieces for _ in range(epochs * per)]


def test_piecewise_takes_fractions_of_an_epoch() -> None:
    assert (
        schedules.evaluate(Piecewise((0.3, 1.1), (3, 2, 1)), 15, 10).tolist() == [3] * 3 + [2] * 8 + [1] * 4
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda kind: StepDecay(kind(0.1), kind(0.3), 1),
        lambda kind: CyclicTriangular(kind(0.01), kind(0.1), 3),
        lambda kind: Linear(kind(0.01), kind(0.1)),
        lambda kind: Geometric(kind(0.01), kind(0.1)),
        lambda kind: Cosine(kind(0.1), kind(0.01)),
        lambda kind: OneCycle(kind(0.1), kind(0.3), kind(0.3), kind(0.3)),
        lambda kind: Piecewise((kind(0.3),), (kind(0.1), kind(0.3))),
    ],
    ids=["StepDecay", "CyclicTriangular", "Linear", "Geometric", "Cosine", "OneCycle", "Piecewise"],
)
def test_numbers_of_numpy_count_as_their_values(make: Callable[[type], Schedule]) -> None:
    plain = Schedule.from_dict(json.loads(json.dumps(make(np.float32).to_dict())))
    rates = schedules.evaluate(make(np.float32), 20, 5)
    np.testing.assert_array_equal(rates, schedules.evaluate(plain, 20, 5))


def test_a_plateau_is_not_foreseen() -> None:
    assert schedules.evaluate(ReduceOnPlateau(0.3), 4, 2).tolist() == [0.3] * 4


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
    with pytest.raises(InvalidParameterError, match="`rates` of Recorded must be a tuple or list of finite"):
        Recorded((0.1, 0.1, 0.1, bad))
    with pytest.raises(InvalidParameterError, match="at update 0"):
        schedules.evaluate(bad, 6, 2)


def test_no_rate_is_as_bad_as_one_that_is_not_finite() -> None:
    with pytest.raises(InvalidParameterError, match="got nan at update 1"):
        schedules.evaluate(lambda t: None if t else 0.1, 2, 2)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    "learning_rate",
    ["fast", [0.1, 0.2, 0.3], lambda t: [t, t], lambda t: "slow"],
    ids=["text", "list", "pairs", "texts"],
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
        (lambda: Constant(math.nan), "`value` of Constant must be a finite number, got nan"),
        (lambda: StepDecay(0), "`start` of StepDecay must be > 0, got 0"),
        (lambda: StepDecay(math.nan), "`start` of StepDecay must be a finite number, got nan"),
        (lambda: StepDecay(1, factor=0), "`factor` of StepDecay must be > 0, got 0"),
        (lambda: StepDecay(1, factor=1.5), "`factor` of StepDecay must be <= 1, got 1.5"),
        (lambda: StepDecay(1, every=0), "`every` of StepDecay must be >= 1, got 0"),
        (lambda: CyclicTriangular(-1, 1, 5), "`low` of CyclicTriangular must be >= 0, got -1"),
        (lambda: CyclicTriangular(2, 1, 5), "`high` of CyclicTriangular must be >= low, got (2, 1)"),
        (lambda: Linear(-1, 0), "`start` of Linear must be >= 0, got -1"),
        (lambda: Linear(0, math.inf), "`end` of Linear must be a finite number, got inf"),
        (lambda: Linear(0, 1, 0), "`epochs` of Linear must be >= 1, got 0"),
        (lambda: Linear(0, 1, 1.5), "`epochs` of Linear must be an int or None, got 1.5"),
        (lambda: Geometric(0, 1), "`start` of Geometric must be > 0, got 0"),
        (lambda: Geometric(1, 0), "`end` of Geometric must be > 0, got 0"),
        (lambda: Geometric(1, 1, 0), "`epochs` of Geometric must be >= 1, got 0"),
        (lambda: Cosine(math.nan), "`high` of Cosine must be a finite number, got nan"),
        (lambda: Cosine(1, -1), "`low` of Cosine must be >= 0, got -1"),
        (lambda: Cosine(1, 2), "`high` of Cosine must be >= low, got (2, 1)"),
        (lambda: Cosine(1, 0, 0), "`period` of Cosine must be >= 1, got 0"),
        (lambda: Cosine(1, 0, 1, 0), "`factor` of Cosine must be >= 1, got 0"),
        (lambda: Cosine(1, 0, 1, 1.5), "`factor` of Cosine must be an int, got 1.5"),
        (lambda: OneCycle(0), "`high` of OneCycle must be > 0, got 0"),
        (lambda: OneCycle(1, 2), "`factor` of OneCycle must be <= 1, got 2"),
        (lambda: OneCycle(1, 0.1, -1), "`final_factor` of OneCycle must be >= 0, got -1"),
        (lambda: OneCycle(1, tail=1), "`tail` of OneCycle must be < 1, got 1"),
        (lambda: OneCycle(1, tail=-0.1), "`tail` of OneCycle must be >= 0, got -0.1"),
        (lambda: OneCycle(1, epochs="1"), "`epochs` of OneCycle must be an int or None, got '1'"),
        (
            lambda: Piecewise(3, (1,)),
            f"`boundaries` of Piecewise must be {EACH} > 0, got 3; a single one is (3,)",
        ),
        (lambda: Piecewise((0,), (1, 2)), f"`boundaries` of Piecewise must be {EACH} > 0, got (0,)"),
        (lambda: Piecewise((2, 2), (1, 2, 3)), "`boundaries` of Piecewise must rise, got (2.0, 2.0)"),
        (lambda: Piecewise((2,), (1, -2)), f"`rates` of Piecewise must be {EACH} >= 0, got (1, -2)"),
        (
            lambda: Piecewise((2,), (1,)),
            "`rates` of Piecewise must be one more than its boundaries, got 1 for 1",
        ),
        (lambda: ReduceOnPlateau(0), "`start` of ReduceOnPlateau must be > 0, got 0"),
        (lambda: ReduceOnPlateau(1, 0), "`factor` of ReduceOnPlateau must be > 0, got 0"),
        (lambda: ReduceOnPlateau(1, 1.1), "`factor` of ReduceOnPlateau must be <= 1, got 1.1"),
        (lambda: ReduceOnPlateau(1, patience=0), "`patience` of ReduceOnPlateau must be >= 1, got 0"),
        (lambda: ReduceOnPlateau(1, min_delta=-1), "`min_delta` of ReduceOnPlateau must be >= 0, got -1"),
        (
            lambda: ReduceOnPlateau(1, min_rate=2),
            "`min_rate` of ReduceOnPlateau must be <= start, got (2, 1)",
        ),
        (lambda: CyclicTriangular(0, 1, 0), "`step_size` of CyclicTriangular must be >= 1, got 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_settings(make: Callable[[], Schedule], message: str) -> None:
    with pytest.raises(InvalidParameterError) as caught:
        make()
    assert str(caught.value) == message


@each
def test_plain_data_makes_the_same_schedule(schedule: Schedule) -> None:
    data = json.loads(json.dumps(schedule.to_dict()))
    assert Schedule.from_dict(data) == schedule
    assert data["schedule"] == type(schedule).__name__


@each
def test_a_schedule_is_a_schedule_and_hashable(schedule: Schedule) -> None:
    assert isinstance(schedule, Schedule)
    assert len({schedule, Schedule.from_dict(schedule.to_dict())}) == 1


@pytest.mark.parametrize(
    "data", [{}, {"schedule": "Warp"}, {"schedule": None, "value": 1}, {"value": 1}], ids=str
)
def test_unknown_names_are_refused(data: dict[str, Any]) -> None:
    with pytest.raises(CorruptFileError, match=r"a schedule must be one of .*Constant, StepDecay"):
        Schedule.from_dict(data)


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
    with pytest.raises(CorruptFileError, match=r"cannot have the fields|has no parameter"):
        Schedule.from_dict(data)


def test_from_dict_leaves_its_argument_alone() -> None:
    data = {"schedule": "Recorded", "rates": [0.1]}
    Schedule.from_dict(data)
    assert data == {"schedule": "Recorded", "rates": [0.1]}
