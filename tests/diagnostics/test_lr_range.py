"""`learning_rate_range_test`: the rates it tries, the losses it reports, when it stops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs

import gradstep as gs
import makers
from gradstep.errors import InvalidDataError, InvalidParameterError
from makers import HERE

X, Y = make_blobs(n_samples=400, centers=4, n_features=3, cluster_std=1.5, random_state=3)


def trainer(**parameters: Any) -> gs.Trainer:
    """Make a Trainer of 40 updates per epoch that is the same every time."""
    return makers.trainer(**{"batch_size": 10} | parameters)


@pytest.mark.parametrize("name", HERE)
def test_it_is_a_short_run_with_a_rising_rate(name: str) -> None:
    found = gs.learning_rate_range_test(trainer(backend=name, hidden=(5,)), X, Y, low=1e-4, high=0.1)
    rising = gs.schedules.Geometric(1e-4, 0.1)
    np.testing.assert_array_equal(found.learning_rate, [rising(t, 40, 40) for t in range(40)])
    model = trainer(backend=name, hidden=(5,), learning_rate=rising, epochs=1, evaluate_every=1).fit(X, Y)
    np.testing.assert_array_equal(found.loss, model.history_["running_loss"])


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_regressor_is_run_likewise(optimizer: str) -> None:
    model = makers.regressor(hidden=(5,), batch_size=40, optimizer=optimizer)
    found = gs.learning_rate_range_test(model, X, X[:, 0] - X[:, 1], low=1e-4, high=0.1)
    model.set_params(learning_rate=gs.schedules.Geometric(1e-4, 0.1), epochs=1, evaluate_every=1)
    model.fit(X, X[:, 0] - X[:, 1])
    np.testing.assert_array_equal(found.loss, model.history_["running_loss"])


def test_a_long_run_has_a_hundred_points_at_most() -> None:
    found = gs.learning_rate_range_test(trainer(), X, Y, high=0.1, epochs=6)
    assert len(found.loss) == len(found.learning_rate) == 80  # 240 updates, a point for every 3
    assert found.learning_rate[-1] == gs.schedules.Geometric(1e-5, 0.1)(239, 40, 240)


def test_it_stops_where_the_loss_is_several_times_the_lowest() -> None:
    found = gs.learning_rate_range_test(trainer(hidden=(8,)), X, Y, low=0.01, high=1e4, epochs=2)
    assert len(found.loss) < 80
    lowest = np.minimum.accumulate(found.loss)
    too_much = found.loss > 4 * lowest
    assert too_much[-1]
    assert not too_much[:-1].any()


def test_it_stops_where_the_loss_is_no_longer_finite() -> None:
    found = gs.learning_rate_range_test(trainer(hidden=(8, 8)), X, Y, low=1e20, high=1e38)
    assert len(found.loss) < 40
    assert np.isfinite(found.loss).all()


def test_a_run_that_has_no_finite_loss_has_no_points() -> None:
    model = trainer(hidden=(8, 8), batch_size=400, standardize=False)
    with np.errstate(all="ignore"):
        found = gs.learning_rate_range_test(model, 1e30 * X, Y, low=1e10, high=1e11)
    assert found.loss.shape == found.learning_rate.shape == (0,)


def test_the_trainer_is_never_changed() -> None:
    state, calls = np.random.RandomState(0), []
    settings = {"random_state": state, "callbacks": (lambda model, row: calls.append(row),)}
    settings |= {"early_stopping": gs.EarlyStopping(patience=1), "verbose": 1}
    model = trainer(**settings)
    before, position = model.get_params(), state.get_state()[2]
    first = gs.learning_rate_range_test(model, X, Y)
    assert model.get_params() == before
    assert vars(model).keys() == vars(trainer()).keys()
    assert (state.get_state()[2], calls) == (position, [])
    np.testing.assert_array_equal(first.loss, gs.learning_rate_range_test(model, X, Y).loss)


def test_a_fitted_trainer_keeps_its_model() -> None:
    model = trainer(epochs=1).fit(X, Y)
    weights, history = model.coefs_[0].copy(), model.history_
    gs.learning_rate_range_test(model, X, Y)
    np.testing.assert_array_equal(model.coefs_[0], weights)
    assert model.history_ is history
    fresh = gs.learning_rate_range_test(clone(model), X, Y)
    np.testing.assert_array_equal(gs.learning_rate_range_test(model, X, Y).loss, fresh.loss)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"trainer": 3}, "`trainer` of learning_rate_range_test must be a Trainer or Regressor, got 3"),
        ({"low": 0}, "`low` of learning_rate_range_test must be > 0, got 0"),
        ({"low": None}, "`low` of learning_rate_range_test must be a finite number, got None"),
        ({"high": np.inf}, "`high` of learning_rate_range_test must be a finite number, got inf"),
        ({"low": 1, "high": 1}, r"`high` of learning_rate_range_test must be > low, got \(1, 1\)"),
        ({"epochs": 0}, "`epochs` of learning_rate_range_test must be >= 1, got 0"),
        ({"epochs": 0.5}, "`epochs` of learning_rate_range_test must be an int, got 0.5"),
        ({"trainer": trainer(l2=-1)}, "`l2` of Trainer must be >= 0, got -1"),
    ],
)
def test_bad_values(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        gs.learning_rate_range_test(**{"trainer": trainer(), "X": X, "y": Y} | arguments)


def test_bad_data() -> None:
    with pytest.raises(InvalidDataError, match="two classes or more"):
        gs.learning_rate_range_test(trainer(), X, np.zeros(len(X), dtype=int))
