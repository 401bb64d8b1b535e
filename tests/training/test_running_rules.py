"""Divergence and early stopping where nothing but running metrics is measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_blobs

import gradstep as gs
import makers
from gradstep.errors import DivergedError, InvalidParameterError
from makers import HERE

X, Y = make_blobs(n_samples=130, centers=4, n_features=3, cluster_std=1.5, random_state=3)


def trainer(**parameters: Any) -> gs.Trainer:
    """Make a Trainer that is quick and the same every time."""
    return makers.trainer(**{"batch_size": 26} | parameters)


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("evaluate_every, updates", [("running", [5]), (None, [])])
def test_divergence_keeps_the_history(name, evaluate_every, updates):
    def rate(update):
        return 0.1 if update < 8 else 1e300

    settings = {"backend": name, "hidden": (6,), "precision": "float64"}
    model = trainer(learning_rate=rate, evaluate_every=evaluate_every, **settings)
    with pytest.raises(DivergedError) as caught:
        model.fit(X, Y)
    assert (caught.value.update, caught.value.learning_rate) == (9, 1e300)
    assert model.history_["update"].tolist() == updates
    assert np.isfinite(model.history_["running_loss"]).all()
    assert model.n_iter_ == len(updates)
    # The initial weights, where there was no row before.
    kept = trainer(epochs=1, **settings, learning_rate=0.1 if updates else lambda update: 0.0).fit(X, Y)
    np.testing.assert_array_equal(model.coefs_[0], kept.coefs_[0])


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("evaluate_every", ["running", None])
def test_parameters_that_the_last_update_made_infinite_are_divergence(name, evaluate_every):
    model = trainer(backend=name, learning_rate=1e38, epochs=1, batch_size=1000, standardize=False)
    with pytest.raises(DivergedError) as caught:
        model.set_params(evaluate_every=evaluate_every).fit(50 + 10 * X, Y)
    assert (caught.value.update, caught.value.learning_rate) == (1, 1e38)
    assert len(model.history_) == 0
    assert all(np.isfinite(W).all() for W in model.coefs_)


@pytest.mark.parametrize("evaluate_every", ["epoch", "running", 3])
@pytest.mark.parametrize("monitor", ["running_loss", "running_accuracy"])
def test_running_metrics_can_be_watched(evaluate_every, monitor):
    rule = gs.EarlyStopping(monitor, patience=3)
    model = trainer(evaluate_every=evaluate_every, early_stopping=rule, epochs=60)
    model.set_params(learning_rate=lambda t: 0.5 if t < 30 else 1000.0).fit(X, Y)
    column = model.history_[monitor]
    best = int(column.argmax() if monitor == "running_accuracy" else column.argmin())
    assert len(column) == best + 4
    assert model.n_iter_ == np.ceil(model.history_["epoch"][best])


@pytest.mark.parametrize(
    "monitor, evaluate_every, eval_set, needs",
    [
        ("train_cost", "running", None, "the train rows evaluated, got evaluate_every='running'"),
        ("train_accuracy", "running", (X, Y), "the train rows evaluated, got evaluate_every='running'"),
        ("validation_loss", None, (X, Y), "metrics while training, got evaluate_every=None"),
        ("train_loss", None, None, "metrics while training, got evaluate_every=None"),
        ("running_loss", None, None, "metrics while training, got evaluate_every=None"),
    ],
)
def test_a_column_that_would_be_empty_cannot_be_watched(monitor, evaluate_every, eval_set, needs):
    model = trainer(early_stopping=gs.EarlyStopping(monitor), evaluate_every=evaluate_every)
    with pytest.raises(InvalidParameterError) as caught:
        model.fit(X, Y, eval_set=eval_set)
    assert str(caught.value) == f"`early_stopping` of Trainer monitors {monitor}, which needs {needs}"


def test_a_running_cost_is_not_a_column():
    with pytest.raises(
        InvalidParameterError, match="`monitor` of EarlyStopping must be a column of the history"
    ):
        gs.EarlyStopping("running_cost")
