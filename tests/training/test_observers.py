"""Callbacks and early stopping."""

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_blobs

import gradstep as gs
import makers
from gradstep.training.observers import EarlyStoppingState
from gradstep.training.status import Status

X, Y = make_blobs(n_samples=130, centers=4, n_features=3, cluster_std=1.5, random_state=3)


def trainer(**parameters: Any) -> gs.Trainer:
    """Make a Trainer that is quick and the same every time."""
    return makers.trainer(**{"epochs": 10, "batch_size": 100} | parameters)


def test_callbacks_see_every_row_and_the_model_of_that_moment():
    seen = []

    def callback(model, row):
        assert row == model.history_.rows[-1]
        assert model.evaluate(X, Y).loss == row["train_loss"]
        seen.append((row["update"], model.n_iter_, model.coefs_[0]))

    model = trainer(callbacks=[callback], epochs=3).fit(X, Y)
    assert model.status_ is Status.COMPLETED
    assert [entry[:2] for entry in seen] == [(2, 1), (4, 2), (6, 3)]
    np.testing.assert_array_equal(seen[-1][2], model.coefs_[0])
    assert (seen[0][2] != model.coefs_[0]).any()


def test_a_callback_that_returns_true_stops():
    calls = []
    callbacks = (lambda model, row: row["epoch"] == 3, lambda model, row: calls.append(row["epoch"]))
    model = trainer(callbacks=callbacks).fit(X, Y)
    assert len(model.history_) == model.n_iter_ == 3
    assert calls == [1, 2, 3]
    assert not model.interrupted_
    assert model.status_ is Status.EARLY_STOPPED


def test_an_exception_of_a_callback_leaves_the_model():
    model = trainer(callbacks=(lambda model, row: 1 / (row["epoch"] - 2) > 0,))
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y)
    assert model.status_ is Status.INTERRUPTED
    assert len(model.history_) == 2
    assert model.evaluate(X, Y).loss == model.history_["train_loss"][-1]


def _watched(values, **rule):
    state = EarlyStoppingState(gs.EarlyStopping(**rule))
    for update, value in enumerate(values):
        if state.on_evaluation({state.rule.column: value, "update": update}, np.array([update])):
            return update, state.row["update"]
    return None, state.row["update"]


@pytest.mark.parametrize(
    "rule, values, expected",
    [
        ({"patience": 2}, [3, 2, 2, 2, 1], (3, 1)),
        ({"patience": 1}, [3, 2, 1, 1], (3, 2)),
        ({"patience": 2}, [3, 4, 2, 3, 1], (None, 4)),
        ({"patience": 2, "min_delta": 0.5}, [3.0, 2.6, 2.5, 2.4], (2, 0)),
        ({"patience": 2, "monitor": "validation_accuracy"}, [0.5, 0.6, 0.6, 0.4], (3, 1)),
        ({"patience": 2}, [np.inf, np.inf, 1, np.nan, np.nan], (4, 2)),
    ],
)
def test_early_stopping_rule(rule, values, expected):
    assert _watched(values, **rule) == expected


@pytest.mark.parametrize("restore_best", [True, False])
def test_early_stopping_keeps_the_best_or_the_last_model(restore_best):
    # A rate that explodes late: the validation loss falls first and then rises for good.
    rule = gs.EarlyStopping(patience=3, restore_best=restore_best)
    model = trainer(learning_rate=lambda t: 0.5 if t < 10 else 100.0, early_stopping=rule, epochs=40)
    model.fit(X[:90], Y[:90], eval_set=(X[90:], Y[90:]))
    losses = model.history_["validation_loss"]
    best = int(losses.argmin())
    assert len(losses) == best + 4 < 40
    kept = best if restore_best else len(losses) - 1
    assert model.evaluate(X[90:], Y[90:]).loss == losses[kept]
    assert model.n_iter_ == kept + 1


def test_a_regressor_stops_on_r2_and_keeps_its_best():
    rule = gs.EarlyStopping("validation_r2", patience=3)
    rates = {"learning_rate": lambda t: 0.1 if t < 20 else 1.9}
    model = makers.regressor(early_stopping=rule, epochs=60, batch_size=50, **rates)
    model.fit(X[:100], X[:100, 0] + Y[:100], eval_set=(X[100:], X[100:, 0] + Y[100:]))
    column = model.history_["validation_r2"]
    best = int(column.argmax())
    assert model.status_ is Status.EARLY_STOPPED
    assert len(column) == best + 4 < 60
    assert model.n_iter_ == best + 1
    assert model.evaluate(X[100:], X[100:, 0] + Y[100:]).r2 == column[best]


def test_a_metric_of_another_model_cannot_be_watched():
    model = makers.regressor(early_stopping=gs.EarlyStopping("train_accuracy"))
    with pytest.raises(gs.errors.InvalidParameterError) as caught:
        model.fit(X, X[:, 0])
    assert str(caught.value) == (
        "`early_stopping` of Regressor monitors train_accuracy, which needs a loss or `metrics` that have "
        "it, got loss, cost, r2, mean_absolute_error"
    )


def test_a_further_metric_can_be_watched():
    model = trainer(metrics=["f1"], early_stopping=gs.EarlyStopping("train_f1", patience=2), epochs=60).fit(
        X, Y
    )
    column = model.history_["train_f1"]
    assert model.n_iter_ == column.argmax() + 1


def test_statuses_say_how_a_training_ended():
    complete = [status.value for status in Status if status.is_complete]
    assert complete == ["completed", "early_stopped", "converged"]
    assert [status.value for status in Status if not status.is_over] == ["waiting", "running"]
    assert Status("pruned") == "pruned"
    seen = []
    callbacks = (lambda model, row: seen.append((model.status_, row["epoch"])),)
    with pytest.raises(gs.errors.DivergedError):
        trainer(callbacks=callbacks, learning_rate=lambda t: 0.1 if t < 4 else 1e30, hidden=(4,)).fit(X, Y)
    assert {status for status, _ in seen} == {Status.RUNNING}
    model = trainer(learning_rate=1e30, hidden=(4,))
    with pytest.raises(gs.errors.DivergedError):
        model.fit(X, Y)
    assert model.status_ is Status.DIVERGED
    assert model.set_params(learning_rate=0.1).fit(X, Y).status_ is Status.COMPLETED
