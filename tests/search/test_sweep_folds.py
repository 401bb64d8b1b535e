"""Cross-validation as a search over folds: every fold equals a training with weights of zero."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import ShuffleSplit, StratifiedKFold

import gradstep as gs
from gradstep.errors import InvalidDataError, InvalidParameterError, NoModelError
from gradstep.nn import schedules
from gradstep.plan.standardization import Standardization
from sweep_cases import HELD_OUT, HERE, X, Y, alone, assert_same_model, trainer

SPACE = {"l2": [0.0, 0.1, 1.0], "learning_rate": [0.1, schedules.Linear(0.3, 0.0)]}
VALIDATION = ("validation_loss", "validation_cost", "validation_accuracy")


@pytest.fixture
def _scale_of_all_rows(monkeypatch):
    """Let a Trainer standardise by all rows, as folds do, whatever their weights."""
    of = Standardization.of
    monkeypatch.setattr(Standardization, "of", lambda rows, weight=None, **settings: of(rows, **settings))


def masks(splits):
    found = np.zeros((2, len(splits), len(Y)))
    for fold, parts in enumerate(splits):
        for mask, rows in zip(found[:, fold], parts, strict=True):
            mask[rows] = 1
    return found


@pytest.mark.usefixtures("_scale_of_all_rows")
@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_folds_equal_separate_trainings(name, precision):
    base = trainer(backend=name, precision=precision, hidden=(5,), n_threads=2)
    sweep = gs.Sweep(base, SPACE, folds=4, keep_trainers=True).fit(X, Y)
    assert [len(group.models) for group in sweep.groups_] == [24]
    splits = [*StratifiedKFold(4).split(X, Y)]
    scores = np.zeros((6, 4))
    for trial, models in zip(sweep.trials_, sweep.trainers_, strict=True):
        for fold, (train, held) in enumerate(splits):
            mask = np.isin(np.arange(len(Y)), train).astype(float)
            given = {"sample_weight": mask, "eval_set": (X[held], Y[held])}
            expected = alone(base, trial.params, X, Y, **given)
            for column in VALIDATION:
                found = models[fold].history_[column]
                np.testing.assert_allclose(found, expected.history_[column], rtol=1e-5, err_msg=column)
                for row, other in zip(models[fold].history_, expected.history_, strict=True):
                    other[column] = row[column]
            assert_same_model(models[fold], expected)
            scores[trial.number, fold] = expected.history_["validation_loss"][-1]
    table = sweep.results_
    np.testing.assert_allclose(table["score"], scores.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(table["score_std"], scores.std(axis=1), rtol=1e-5)
    np.testing.assert_allclose(table["fold2_score"], scores[:, 2], rtol=1e-5)
    np.testing.assert_allclose(table["validation_loss"], table["score"])
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


@pytest.mark.usefixtures("_scale_of_all_rows")
def test_any_splitter_and_weights():
    weight = np.linspace(0.5, 2, len(Y))
    splitter = ShuffleSplit(2, test_size=0.2, train_size=0.5, random_state=0)
    sweep = gs.Sweep(trainer(), {"l2": [0.0, 0.1]}, folds=splitter, keep_trainers=True)
    sweep.fit(X, Y, sample_weight=weight)
    trained, _ = masks([*splitter.split(X)])
    for fold in range(2):
        expected = alone(trainer(), {"l2": 0.1}, X, Y, sample_weight=weight * trained[fold])
        for W, other in zip(sweep.trainers_[1][fold].coefs_, expected.coefs_, strict=True):
            np.testing.assert_array_equal(W, other)


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
    assert sweep.results_["status"][0] == "diverged"
    assert {recorder.status for recorder in sweep.trials_[0].recorders.values()} == {"diverged", "pruned"}
    assert np.isnan(sweep.results_["score"][0])
    assert sweep.results_["status"][1] == "completed"


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
