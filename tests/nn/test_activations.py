"""Activations by the oracle's formulas, their slopes by differences, in both types."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
from cases import Case
from gradstep.backends import Backend
from gradstep.nn.activations import Activation
from members import ACTIVATIONS, concept_id
from oracle_forms import objective_of

activations = pytest.mark.parametrize("activation", ACTIVATIONS, ids=concept_id)
Z = np.concatenate([np.linspace(-40, 40, 401), [-1e-12, 0.0, 1e-12, -700, 700, -1e4, 1e4]])


def judge(activation: Activation) -> oracle.Activation:
    return objective_of(Case("one", hidden=(1,), activation=activation).objective).activations[0]


@activations
def test_outputs_and_slopes_are_those_of_the_formulas(activation: Activation, precision: str) -> None:
    z = Z.astype(precision)
    number = z.dtype.type(activation.number())
    of, slope = judge(activation)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        a = activation.of(z, number)
        found = activation.slope(a, number)
    assert a.dtype == found.dtype == z.dtype
    unit, tiny = np.finfo(precision).eps, np.finfo(precision).tiny
    expected = [of(value) for value in z.astype(float).tolist()]
    np.testing.assert_allclose(a, expected, rtol=4 * unit, atol=tiny)
    # A slope is made of the rounded output.
    expected = [slope(value) for value in z.astype(float).tolist()]
    np.testing.assert_allclose(found, expected, rtol=0, atol=8 * unit)


@activations
def test_what_is_no_number_stays_none(activation: Activation, precision: str) -> None:
    bad = np.array([np.nan], dtype=precision)
    assert np.isnan(activation.of(bad, bad.dtype.type(activation.number()))).all()


@activations
@pytest.mark.parametrize("units", [1, 7, 16, 33])
def test_backends_have_them(backend: Backend, precision: str, activation: Activation, units: int) -> None:
    # A layer that hands every number on: one unit's output is the row's only input.
    case = Case("through", n=len(Z), d=1, k=2, hidden=(units,), l2=(0.0,), activation=activation)
    data = case.data(precision=precision)
    X = Z[:, None].astype(precision)
    data = type(data)(X, data.targets, None, type(data.standardization).identity(1))
    block = np.zeros((1, case.layers.parameters), dtype=precision)
    case.layers.weights(block, 0)[..., -1] = 1
    case.layers.weights(block, 1)[0, -1, 1] = 1
    scores = backend.scores(case.objective, data, block)[0]
    assert not scores[:, 0].any()
    expected = [judge(activation).of(value) for value in X[:, 0].astype(float).tolist()]
    unit, tiny = np.finfo(precision).eps, np.finfo(precision).tiny
    np.testing.assert_allclose(scores[:, 1], expected, rtol=8 * unit, atol=tiny)


@activations
def test_an_activation_is_a_frozen_value_with_a_short_name(activation: Activation) -> None:
    assert Activation.resolve(activation.name) == type(activation)()
    assert Activation.from_dict(activation.to_dict()) == activation
    assert ">>> " in (type(activation).__doc__ or "")
