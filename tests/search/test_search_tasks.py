"""scikit-learn's own callbacks on `FusedSearchCV`: they are told of every model, and of the refit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import gradstep as gs
from gradstep.sklearn import MLPClassifier

callback = pytest.importorskip("sklearn.callback")

X = np.random.default_rng(0).normal(size=(60, 4))
Y = np.arange(60) % 3
TRAINER = gs.Trainer(epochs=2, backend="numpy", random_state=0)
FACE = MLPClassifier(max_iter=2, random_state=0)


class TaskRecorder:
    """Keeps the names and numbers of the tasks that have ended."""

    def __init__(self) -> None:
        self.ended: list[tuple[str, str, int]] = []
        self.open = 0

    def setup(self, estimator: Any, context: Any) -> None:
        self.open += 1

    def teardown(self, estimator: Any, context: Any) -> None:
        self.open -= 1

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        self.open += 1

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        self.open -= 1
        self.ended.append((context.estimator_name, context.task_name, context.task_id))


CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "trainer": (TRAINER, {"l2": [0.1, 0.2]}),
    "pipeline": (make_pipeline(StandardScaler(), TRAINER), {"trainer__l2": [0.1, 0.2]}),
    "face": (FACE, {"alpha": [0.1, 0.2]}),
    "pipeline of a face": (make_pipeline(StandardScaler(), FACE), {"mlpclassifier__alpha": [0.1, 0.2]}),
}


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_the_tasks_are_those_of_a_search_of_scikit_learn(case: str, refit: bool) -> None:
    told = {}
    estimator, grid = CASES[case]
    for kind in (GridSearchCV, gs.FusedSearchCV):
        recorder = told[kind] = TaskRecorder()
        kind(estimator, grid, cv=3, refit=refit).set_callbacks(recorder).fit(X, Y)
        assert recorder.open == 0
    ours, theirs = (
        [(name, number) for _, name, number in told[kind].ended] for kind in (gs.FusedSearchCV, GridSearchCV)
    )
    assert sorted(ours) == sorted(theirs)
    assert ours[-1] == ("fit", 0)
    assert len(ours) == 6 + 2 + refit


def test_models_that_there_are_none_of_have_ended_too() -> None:
    recorder = TaskRecorder()
    search = gs.FusedSearchCV(TRAINER, {"learning_rate": [0.1, 1e30]}, cv=2, error_score=0.0)
    with pytest.warns(Warning, match="diverged"):
        search.set_callbacks(recorder).fit(X, Y)
    assert [name for _, name, _ in recorder.ended].count("candidate-split-evaluation") == 4
    assert recorder.open == 0


@pytest.mark.parametrize("case", CASES)
def test_a_progress_bar_shows_the_models_and_the_refit(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    estimator, grid = CASES[case]
    gs.FusedSearchCV(estimator, grid, cv=2).set_callbacks(callback.ProgressBar()).fit(X, Y)
    shown = capsys.readouterr().out
    assert "FusedSearchCV - search" in shown
    assert f"refit-with-best-params | {type(estimator).__name__} - fit" in shown


def test_a_monitor_of_the_estimator_sees_the_refit_and_no_rehearsal() -> None:
    monitor = callback.ScoringMonitor(scoring="accuracy")
    trainer = gs.Trainer(**TRAINER.get_params(deep=False)).set_callbacks(monitor)
    search = gs.FusedSearchCV(trainer, {"l2": [0.1, 0.2]}, cv=2).fit(X, Y)
    (log,) = monitor.get_logs(select="all")
    scores = [row["accuracy"] for row in log.data if row["task_name"] == "epoch"]
    assert scores == pytest.approx(search.best_estimator_.history_["train_accuracy"])


def test_callbacks_change_no_score() -> None:
    grid = {"l2": [0.1, 0.2]}
    told = gs.FusedSearchCV(TRAINER, grid, cv=3).set_callbacks(TaskRecorder()).fit(X, Y)
    alone = gs.FusedSearchCV(TRAINER, grid, cv=3).fit(X, Y)
    np.testing.assert_array_equal(told.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
