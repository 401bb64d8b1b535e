"""What dropout promises of every backend: expectations, bits, and which numbers it lets through."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cases import DROPPING, Case, case_id, everything, train, trained
from gradstep.backends import Backend
from gradstep.plan.dropout import Dropout


def test_gradients_are_those_without_dropout_on_average(backend: Backend) -> None:
    # Of the last layer, whose weights are 0: gradients of scores say nothing of what was dropped.
    case = Case("mean", n=6, d=4, hidden=(5,), batch_size=6, epochs=3000, rate=1e-9, l2=(0.0,), shuffle=False)
    data, state, plan = case.data(), case.state("float64"), case.plan()
    last = case.layers.weights(state.parameters, 1)
    last[...] = case.layers.biases(state.parameters, 1)[...] = 0
    _, gradient = backend.loss_and_gradient(case.objective, data, state.parameters)
    expected = case.layers.weights(gradient, 1)[0]
    W, b = case.layers.weights(state.parameters, 0)[0], case.layers.biases(state.parameters, 0)[0]
    rows = (data.X - data.standardization.mean) / data.standardization.scale
    A = np.maximum(rows @ W + b, 0)
    dS = (1 / case.k - (np.arange(case.k) == data.targets[:, None])) / case.n
    share = 0.3
    train(backend, replace(plan, dropout=Dropout(4, np.array([[0.0, share]]))), data, state, 0, case.updates)
    mean = -last[0] / plan.learning_rate.sum()
    sigma = np.sqrt(share / (1 - share) * (A**2).T @ dS**2 / case.updates)
    assert (np.abs(mean - expected) < 5 * sigma + 1e-6).all()
    assert np.abs(mean - expected).max() > 1e-6


@pytest.mark.parametrize("case", DROPPING, ids=case_id)
def test_only_updates_drop_units(backend: Backend, case: Case, precision: str) -> None:
    dropping = everything(backend, case, precision, 1)
    plain = everything(backend, replace(case, dropout=0.0, input_dropout=0.0), precision, 1)
    assert (dropping[0] != plain[0]).any()
    # Scores, evaluations and gradients of first parameters.
    for found, expected in zip(dropping[2:5], plain[2:5], strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("case", [case for case in DROPPING if case.dropout], ids=case_id)
def test_models_that_drop_nothing_do_not_notice_those_that_do(
    backend: Backend, case: Case, precision: str
) -> None:
    plan, data = case.plan(), case.data(precision=precision)
    assert plan.dropout is not None
    shares = plan.dropout.shares.copy()
    shares[:, 0] = shares[1] = 0
    state = case.state(precision)
    train(backend, replace(plan, dropout=Dropout(9, shares)), data, state, 0, case.updates)
    plain = trained(backend, replace(case, dropout=0.0, input_dropout=0.0), precision).parameters
    np.testing.assert_array_equal(state.parameters[1], plain[1])
    assert (state.parameters[[0, 2]] != plain[[0, 2]]).any(axis=1).all()


def test_a_run_in_pieces_drops_what_a_whole_one_does(backend: Backend, precision: str) -> None:
    for case in DROPPING[-4:]:
        data, plan, whole = case.data(precision=precision), case.plan(), trained(backend, case, precision)
        state = case.state(precision)
        for t0, t1 in ((0, 1), (1, 3), (3, case.updates)):
            train(backend, plan, data, state, t0, t1)
        np.testing.assert_array_equal(state.parameters, whole.parameters)


def test_a_model_that_diverged_leaves_the_inputs_of_the_others(backend: Backend, precision: str) -> None:
    # It is the first one, for which rows are read.
    case = replace(DROPPING[-3], l2=(0.01,) * 3)
    data, plan = case.data(precision=precision), case.plan()
    alone = case.state(precision).select([1])
    train(backend, plan.select([1]), data, alone, 0, case.updates)
    state = case.state(precision)
    state.finite[0] = False
    train(backend, plan, data, state, 0, case.updates)
    np.testing.assert_array_equal(state.parameters[1], alone.parameters[0])
    np.testing.assert_array_equal(state.parameters[0], case.state(precision).parameters[0])
