"""Ctrl-C in loops over many fits, and what a callback must not do with its own trainer."""

import pickle
import signal

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import gradstep as gs
import makers
from gradstep import backends
from gradstep.errors import BusyError

X, Y = make_blobs(n_samples=100, centers=3, random_state=0)


def trainer(**parameters):
    return makers.trainer(**{"batch_size": 10, "epochs": 40, "learning_rate": 0.01} | parameters)


@pytest.fixture(autouse=True)
def ctrl_c(python_own_handler):
    """Run with Python's handler of Ctrl-C."""


class PressesOnce:
    """A callback that presses Ctrl-C in the first training that it sees."""

    def __init__(self):
        self.fits = 0

    def __call__(self, model, row):
        self.fits += row["epoch"] == 1
        if self.fits == 2 and row["epoch"] == 1:
            signal.raise_signal(signal.SIGINT)

    def __deepcopy__(self, memo):
        return self


@pytest.mark.parametrize(
    "search",
    [
        lambda model: GridSearchCV(model, {"l2": [0, 0.1, 0.2]}, cv=3).fit(X, Y),
        lambda model: cross_val_score(model, X, Y, cv=5, error_score="raise"),
        lambda model: cross_validate(model, X, Y, cv=5),
        lambda model: BaggingClassifier(model, n_estimators=5).fit(X, Y),
        lambda model: GridSearchCV(make_pipeline(StandardScaler(), model), {"trainer__l2": [0, 1]}).fit(X, Y),
    ],
    ids=["GridSearchCV", "cross_val_score", "cross_validate", "BaggingClassifier", "a pipeline"],
)
def test_loops_of_scikit_learn_end_at_the_first_press(search):
    press = PressesOnce()
    with pytest.raises(KeyboardInterrupt), pytest.warns(RuntimeWarning, match="training interrupted"):
        search(trainer(callbacks=(press,), epochs=3))
    assert press.fits == 2


def test_a_pipeline_keeps_its_model():
    press = PressesOnce()
    press.fits = 1
    pipeline = make_pipeline(StandardScaler(), trainer(callbacks=(press,)))
    with pytest.warns(RuntimeWarning, match="training interrupted at update 10"):
        pipeline.fit(X, Y)
    assert pipeline[-1].interrupted_


def test_repeat_keeps_what_is_done_and_begins_no_other_seed():
    def press(model, row):
        if row["epoch"] == 3 and model.random_state == 1:
            signal.raise_signal(signal.SIGINT)

    found = gs.repeat(trainer(epochs=3, callbacks=(press,)), X, Y, seeds=4)
    assert found["seed"].tolist() == [0, 1]
    assert found["status"].tolist() == ["completed", "completed"]
    assert np.isfinite(found["train_loss"]).all()
    assert len(found.trainers) == 2


def test_repeat_drops_the_seed_that_had_not_begun(monkeypatch):
    calls = []
    original = backends.choose

    def choose(*arguments):
        calls.append(arguments)
        if len(calls) == 5:  # of the third seed: each chooses to train and to evaluate
            signal.raise_signal(signal.SIGINT)
        return original(*arguments)

    monkeypatch.setattr(backends, "choose", choose)
    found = gs.repeat(trainer(epochs=2), X, Y, seeds=4)
    assert found["seed"].tolist() == [0, 1]
    assert found["status"].tolist() == ["completed", "completed"]


@pytest.mark.parametrize("kind", ["fit", "sweep"])
def test_a_callback_must_not_train_its_own_trainer(kind):
    def again(model, row):
        model.fit(X, Y)

    model = trainer(callbacks=(again,), epochs=3)
    run = model if kind == "fit" else gs.Sweep(model, {"l2": [0.0, 0.1]})
    with pytest.raises(BusyError, match=r"Trainer\.fit must not be called while the same object trains"):
        run.fit(X, Y)
    assert trainer(epochs=2).fit(X, Y).history_["update"].tolist() == [10, 20]


def test_a_callback_must_not_start_its_own_search():
    sweep = gs.Sweep(trainer(epochs=2), {"l2": [0.0, 0.1]}, callbacks=(lambda sweep: sweep.fit(X, Y),))
    with pytest.raises(BusyError, match=r"Sweep\.fit must not be called"):
        sweep.fit(X, Y)


def test_a_callback_may_train_a_clone_and_pickle_its_trainer():
    seen = []

    def look(model, row):
        seen.append(pickle.loads(pickle.dumps(model.set_params(callbacks=()))))

    model = trainer(callbacks=(look,), epochs=2).fit(X, Y)
    assert seen[0].fit(X, Y).n_iter_ == 2
    assert model.n_iter_ == 2
