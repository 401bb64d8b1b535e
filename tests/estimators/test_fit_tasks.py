"""scikit-learn's own callbacks on estimators and faces: what they are told, and that nothing is left."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import gradstep as gs
from gradstep.errors import DivergedError
from gradstep.sklearn import MLPClassifier, MLPRegressor

callback = pytest.importorskip("sklearn.callback")

# What scikit-learn has in this module is experimental by its own words.
X = np.random.default_rng(0).normal(size=(60, 4))
Y = np.arange(60) % 3
VALUES = X @ np.arange(4.0)


def trainer(**given: Any) -> gs.Trainer:
    return gs.Trainer(**{"epochs": 5, "backend": "numpy", "random_state": 0} | given)


class Recorder:
    """Keeps what it is told; stops at a part."""

    def __init__(self, stop_at: int = -1) -> None:
        self.stop_at = stop_at
        self.told: list[tuple[str, str, int]] = []
        self.models: list[Any] = []
        self.at_work = 0

    def setup(self, estimator: Any, context: Any) -> None:
        self.at_work += 1

    def teardown(self, estimator: Any, context: Any) -> None:
        self.at_work -= 1

    def on_fit_task_begin(self, estimator: Any, context: Any, *, X: Any = None) -> None:
        self.told.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(
        self, estimator: Any, context: Any, *, X: Any = None, fitted_estimator: Any = None
    ) -> bool:
        self.told.append(("end", context.task_name, context.task_id))
        self.models.append(None if fitted_estimator is None else fitted_estimator.predict(X))
        return context.task_name == "epoch" and context.task_id == self.stop_at


def epochs(count: int) -> list[tuple[str, str, int]]:
    told = [(what, "epoch", number) for number in range(count) for what in ("begin", "end")]
    return [("begin", "fit", 0), *told, ("end", "fit", 0)]


def test_every_epoch_is_a_task_with_the_model_of_its_end() -> None:
    recorder = Recorder()
    fitted = trainer().set_callbacks(recorder).fit(X, Y)
    assert recorder.told == epochs(5)
    for epoch, answers in enumerate(recorder.models[:5], start=1):
        np.testing.assert_array_equal(answers, _after(epoch).predict(X))
    np.testing.assert_array_equal(recorder.models[5], fitted.predict(X))
    assert recorder.at_work == 0


def _after(epochs: int) -> gs.Trainer:
    """Return the model of a training that is ended after some epochs, for the rate follows from all."""

    def stop(_: Any, row: dict[str, float]) -> bool:
        return row["epoch"] == epochs

    return trainer(callbacks=(stop,)).fit(X, Y)


def test_a_callback_ends_the_training() -> None:
    recorder = Recorder(stop_at=1)
    fitted = trainer().set_callbacks(recorder).fit(X, Y)
    assert recorder.told == epochs(2)
    assert (fitted.status_, fitted.n_iter_) == ("early_stopped", 2)


def test_they_change_no_bit() -> None:
    watched = trainer().set_callbacks(Recorder()).fit(X, Y)
    alone = trainer().fit(X, Y)
    for ours, theirs in zip(watched.coefs_, alone.coefs_, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ({"evaluate_every": None}, 1),
        ({"evaluate_every": "running"}, 5),
        ({"evaluate_every": 7}, -(-5 * 60 // 7)),
        ({"evaluate_untrained": True}, 5),
        ({"optimizer": "lbfgs", "epochs": 3}, 3),
    ],
)
def test_there_are_as_many_tasks_as_evaluations(given: dict[str, Any], count: int) -> None:
    recorder = Recorder()
    own = {"batch_size": 1} if "optimizer" not in given else {}
    trainer(**own, **given).set_callbacks(recorder).fit(X, Y)
    assert recorder.told == epochs(count)


def test_early_stopping_leaves_no_task_open() -> None:
    recorder = Recorder()
    rule = gs.EarlyStopping("train_loss", patience=1, min_delta=1e9)
    trainer(early_stopping=rule).set_callbacks(recorder).fit(X, Y)
    begun = [name for what, name, _ in recorder.told if what == "begin"]
    ended = [name for what, name, _ in recorder.told if what == "end"]
    assert sorted(begun) == sorted(ended)
    assert recorder.told[-1] == ("end", "fit", 0)


def test_a_fit_that_fails_is_torn_down() -> None:
    recorder = Recorder()
    diverging = trainer(learning_rate=1e30, l2=1.0).set_callbacks(recorder)
    with pytest.raises(DivergedError):
        diverging.fit(X, Y)
    assert recorder.at_work == 0
    with pytest.raises(gs.errors.InvalidDataError):
        diverging.fit(X, Y[:-1])
    assert recorder.at_work == 0


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_networks_of_scikit_learn_are_followed_too(kind: Any) -> None:
    recorder = Recorder()
    y = Y if kind is MLPClassifier else VALUES
    face = kind(max_iter=4, random_state=0).set_callbacks(recorder).fit(X, y)
    assert recorder.told == epochs(4)
    for count, answers in enumerate(recorder.models[:4], start=1):
        np.testing.assert_array_equal(answers, kind(max_iter=count, random_state=0).fit(X, y).predict(X))
    assert recorder.at_work == 0
    stopped = kind(max_iter=4, random_state=0).set_callbacks(Recorder(stop_at=1)).fit(X, y)
    assert (stopped.n_iter_, face.n_iter_) == (2, 4)


def test_a_network_by_lbfgs_is_one_task() -> None:
    recorder = Recorder()
    MLPClassifier(solver="lbfgs", max_iter=5, random_state=0).set_callbacks(recorder).fit(X, Y)
    assert recorder.told == epochs(0)


def test_scoring_monitor_of_a_pipeline_sees_every_epoch() -> None:
    monitor = callback.ScoringMonitor(scoring="accuracy")
    pipeline = make_pipeline(StandardScaler(), trainer(standardize=False).set_callbacks(monitor))
    pipeline.fit(X, Y)
    rows = monitor.get_logs().data
    scores = [row["accuracy"] for row in rows if row["task_name"] == "epoch"]
    assert scores == pytest.approx(pipeline[-1].history_["train_accuracy"])


@pytest.mark.parametrize("model", [trainer(epochs=2), MLPClassifier(max_iter=2, random_state=0)])
def test_progress_bar_is_drawn(model: BaseEstimator, capsys: pytest.CaptureFixture[str]) -> None:
    clone(model).set_callbacks(callback.ProgressBar()).fit(X, Y)
    assert f"{type(model).__name__} - fit" in capsys.readouterr().out


def test_a_search_of_scikit_learn_shows_the_epochs_of_its_models(capsys: pytest.CaptureFixture[str]) -> None:
    search = GridSearchCV(trainer(epochs=2), {"l2": [0.1, 0.2]}, cv=2)
    search.set_callbacks(callback.ProgressBar()).fit(X, Y)
    assert capsys.readouterr().out.count("Trainer - fit") == 5


@pytest.mark.parametrize("callbacks", [(), (Recorder(),)])
def test_warnings_point_at_the_line_of_the_user(callbacks: tuple[Any, ...]) -> None:
    watched = trainer(epochs=2, learning_rate=0.01).set_callbacks(*callbacks)
    with pytest.warns(ConvergenceWarning, match="has not converged") as caught:
        watched.fit(X, X[:, 0] > 0)
    assert caught[0].filename == __file__


def test_copies_and_pickles_have_the_callbacks_and_nothing_of_a_fit() -> None:
    fitted = trainer().set_callbacks(Recorder()).fit(X, Y)
    for copy in (clone(fitted), pickle.loads(pickle.dumps(fitted))):
        names = {name for name in vars(copy) if "callback" in name}
        assert names == {"callbacks", "_skl_callbacks"}
    fitted.set_callbacks()
    assert "_skl_callbacks" not in vars(fitted)


def test_what_is_no_callback_is_refused() -> None:
    with pytest.raises(TypeError, match="FitCallback protocol"):
        trainer().set_callbacks(print)
