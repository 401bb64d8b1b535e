"""`FusedSearchCV` beside scikit-learn's own searches over the same Trainer."""

from __future__ import annotations

import re
import signal

import numpy as np
import pytest
import scipy.stats
from sklearn.base import clone, is_classifier
from sklearn.exceptions import FitFailedWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import gradstep as gs
from gradstep.errors import DivergedError, InvalidDataError, InvalidParameterError, NoModelError
from gradstep.search.fused_search import FUSED_SEARCH
from gradstep.search.trials import tabulate
from sweep_cases import HERE, X, Y, assert_same_model, assert_same_tables, trainer

pytestmark = pytest.mark.usefixtures("python_own_handler")

ROWS = (X - 50) / 10
GRID = {"l2": [0.0, 0.1, 1.0], "hidden": [(), (4,)]}


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("scoring", [None, "neg_log_loss", ["accuracy", "roc_auc_ovr"]])
def test_equals_grid_search(name, scoring):
    refit = "roc_auc_ovr" if isinstance(scoring, list) else True
    given = {"scoring": scoring, "cv": 4, "refit": refit, "return_train_score": True}
    expected = GridSearchCV(trainer(backend=name), GRID, **given).fit(ROWS, Y)
    found = gs.FusedSearchCV(trainer(backend=name), GRID, **given).fit(ROWS, Y)
    assert_same_tables(found.cv_results_, expected.cv_results_)
    assert found.best_index_ == expected.best_index_
    assert found.best_params_ == expected.best_params_
    assert found.best_score_ == expected.best_score_
    assert_same_model(found.best_estimator_, expected.best_estimator_)
    assert (found.n_splits_, found.multimetric_) == (4, expected.multimetric_)
    assert found.classes_.tolist() == expected.classes_.tolist()
    assert found.n_features_in_ == expected.n_features_in_
    assert found.refit_time_ > 0
    assert found.score(ROWS, Y) == expected.score(ROWS, Y)
    for method in ("predict", "predict_proba", "decision_function"):
        np.testing.assert_array_equal(getattr(found, method)(ROWS), getattr(expected, method)(ROWS))
    # A network of each kind and each fold trains in one pass: all l2.
    assert [len(group.models) for group in found.groups_] == [3] * 8
    assert [group.reason for group in found.groups_[:2]] == ["fold 0; hidden=()", "fold 1; hidden=()"]
    assert not any(recorder.fitted for trial in found.trials_ for recorder in trial.recorders.values())
    assert not any(hasattr(trial.trainer(fold), "coefs_") for trial in found.trials_ for fold in range(4))


def test_equals_randomized_search():
    space = {
        "l2": scipy.stats.loguniform(1e-4, 1),
        "learning_rate": gs.Uniform(0.05, 0.2),
        "hidden": [(), (3,)],
    }
    given = {"n_iter": 6, "random_state": 3, "cv": 3, "scoring": "neg_log_loss"}
    expected = RandomizedSearchCV(trainer(), space, **given).fit(ROWS, Y)
    for found in (
        gs.FusedSearchCV(trainer(), space, **given),
        gs.FusedSearchCV(trainer(), param_distributions=space, **given),
    ):
        found.fit(ROWS, Y)
        assert_same_tables(found.cv_results_, expected.cv_results_)
        assert_same_model(found.best_estimator_, expected.best_estimator_)
    lists = gs.FusedSearchCV(trainer(), param_distributions={"l2": np.arange(40) / 40}, random_state=0)
    assert len(set(lists.fit(ROWS, Y).cv_results_["param_l2"])) == 10


def test_a_list_of_grids_masks_what_a_setting_does_not_name():
    grids = [{"l2": [0.0, 0.5]}, {"learning_rate": [0.2], "loss": ["sigmoid"]}, {}]
    expected = GridSearchCV(trainer(), grids, cv=3).fit(ROWS, Y)
    found = gs.FusedSearchCV(trainer(), grids, cv=3).fit(ROWS, Y)
    assert_same_tables(found.cv_results_, expected.cv_results_)
    assert np.isnan(tabulate(found.trials_, "running_loss")["l2"]).tolist() == [False, False, True, True]


def test_models_are_those_of_a_sweep_over_folds():
    base, splitter = trainer(), StratifiedKFold(3, shuffle=True, random_state=1)
    sweep = gs.Sweep(base, {"l2": [0.0, 1.0]}, folds=splitter, keep_trainers=True).fit(X, Y)
    found = gs.FusedSearchCV(base, {"l2": [0.0, 1.0]}, cv=splitter).fit(X, Y).cv_results_
    for fold, (_, held) in enumerate(splitter.split(X, Y)):
        expected = [models[fold].score(X[held], Y[held]) for models in sweep.trainers_]
        assert found[f"split{fold}_test_score"].tolist() == expected


