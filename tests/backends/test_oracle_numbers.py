"""Every backend against the oracle, on trainings small enough to read."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from math import exp, log

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from cases import Case, case_id, relative_error, train
from gradstep.backends import Backend, Evaluation
from gradstep.nn.activations import Activation
from gradstep.nn.losses import Loss
from members import ACTIVATIONS, AVERAGES, LOSSES, OPTIMIZERS, concept_id
from oracle_forms import (
    average_of,
    batches_of,
    block_of,
    data_of,
    dropped_of,
    limits_of,
    network_of,
    objective_of,
    optimizer_of,
)

_HIDDEN = Case("hidden", n=6, d=4, k=3, hidden=(5,), batch_size=4, epochs=2)
_DEEP = Case("deep", n=5, d=3, k=2, hidden=(4, 3), batch_size=2, epochs=2)
_COUNTS = replace(_HIDDEN, loss="poisson", weighted=True, rate=0.01)
_SLOW = replace(_DEEP, rate=0.02, epochs=3)

SMALL = (
    Case("softmax", n=6, d=4, k=3, batch_size=3, epochs=2),
    Case("one-hidden", n=6, d=4, k=3, hidden=(5,), batch_size=4, epochs=2),
    Case("two-hidden", n=5, d=3, k=2, hidden=(4, 3), batch_size=2, epochs=2),
    Case("three-hidden", n=7, d=2, k=4, hidden=(3, 5, 2), batch_size=3, epochs=2),
    Case("weighted", n=7, d=3, k=3, hidden=(4,), batch_size=3, epochs=2, weighted=True),
    Case("weighted-apart", n=7, d=3, k=3, hidden=(4,), batch_size=3, epochs=2, weighted_apart=True),
    Case("weighted-apart-sigmoid", n=7, d=3, k=3, batch_size=2, weighted_apart=True, loss="sigmoid"),
    Case("one-of-all", n=1, d=1, k=2, hidden=(1,), batch_size=1, epochs=2),
    Case("uint8", n=6, d=4, k=3, hidden=(3,), batch_size=4, epochs=2, dtype="uint8", row_gap=2),
    Case("wider-than-a-vector", n=4, d=35, k=17, hidden=(19,), batch_size=3, epochs=1),
    Case("sigmoid", n=6, d=4, k=3, batch_size=3, epochs=2, loss="sigmoid"),
    Case("sigmoid-two-classes", n=5, d=3, k=2, hidden=(4, 3), batch_size=2, epochs=2, loss="sigmoid"),
    Case("sigmoid-weighted", n=7, d=3, k=17, hidden=(4,), batch_size=3, weighted=True, loss="sigmoid"),
    *(replace(_HIDDEN, name=f"{loss!r}", loss=loss) for loss in LOSSES),
    *(replace(_HIDDEN, name=f"{loss!r}-one-row", loss=loss, n=1, dtype="uint8") for loss in LOSSES),
    *(replace(_DEEP, name=f"{loss!r}-apart", loss=loss, apart=True, weighted_apart=True) for loss in LOSSES),
    *(replace(_DEEP, name=f"{each!r}-apart", activation=each, apart=True) for each in ACTIVATIONS),
    *(replace(_COUNTS, name=f"{each!r}-counts", activation=each) for each in ACTIVATIONS),
    *(replace(_SLOW, name=f"{each!r}", optimizer=each, weighted=True) for each in OPTIMIZERS),
    *(replace(_SLOW, name=f"{each!r}-apart", optimizer=each, hidden=(3,), apart=True) for each in OPTIMIZERS),
    *(
        replace(_DEEP, name=f"{each!r}-dropout", activation=each, dropout=0.4, apart=True)
        for each in ACTIVATIONS
    ),
    *(
        replace(_HIDDEN, name=f"{loss!r}-dropout", loss=loss, dropout=0.3, input_dropout=0.2)
        for loss in LOSSES
    ),
    *(replace(_SLOW, name=f"{each!r}-dropout", optimizer=each, dropout=0.5) for each in OPTIMIZERS),
    Case("dropout-uint8", n=6, d=32, batch_size=4, epochs=2, dtype="uint8", input_dropout=0.5),
    Case("dropout-uint8-alone", n=6, d=32, batch_size=4, dtype="uint8", input_dropout=0.5, l2=(0.1,)),
    Case("dropout-above-the-rows", n=6, d=3, hidden=(19,), batch_size=9, epochs=2, dropout=0.9),
    *(replace(_SLOW, name=f"{each!r}-clipped", optimizer=each, clips=True) for each in OPTIMIZERS),
    *(replace(_DEEP, name=f"{each!r}", average=each, epochs=4, apart=True) for each in AVERAGES),
    *(replace(_HIDDEN, name=f"{each!r}-clipped", average=each, hidden=(), clips=True) for each in AVERAGES),
    Case(
        "mixed",
        n=5,
        d=3,
        k=2,
        hidden=(3,) * len(ACTIVATIONS),
        activation=ACTIVATIONS,
        loss="squared",
        optimizer="adamw",
        rate=0.02,
        batch_size=2,
        epochs=2,
        apart=True,
    ),
)
small = pytest.mark.parametrize("case", SMALL, ids=case_id)


def assert_evaluated(evaluation: Evaluation, case: Case) -> None:
    """Hold loss, cost and hits of every model to the oracle's."""
    data, block = case.data(), case.parameters("float64")
    for model, parameters in enumerate(block):
        known = network_of(case.layers, parameters), data_of(data, model), objective_of(case.objective, model)
        assert evaluation.loss[model] == pytest.approx(oracle.loss(*known), rel=1e-12)
        assert evaluation.cost[model] == pytest.approx(oracle.cost(*known), rel=1e-12)
        assert evaluation.hits[model] == pytest.approx(oracle.hits(*known), rel=1e-12)


