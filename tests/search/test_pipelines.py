"""`FusedSearchCV` over pipelines: what `GridSearchCV` finds, with transformers fitted once for a fold."""

from __future__ import annotations

import re
from typing import ClassVar

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_selection import SelectKBest
from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import gradstep as gs
from gradstep.errors import InvalidParameterError, NoModelError
from sweep_cases import HERE, VALUES, X, Y, assert_same_model, assert_same_tables, regressor, trainer


class CountedScaler(TransformerMixin, BaseEstimator):
    """Divides by the largest value of what it was fitted on, and counts that."""

    fits: ClassVar[list[int]] = []

    def __init__(self, power=1):
        self.power = power

    def fit(self, rows, labels=None):
        self.fits.append(len(rows))
        self.largest_ = np.abs(rows).max()
        return self

    def transform(self, rows):
        return (rows / self.largest_) ** self.power


def pipeline(last, **steps):
    return Pipeline([*steps.items(), ("net", last)])


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("scoring", [None, "neg_log_loss", ["accuracy", "roc_auc_ovr"]])
def test_equals_grid_search(name, scoring):
    own = pipeline(trainer(backend=name), scale=StandardScaler(), best=SelectKBest(k=3), pca=PCA(2))
    grid = {"net__l2": [0.0, 0.1], "net__hidden": [(), (4,)], "pca__n_components": [1, 3]}
    refit = "roc_auc_ovr" if isinstance(scoring, list) else True
    given = {"scoring": scoring, "cv": 3, "refit": refit, "return_train_score": True}
    expected = GridSearchCV(own, grid, **given).fit(X, Y)
    found = gs.FusedSearchCV(own, grid, **given).fit(X, Y)
    assert_same_tables(found.cv_results_, expected.cv_results_)
    assert found.best_params_ == expected.best_params_
    assert isinstance(found.best_estimator_, Pipeline)
    assert_same_model(found.best_estimator_[-1], expected.best_estimator_[-1])
    for method in ("predict", "predict_proba", "decision_function"):
        np.testing.assert_array_equal(getattr(found, method)(X), getattr(expected, method)(X))
    assert (found.classes_.tolist(), found.n_features_in_) == ([0, 1, 2], 5)
    # Two kinds of networks in three folds behind each of two PCAs.
    assert [len(group.models) for group in found.groups_] == [2] * 12
    assert found.groups_[0].reason == "pca__n_components=1; fold 0; hidden=()"


def test_transformers_are_fitted_once_for_a_fold_and_a_setting_of_theirs():
    own = pipeline(trainer(), scale=CountedScaler())
    grid = {"net__l2": [0.0, 0.1, 1.0], "net__hidden": [(), (4,)], "scale__power": [1, 2]}
    CountedScaler.fits.clear()
    found = gs.FusedSearchCV(own, grid, cv=3).fit(X, Y)
    assert len(CountedScaler.fits) == 2 * 3 + 1
    assert sorted(CountedScaler.fits) == [44, 44, 45, 45, 45, 45, 67]
    assert not hasattr(own[0], "largest_")
    expected = GridSearchCV(own, grid, cv=3).fit(X, Y)
    assert_same_tables(found.cv_results_, expected.cv_results_)


def test_groups_weights_and_steps_that_are_replaced():
    own = pipeline(trainer(), scale=StandardScaler())
    grid = [
        {"scale": [MinMaxScaler(), "passthrough", None], "net__l2": [0.0, 0.1]},
        {"net": [trainer(hidden=(3,)), trainer(loss="sigmoid")], "scale__with_mean": [True, False]},
    ]
    groups, weight = np.arange(len(Y)) % 3, np.linspace(0.1, 2, len(Y))
    expected = GridSearchCV(own, grid, cv=LeaveOneGroupOut(), scoring="neg_log_loss")
    expected.fit(X, Y, groups=groups, net__sample_weight=weight)
    found = gs.FusedSearchCV(own, grid, cv=LeaveOneGroupOut(), scoring="neg_log_loss")
    found.fit(X, Y, groups=groups, sample_weight=weight)
    for fold in range(3):
        column = f"split{fold}_test_score"
        np.testing.assert_array_equal(found.cv_results_[column], expected.cv_results_[column])
    assert str(found.best_params_) == str(expected.best_params_)
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))


def test_regressors_and_tables():
    pandas = pytest.importorskip("pandas")
    from sklearn.compose import make_column_transformer
    from sklearn.preprocessing import OneHotEncoder

    table = pandas.DataFrame(X, columns=list("abcde"))
    table["kind"] = np.array(["red", "green", "blue"])[Y]
    before = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["kind"]), remainder=StandardScaler()
    ).set_output(transform="pandas")
    own = pipeline(regressor(), columns=before)
    expected = GridSearchCV(own, {"net__l2": [0.0, 0.1]}, cv=3).fit(table, VALUES)
    found = gs.FusedSearchCV(own, {"net__l2": [0.0, 0.1]}, cv=3).fit(table, VALUES)
    assert_same_tables(found.cv_results_, expected.cv_results_)
    assert found.feature_names_in_.tolist() == [*"abcde", "kind"]
    np.testing.assert_array_equal(found.predict(table), expected.predict(table))