def test_rules_that_watch_the_training_work_in_folds():
    stopping = gs.EarlyStopping("train_loss", patience=1, min_delta=10.0)
    search = gs.FusedSearchCV(trainer(epochs=9, early_stopping=stopping), {"l2": [0.0]}, cv=3).fit(X, Y)
    assert {len(history) for history in search.histories_[0]} == {2}
    assert search.best_estimator_.n_iter_ == 1
    quiet = gs.FusedSearchCV(trainer(epochs=9), {"l2": [0.0]}, cv=3).fit(X, Y)
    assert {len(history) for history in quiet.histories_[0]} == {1}
    assert len(quiet.best_estimator_.history_) == 9


# Newer versions of scikit-learn hand weights to scorers that take them, and warn of this one.
@pytest.mark.filterwarnings("ignore:The scoring .* does not support sample_weight:UserWarning")
def test_groups_weights_and_callables():
    groups = np.arange(len(Y)) % 5
    weight = np.linspace(0.5, 2, len(Y))
    scorer = make_scorer(balanced_accuracy_score)
    by_two = {
        "scoring": lambda model, X, y: {"one": model.score(X, y), "two": scorer(model, X, y)},
        "refit": lambda results: int(results["mean_test_two"].argmax()),
        "cv": GroupKFold(5),
    }
    expected = GridSearchCV(trainer(), GRID, **by_two).fit(ROWS, Y, groups=groups, sample_weight=weight)
    found = gs.FusedSearchCV(trainer(), GRID, **by_two).fit(ROWS, Y, groups=groups, sample_weight=weight)
    assert_same_tables(found.cv_results_, expected.cv_results_)
    assert_same_model(found.best_estimator_, expected.best_estimator_)
    assert found.multimetric_
    assert not hasattr(found, "best_score_")


def test_is_an_estimator_of_its_own():
    search = gs.FusedSearchCV(trainer(), {"l2": [0.0, 0.1]}, cv=2, n_jobs=-1)
    assert is_classifier(search)
    assert clone(search).set_params(estimator__epochs=2).estimator.epochs == 2
    assert search.estimator.epochs == 4
    assert cross_val_score(search, X, Y, cv=2).mean() > 0.5
    with pytest.raises(NotFittedError):
        search.predict(X)
    first = clone(search).set_params(estimator__random_state=None, random_state=5).fit(X, Y)
    again = clone(search).set_params(estimator__random_state=None, random_state=5).fit(X, Y)
    assert_same_model(first.best_estimator_, again.best_estimator_)


def test_without_refit_there_is_no_model():
    search = gs.FusedSearchCV(trainer(), {"l2": [0.0, 5.0]}, cv=3, refit=False).fit(X, Y)
    assert search.best_params_ == {"l2": [0.0, 5.0][search.best_index_]}
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()
    for name in ("predict", "predict_proba", "decision_function"):
        assert not hasattr(search, name)
        assert hasattr(clone(search).set_params(refit=True), name)
    with pytest.raises(NoModelError, match="got refit=False"):
        search.score(X, Y)
    several = clone(search).set_params(scoring=["accuracy", "neg_log_loss"]).fit(X, Y)
    assert not hasattr(several, "best_index_")
    assert several.cv_results_["rank_test_neg_log_loss"].tolist() in ([1, 2], [2, 1])


def test_settings_that_diverge_come_last():
    rates = {"learning_rate": [0.1, 1e38]}
    base = trainer(standardize=False, hidden=(3,))
    search = gs.FusedSearchCV(base, rates, cv=3)
    with pytest.warns(
        FitFailedWarning, match=r"3 of 6 models diverged, the first of them: .* Their scores are nan"
    ):
        search.fit(X, Y)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]
    assert search.cv_results_["rank_test_score"].tolist() == [1, 2]
    assert search.best_params_ == {"learning_rate": 0.1}
    with pytest.warns(FitFailedWarning, match="Their scores are -1"):
        search.set_params(error_score=-1).fit(X, Y)
    assert search.cv_results_["mean_test_score"][1] == -1
    with pytest.raises(DivergedError):
        search.set_params(error_score="raise").fit(X, Y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.parametrize("scoring", [None, ["accuracy"]])
def test_all_settings_diverge(scoring):
    refit = True if scoring is None else "accuracy"
    base = trainer(standardize=False, hidden=(3,))
    search = gs.FusedSearchCV(base, {"learning_rate": [1e37, 1e38]}, scoring=scoring, refit=refit, cv=3)
    with pytest.raises(NoModelError, match="every one of the 2 settings of FusedSearchCV diverged") as caught:
        search.fit(X, Y)
    assert caught.value.results["status"].tolist() == ["diverged"] * 2
    assert np.isnan(search.cv_results_["mean_test_" + ("score" if scoring is None else "accuracy")]).all()


def test_ctrl_c_keeps_the_table():
    pressed = []

    def press(model, row):
        if model.hidden and not pressed:
            pressed.append(row)
            signal.raise_signal(signal.SIGINT)

    search = gs.FusedSearchCV(trainer(callbacks=(press,)), {"hidden": [(), (3,)]}, cv=3)
    with pytest.warns(RuntimeWarning, match="search interrupted after 1 of 2 trials"):
        search.fit(X, Y)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]
    assert search.best_params_ == {"hidden": ()}
    with pytest.raises(NoModelError, match="the search was interrupted"):
        search.predict(X)