def test_the_oracle_knows_the_numbers_worked_out_by_hand() -> None:
    network: oracle.Network = [([[1.0, -1.0]], [0.0, 1.0]), ([[2.0, 0.0], [0.0, 1.0]], [0.0, 0.5])]
    # x = 3: hidden (3, -2) becomes (3, 0), scores (6, 0.5).
    relu = oracle.ACTIVATIONS["relu"]()
    assert oracle.outputs(network, [3.0], [relu]) == [[3.0], [3.0, 0.0], [6.0, 0.5]]
    data = oracle.Data([[3.0]], [1], [1.0])
    objective = oracle.Objective(oracle.LOSSES["softmax"](), [relu], 0.1)
    value = oracle.cost(network, data, objective)
    assert value == pytest.approx(log(1 + exp(-5.5)) + 5.5 + 0.1 * (1 + 1 + 4 + 1), abs=1e-15)
    p = 1 / (1 + exp(-5.5))
    (dW1, db1), (dW2, db2) = oracle.gradient(network, data, objective._replace(l2=0.0))
    assert db2 == pytest.approx([p, -p], abs=1e-15)
    assert dW2 == [pytest.approx([3 * p, -3 * p], abs=1e-15), [0, 0]]
    assert db1 == pytest.approx([2 * p, 0], abs=1e-15)
    assert dW1 == [pytest.approx([6 * p, 0], abs=1e-15)]


def test_the_oracle_knows_the_losses_worked_out_by_hand() -> None:
    make = oracle.LOSSES
    assert make["squared"]().loss([1.0, -2.0], [0.0, 1.0]) == pytest.approx((1 + 9) / 4, abs=1e-15)
    assert make["poisson"]().loss([0.0, 1.0], [2.0, 0.0]) == pytest.approx((2 * log(2) - 1 + exp(1)) / 2)
    p = 1 / (1 + exp(-1))
    assert make["multilabel"]().loss([1.0, 1.0], [1.0, 0.0]) == pytest.approx(-(log(p) + log(1 - p)) / 2)
    assert make["sigmoid"]().loss([1.0, 1.0], 0) == pytest.approx(-(log(p) + log(1 - p)) / 2)
    smoothed = make["softmax"](label_smoothing=0.5)
    assert smoothed.loss([1.0, 0.0], 1) == pytest.approx(-0.25 * log(p) - 0.75 * log(1 - p), abs=1e-15)
    assert smoothed.gradient([1.0, 0.0], 1) == pytest.approx([p - 0.25, 1 - p - 0.75], abs=1e-15)


