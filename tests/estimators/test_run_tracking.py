"""Runs of the real MLflow, TensorBoard and Weights & Biases, where they are installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradstep.callbacks import LogTo
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import gradstep as gs

# What these packages warn of is theirs.
pytestmark = pytest.mark.filterwarnings("ignore")

X = np.random.default_rng(0).normal(size=(60, 4))
Y = np.arange(60) % 3


def trainer(**given: Any) -> gs.Trainer:
    return gs.Trainer(**{"epochs": 3, "batch_size": 20, "backend": "numpy", "random_state": 0} | given)


@pytest.fixture
def mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    # It keeps artifacts in the folder where a program runs.
    monkeypatch.chdir(tmp_path)
    found = pytest.importorskip("mlflow")
    pytest.importorskip("mlflow.sklearn")
    found.set_tracking_uri(f"sqlite:///{tmp_path / 'runs.db'}")
    found.set_experiment("test")
    yield found
    found.sklearn.autolog(disable=True)
    found.set_tracking_uri(None)


def runs(mlflow: Any) -> list[Any]:
    return list(reversed(mlflow.search_runs(output_format="list")))


def curve(mlflow: Any, run: Any, name: str) -> list[tuple[int, float]]:
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, name)
    return [(one.step, one.value) for one in history]


def expected(fitted: gs.Trainer, name: str) -> list[tuple[int, float]]:
    return [(int(row["update"]), row[name]) for row in fitted.history_]


def test_a_run_of_mlflow(mlflow: Any) -> None:
    with mlflow.start_run():
        fitted = trainer(callbacks=[LogTo(mlflow)], l2=0.5).fit(X, Y, eval_set=(X, Y))
    (run,) = runs(mlflow)
    for name in ("train_loss", "validation_accuracy", "epoch"):
        assert curve(mlflow, run, name) == expected(fitted, name)
    assert (run.data.params["l2"], run.data.params["optimizer"]) == ("0.5", "sgd")


def test_autologging_sees_parameters_and_every_epoch(mlflow: Any) -> None:
    mlflow.sklearn.autolog(log_models=False, silent=True)
    fitted = trainer().fit(X, Y)
    (run,) = runs(mlflow)
    assert curve(mlflow, run, "train_accuracy") == expected(fitted, "train_accuracy")
    assert run.data.params["epochs"] == "3"
    assert run.data.tags["estimator_name"] == "Trainer"
    assert run.info.status == "FINISHED"
    assert mlflow.active_run() is None
    assert "callbacks" not in run.data.params


def test_autologging_goes_into_the_run_that_is_active(mlflow: Any) -> None:
    mlflow.sklearn.autolog(log_models=False, silent=True)
    with mlflow.start_run() as own:
        fitted = trainer().fit(X, Y)
        assert mlflow.active_run().info.run_id == own.info.run_id
    (run,) = runs(mlflow)
    assert curve(mlflow, run, "train_loss") == expected(fitted, "train_loss")


def test_a_fit_that_fails_is_a_run_that_failed(mlflow: Any) -> None:
    mlflow.sklearn.autolog(log_models=False, silent=True)
    with pytest.raises(gs.errors.DivergedError):
        trainer(learning_rate=1e30, l2=1.0).fit(X, Y)
    (run,) = runs(mlflow)
    assert run.info.status == "FAILED"


def test_without_autologging_nothing_is_logged(mlflow: Any) -> None:
    trainer().fit(X, Y)
    mlflow.sklearn.autolog(disable=True)
    trainer().fit(X, Y)
    assert runs(mlflow) == []


def test_what_mlflow_watches_itself_has_its_fits(mlflow: Any) -> None:
    mlflow.sklearn.autolog(log_models=False, silent=True)
    make_pipeline(StandardScaler(), trainer()).fit(X, Y)
    assert [run.data.tags["estimator_name"] for run in runs(mlflow)] == ["Pipeline"]
    GridSearchCV(trainer(), {"l2": [0.1, 0.2]}, cv=2).fit(X, Y)
    names = [run.data.tags.get("estimator_name") for run in runs(mlflow)]
    assert names.count("GridSearchCV") == 1
    assert names.count("Trainer") == 2  # its candidates, as it has them of any estimator


def test_a_search_in_shared_passes_is_the_run_of_its_refit(mlflow: Any) -> None:
    mlflow.sklearn.autolog(log_models=False, silent=True)
    search = gs.FusedSearchCV(trainer(), {"l2": [0.1, 0.2]}, cv=2).fit(X, Y)
    (run,) = runs(mlflow)
    best = search.best_estimator_
    assert curve(mlflow, run, "train_loss") == expected(best, "train_loss")
    assert run.data.params["l2"] == str(best.l2)


def test_a_summary_writer_of_tensorboard(tmp_path: Path) -> None:
    writers = pytest.importorskip("tensorboardX")
    readers = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with writers.SummaryWriter(str(tmp_path)) as writer:
        fitted = trainer(callbacks=[LogTo(writer)]).fit(X, Y)
    found = readers.EventAccumulator(str(tmp_path))
    found.Reload()
    told = [(event.step, event.value) for event in found.Scalars("train_loss")]
    assert told == [(step, pytest.approx(value)) for step, value in expected(fitted, "train_loss")]
    assert "parameters/text_summary" in found.Tags()["tensors"]


def test_a_run_of_weights_and_biases(tmp_path: Path) -> None:
    wandb = pytest.importorskip("wandb")
    with wandb.init(mode="disabled", dir=os.fspath(tmp_path), config={"l2": 0}) as run:
        fitted = trainer(callbacks=[LogTo(run)]).fit(X, Y)
        assert run.config["l2"] == 0.002
        assert run.config["epochs"] == 3
    assert len(fitted.history_) == 3