def test_a_pipeline_of_one_step_is_its_trainer():
    grid = {"l2": [0.0, 0.1]}
    alone = gs.FusedSearchCV(trainer(), grid, cv=3).fit(X, Y)
    found = gs.FusedSearchCV(pipeline(trainer()), {"net__l2": [0.0, 0.1]}, cv=3).fit(X, Y)
    np.testing.assert_array_equal(found.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    assert_same_model(found.best_estimator_[-1], alone.best_estimator_)


def test_a_state_that_is_none_is_drawn_once():
    own = pipeline(trainer(random_state=None), scale=StandardScaler())
    search = gs.FusedSearchCV(own, {"net__l2": [0.0, 0.1]}, cv=3, random_state=5)
    first, again = (clone(search).fit(X, Y) for _ in range(2))
    assert_same_model(first.best_estimator_[-1], again.best_estimator_[-1])


def test_memory_cuts_groups_behind_transformers():
    own = pipeline(trainer(), scale=StandardScaler())
    grid = {"net__l2": [0.0, 0.1, 0.2, 0.3]}
    whole = gs.FusedSearchCV(own, grid, cv=3).fit(X, Y)
    cut = gs.FusedSearchCV(own, grid, cv=3, max_memory=1000).fit(X, Y)
    assert [len(group.models) for group in cut.groups_] == [2] * 6
    assert (
        "cut in two, for memory did not hold 4 models: 1,000 bytes hold 2 models of" in cut.groups_[0].reason
    )
    assert_same_tables(cut.cv_results_, whole.cv_results_)


def test_a_transformer_that_fails_says_where():
    own = pipeline(trainer(), pca=PCA(50))
    with pytest.raises(ValueError, match="n_components=50 must be between 0 and") as caught:
        gs.FusedSearchCV(own, {"net__l2": [0.0]}, cv=3, error_score="raise").fit(X, Y)
    assert re.match("in fold 0 of a search over Pipeline", caught.value.__notes__[0])


class ManyRows(CountedScaler):
    """Needs many rows: of fewer it raises an error, or makes what is no number."""

    def __init__(self, power=1, refuses=True):
        super().__init__(power)
        self.refuses = refuses

    def fit_transform(self, rows, labels=None):
        if len(rows) > 40:
            return super().fit_transform(rows)
        if self.refuses:
            raise ZeroDivisionError("too few rows")
        return np.full_like(rows, np.nan)


@pytest.mark.parametrize("error_score", [np.nan, -1.0])
@pytest.mark.parametrize("refuses, said", [(True, "ZeroDivisionError: too few"), (False, "Input X contains")])
def test_error_score_stands_for_models_behind_a_transformer_that_fails(error_score, refuses, said):
    own = pipeline(trainer(), scale=ManyRows(refuses=refuses))
    rows = np.arange(len(X))
    pairs = [(rows[30:], rows[:30]), (rows[:-5], rows[-5:])]
    grid = {"net__l2": [0.0, 0.1], "scale": ["passthrough", ManyRows(refuses=refuses)]}
    with pytest.warns(FitFailedWarning, match="2 of 8 models could not be fitted") as told:
        found = gs.FusedSearchCV(own, grid, cv=pairs, error_score=error_score).fit(X, Y)
    assert said in str(told[0].message)
    failed = found.cv_results_["split0_test_score"]
    behind = np.array([params["scale"] != "passthrough" for params in found.cv_results_["params"]])
    np.testing.assert_array_equal(failed[behind], [error_score] * 2)
    assert (failed[~behind] > 0).all()
    assert np.isfinite(found.cv_results_["split1_test_score"]).all()
    assert found.best_params_["scale"] == "passthrough"
    assert [trial.status for trial in found.trials_].count("failed") == 2


def test_transformers_that_fail_for_every_setting_leave_no_model():
    own = pipeline(trainer(), pca=PCA(50))
    search = gs.FusedSearchCV(own, {"pca__n_components": [60, 50]}, cv=3)
    with (
        pytest.warns(FitFailedWarning, match="6 of 6 models could not be fitted"),
        pytest.raises(NoModelError, match="every one of the 2 settings of FusedSearchCV could not be fitted"),
    ):
        search.fit(X, Y)
    assert np.isnan(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize(
    "grid, message",
    [
        ({"l2": [0.1]}, "`estimator` of FusedSearchCV: Invalid parameter 'l2' for estimator Pipeline"),
        ({"net__l3": [0.1]}, "Trainer has no parameter 'l3'"),
        ({"net__l2": [-1]}, "trial 0 of FusedSearchCV has net__l2=-1: `l2` of Trainer must be >= 0, got -1"),
        ({"net": ["passthrough"]}, "`estimator` of FusedSearchCV must end in a Trainer or Regressor"),
    ],
)
def test_bad_input(grid, message):
    own = pipeline(trainer(), scale=StandardScaler())
    with pytest.raises(InvalidParameterError, match=re.escape(message)):
        gs.FusedSearchCV(own, grid, cv=3).fit(X, Y)
