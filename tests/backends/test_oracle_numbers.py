"""Every backend against the oracle, on problems small enough to read."""

from __future__ import annotations

from dataclasses import replace
from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from cases import Case, batches_of, block_of, data_of, network_of, relative_error, train
from gradstep.backends import Backend
from gradstep.plan.plan import LOSSES, State

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
)
small = pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)


def test_the_oracle_knows_the_numbers_worked_out_by_hand() -> None:
    network: oracle.Network = [([[1.0, -1.0]], [0.0, 1.0]), ([[2.0, 0.0], [0.0, 1.0]], [0.0, 0.5])]
    # x = 3: hidden (3, -2) becomes (3, 0), scores (6, 0.5).
    assert oracle.outputs(network, [3.0]) == [[3.0], [3.0, 0.0], [6.0, 0.5]]
    value = oracle.cost(network, [[3.0]], [1], [1.0], l2=0.1)
    assert value == pytest.approx(log(1 + exp(-5.5)) + 5.5 + 0.1 * (1 + 1 + 4 + 1), abs=1e-15)
    p = 1 / (1 + exp(-5.5))
    (dW1, db1), (dW2, db2) = oracle.gradient(network, [[3.0]], [1], [1.0], l2=0.0)
    assert db2 == pytest.approx([p, -p], abs=1e-15)
    assert dW2 == [pytest.approx([3 * p, -3 * p], abs=1e-15), [0, 0]]
    assert db1 == pytest.approx([2 * p, 0], abs=1e-15)
    assert dW1 == [pytest.approx([6 * p, 0], abs=1e-15)]


@small
@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_the_oracles_gradient_is_the_slope_of_its_cost(case: Case, l2: float) -> None:
    layers, problem = case.layers, case.problem()
    data = data_of(problem, 0)
    block = case.parameters("float64")[0]
    gradient = block_of(oracle.gradient(network_of(layers, block), *data, l2, case.loss))
    for place in range(0, layers.parameters, 1 + layers.parameters // 40):
        ahead, behind = block.copy(), block.copy()
        ahead[place] += 1e-5
        behind[place] -= 1e-5
        costs = [oracle.cost(network_of(layers, moved), *data, l2, case.loss) for moved in (ahead, behind)]
        assert (costs[0] - costs[1]) / 2e-5 == pytest.approx(gradient[place], rel=1e-7, abs=1e-9)


@small
def test_scores(backend: Backend, case: Case) -> None:
    problem, plan, block = case.problem(), case.plan(), case.parameters("float64")
    X, _, _ = data_of(problem, 0)
    scores = backend.scores(plan.objective, problem, block)
    for model, parameters in enumerate(block):
        expected = [oracle.outputs(network_of(case.layers, parameters), x)[-1] for x in X]
        np.testing.assert_allclose(scores[model], expected, rtol=1e-12, atol=1e-13)


@small
def test_evaluate(backend: Backend, case: Case) -> None:
    problem, plan, block = case.problem(), case.plan(), case.parameters("float64")
    figures = backend.evaluate(plan.objective, problem, block)
    for model, parameters in enumerate(block):
        network, data = network_of(case.layers, parameters), data_of(problem, model)
        assert figures.loss[model] == pytest.approx(oracle.loss(network, *data, case.loss), rel=1e-12)
        assert figures.cost[model] == pytest.approx(
            oracle.cost(network, *data, case.l2[model], case.loss), rel=1e-12
        )
        assert figures.accuracy[model] == pytest.approx(oracle.accuracy(network, *data), rel=1e-12)


@small
def test_loss_and_gradient(backend: Backend, case: Case) -> None:
    problem, plan, block = case.problem(), case.plan(), case.parameters("float64")
    figures, gradient = backend.loss_and_gradient(plan.objective, problem, block)
    expected = np.empty_like(block)
    for model, parameters in enumerate(block):
        network, data = network_of(case.layers, parameters), data_of(problem, model)
        expected[model] = block_of(oracle.gradient(network, *data, case.l2[model], case.loss))
        assert figures.loss[model] == pytest.approx(oracle.loss(network, *data, case.loss), rel=1e-12)
        assert figures.cost[model] == pytest.approx(
            oracle.cost(network, *data, case.l2[model], case.loss), rel=1e-12
        )
        assert figures.accuracy[model] == pytest.approx(oracle.accuracy(network, *data), rel=1e-12)
    assert relative_error(case.layers, gradient, expected) < 1e-11


@small
def test_train(backend: Backend, case: Case) -> None:
    problem, plan = case.problem(), case.plan()
    state = State.start(case.parameters("float64"))
    expected = np.empty_like(state.parameters)
    for model, parameters in enumerate(state.parameters):
        network = network_of(case.layers, parameters)
        batches = batches_of(plan, model)
        trained = oracle.sgd(network, *data_of(problem, model), case.l2[model], batches, case.loss)
        expected[model] = block_of(trained)
    train(backend, plan, problem, state, 0, case.updates)
    assert relative_error(case.layers, state.parameters, expected) < 1e-10
    assert state.updates.tolist() == [case.updates] * len(case.l2)
    assert state.finite.all()


@pytest.mark.parametrize("size", [1e2, 1e4, 1e100])
@pytest.mark.parametrize("loss", LOSSES)
def test_large_scores_neither_overflow_nor_lose_the_loss(backend: Backend, size: float, loss: str) -> None:
    case = replace(SMALL[0], loss=loss)
    problem, plan = case.problem(), case.plan()
    block = size * case.parameters("float64")
    figures, gradient = backend.loss_and_gradient(plan.objective, problem, block)
    assert np.isfinite(gradient).all()
    for model, parameters in enumerate(block):
        expected = oracle.loss(network_of(case.layers, parameters), *data_of(problem, model), case.loss)
        assert figures.loss[model] == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize(("loss", "value"), [("softmax", log(5)), ("sigmoid", log(2))])
def test_equal_scores_count_as_the_first_class(
    backend: Backend, precision: str, loss: str, value: float
) -> None:
    case = Case("equal", n=40, k=5, loss=loss)
    problem, plan = case.problem(), case.plan()
    block = np.zeros_like(case.parameters(precision))
    figures = backend.evaluate(plan.objective, problem, block)
    np.testing.assert_allclose(figures.accuracy, np.mean(problem.y == 0), rtol=1e-12)
    np.testing.assert_allclose(figures.loss, value, rtol=1e-6)


@settings(max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    k=st.integers(2, 5),
    n=st.integers(1, 6),
    l2=st.sampled_from([0.0, 0.5]),
    loss=st.sampled_from(LOSSES),
    seed=st.integers(0, 2**32),
)
def test_gradient_of_any_shape(
    backend: Backend, sizes: list[int], k: int, n: int, l2: float, loss: str, seed: int
) -> None:
    case = Case("any", n=n, d=sizes[0], k=k, hidden=tuple(sizes[1:]), l2=(l2,), loss=loss)
    problem, block = case.problem(seed), case.parameters("float64", seed)
    _, gradient = backend.loss_and_gradient(case.plan().objective, problem, block)
    expected = block_of(oracle.gradient(network_of(case.layers, block[0]), *data_of(problem, 0), l2, loss))
    np.testing.assert_allclose(gradient[0], expected, rtol=1e-10, atol=1e-12)
