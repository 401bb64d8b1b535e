"""`gradient` against loops that share nothing with it, and against slopes of the cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from sklearn.exceptions import NotFittedError

import gradstep as gs
import makers
import oracle
from gradstep.errors import InvalidDataError, InvalidParameterError
from makers import HERE

names = pytest.mark.parametrize("name", HERE)
X = 100 + 20 * np.random.default_rng(0).normal(size=(24, 4))
LABELS = np.array(["a", "b", "c"])[np.arange(24) % 3]
WEIGHT = np.random.default_rng(1).uniform(0.5, 2.0, 24)


def fitted(name: str, **parameters: Any) -> gs.Trainer:
    settings = {"backend": name, "precision": "float64", "l2": 0.1, "hidden": (5,), "activation": "tanh"}
    return makers.trainer(**settings | parameters).fit(X, LABELS)


@names
@pytest.mark.parametrize("hidden", [(), (5,), (4, 3)], ids=str)
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["alike", "weighted"])
def test_it_is_that_of_the_oracle(name: str, hidden: tuple[int, ...], weight: Any) -> None:
    model = fitted(name, hidden=hidden)
    found = gs.gradient(model, X, LABELS, weight)
    network = [(W.tolist(), b.tolist()) for W, b in zip(model.coefs_, model.intercepts_, strict=True)]
    standard = model.standardization_
    data = oracle.Data(
        oracle.standardized(X.tolist(), standard.mean.tolist(), standard.scale.tolist()),
        (np.arange(24) % 3).tolist(),
        np.ones(24).tolist() if weight is None else (weight / weight.mean()).tolist(),
    )
    tanh = oracle.ACTIVATIONS["tanh"]()
    objective = oracle.Objective(oracle.LOSSES["softmax"](), [tanh] * len(hidden), 0.1)
    expected = oracle.gradient(network, data, objective)
    assert len(found) == len(hidden) + 1
    for (dW, db), (expected_dW, expected_db), W in zip(found, expected, model.coefs_, strict=True):
        assert dW.shape == W.shape
        np.testing.assert_allclose(dW, expected_dW, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(db, expected_db, rtol=1e-10, atol=1e-14)


def slopes(model: Any, array: npt.NDArray[np.float64], y: Any) -> npt.NDArray[np.float64]:
    """Return the central differences of the cost that `evaluate` tells, over every entry of an array."""
    found = np.empty_like(array)
    for place in np.ndindex(array.shape):
        before, costs = array[place], []
        for step in (1e-5, -1e-5):
            array[place] = before + step
            costs.append(model.evaluate(X, y).cost)
        array[place] = before
        found[place] = (costs[0] - costs[1]) / 2e-5
    return found


@names
def test_it_is_the_slope_of_the_cost(name: str) -> None:
    model = fitted(name)
    for layer, (dW, db) in enumerate(gs.gradient(model, X, LABELS)):
        np.testing.assert_allclose(dW, slopes(model, model.coefs_[layer], LABELS), rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(db, slopes(model, model.intercepts_[layer], LABELS), rtol=1e-6, atol=1e-9)


@names
def test_of_a_regressor_it_is_that_of_the_standardised_targets(name: str) -> None:
    y = X[:, :2] @ np.array([[1.0, -2.0], [3.0, 0.5]])
    model = makers.regressor(backend=name, precision="float64", l2=0.01).fit(X, y)
    [(dW, db)] = gs.gradient(model, X, y)
    np.testing.assert_allclose(dW, slopes(model, model.coefs_[0], y), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(db, slopes(model, model.intercepts_[0], y), rtol=1e-6, atol=1e-9)


@names
def test_it_is_taken_where_the_weights_are_now(name: str) -> None:
    model = fitted(name, hidden=(), l2=0.5)
    before = gs.gradient(model, X, LABELS)[0][0]
    model.coefs_ = [np.zeros((4, 3))]
    model.intercepts_ = [np.zeros(3)]
    [(dW, db)] = gs.gradient(model, X, LABELS)
    assert not np.allclose(dW, before)
    # All probabilities are a third.
    truth = np.eye(3)[np.arange(24) % 3]
    scaled = (X - model.standardization_.mean) / model.standardization_.scale
    np.testing.assert_allclose(dW, scaled.T @ (1 / 3 - truth) / 24, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(db, (1 / 3 - truth).mean(axis=0), atol=1e-15)


@names
def test_classes_may_be_missing_and_precision_is_the_trainers(name: str) -> None:
    model = fitted(name, precision="float32")
    some = LABELS != "b"
    found = gs.gradient(model, X[some], LABELS[some])
    assert [(dW.shape, db.shape) for dW, db in found] == [((4, 5), (5,)), ((5, 3), (3,))]
    assert {array.dtype.name for pair in found for array in pair} == {"float32"}
    wanted = gs.gradient(model, X, LABELS, np.where(some, 1.0, 0.0))
    for got, expected in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got[0], expected[0], rtol=1e-4, atol=1e-6)


def test_the_arrays_are_the_callers_own() -> None:
    model = fitted("numpy")
    [(dW, _), _] = gs.gradient(model, X, LABELS)
    dW[:] = 7
    assert dW.base is None
    assert not (gs.gradient(model, X, LABELS)[0][0] == 7).any()


def test_what_cannot_be_used() -> None:
    model = fitted("numpy")
    with pytest.raises(NotFittedError):
        gs.gradient(gs.Trainer(), X, LABELS)
    with pytest.raises(InvalidParameterError, match="`trainer` of gradient must be a Trainer or Regressor"):
        gs.gradient("model", X, LABELS)  # type: ignore[arg-type]
    with pytest.raises(InvalidDataError, match="y of gradient must have only labels that"):
        gs.gradient(model, X, np.full(24, "d"))
    with pytest.raises(InvalidDataError, match="y of gradient must have one target per row"):
        gs.gradient(model, X, LABELS[:5])
    with pytest.raises(InvalidDataError, match="sample_weight of gradient must be finite and >= 0"):
        gs.gradient(model, X, LABELS, np.full(24, -1.0))