def test_the_oracle_knows_the_optimizers_worked_out_by_hand() -> None:
    make = oracle.OPTIMIZERS
    step = make["sgd"](momentum=0.5, nesterov=False)
    assert [step(1.0, 2.0, 0.1, True) for _ in range(2)] == pytest.approx([0.8, 0.7])
    step = make["sgd"](momentum=0.5, nesterov=True)
    assert [step(1.0, 2.0, 0.1, True) for _ in range(2)] == pytest.approx([0.7, 0.65])
    step = make["sgd"](momentum=0.5, nesterov=False, rate_in_velocity=True)
    assert [step(1.0, 2.0, rate, True) for rate in (0.1, 0.0)] == pytest.approx([0.8, 0.9])
    step = make["sgd"](momentum=0.5, nesterov=True, rate_in_velocity=True)
    assert [step(1.0, 2.0, rate, True) for rate in (0.1, 0.0)] == pytest.approx([0.7, 0.95])
    # The first step of Adam is the rate, whatever the slope.
    step = make["adam"](beta1=0.9, beta2=0.999, epsilon=0.0)
    assert [step(1.0, -7.0, 0.1, True) for _ in range(3)] == pytest.approx([1.1] * 3)
    step = make["adam"](beta1=0.9, beta2=0.75, epsilon=1.0, epsilon_hat=True)
    assert step(1.0, 2.0, 0.1, True) == pytest.approx(1 - 0.1 * 0.5 / 0.1 * 0.2 / 2)
    step = make["adamw"](beta1=0.9, beta2=0.999, epsilon=0.0, weight_decay=0.5)
    assert [step(1.0, 7.0, 0.1, is_weight) for is_weight in (True, False)] == pytest.approx([0.85, 0.9])
    step = make["rmsprop"](decay=0.75, epsilon=0.0)
    assert step(1.0, 3.0, 0.1, True) == pytest.approx(1 - 0.1 / 0.5)
    step = make["adagrad"](epsilon=0.0)
    assert [step(1.0, g, 0.1, True) for g in (3.0, 4.0)] == pytest.approx([0.9, 1 - 0.1 * 4 / 5])


