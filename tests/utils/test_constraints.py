"""Constraints answer for any value, and messages have it in short."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import gradstep as gs
import makers
from gradstep.errors import InvalidParameterError
from gradstep.nn.augment import Translate
from gradstep.plan.settings import REGRESSOR, TRAINER
from gradstep.utils import text
from gradstep.utils.constraints import (
    NUMBER,
    WHOLE,
    Constraint,
    above,
    at_least,
    at_most,
    below,
    check,
    either,
    one_of,
    sequence_of,
)

ODD = [
    *(10**400, -(10**400), 10**5000, 2**63, Fraction(10**400), Fraction(1, 3), Decimal("1e400")),
    *(Decimal("nan"), Decimal("sNaN"), 1j, complex(math.inf, 0), np.longdouble("1e4000")),
    *(np.float16(math.inf), np.array([1.0, 2.0]), np.array(1), np.array("a"), b"1", object(), [], {}),
]
X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.arange(12) % 3


@pytest.mark.parametrize("value", ODD, ids=[type(value).__name__ for value in ODD])
@pytest.mark.parametrize(
    "constraint",
    [
        *(NUMBER, WHOLE, above(0), at_least(0), at_most(1), below(1), sequence_of(WHOLE, at_least(1))),
        *(either(NUMBER, one_of("a")), *(one for of_name in TRAINER.values() for one in of_name)),
    ],
    ids=lambda constraint: constraint.text[:30],
)
def test_constraints_never_raise(constraint: Constraint, value: Any) -> None:
    for given in (value, [value], (value,)):
        assert constraint.holds(given) in (True, False)
        assert isinstance(constraint.hint(given), str)


@pytest.mark.parametrize(
    "value, is_number, is_whole",
    [
        (10**300, True, False),
        (10**400, False, False),
        (2**63 - 1, True, True),
        (2**63, True, False),
        (-(2**63), True, False),
        (Fraction(1, 3), True, False),
        (Fraction(10**400), False, False),
        (np.uint64(2**64 - 1), True, False),
        (np.int64(-5), True, True),
        (Decimal(1), False, False),
        (1j, False, False),
    ],
    ids=str,
)
def test_what_is_a_number_and_what_is_whole(value: Any, is_number: bool, is_whole: bool) -> None:
    assert NUMBER.holds(value) is is_number
    assert WHOLE.holds(value) is is_whole


def test_bounds_compare_exactly_beyond_floats() -> None:
    assert at_least(0).holds(10**400)
    assert not at_most(1).holds(10**400)
    assert not above(0).holds(Fraction(-1, 10**400))
    assert above(0).holds(Fraction(1, 10**400))


@pytest.mark.parametrize(
    "value, said",
    [
        (10**400, f"an int of about 400 digits; ints end at {2**63 - 1}"),
        (-(10**5000), f"an int of about 5000 digits; ints end at {2**63 - 1}"),
        (1.5, "1.5"),
    ],
    ids=text.given,
)
def test_messages_of_huge_numbers(value: Any, said: str) -> None:
    with pytest.raises(InvalidParameterError) as caught:
        check("Y", "x", value, (WHOLE,))
    assert str(caught.value) == f"`x` of Y must be an int, got {said}"


def test_a_number_beyond_floats_is_told_to_be() -> None:
    with pytest.raises(InvalidParameterError, match=r"`l2` of Trainer .* 400 digits; floats end at 1.8e308$"):
        makers.trainer(l2=10**400).fit(X, Y)
    with pytest.raises(InvalidParameterError, match=r"`l2` of Trainer .* a Fraction; floats end at 1.8e308$"):
        makers.trainer(l2=Fraction(10**5000)).fit(X, Y)


@pytest.mark.parametrize(
    "parameters, said",
    [
        ({"hidden": 50}, "got 50; a single one is (50,)"),
        ({"metrics": "f1"}, "got 'f1'; a single one is ('f1',)"),
        ({"hidden": -1}, "got -1"),
        ({"hidden": (10**400,)}, f"got (an int of about 400 digits,); ints end at {2**63 - 1}"),
    ],
)
def test_a_value_alone_where_several_are_wanted(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidParameterError) as caught:
        makers.trainer(**parameters).fit(X, Y)
    assert str(caught.value).endswith(said)


class Broken:
    """An object that cannot be shown."""

    def __repr__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "value, said",
    [
        (10**5000, "an int of about 5000 digits"),
        ([10**5000, 1], "[an int of about 5000 digits, 1]"),
        (Broken(), "a Broken"),
        ({"a": Broken()}, "{'a': a Broken}"),
        (np.zeros((2, 2)), "array([[0., 0... [0., 0.]])"),
        ("x" * 100, "'xxxxxxxxxxxx...xxxxxxxxxxxxx'"),
        (2**100, "1267650600228229401496703205376"),
        (object(), "<object object>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_was_given_in_one_short_line(value: Any, said: str) -> None:
    assert text.given(value) == said


HUGE = 10**400
MAKERS = {
    "EarlyStopping": lambda: gs.EarlyStopping(patience=HUGE),
    "EarlyStopping.min_delta": lambda: gs.EarlyStopping(min_delta=HUGE),
    "Cosine": lambda: gs.schedules.Cosine(1.0, period=HUGE),
    "Constant": lambda: gs.schedules.Constant(HUGE),
    "Constant of None": lambda: gs.schedules.Constant(None),
    "StepDecay": lambda: gs.schedules.StepDecay("a"),
    "CyclicTriangular": lambda: gs.schedules.CyclicTriangular(None, 1, 2),
    "CyclicTriangular.high": lambda: gs.schedules.CyclicTriangular(0, "a", 2),
    "CyclicTriangular.step_size": lambda: gs.schedules.CyclicTriangular(0, 1, None),
    "Cosine.low": lambda: gs.schedules.Cosine(1, low="a"),
    "OneCycle.tail": lambda: gs.schedules.OneCycle(1, tail=None),
    "ReduceOnPlateau.min_rate": lambda: gs.schedules.ReduceOnPlateau(1, min_rate="a"),
    "Piecewise": lambda: gs.schedules.Piecewise((HUGE,), (1, 2)),
    "Recorded": lambda: gs.schedules.Recorded((HUGE,)),
    "PerEpoch": lambda: gs.schedules.PerEpoch(0.1),
    "Translate": lambda: Translate(HUGE),
    "Translate.image_shape": lambda: Translate(1, image_shape=(HUGE, HUGE)),
    "IntUniform": lambda: gs.IntUniform(0, HUGE),
    "IntUniform.low": lambda: gs.IntUniform("a", 3),
    "Uniform": lambda: gs.Uniform(0, HUGE),
    "Uniform of all floats": lambda: gs.Uniform(-1.7e308, 1.7e308),
    "LogUniform": lambda: gs.LogUniform(1, Fraction(HUGE)),
    "SuccessiveHalving": lambda: gs.SuccessiveHalving(HUGE),
    "SuccessiveHalving.min_epochs": lambda: gs.SuccessiveHalving(min_epochs=HUGE),
    "He": lambda: gs.He(seed=HUGE),
    "Normal": lambda: gs.Normal(HUGE),
    "Adam": lambda: gs.optimizers.Adam(beta1=HUGE),
    "LeakyRelu": lambda: gs.activations.LeakyRelu(HUGE),
    "Softmax": lambda: gs.losses.Softmax(label_smoothing=HUGE),
    "Sweep": lambda: gs.Sweep(gs.Trainer(), {"l2": gs.Uniform(0, 1)}, n_trials=HUGE).fit(X, Y),
    "Sweep.validation_share": lambda: gs.Sweep(gs.Trainer(), {"l2": [1]}, validation_share=HUGE).fit(X, Y),
    "Sweep.max_memory": lambda: gs.Sweep(gs.Trainer(), {"l2": [1]}, max_memory=HUGE).fit(X, Y),
    "FusedSearchCV": lambda: gs.FusedSearchCV(gs.Trainer(), {"l2": [1]}, error_score=HUGE).fit(X, Y),
    "FusedSearchCV.cv": lambda: gs.FusedSearchCV(gs.Trainer(), {"l2": [1]}, cv=HUGE).fit(X, Y),
    "VotingEnsemble": lambda: gs.VotingEnsemble([], weights=[HUGE]).fit(X, Y),
    "gradient_check.step": lambda: gs.gradient_check(gs.Trainer(), X, Y, step=HUGE),
    "gradient_check.random_state": lambda: gs.gradient_check(gs.Trainer(), X, Y, random_state=HUGE),
    "range test": lambda: gs.learning_rate_range_test(gs.Trainer(), X, Y, high=HUGE),
    "range test.epochs": lambda: gs.learning_rate_range_test(gs.Trainer(), X, Y, epochs=HUGE),
    "repeat": lambda: gs.repeat(gs.Trainer(), X, Y, seeds=HUGE),
    "repeat of a seed": lambda: gs.repeat(gs.Trainer(), X, Y, seeds=[HUGE]),
    "coarse_to_fine": lambda: gs.coarse_to_fine(
        gs.Trainer(), {"l2": gs.Uniform(0, 1)}, X, Y, rounds=[(HUGE, 1.0)]
    ),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_no_value_leaks_an_error_of_another_kind(make: Any) -> None:
    with pytest.raises(InvalidParameterError, match=r"must be |must have |must "):
        make()


@pytest.mark.parametrize(
    "value", [HUGE, -HUGE, 10**5000, Fraction(HUGE), Decimal("1e400"), 1j, np.array(1)], ids=text.given
)
@pytest.mark.parametrize("table, kind, y", [(TRAINER, gs.Trainer, Y), (REGRESSOR, gs.Regressor, X[:, 0])])
def test_every_parameter_refuses_odd_numbers_by_its_name(table: Any, kind: Any, y: Any, value: Any) -> None:
    for name in table:
        for given in (value, (value,)):
            with pytest.raises(InvalidParameterError, match=f"`{name}` of {kind.__name__} must be "):
                kind(**{name: given}).fit(X, y)


def test_networks_that_no_memory_holds_are_refused_by_the_name_of_hidden() -> None:
    for hidden in [(2**62,), (2**40,), (2**31, 2**31)]:
        with pytest.raises(MemoryError, match=r"`hidden` of Trainer makes .* parameters"):
            makers.trainer(hidden=hidden).fit(X, Y)
