"""The one function under all searches, and the training of a group as values."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone

import gradstep as gs
from gradstep.search.data import read
from gradstep.search.groups import Limits
from gradstep.search.runner import run_trials
from gradstep.search.trials import best_of, make_trials, tabulate
from gradstep.training.status import Status
from sweep_cases import HELD_OUT, HELD_OUT_VALUES, VALUES, X, Y, alone, assert_same_model, trainer
from sweep_cases import regressor as make_regressor

pytestmark = pytest.mark.usefixtures("python_own_handler")

ADAM = gs.optimizers.Adam()

# What a worker of an engine does with a slice: all that it needs came with the pickle.
WORKER = """
import pickle, sys
from gradstep.search.slices import advance
given = pickle.load(sys.stdin.buffer)
sys.stdout.buffer.write(pickle.dumps(advance(*given, 1, lambda: False)))
"""


def tried(base, candidates, *given, folds=None, **more):
    """Return trials and the rows to train them on."""
    made = make_trials(base, candidates, has_validation=True)
    rows = read(base, [trial.settings for trial in made], (*given, None, more.get("eval_set")))
    return made, rows if folds is None else rows.split(folds, "`folds` of Sweep")


def group_of(made, rows):
    """Return rows and settings of a group of all trials, in folds that of the first."""
    settings = tuple(trial.settings for trial in made)
    return rows.job_rows(settings[0]), settings


CASES = {
    "labels": (trainer(hidden=(4,), optimizer=ADAM), (X, Y), {"eval_set": HELD_OUT}),
    "values": (make_regressor(hidden=(4,)), (X, VALUES), {"eval_set": HELD_OUT_VALUES}),
    "folds": (trainer(early_stopping=gs.EarlyStopping(patience=1)), (X, Y), {"folds": 3}),
}
SETTINGS = [{"l2": 0.0}, {"l2": 0.1, "learning_rate": gs.schedules.Linear(0.2, 0.0)}, {"init__seed": 3}]


def assert_same_news(news, expected):
    for found, other in zip(news.models, expected, strict=True):
        np.testing.assert_array_equal(found.block, other.fitted.block)
        assert found.status is other.status
        for row, row_there in zip(found.rows, other.history, strict=True):
            assert {**row, "seconds": 0} == {**row_there, "seconds": 0}


@pytest.mark.parametrize("case", CASES)
def test_a_slice_trains_to_the_same_bits_in_another_process(case):
    base, given, more = CASES[case]
    made, rows = tried(clone(base).set_params(init=gs.He()), SETTINGS, *given, **more)
    run = run_trials(made, [rows], Limits())
    assert len(run.groups) == rows.n_folds
    sent = pickle.dumps((*group_of(made, rows), None, 10**6))
    done = subprocess.run([sys.executable, "-c", WORKER], input=sent, capture_output=True, check=True)
    expected = [made[trial].recorders[fold].result() for trial, fold in run.groups[0].models]
    assert_same_news(pickle.loads(done.stdout)[1], expected)


def test_a_slice_is_given_no_estimator():
    made, rows = tried(trainer(callbacks=(print,)), [{"l2": 0.0}], X, Y, eval_set=HELD_OUT)
    given = pickle.dumps(group_of(made, rows))
    assert b"gradstep.estimators" not in given
    assert len(given) < X.nbytes + HELD_OUT[0].nbytes + 5000


def test_trials_hold_values_and_estimators_are_made_of_them():
    made, rows = tried(trainer(), [{"l2": 0.0}, {"l2": 0.1}], X, Y, eval_set=HELD_OUT)
    assert [trial.status for trial in made] == [Status.WAITING] * 2
    assert not hasattr(made[0].trainer(), "coefs_")
    run_trials(made, [rows], Limits())
    assert not any(hasattr(trial.estimator, "coefs_") for trial in made)
    for trial in made:
        model = trial.trainer()
        assert model is trial.trainer()
        assert_same_model(model, alone(trainer(), trial.params, X, Y, eval_set=HELD_OUT))
    best = best_of(made, "validation_loss")
    assert best.score("validation_loss") == min(tabulate(made, "validation_loss")["score"])
    made[0].forget()
    assert made[0].recorders[0].fitted is None
    assert len(made[0].histories[0]) == 4
    assert not hasattr(made[0].trainer(), "coefs_")


def test_a_search_that_is_done_can_be_pickled():
    space = {"l2": [0.0, 0.1], "callbacks": [(), (print_nothing,)]}
    sweep = gs.Sweep(trainer(), space, keep_trainers=True, folds=3).fit(X, Y)
    again = pickle.loads(pickle.dumps(sweep))
    assert again.results_["status"].tolist() == ["completed"] * 4
    for models, others in zip(again.trainers_, sweep.trainers_, strict=True):
        for model, other in zip(models, others, strict=True):
            assert_same_model(model, other)


def print_nothing(model, row):
    """See a row."""


def test_what_is_watched_is_told_before_and_while_it_trains():
    seen = []

    def on_start(run):
        seen.append([trial.status for trial in run.trials])

    def on_evaluation(group):
        seen.append([trial.status for trial in made])
        return len(seen) == 6

    made, rows = tried(trainer(), [{"hidden": ()}, {"hidden": (3,)}], X, Y, eval_set=HELD_OUT)
    run = run_trials(made, [rows], Limits(), on_start=on_start, on_evaluation=on_evaluation)
    assert seen[0] == ["waiting", "waiting"]
    assert seen[1] == ["running", "waiting"]
    assert seen[5] == ["completed", "running"]
    assert run.interrupted
    assert [trial.status for trial in made] == ["completed", "interrupted"]
    assert [group.training for group in run.groups] == [None, None]


def test_every_status_is_one_of_the_enum_and_its_text():
    def press(model, row):
        if row["epoch"] == 3:
            signal.raise_signal(signal.SIGINT)

    stopping = gs.EarlyStopping("train_loss", 1, 10.0)
    candidates = [
        {"early_stopping": stopping}, {"learning_rate": 1e30}, {"l2": 0.0}, {"l2": 50.0},
        {"callbacks": (press,)}, {"epochs": 9},
    ]  # fmt: skip
    made, rows = tried(trainer(hidden=(3,), epochs=6), candidates, X, Y, eval_set=HELD_OUT)
    with pytest.warns(RuntimeWarning, match="search interrupted after 1 of 6 trials"):
        run = run_trials(made, [rows], Limits(), gs.SuccessiveHalving(1.5, 2))
    table = tabulate(made, "validation_loss")
    statuses = [trial.status for trial in made]
    assert run.interrupted
    assert statuses[:2] == [Status.EARLY_STOPPED, Status.DIVERGED]
    assert set(statuses[2:]) == {Status.PRUNED, Status.INTERRUPTED}
    assert table["status"].tolist() == [str(status) for status in statuses]
    assert {type(status) for status in table["status"].tolist()} == {str}
    assert [status.is_complete for status in statuses] == [True] + [False] * 5


def test_a_generator_in_the_space_is_drawn_from_once_and_left_as_it_is():
    state = np.random.RandomState(7)
    sweep = gs.Sweep(trainer(), {"random_state": [state], "l2": [0.0, 0.1]}, keep_trainers=True)
    sweep.fit(X, Y, eval_set=HELD_OUT)
    assert state.randint(1000) == np.random.RandomState(7).randint(1000)
    assert len({model.random_state for model in sweep.trainers_}) == 1
    assert_same_model(sweep.trainers_[1], clone(sweep.trainers_[1]).fit(X, Y, eval_set=HELD_OUT))
