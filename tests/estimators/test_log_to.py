"""Runs of other programs follow a training: by what they have, and with the real packages where they are."""

from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gradstep.callbacks import LogTo
from sklearn.base import clone

import gradstep as gs
from gradstep.errors import InvalidParameterError
from gradstep.sklearn import MLPClassifier

X = np.random.default_rng(0).normal(size=(60, 4))
Y = np.arange(60) % 3


class Run:
    """Keeps what is logged, as MLflow takes it."""

    def __init__(self) -> None:
        self.metrics: list[tuple[int, dict[str, float]]] = []
        self.params: list[dict[str, Any]] = []

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.metrics.append((step, metrics))

    def log_params(self, params: dict[str, Any]) -> None:
        self.params.append(params)


def trainer(run: Any, **given: Any) -> gs.Trainer:
    settings = {"epochs": 3, "batch_size": 20, "backend": "numpy", "random_state": 0}
    return gs.Trainer(callbacks=[LogTo(run)], **(settings | given))


def test_rows_of_the_history_are_logged_by_their_updates() -> None:
    run = Run()
    fitted = trainer(run).fit(X, Y, eval_set=(X, Y))
    assert [step for step, _ in run.metrics] == [3, 6, 9]
    for (_, metrics), row in zip(run.metrics, fitted.history_, strict=True):
        assert metrics == {name: value for name, value in row.items() if name != "update"}
    assert "validation_accuracy" in run.metrics[0][1]


def test_what_was_not_measured_is_left_out() -> None:
    run = Run()
    trainer(run, evaluate_every="running").fit(X, Y)
    names = set(run.metrics[0][1])
    assert {"running_loss", "learning_rate", "epoch", "seconds"} <= names
    assert not {name for name in names if name.startswith(("train_", "validation_"))}


def test_parameters_are_logged_once_for_a_training() -> None:
    run = Run()
    fitted = trainer(run, l2=0.5, hidden=(5,), learning_rate=gs.schedules.Cosine(0.1)).fit(X, Y)
    (params,) = run.params
    assert params.keys() == fitted.get_params(deep=False).keys() - {"callbacks"}
    assert (params["l2"], params["epochs"], params["shuffle"]) == (0.5, 3, True)
    assert (params["hidden"], params["optimizer"]) == ("(5,)", "sgd")
    assert params["learning_rate"].startswith("Cosine(")
    fitted.resume(X, Y, epochs=2)
    assert len(run.params) == 1
    assert [step for step, _ in run.metrics] == [3, 6, 9, 12, 15]
    fitted.fit(X, Y)
    assert len(run.params) == 2


def test_a_stream_is_one_training() -> None:
    run = Run()
    streamed = trainer(run)
    for _ in range(3):
        streamed.partial_fit(X, Y, classes=range(3))
    assert len(run.params) == 1
    assert [step for step, _ in run.metrics] == [3, 6, 9]


def test_networks_of_scikit_learn_are_logged_by_epochs() -> None:
    run = Run()
    face = MLPClassifier(max_iter=3, callbacks=[LogTo(run)], random_state=0).fit(X, Y)
    assert [step for step, _ in run.metrics] == [1, 2, 3]
    assert [metrics["loss"] for _, metrics in run.metrics] == face.loss_curve_
    assert run.params[0]["solver"] == "adam"


def test_a_prefix_stands_before_every_name() -> None:
    run = Run()
    gs.Trainer(epochs=1, callbacks=[LogTo(run, prefix="first/")], backend="numpy").fit(X, Y)
    assert all(name.startswith("first/") for name in (*run.metrics[0][1], *run.params[0]))


def test_scalars_of_a_summary_writer() -> None:
    told: list[tuple[str, float, int]] = []
    texts: list[str] = []
    writer = SimpleNamespace(
        add_scalar=lambda *given: told.append(given), add_text=lambda tag, text: texts.append(text)
    )
    fitted = trainer(writer).fit(X, Y)
    losses = [(value, step) for name, value, step in told if name == "train_loss"]
    assert losses == list(zip(fitted.history_["train_loss"], [3, 6, 9], strict=True))
    assert "    l2: 0.002" in texts[0].splitlines()


def test_a_run_with_log_and_a_config() -> None:
    told: list[tuple[dict[str, float], int]] = []
    config: dict[str, Any] = {}
    run = SimpleNamespace(
        log=lambda metrics, step: told.append((metrics, step)),
        config=SimpleNamespace(update=lambda given, allow_val_change: config.update(given)),
    )
    fitted = trainer(run).fit(X, Y)
    assert [metrics["train_loss"] for metrics, _ in told] == fitted.history_["train_loss"].tolist()
    assert [step for _, step in told] == [3, 6, 9]
    assert config["batch_size"] == 20


def test_copies_log_to_the_same_run_and_pickles_to_none() -> None:
    run = Run()
    fitted = trainer(run).fit(X, Y)
    (callback,) = clone(fitted).callbacks
    assert callback.run is run
    assert copy.deepcopy(callback) is callback
    loaded = pickle.loads(pickle.dumps(fitted)).fit(X, Y)
    assert len(run.metrics) == 3
    np.testing.assert_array_equal(loaded.coefs_[0], fitted.coefs_[0])


def test_models_of_a_sweep_log_too() -> None:
    run = Run()
    gs.Sweep(trainer(run), {"l2": [0.1, 0.2]}, random_state=0).fit(X, Y, eval_set=(X, Y))
    assert sorted(params["l2"] for params in run.params) == [0.1, 0.2]
    assert len(run.metrics) == 6


@pytest.mark.parametrize("run", [None, 3, "mlflow"])
def test_what_takes_no_metrics_is_refused(run: Any) -> None:
    with pytest.raises(InvalidParameterError, match="`run` of LogTo must have a method log_metrics, add_sca"):
        LogTo(run)


def test_a_prefix_that_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="`prefix` of LogTo must be a string, got 3"):
        LogTo(Run(), prefix=3)  # type: ignore[arg-type]
