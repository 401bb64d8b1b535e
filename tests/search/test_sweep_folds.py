"""Cross-validation as a search over folds: a model is what a fit on the rows of its fold is."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import KFold, LeaveOneGroupOut, ShuffleSplit, StratifiedKFold

import gradstep as gs
from gradstep.errors import InvalidDataError, InvalidParameterError, NoModelError
from gradstep.nn import schedules
from sweep_cases import HELD_OUT, HERE, VALUES, X, Y, alone, assert_same_model, regressor, trainer

SPACE = {"l2": [0.0, 0.1, 1.0], "learning_rate": [0.1, schedules.Linear(0.3, 0.0)]}


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_folds_equal_separate_trainings(name, precision):
    base = trainer(backend=name, precision=precision, hidden=(5,), n_threads=2)
    sweep = gs.Sweep(base, SPACE, folds=4, keep_trainers=True).fit(X, Y)
    assert [len(group.models) for group in sweep.groups_] == [6] * 4
    scores = np.zeros((6, 4))
    for trial, models in zip(sweep.trials_, sweep.trainers_, strict=True):
        for fold, (train, held) in enumerate(StratifiedKFold(4).split(X, Y)):
            expected = alone(base, trial.params, X[train], Y[train], eval_set=(X[held], Y[held]))
            assert_same_model(models[fold], expected)
            scores[trial.number, fold] = expected.history_["validation_loss"][-1]
    table = sweep.results_
    np.testing.assert_array_equal(table["score"], scores.mean(axis=1))
    np.testing.assert_array_equal(table["score_std"], scores.std(axis=1))
    np.testing.assert_array_equal(table["fold2_score"], scores[:, 2])
    np.testing.assert_array_equal(table["validation_loss"], table["score"])
    assert sweep.best_index_ == scores.mean(axis=1).argmin()


@pytest.mark.parametrize("name", HERE)
def test_a_fold_does_not_notice_the_others(name):
    base = trainer(backend=name, epochs=6, early_stopping=gs.EarlyStopping(patience=1))
    together = gs.Sweep(base, SPACE, folds=3, keep_trainers=True).fit(X, Y)
    assert len({len(history) for histories in together.histories_ for history in histories}) > 1
    for number, trial in enumerate(together.trials_):
        single = {parameter: [value] for parameter, value in trial.params.items()}
        for fold, split in enumerate(StratifiedKFold(3).split(X, Y)):
            one = gs.Sweep(base, single, folds=[split], keep_trainers=True).fit(X, Y)
            assert_same_model(together.trainers_[number][fold], one.trainers_[0][0])


def test_any_splitter_and_weights():
    weight = np.linspace(0.5, 2, len(Y))
    splitter = ShuffleSplit(2, test_size=0.2, train_size=0.5, random_state=0)
    sweep = gs.Sweep(trainer(), {"l2": [0.0, 0.1]}, folds=splitter, keep_trainers=True)
    sweep.fit(X, Y, sample_weight=weight)
    for fold, (train, held) in enumerate(splitter.split(X)):
        given = {"sample_weight": weight[train], "eval_set": (X[held], Y[held], weight[held])}
        expected = alone(trainer(), {"l2": 0.1}, X[train], Y[train], **given)
        assert_same_model(sweep.trainers_[1][fold], expected)


def test_nothing_is_seen_of_rows_in_other_units():
    groups = np.arange(len(Y)) % 4
    rows = X * np.where(groups == 3, 1000, 1)[:, None]
    splits = [*LeaveOneGroupOut().split(rows, Y, groups)]
    sweep = gs.Sweep(trainer(), {"l2": [0.0]}, folds=splits, keep_trainers=True).fit(rows, Y)
    train, held = splits[3]
    expected = alone(trainer(), {}, X[train], Y[train], eval_set=(rows[held], Y[held]))
    assert_same_model(sweep.trainers_[0][3], expected)


def test_a_class_that_a_fold_lacks_is_an_output_all_the_same():
    labels = np.array(["a", "b", "dune"])[Y]
    splits = [(np.flatnonzero(Y < 2), np.flatnonzero(Y == 2)), (np.arange(60), np.arange(60, 67))]
    sweep = gs.Sweep(trainer(), {"l2": [0.0]}, folds=splits, keep_trainers=True).fit(X, labels)
    for model in sweep.trainers_[0]:
        assert model.predict_proba(X).shape == (67, 3)
        assert model.classes_.tolist() == ["a", "b", "dune"]
    assert sweep.trainers_[0][0].history_["validation_accuracy"][-1] == 0


@pytest.mark.parametrize("weight", [None, np.linspace(0.1, 2, len(Y))])
def test_folds_of_real_values_equal_separate_trainings(weight):
    space = {"loss": ["squared", "poisson"], "standardize_targets": [True, False]}
    base = regressor(learning_rate=0.001)
    sweep = gs.Sweep(base, space, folds=3, keep_trainers=True).fit(X, VALUES, weight)
    for trial, models in zip(sweep.trials_, sweep.trainers_, strict=True):
        for fold, (train, held) in enumerate(KFold(3).split(X)):
            given = {"eval_set": (X[held], VALUES[held])}
            if weight is not None:
                eval_set = (X[held], VALUES[held], weight[held])
                given = {"sample_weight": weight[train], "eval_set": eval_set}
            expected = alone(base, trial.params, X[train], VALUES[train], **given)
            assert_same_model(models[fold], expected)


def test_labels_of_held_out_rows_are_not_trained_on():
    splits = [*StratifiedKFold(3).split(X, Y)]
    first = gs.Sweep(trainer(), {"l2": [0.0]}, folds=splits, keep_trainers=True).fit(X, Y)
    other = Y.copy()
    other[splits[1][1]] = (Y[splits[1][1]] + 1) % 3
    second = gs.Sweep(trainer(), {"l2": [0.0]}, folds=splits, keep_trainers=True).fit(X, other)
    np.testing.assert_array_equal(second.trainers_[0][1].coefs_[0], first.trainers_[0][1].coefs_[0])
    assert (second.trainers_[0][0].coefs_[0] != first.trainers_[0][0].coefs_[0]).any()
    assert second.results_["fold1_score"] > first.results_["fold1_score"]


def test_the_best_setting_is_trained_on_all_rows():
    sweep = gs.Sweep(trainer(), SPACE, folds=3).fit(X, Y)
    assert_same_model(sweep.best_trainer_, alone(trainer(), sweep.best_params_, X, Y))
    assert len(sweep.histories_) == 6
    assert [len(histories) for histories in sweep.histories_] == [3] * 6
    watched = gs.Sweep(trainer(early_stopping=gs.EarlyStopping()), SPACE, folds=3).fit(X, Y)
    assert watched.best_params_.keys() == SPACE.keys()
    with pytest.raises(NoModelError, match="its rules watch validation rows"):
        _ = watched.best_trainer_


def test_halving_compares_the_means_over_folds():
    base = trainer(epochs=6)
    whole = gs.Sweep(base, SPACE, folds=3).fit(X, Y)
    sweep = gs.Sweep(base, SPACE, folds=3, pruner=gs.SuccessiveHalving(3, 2), keep_trainers=True).fit(X, Y)
    at_two = [np.mean([h["validation_loss"][1] for h in histories]) for histories in whole.histories_]
    alive = sorted(np.argsort(at_two, kind="stable")[:2].tolist())
    assert np.flatnonzero(sweep.results_["status"] == "completed").tolist() == alive
    for number in alive:
        assert sweep.results_["score"][number] == whole.results_["score"][number]


@pytest.mark.parametrize("name", HERE)
def test_a_trial_ends_when_one_of_its_folds_diverges(name):
    rows = X.copy()
    rows[0] *= 1e23
    splits = [*StratifiedKFold(3).split(X, Y)]
    base = trainer(backend=name, standardize=False, evaluate_every="running")
    sweep = gs.Sweep(base, {"learning_rate": [0.1, 1e-36]}, folds=splits).fit(rows, Y)
    assert sweep.results_["status"].tolist() == ["diverged", "completed"]
    # The row is held out of the first fold; after the second the third is not begun.
    statuses = {fold: recorder.status for fold, recorder in sweep.trials_[0].recorders.items()}
    assert statuses == {0: "completed", 1: "diverged"}
    assert np.isnan(sweep.results_["score"][0])


def test_a_trial_is_running_until_its_last_fold_is_done():
    seen = []
    sweep = gs.Sweep(trainer(), {"l2": [0.0, 0.1]}, folds=3)
    sweep.set_params(callbacks=(lambda search: seen.append(search.results_["status"].tolist()),)).fit(X, Y)
    assert seen == [["running"] * 2] * 11 + [["completed"] * 2]
    stopped = gs.Sweep(trainer(), {"l2": [0.0, 0.1]}, folds=3)
    stopped.set_params(callbacks=(lambda search: search.trials_[0].recorders.keys() > {0},)).fit(X, Y)
    assert stopped.results_["status"].tolist() == ["interrupted"] * 2
    assert np.isnan(stopped.results_["score"]).all()


def test_bad_folds():
    with pytest.raises(
        InvalidParameterError, match="`folds` of Sweep must be None where an eval_set is given"
    ):
        gs.Sweep(trainer(), SPACE, folds=3).fit(X, Y, eval_set=HELD_OUT)
    one_class = [(np.flatnonzero(Y == 0), np.flatnonzero(Y == 1))]
    with pytest.raises(
        InvalidDataError,
        match=r"fold 0 of the search must leave rows of two classes or more to train on, got 1",
    ):
        gs.Sweep(trainer(), SPACE, folds=one_class).fit(X, Y)
    with pytest.raises(InvalidDataError, match="fold 0 of the search must hold out one row or more"):
        gs.Sweep(trainer(), SPACE, folds=[(np.arange(len(Y)), np.arange(0))]).fit(X, Y)
    with pytest.raises(InvalidParameterError, match=r"`folds` of Sweep must be an int >= 2, .* got 1"):
        gs.Sweep(trainer(), SPACE, folds=1).fit(X, Y)
    with pytest.raises(InvalidParameterError, match=r"`folds` of Sweep must be an int >= 2, .* got 'five'"):
        gs.Sweep(trainer(), SPACE, folds="five").fit(X, Y)
