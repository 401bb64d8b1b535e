"""Dropout as users meet it: its parameters, what it leaves alone, and searches over it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gradstep as gs
from gradstep.errors import InvalidParameterError
from gradstep.search.groups import Sizes, partition
from sweep_cases import HELD_OUT, VALUES, X, Y, assert_as_alone, regressor, trainer


def weights(**parameters):
    return np.concatenate([W.ravel() for W in trainer(hidden=(6, 5), **parameters).fit(X, Y).coefs_])


def test_a_share_for_all_hidden_layers_is_one_for_each():
    together, apart = weights(dropout=0.3), weights(dropout=(0.3, 0.3))
    np.testing.assert_array_equal(together, apart)
    np.testing.assert_array_equal(weights(dropout=[np.float32(0.5), 0]), weights(dropout=(0.5, 0.0)))
    assert (weights(dropout=(0.3, 0.0)) != together).any()


def test_without_shares_nothing_is_dropped():
    plain = weights()
    for nothing in ({"dropout": 0}, {"dropout": (0, 0.0)}, {"input_dropout": 0}):
        np.testing.assert_array_equal(weights(**nothing), plain)
    # There is no hidden layer to drop anything of.
    softmax = [trainer(dropout=share).fit(X, Y).coefs_[0] for share in (0.0, 0.5)]
    np.testing.assert_array_equal(*softmax)


def test_first_weights_and_order_of_rows_are_those_without():
    # Steps of 0 leave the weights that were drawn.
    still = {"learning_rate": lambda update: 0.0 * update}
    np.testing.assert_array_equal(weights(dropout=0.5, **still), weights(**still))
    state = np.random.RandomState(3)
    trainer(hidden=(6,), dropout=0.5, random_state=state).fit(X, Y)
    same = np.random.RandomState(3)
    trainer(hidden=(6,), random_state=same).fit(X, Y)
    assert state.randint(2**31 - 1) == same.randint(2**31 - 1)


def test_the_seed_says_which_units_are_dropped():
    first = {"init": gs.He(seed=1), "shuffle": False, "dropout": 0.5}
    np.testing.assert_array_equal(weights(**first), weights(**first))
    assert (weights(**first) != weights(**first, random_state=1)).any()


def test_what_is_evaluated_is_without_dropout():
    model = trainer(hidden=(6,), dropout=0.5, input_dropout=0.2, epochs=1).fit(X, Y, eval_set=HELD_OUT)
    assert model.evaluate(X, Y)["loss"] == model.history_["train_loss"][-1]
    assert model.evaluate(*HELD_OUT)["loss"] == model.history_["validation_loss"][-1]
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X))
    rows = (X - model.standardization_.mean) / model.standardization_.scale
    A = np.maximum(rows @ model.coefs_[0] + model.intercepts_[0], 0)
    scores = A @ model.coefs_[1] + model.intercepts_[1]
    np.testing.assert_allclose(model.decision_function(X), scores, rtol=1e-4, atol=1e-5)


def test_the_gradient_is_without_dropout():
    model = trainer(hidden=(6,), activation="tanh", dropout=0.5, input_dropout=0.2, precision="float64")
    assert gs.gradient_check(model, X[:20], Y[:20]).passed()


def test_running_metrics_are_of_what_was_trained_on():
    # With steps of 0 the model stays: with and without dropout it differs in what was dropped alone.
    still = {"hidden": (20,), "learning_rate": lambda update: 0.0 * update, "epochs": 1}
    plain, dropping = (trainer(**still, dropout=share).fit(X, Y).history_ for share in (0.0, 0.5))
    assert plain["train_loss"] == dropping["train_loss"]
    assert plain["running_loss"] != dropping["running_loss"]


@settings(max_examples=15)
@given(
    shares=st.tuples(*[st.floats(0, 1, exclude_max=True)] * 3),
    activation=st.sampled_from(["relu", "tanh", "identity"]),
)
def test_any_share_below_1_trains_or_says_that_it_diverged(shares, activation):
    model = regressor(hidden=(4, 3), activation=activation, dropout=shares[:2], input_dropout=shares[2])
    try:
        model.set_params(learning_rate=1e-6).fit(X, VALUES)
    except gs.DivergedError:
        return
    assert np.isfinite(model.predict(X)).all()


def test_nearly_all_units_may_be_dropped():
    model = trainer(hidden=(6,), dropout=0.999, input_dropout=0.999, learning_rate=1e-4).fit(X, Y)
    assert all(np.isfinite(W).all() for W in model.coefs_)


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"dropout": 1}, "`dropout` of Trainer must be in [0, 1), got 1"),
        ({"dropout": -0.1}, "`dropout` of Trainer must be in [0, 1), got -0.1"),
        ({"dropout": (0.5, 1.0)}, "`dropout` of Trainer must be a finite number or a tuple or list, each"),
        ({"dropout": (0.5,)}, "must be one share, or one for each of the 2 hidden layers, got 1: (0.5,)"),
        ({"dropout": (0.1, 0.5, 0.5)}, "got 3: (0.1, 0.5, 0.5); that of the inputs is `input_dropout`"),
        ({"dropout": "0.5"}, "`dropout` of Trainer must be a finite number or"),
        ({"input_dropout": 1.0}, "`input_dropout` of Trainer must be in [0, 1), got 1.0"),
        ({"input_dropout": (0.5,)}, "`input_dropout` of Trainer must be a finite number, got (0.5,)"),
    ],
)
def test_shares_that_are_none(parameters, message):
    with pytest.raises(InvalidParameterError, match=re.escape(message)):
        trainer(hidden=(6, 5), **parameters).fit(X, Y)


@pytest.mark.parametrize("name", ["dropout_rate", "hidden_dropout_ratios", "keep_prob", "drop_rate"])
def test_names_of_other_libraries(name):
    with pytest.raises(TypeError, match=f"no parameter '{name}'; did you mean dropout"):
        gs.Trainer(**{name: 0.5})
    with pytest.raises(TypeError, match="did you mean input_dropout"):
        gs.Regressor(input_dropout_ratio=0.5)


def test_a_search_over_shares_is_one_group():
    base = trainer(hidden=(6,), activation="logistic")
    space = {"dropout": [0.0, 0.2, (0.5,)], "l2": [0.0, 0.1]}
    sweep = gs.Sweep(base, space, keep_trainers=True).fit(X, Y, eval_set=HELD_OUT)
    assert_as_alone(sweep, X, Y, eval_set=HELD_OUT)
    tried = [trainer(hidden=(6,), dropout=share).settings() for share in (0.0, 0.2, (0.5,))]
    assert [part.models for part in partition(tried, Sizes(67, 5, 3))] == [(0, 1, 2)]


def test_models_of_a_group_read_the_same_inputs():
    base = trainer(hidden=(6,))
    space = {"input_dropout": [0.0, 0.2], "dropout": [0.0, 0.5]}
    sweep = gs.Sweep(base, space, keep_trainers=True)
    assert_as_alone(sweep.fit(X, Y, eval_set=HELD_OUT), X, Y, eval_set=HELD_OUT)
    tried = [trainer(input_dropout=share).settings() for share in (0.0, 0.2)]
    found = partition(tried, Sizes(67, 5, 3))
    assert [part.reason for part in found] == ["input_dropout=0.0", "input_dropout=0.2"]


def test_a_model_file_keeps_the_shares(tmp_path):
    model = trainer(hidden=(6, 5), dropout=(0.5, np.float32(0.25)), input_dropout=0.125).fit(X, Y)
    model.save(tmp_path / "model")
    loaded = gs.Trainer.load(tmp_path / "model")
    assert (tuple(loaded.dropout), loaded.input_dropout) == ((0.5, 0.25), 0.125)
    np.testing.assert_array_equal(loaded.fit(X, Y).coefs_[0], model.coefs_[0])
