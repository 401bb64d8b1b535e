"""Searches over scikit-learn's networks: each model is what it is alone, to the bit."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import gradstep as gs
from gradstep.errors import InvalidParameterError
from gradstep.sklearn import MLPClassifier, MLPRegressor
from gradstep.sklearn.together import fit_together, groups_of
from killed import scorer_that_presses

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def classes(dtype: str = "float64") -> tuple[np.ndarray, np.ndarray]:
    X, y = make_classification(180, 8, n_informative=5, n_classes=3, random_state=0)
    return X.astype(dtype), y


def settings() -> list[dict[str, Any]]:
    """Return numbers that may differ within a group."""
    return [
        {"alpha": 1e-4},
        {"alpha": 1.0, "learning_rate_init": 0.01},
        {"beta_1": 0.5, "max_iter": 3},
        {"tol": 1e-1, "n_iter_no_change": 2},
    ]


def assert_equal(one: Any, other: Any) -> None:
    """Check that two faces learnt the same."""
    assert vars(one).keys() == vars(other).keys()
    for name in ("coefs_", "intercepts_"):
        for own, expected in zip(getattr(one, name), getattr(other, name), strict=True):
            np.testing.assert_array_equal(own, expected)
    for name in ("loss_curve_", "n_iter_", "t_", "validation_scores_", "best_loss_", "n_features_in_"):
        assert getattr(one, name) == getattr(other, name), name


@pytest.mark.parametrize("backend", ["cpp", "numba", "numpy"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_face_in_a_group_is_the_face_alone(backend: str, dtype: str, early_stopping: bool) -> None:
    X, y = classes(dtype)
    base = {"hidden_layer_sizes": (6,), "max_iter": 12, "random_state": 3, "backend": backend}
    base |= {"early_stopping": early_stopping, "batch_size": 50}
    made = [MLPClassifier(**(base | own)) for own in settings()]
    assert groups_of(made) == [[0, 1, 2, 3]]
    assert fit_together(made, X, y, None, lambda: False) == [None] * 4
    for face in made:
        assert_equal(face, MLPClassifier(**face.get_params()).fit(X, y))
    assert len({face.n_iter_ for face in made}) > 1


@pytest.mark.parametrize("updates", [1 << 16, 12])
def test_solvers_of_a_group_go_on_from_where_they_are(updates: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # 4 updates an epoch: plans of 3 epochs, in the first of which a model leaves.
    X, y = classes()
    base = {"hidden_layer_sizes": (6,), "random_state": 3, "batch_size": 50}
    made = [MLPClassifier(**base, max_iter=epochs) for epochs in (2, 8, 5)]
    alone = [MLPClassifier(**face.get_params()).fit(X, y) for face in made]
    monkeypatch.setattr("gradstep.sklearn.training._UPDATES_OF_PLAN", updates)
    assert fit_together(made, X, y, None, lambda: False) == [None] * 3
    for face, expected in zip(made, alone, strict=True):
        assert_equal(face, expected)
        assert face._optimizer.updates == 4 * face.max_iter
        np.testing.assert_array_equal(face._optimizer.slots, expected._optimizer.slots)


def test_sgd_with_and_without_momentum_are_two_rules() -> None:
    faces = [MLPClassifier(solver="sgd", momentum=own, random_state=0) for own in (0.9, 0.0, 0.5)]
    together = groups_of(faces)
    assert sorted(place for members in together for place in members) == [0, 1, 2]
    assert [0, 2] in together


@pytest.mark.parametrize(
    "other", [{"random_state": None}, {"solver": "lbfgs"}, {"warm_start": True}, {"callbacks": (print,)}]
)
def test_some_train_alone(other: dict[str, Any]) -> None:
    faces = [MLPClassifier(**({"random_state": 0} | other)) for _ in range(2)]
    assert groups_of(faces) == [[0], [1]]


def test_what_is_shared_parts_groups() -> None:
    faces = [MLPClassifier(own, random_state=seed) for own in ((5,), (6,)) for seed in (0, 1, 0)]
    assert groups_of(faces) == [[0, 2], [1], [3, 5], [4]]


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_a_search_has_the_scores_of_grid_search(kind: str) -> None:
    if kind == "classifier":
        X, y = classes()
        face: Any = MLPClassifier((6,), max_iter=15, random_state=0)
    else:
        X, y = make_regression(150, 6, random_state=0)
        face = MLPRegressor(hidden_layer_sizes=(6,), max_iter=15, random_state=0)
    grid = {"alpha": [1e-3, 1.0], "learning_rate_init": [1e-3, 1e-2], "hidden_layer_sizes": [(6,), (4, 3)]}
    ours = gs.FusedSearchCV(face, grid, cv=3, return_train_score=True).fit(X, y)
    theirs = GridSearchCV(face, grid, cv=3, return_train_score=True).fit(X, y)
    for name, values in theirs.cv_results_.items():
        if name.endswith("score") and "time" not in name and "split" in name:
            np.testing.assert_array_equal(ours.cv_results_[name], values, err_msg=name)
    assert ours.best_params_ == theirs.best_params_
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert sorted(len(group.models) for group in ours.groups_) == [4] * 6
    assert not ours.interrupted_


def test_weights_count_in_training_and_not_in_scores() -> None:
    X, y = classes()
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    face = MLPClassifier((6,), max_iter=10, random_state=0)
    pairs = [(np.arange(100), np.arange(100, 180)), (np.arange(80, 180), np.arange(80))]
    search = gs.FusedSearchCV(face, {"alpha": [1e-3, 1.0]}, cv=pairs).fit(X, y, sample_weight=weight)
    for fold, (own, held_out) in enumerate(pairs):
        for place, alpha in enumerate((1e-3, 1.0)):
            alone = MLPClassifier((6,), max_iter=10, random_state=0, alpha=alpha)
            alone.fit(X[own], y[own], sample_weight=weight[own])
            found = search.cv_results_[f"split{fold}_test_score"][place]
            assert found == alone.score(X[held_out], y[held_out])
    alone = MLPClassifier((6,), max_iter=10, random_state=0, **search.best_params_)
    assert_equal(search.best_estimator_, alone.fit(X, y, sample_weight=weight))


def test_pipelines_fit_their_transformers_in_every_fold() -> None:
    X, y = classes()
    groups = np.arange(len(y)) % 7
    X = X + 100 * groups[:, None]
    pipeline = make_pipeline(StandardScaler(), MLPClassifier((5,), max_iter=10, random_state=0))
    grid = {"mlpclassifier__alpha": [1e-3, 1.0], "standardscaler__with_std": [True, False]}
    ours = gs.FusedSearchCV(pipeline, grid, cv=GroupKFold(3)).fit(X, y, groups=groups)
    theirs = GridSearchCV(pipeline, grid, cv=GroupKFold(3)).fit(X, y, groups=groups)
    for fold in range(3):
        name = f"split{fold}_test_score"
        np.testing.assert_array_equal(ours.cv_results_[name], theirs.cv_results_[name])
    assert ours.score(X, y) == theirs.score(X, y)


def test_a_setting_that_fails_has_the_error_score() -> None:
    X, y = classes()
    face = MLPClassifier((5,), solver="sgd", max_iter=4, random_state=0)
    grid = {"learning_rate_init": [1e-3, 1e300]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        with pytest.warns(FitFailedWarning, match="3 of 6 models could not be fitted.*non-finite"):
            search = gs.FusedSearchCV(face, grid, cv=3, error_score=-1.0).fit(X, y)
        assert search.cv_results_["mean_test_score"][1] == -1.0
        assert search.best_params_ == {"learning_rate_init": 1e-3}
        with pytest.raises(ValueError, match="non-finite"):
            gs.FusedSearchCV(face, grid, cv=3, error_score="raise").fit(X, y)


def test_a_setting_that_breaks_a_constraint_is_told_before_the_work() -> None:
    X, y = classes()
    with pytest.raises(InvalidParameterError, match=r"alpha.*-1"):
        gs.FusedSearchCV(MLPClassifier(), {"alpha": [1.0, -1]}).fit(X, y)
    with pytest.raises(InvalidParameterError, match="l2"):
        gs.FusedSearchCV(MLPClassifier(), {"l2": [1.0]}).fit(X, y)


def test_an_interrupted_search_keeps_its_table() -> None:
    X, y = classes()
    scorer = scorer_that_presses(3)
    with pytest.warns(RuntimeWarning, match="interrupted"):
        search = gs.FusedSearchCV(
            MLPClassifier((4,), max_iter=3, random_state=0), {"alpha": [1e-3, 1e-2]}, cv=3, scoring=scorer
        ).fit(X, y)
    assert search.interrupted_
    assert np.isfinite(search.cv_results_["split0_test_score"]).all()
    assert np.isnan(search.cv_results_["split2_test_score"]).all()
    assert not hasattr(search, "best_estimator_")


def test_each_face_of_a_group_warns_of_a_clipped_batch_as_scikit_learns_does() -> None:
    X, y = classes()
    face = MLPClassifier((4,), max_iter=2, random_state=0, batch_size=150, backend="numpy")
    said = []
    for search in (GridSearchCV, gs.FusedSearchCV):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            search(face, {"alpha": [1e-4, 1.0]}, cv=3, refit=False).fit(X, y)
        said.append([str(one.message) for one in caught if "clipped" in str(one.message)])
    assert said[0] == said[1]
    assert len(said[0]) == 6
