"""Gradients are clipped by value and by norm; the backends' tests hold what they compute to the oracle."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import inf, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradstep as gs
import oracle
from cases import Case, relative_error, train, trained
from gradstep.backends import Backend
from gradstep.errors import InvalidParameterError
from gradstep.plan.plan import State
from makers import regressor, trainer
from members import OPTIMIZERS, concept_id

PLAIN = Case("plain", n=23, d=9, hidden=(7,), epochs=4, l2=(0.0, 0.05))


def with_limits(case: Case, value: Any = inf, norm: Any = inf) -> Any:
    """Return the plan of a case whose gradients are clipped, by limits for all models or for each."""
    return replace(
        case.plan(), limits=np.array([np.broadcast_to(value, case.m), np.broadcast_to(norm, case.m)])
    )


def digits() -> tuple[Any, Any]:
    train = gs.datasets.load_digits().train
    return train.X[:300], train.y[:300]


def outcome(backend: Backend, case: Case, plan: Any, precision: str = "float64") -> State:
    state = case.state(precision)
    train(backend, plan, case.data(precision=precision), state, 0, case.updates)
    return state


@given(
    numbers=st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3),
    value=st.floats(1e-3, 1e6),
    norm=st.floats(1e-3, 1e6),
)
def test_the_oracle_keeps_to_both_limits(numbers: list[float], value: float, norm: float) -> None:
    ((((a, b),), (c,)),) = oracle.clipped([([numbers[:2]], numbers[2:])], value, norm)
    assert max(map(abs, (a, b, c))) <= value
    assert sqrt(a * a + b * b + c * c) <= norm * (1 + 1e-12)
    by_value = [max(-value, min(value, number)) for number in numbers]
    if sqrt(sum(number * number for number in by_value)) <= norm:
        assert [a, b, c] == by_value


def test_the_oracle_knows_the_numbers_worked_out_by_hand() -> None:
    assert oracle.clipped([([[3.0]], [-4.0])], inf, 10.0) == [([[3.0]], [-4.0])]
    assert oracle.clipped([([[3.0]], [-4.0])], inf, 1.0) == [([[0.6]], [-0.8])]
    assert oracle.clipped([([[3.0]], [-4.0])], 2.0, inf) == [([[2.0]], [-2.0])]
    # First each element, then all of them.
    assert oracle.clipped([([[3.0]], [-4.0])], 3.0, sqrt(4.5)) == [([[1.5]], [-1.5])]


# One step of descent from weights w is w - rate * g: from two of them g is known, as long as it may be.
def test_a_step_is_no_longer_than_its_limit(backend: Backend, precision: str) -> None:
    case = replace(PLAIN, epochs=1, batch_size=100)
    before, rates = case.parameters(precision), case.plan().learning_rate[:, 0]
    for limits, length in [({"norm": 1e-2}, lambda g: np.sqrt((g**2).sum(axis=1))),
                           ({"value": 1e-3}, lambda g: np.abs(g).max(axis=1))]:  # fmt: skip
        after = outcome(backend, case, with_limits(case, **limits), precision).parameters
        gradient = (before - after).astype(np.float64) / rates[:, None]
        rounding = 1e-12 if precision == "float64" else 2e-2
        np.testing.assert_allclose(length(gradient), *limits.values(), rtol=rounding)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=concept_id)
def test_a_limit_that_is_never_reached_changes_no_bit(backend: Backend, optimizer: Any) -> None:
    case = replace(PLAIN, optimizer=optimizer, rate=0.02)
    without, beyond = (
        outcome(backend, case, with_limits(case, *limits)) for limits in [(inf, inf), (1e300, 1e9)]
    )
    np.testing.assert_array_equal(beyond.parameters, without.parameters)
    np.testing.assert_array_equal(beyond.slots, without.slots)
    # Steps of their own are rounded otherwise than those within a product, but by no more.
    assert (
        relative_error(case.layers, without.parameters, trained(backend, case, "float64").parameters) < 1e-10
    )


def test_a_model_without_a_limit_is_itself_beside_one_with(backend: Backend, precision: str) -> None:
    case = PLAIN
    both, none, one = (
        outcome(backend, case, with_limits(case, *limits), precision).parameters
        for limits in [((inf, 0.01), (inf, 0.1)), (inf, inf), (0.01, 0.1)]
    )
    np.testing.assert_array_equal(both[0], none[0])
    np.testing.assert_array_equal(both[1], one[1])
    assert (both[1] != none[1]).any()


# In float32 squares of 1e25 would be infinite, and those of 1e-25 nothing.
def test_large_gradients_are_clipped(backend: Backend, precision: str) -> None:
    case = replace(PLAIN, hidden=(), l2=(0.5,), epochs=1, batch_size=100)
    state = State.start(case.parameters(precision) * np.array(1e25, dtype=precision))
    before = state.parameters.astype(np.float64)
    train(backend, with_limits(case, norm=1e24), case.data(precision=precision), state, 0, 1)
    gradient = (before - state.parameters) / case.plan().learning_rate[0, 0]
    assert np.sqrt((gradient**2).sum()) == pytest.approx(1e24, rel=1e-4)


def test_small_gradients_are_clipped(backend: Backend, precision: str) -> None:
    case = replace(PLAIN, hidden=(), loss="squared", l2=(0.0,), epochs=1, batch_size=100)
    data = case.data(precision=precision)
    data = replace(data, targets=(data.targets * 1e-25).astype(precision))
    state = State.start(np.zeros_like(case.parameters(precision)))
    train(backend, with_limits(case, norm=1e-28), data, state, 0, 1)
    gradient = state.parameters.astype(np.float64) / case.plan().learning_rate[0, 0]
    assert np.sqrt((gradient**2).sum()) == pytest.approx(1e-28, rel=1e-5)


def test_what_is_no_number_is_not_hidden(backend: Backend, precision: str) -> None:
    case = replace(PLAIN, l2=(0.1,))
    state = case.state(precision)
    largest = np.finfo(precision).max
    state.parameters[0, 0] = largest  # of which l2 makes a gradient, and none of the rows has it
    data = case.data(precision=precision)
    data = replace(data, X=np.where(np.arange(case.d) == 0, data.standardization.mean[0], data.X))
    train(backend, with_limits(case, value=0.5), data, state, 0, case.updates)
    assert state.finite.all()
    assert np.isfinite(state.parameters).all()
    state = case.state(precision)
    state.parameters[0, -1] = np.nan
    train(backend, with_limits(case, value=0.5), data, state, 0, case.updates)
    assert not state.finite.any()


def test_trainer_and_regressor_clip(backend: Backend) -> None:
    X, y = digits()
    for make, target in ((trainer, y), (regressor, X[:, :2])):
        plain, norm, value = (
            make(**own, epochs=2).fit(X, target).coefs_[0]
            for own in ({}, {"clip_norm": 0.05}, {"clip_value": 0.002})
        )
        for one, other in combinations((plain, norm, value), 2):
            assert (one != other).any()


def test_groups_clip_or_do_not() -> None:
    def shared(**parameters: Any) -> Any:
        return trainer(**parameters).settings().shared(50)

    assert shared(clip_norm=1.0) == shared(clip_norm=2) == shared(clip_value=0.5)
    assert shared(clip_norm=1.0) != shared()


def test_limits_can_be_searched() -> None:
    X, y = digits()
    space = {"clip_norm": [None, 0.05, 0.2], "clip_value": [None, 0.01]}
    sweep = gs.Sweep(trainer(epochs=2), space, validation_share=None, metric="train_loss", keep_trainers=True)
    sweep.fit(X, y)
    assert len(sweep.trainers_) == 6
    for found in sweep.trainers_:
        parameters = {name: found.get_params()[name] for name in space}
        alone = trainer(epochs=2, **parameters).fit(X, y)
        np.testing.assert_array_equal(found.coefs_[0], alone.coefs_[0])


@pytest.mark.parametrize("name", ["clip_norm", "clip_value"])
@pytest.mark.parametrize("wrong", [0, -1.0, inf, "1", True])
def test_limits_that_are_none(name: str, wrong: object) -> None:
    with pytest.raises(InvalidParameterError, match=f"`{name}` of Trainer must be"):
        trainer(**{name: wrong}).settings()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("global_clipnorm", "clip_norm"),
        ("max_grad_norm", "clip_norm"),
        ("gradient_clip_val", "clip_norm"),
        ("clipvalue", "clip_value"),
    ],
)
def test_the_names_of_others(said: str, meant: str) -> None:
    with pytest.raises(InvalidParameterError, match=rf"did you mean {meant}\?"):
        gs.Trainer(**{said: 1.0})


@pytest.mark.parametrize("parameters", [{"clip_norm": 1.0}, {"clip_value": 1.0}, {"average": "ema"}], ids=str)
def test_a_line_search_has_no_use_for_them(parameters: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameterError, match=r"of Trainer must be None for LBFGS, whose"):
        gs.Trainer(optimizer="lbfgs", **parameters).settings()
