"""`FusedSearchCV` on workers: models are scored where they are, and the table is the same."""

from __future__ import annotations

import multiprocessing
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import FitFailedWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import gradstep as gs
from gradstep.errors import FallbackWarning, InvalidParameterError
from gradstep.sklearn import MLPClassifier
from scattering_engine import ScatteringEngine
from sweep_cases import VALUES, X, Y, assert_same_tables, regressor, trainer

GRID = {"l2": [0.0, 0.1], "batch_size": [8, 20], "learning_rate": [0.1, 0.3]}


def compare(estimator: Any, grid: Any, y: Any = Y, seed: int = 0, **options: Any) -> gs.FusedSearchCV:
    options = {"cv": 3, "return_train_score": True} | options
    expected = gs.FusedSearchCV(estimator, grid, **options).fit(X, y)
    found = gs.FusedSearchCV(estimator, grid, executor=ScatteringEngine(seed), **options).fit(X, y)
    assert_same_tables(found.cv_results_, expected.cv_results_)
    assert (found.cv_results_["mean_fit_time"] > 0).all()
    assert found.best_params_ == expected.best_params_
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))
    # Models that nobody keeps were forgotten where they were.
    assert all(own.fitted is None for trial in found.trials_ for own in trial.recorders.values())
    return found


@pytest.mark.parametrize("seed", range(2))
def test_scores_are_the_same(seed: int) -> None:
    compare(trainer(hidden=(4,)), GRID, seed=seed)


def test_several_scorers_and_real_targets() -> None:
    compare(regressor(), GRID, VALUES, scoring=["r2", "neg_mean_absolute_error"], refit="r2")


def test_transformers_are_fitted_where_models_train() -> None:
    pipeline = make_pipeline(StandardScaler(), PCA(3, random_state=0), trainer())
    compare(pipeline, {"pca__n_components": [2, 3], "trainer__l2": [0.0, 0.1]})


def test_transformers_that_fail() -> None:
    pipeline = make_pipeline(PCA(), trainer())
    grid = {"pca__n_components": [2, 50], "trainer__l2": [0.0, 0.1]}
    with pytest.warns(FitFailedWarning, match="6 of 12 models could not be fitted, the first of them: Val"):
        found = gs.FusedSearchCV(pipeline, grid, cv=3, executor=ScatteringEngine(1)).fit(X, Y)
    assert np.isnan(found.cv_results_["mean_test_score"]).sum() == 2


def refuses_some(model: Any, X: Any, y: Any) -> float:
    """Score by accuracy, but for models with a penalty."""
    if model.l2 > 0 and len(X) < 40:
        raise ValueError("no penalties")
    return float(model.score(X, y))


def test_scorers_that_fail() -> None:
    options: dict[str, Any] = {"scoring": refuses_some, "cv": 3, "refit": False}
    with pytest.warns(UserWarning, match="scoring failed 12 times, first with ValueError"):
        expected = gs.FusedSearchCV(trainer(), GRID, **options).fit(X, Y)
    with pytest.warns(UserWarning, match="scoring failed 12 times, first with ValueError"):
        found = gs.FusedSearchCV(trainer(), GRID, executor=ScatteringEngine(2), **options).fit(X, Y)
    assert_same_tables(found.cv_results_, expected.cv_results_)


def test_faces_are_refused_and_a_lambda_is_named() -> None:
    with pytest.raises(InvalidParameterError, match="must be None for MLPClassifier, got 2"):
        gs.FusedSearchCV(MLPClassifier(), {"alpha": [0.1]}, executor=2).fit(X, Y)
    search = gs.FusedSearchCV(trainer(), GRID, scoring=lambda model, X, y: 0.0, executor=ScatteringEngine())
    with pytest.raises(InvalidParameterError, match=r"of FusedSearchCV sends rows, .* cannot be pickled"):
        search.fit(X, Y)


def by_a_search(model: Any, X: Any, y: Any, executor: Any = None) -> float:
    """Score by what a search of its own finds, in whichever process this is."""
    sweep = gs.Sweep(trainer(), {"l2": [model.l2, 0.5]}, random_state=0, executor=executor)
    return float(sweep.fit(X, y).results_["score"][0])


def by_a_search_elsewhere(model: Any, X: Any, y: Any) -> float:
    """Score as `by_a_search`, whose search asks for processes where it may have none: in a worker."""
    if not multiprocessing.current_process().daemon:  # scorers are tried here first
        return by_a_search(model, X, y)
    with pytest.warns(FallbackWarning, match="executor=2 of a search in a worker of another one"):
        return by_a_search(model, X, y, executor=2)


def test_a_search_in_a_worker_trains_in_its_process() -> None:
    options: dict[str, Any] = {"cv": 2, "refit": False}
    expected = gs.FusedSearchCV(trainer(), {"l2": [0.0, 0.1]}, scoring=by_a_search, **options).fit(X, Y)
    for scoring in (by_a_search, by_a_search_elsewhere):
        found = gs.FusedSearchCV(trainer(), {"l2": [0.0, 0.1]}, scoring=scoring, executor=1, **options)
        assert_same_tables(found.fit(X, Y).cv_results_, expected.cv_results_)