@pytest.mark.parametrize(
    "name, value",
    [
        (name, value)
        for name, of_this in FUSED_SEARCH.items()
        for constraint in of_this
        for value in constraint.wrong
    ],
)
def test_bad_parameters(name, value):
    constraint = next(constraint for constraint in FUSED_SEARCH[name] if not constraint.holds(value))
    search = gs.FusedSearchCV(trainer(), {"l2": [0.0]}).set_params(**{name: value})
    message = re.escape(f"`{name}` of FusedSearchCV must be {constraint.text}, got")
    with pytest.raises(InvalidParameterError, match=message):
        search.fit(X, Y)


@pytest.mark.parametrize(
    "given, message",
    [
        ({"param_grid": None}, "needs one of `param_grid` and `param_distributions`, got None and None"),
        ({"param_distributions": {"l2": [0]}}, "needs one of `param_grid` and `param_distributions`"),
        ({"param_grid": 3}, "`param_grid` of FusedSearchCV must be a dict or a list of dicts, got 3"),
        ({"param_grid": []}, "`param_grid` of FusedSearchCV must be a dict or a list of dicts, got []"),
        ({"param_grid": {"l2": 0.1}}, "`param_grid` of FusedSearchCV: Parameter grid for parameter 'l2'"),
        ({"param_grid": {"l2": []}}, "`param_grid` of FusedSearchCV: Parameter grid for parameter 'l2'"),
        ({"param_grid": {"l3": [0.1]}}, "Trainer has no parameter 'l3'; did you mean l2?"),
        ({"param_grid": {"l2": [0, -1]}}, "`l2` of Trainer must be >= 0, got -1"),
        ({"cv": 1}, "`cv` of FusedSearchCV must be an int >= 2, a splitter or pairs of row numbers"),
        ({"cv": "five"}, "`cv` of FusedSearchCV must be an int >= 2"),
        ({"scoring": "acuracy"}, "`scoring` of FusedSearchCV "),
        (
            {"scoring": ["accuracy"]},
            "`refit` of FusedSearchCV must be False, a callable or one of the scorers",
        ),
        ({"refit": lambda results: 7}, "`refit` of FusedSearchCV must return an int from 0 to 0, got 7"),
        (
            {"estimator": make_pipeline(StandardScaler(), LogisticRegression())},
            "of this package, or a Pipeline that ends in one, got Pipeline(",
        ),
        ({"estimator": trainer(learning_rate=gs.schedules.ReduceOnPlateau(0.1))}, "monitors validation_loss"),
    ],
)
def test_bad_input(given, message):
    search = gs.FusedSearchCV(trainer(), {"l2": [0.0]}, cv=3).set_params(**given)
    with pytest.raises(InvalidParameterError, match=re.escape(message)):
        search.fit(X, Y)


def test_bad_rows():
    with pytest.raises(InvalidDataError, match=r"y of FusedSearchCV\.fit must have one target per row of X"):
        gs.FusedSearchCV(trainer(), {"l2": [0.0]}).fit(X, Y[:-1])
    one_class = [(np.flatnonzero(Y == 0), np.flatnonzero(Y == 1))]
    with pytest.raises(InvalidDataError, match="fold 0 of the search must leave rows of two classes"):
        gs.FusedSearchCV(trainer(), {"l2": [0.0]}, cv=one_class).fit(X, Y)
    for cv, why in (([], "there is no fold"), ([(np.arange(67), [70])], "out of bounds"), ([(1, 2, 3)], "")):
        with pytest.raises(InvalidParameterError, match=f"`cv` of FusedSearchCV must be an int >= 2.*{why}"):
            gs.FusedSearchCV(trainer(), {"l2": [0.0]}, cv=cv).fit(X, Y)
    with pytest.raises(InvalidDataError, match=r"X of FusedSearchCV\.fit must have one row or more"):
        gs.FusedSearchCV(trainer(), {"l2": [0.0]}).fit(X[:0], Y[:0])
    with pytest.raises(InvalidParameterError, match="trial 1 of FusedSearchCV has l2=-1"):
        gs.FusedSearchCV(trainer(), {"l2": [0.0, -1]}).fit(X, Y)


class OnlyAnArray:
    """Rows that nothing can be asked but to become an array."""

    def __init__(self, rows):
        self.rows = rows

    def __array__(self, dtype=None, copy=None):
        return np.array(self.rows, dtype=dtype)

    def __len__(self):
        return len(self.rows)


def test_rows_may_be_whatever_becomes_an_array():
    plain, wrapped = (
        gs.FusedSearchCV(trainer(), {"l2": [0.0, 0.1]}, cv=3).fit(rows, labels)
        for rows, labels in ((X, Y), (OnlyAnArray(X), OnlyAnArray(Y)))
    )
    np.testing.assert_array_equal(
        wrapped.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"]
    )
    assert not hasattr(plain, "feature_names_in_")


def test_names_of_columns_are_kept():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X, columns=list("abcde"))
    search = gs.FusedSearchCV(trainer(), {"l2": [0.0, 0.1]}, cv=3).fit(table, Y)
    assert search.feature_names_in_.tolist() == list("abcde")