@small
def test_the_oracles_gradient_is_the_slope_of_its_cost(case: Case) -> None:
    layers, data = case.layers, data_of(case.data())
    for l2 in (0.0, 0.1):
        objective = objective_of(case.objective)._replace(l2=l2)
        block = case.parameters("float64")[0]
        gradient = block_of(oracle.gradient(network_of(layers, block), data, objective))
        for place in range(0, layers.parameters, 1 + layers.parameters // 40):
            ahead, behind = block.copy(), block.copy()
            ahead[place] += 1e-5
            behind[place] -= 1e-5
            costs = [oracle.cost(network_of(layers, moved), data, objective) for moved in (ahead, behind)]
            assert (costs[0] - costs[1]) / 2e-5 == pytest.approx(gradient[place], rel=1e-7, abs=1e-9)


@small
def test_scores(backend: Backend, case: Case) -> None:
    data, block = case.data(), case.parameters("float64")
    X = data_of(data).X
    scores = backend.scores(case.objective, data, block)
    for model, parameters in enumerate(block):
        activations = objective_of(case.objective, model).activations
        expected = [oracle.outputs(network_of(case.layers, parameters), x, activations)[-1] for x in X]
        np.testing.assert_allclose(scores[model], expected, rtol=1e-12, atol=1e-13)


@small
def test_evaluate(backend: Backend, case: Case) -> None:
    assert_evaluated(backend.evaluate(case.objective, case.data(), case.parameters("float64")), case)


@small
def test_loss_and_gradient(backend: Backend, case: Case) -> None:
    data, block = case.data(), case.parameters("float64")
    evaluation, gradient = backend.loss_and_gradient(case.objective, data, block)
    assert_evaluated(evaluation, case)
    expected = np.empty_like(block)
    for model, parameters in enumerate(block):
        network = network_of(case.layers, parameters)
        objective = objective_of(case.objective, model)
        expected[model] = block_of(oracle.gradient(network, data_of(data, model), objective))
    assert relative_error(case.layers, gradient, expected) < 1e-11


@cache
def trained_by_loops(case: Case) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the parameters and their averages after all updates, found once for all backends."""
    data, plan, block = case.data(), case.plan(), case.parameters("float64")
    expected, averages = np.empty_like(block), np.empty_like(block)
    for model, parameters in enumerate(block):
        networks = oracle.trajectory(
            network_of(case.layers, parameters),
            data_of(data, model),
            objective_of(case.objective, model),
            optimizer_of(plan, model),
            batches_of(plan, model),
            dropped_of(plan, model),
            limits_of(plan, model),
        )
        blocks = [block_of(network).tolist() for network in networks]
        expected[model] = blocks[-1]
        if plan.averages is not None:
            averages[model] = average_of(plan, model)(blocks[1:], plan.updates_per_epoch)
    return expected, averages


@small
def test_train(backend: Backend, case: Case) -> None:
    plan, state = case.plan(), case.state("float64")
    expected, averages = trained_by_loops(case)
    train(backend, plan, case.data(), state, 0, case.updates)
    assert relative_error(case.layers, state.parameters, expected) < 1e-10
    if plan.averages is not None:
        assert relative_error(case.layers, plan.described(state), averages) < 1e-10
    assert state.updates.tolist() == [case.updates] * case.m
    assert state.finite.all()


# The exponential of a score of 1e4 is beyond all numbers: there a Poisson loss is infinite, as in NumPy.
@pytest.mark.parametrize("size", [1e2, 1e4, 1e100])
@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss.takes != "values"], ids=concept_id)
def test_large_scores_neither_overflow_nor_lose_the_loss(backend: Backend, size: float, loss: Loss) -> None:
    case = replace(SMALL[0], loss=loss)
    data, block = case.data(), size * case.parameters("float64")
    evaluation, gradient = backend.loss_and_gradient(case.objective, data, block)
    assert np.isfinite(gradient).all()
    for model, parameters in enumerate(block):
        network = network_of(case.layers, parameters)
        expected = oracle.loss(network, data_of(data, model), objective_of(case.objective, model))
        assert evaluation.loss[model] == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("size", [30.0, 100.0, 1e4])
@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss.takes == "values"], ids=concept_id)
def test_large_scores_for_real_targets(backend: Backend, size: float, loss: Loss) -> None:
    case = replace(SMALL[0], loss=loss)
    data, block = case.data(), size * case.parameters("float64")
    evaluation = backend.evaluate(case.objective, data, block)
    for model, parameters in enumerate(block):
        network = network_of(case.layers, parameters)
        try:
            expected = oracle.loss(network, data_of(data, model), objective_of(case.objective, model))
        except OverflowError:
            assert evaluation.loss[model] == np.inf
        else:
            assert evaluation.loss[model] == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize(("loss", "value"), [("softmax", log(5)), ("sigmoid", log(2))])
def test_equal_scores_count_as_the_first_class(
    backend: Backend, precision: str, loss: str, value: float
) -> None:
    case = Case("equal", n=40, k=5, loss=loss)
    data, block = case.data(), np.zeros_like(case.parameters(precision))
    evaluation = backend.evaluate(case.objective, data, block)
    np.testing.assert_allclose(evaluation.hits, np.mean(data.targets == 0), rtol=1e-12)
    np.testing.assert_allclose(evaluation.loss, value, rtol=1e-6)


def test_a_score_of_0_says_no_to_an_indicator(backend: Backend, precision: str) -> None:
    case = Case("equal", n=40, k=2, loss="multilabel")
    data, block = case.data(precision=precision), np.zeros_like(case.parameters(precision))
    evaluation = backend.evaluate(case.objective, data, block)
    share = np.mean((data.targets == 0).all(axis=1))
    assert 0 < share < 1
    np.testing.assert_allclose(evaluation.hits, share, rtol=1e-12)
    np.testing.assert_allclose(evaluation.loss, log(2), rtol=1e-6)


@settings(max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    k=st.integers(2, 5),
    n=st.integers(1, 6),
    l2=st.sampled_from([0.0, 0.5]),
    loss=st.sampled_from(LOSSES),
    activation=st.sampled_from(ACTIVATIONS),
    seed=st.integers(0, 2**32),
)
def test_gradient_of_any_shape(
    backend: Backend,
    sizes: list[int],
    k: int,
    n: int,
    l2: float,
    loss: Loss,
    activation: Activation,
    seed: int,
) -> None:
    hidden = tuple(sizes[1:])
    case = Case("any", n=n, d=sizes[0], k=k, hidden=hidden, l2=(l2,), loss=loss, activation=activation)
    data, block = case.data(seed), case.parameters("float64", seed)
    _, gradient = backend.loss_and_gradient(case.objective, data, block)
    network = network_of(case.layers, block[0])
    expected = block_of(oracle.gradient(network, data_of(data), objective_of(case.objective)))
    np.testing.assert_allclose(gradient[0], expected, rtol=1e-10, atol=1e-12 * max(1, np.abs(expected).max()))
