"""`FusedSearchCV` over scikit-learn's networks in a folder: scores and the refit go on to the same table."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.pipeline import make_pipeline

import gradstep as gs
from gradstep.errors import CheckpointError, InterruptedWarning, InvalidParameterError
from gradstep.search.fold_scores import FoldScores
from gradstep.sklearn import MLPClassifier
from gradstep.sklearn.training import FaceTraining
from killed import OFTEN, is_killed, scorer_that_presses
from sweep_cases import X, Y, assert_same_tables

pytestmark = pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning")

# Two groups a fold: one pass trains all alphas, and what is dropped is shared.
SPACE = {"alpha": [1e-3, 1.0], "dropout": [0.0, 0.2]}


def face(**more: Any) -> MLPClassifier:
    return MLPClassifier(**({"hidden_layer_sizes": (4,), "max_iter": 4, "random_state": 0} | more))


def search_of(folder: Path | None = None, base: Any = None, space: Any = None, **more: Any) -> Any:
    checkpoint = None if folder is None else gs.Checkpoint(folder, OFTEN)
    options = {"cv": 3, "return_train_score": True, "checkpoint": checkpoint} | more
    return gs.FusedSearchCV(base or face(), space or SPACE, **options)


def killed(search: Any, owner: Any, name: str, calls: int) -> bool:
    return is_killed(search, (X, Y), owner, name, calls)


def assert_same_search(found: Any, expected: Any) -> None:
    assert_same_tables(found.cv_results_, expected.cv_results_)
    assert found.best_params_ == expected.best_params_
    one, other = (
        getattr(own.best_estimator_, "steps", [("", own.best_estimator_)])[-1][1] for own in (found, expected)
    )
    for a, b in zip(one.coefs_, other.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.checkpoint is None


@pytest.mark.parametrize("scoring", [None, ["accuracy", "neg_log_loss"]])
@pytest.mark.parametrize("seed", [0, None])
def test_a_search_that_was_killed_while_it_trained_scored_and_refitted(
    scoring: Any, seed: int | None, tmp_path: Path
) -> None:
    more = {"scoring": scoring, "refit": "accuracy" if scoring else True, "base": face(random_state=seed)}
    state = None if seed is None else 7
    for calls in (1, 2):
        assert killed(search_of(tmp_path, **more, random_state=state), FaceTraining, "advance", calls)
    for calls in (1, 5, 3):
        assert killed(search_of(tmp_path, **more, random_state=state), FoldScores, "score", calls)
    while killed(search_of(tmp_path, **more, random_state=state), FaceTraining, "advance", 1):
        pass
    found = search_of(tmp_path, **more, random_state=state).fit(X, Y, resume=True)
    if seed is not None:
        assert_same_search(found, search_of(**more, random_state=state).fit(X, Y))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(FaceTraining, "advance", None)
        patched.setattr(FoldScores, "score", None)
        assert_same_search(search_of(tmp_path, **more, random_state=state).fit(X, Y, resume=True), found)


def test_models_that_are_scored_are_not_trained_again(tmp_path: Path) -> None:
    assert killed(search_of(tmp_path), FaceTraining, "advance", 4)
    trained = []
    advance = FaceTraining.advance

    def counted(training: FaceTraining, *given: Any) -> None:
        trained.append(len(training.observers))
        advance(training, *given)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(FaceTraining, "advance", counted)
        search_of(tmp_path, refit=False).fit(X, Y, resume=True)
    assert trained == [2, 2]


def test_pipelines_go_on_behind_the_same_transformers(tmp_path: Path) -> None:
    base = make_pipeline(PCA(3), face())
    space = {"pca__n_components": [2, 3], "mlpclassifier__alpha": [1e-3, 1.0]}
    expected = search_of(base=base, space=space).fit(X, Y)
    assert killed(search_of(tmp_path, base, space), FaceTraining, "advance", 3)
    assert killed(search_of(tmp_path, base, space), FoldScores, "score", 6)
    assert_same_search(search_of(tmp_path, base, space).fit(X, Y, resume=True), expected)
    with pytest.raises(CheckpointError, match="`pca__whiten` was False, got True"):
        search_of(tmp_path, make_pipeline(PCA(3, whiten=True), face()), space).fit(X, Y, resume=True)


def test_models_that_could_not_be_fitted_are_told_of_again(tmp_path: Path) -> None:
    space = {"learning_rate_init": [1e-3, 1e300]}
    more = {"base": face(solver="sgd"), "space": space, "error_score": -1.0}
    # All folds are one group each: the third is not begun.
    assert killed(search_of(tmp_path, **more), FaceTraining, "advance", 2)
    with pytest.warns(FitFailedWarning, match="3 of 6 models could not be fitted.*non-finite"):
        found = search_of(tmp_path, **more).fit(X, Y, resume=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitFailedWarning)
        assert_same_search(found, search_of(**more).fit(X, Y))


def test_an_interrupted_search_goes_on(tmp_path: Path) -> None:
    scorer = scorer_that_presses(3)
    with pytest.warns(InterruptedWarning):
        search_of(tmp_path, scoring=scorer).fit(X, Y)
    found = search_of(tmp_path, scoring=scorer).fit(X, Y, resume=True)
    expected = search_of(scoring=scorer).fit(X, Y)
    assert_same_search(found, expected)


def test_a_solver_that_leaves_no_state_is_refitted_all_the_same(tmp_path: Path) -> None:
    more = {"base": face(solver="lbfgs"), "space": {"alpha": [1e-3, 1.0]}}
    assert killed(search_of(tmp_path, **more), FoldScores, "score", 5)
    assert_same_search(search_of(tmp_path, **more).fit(X, Y, resume=True), search_of(**more).fit(X, Y))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"base": face(max_iter=5)}, "`max_iter` was 4, got 5"),
        ({"space": {"alpha": [1e-3, 2.0], "dropout": [0.0, 0.2]}}, "`trials` was "),
        ({"cv": 2}, "the digest of the rows was "),
        ({"scoring": "accuracy"}, "`scoring` was None, got 'accuracy'"),
    ],
)
def test_another_search_is_refused(change: dict[str, Any], told: str, tmp_path: Path) -> None:
    search_of(tmp_path, refit=False).fit(X, Y)
    with pytest.raises(CheckpointError, match=told):
        search_of(tmp_path, refit=False, **change).fit(X, Y, resume=True)


@pytest.mark.parametrize("change", ["X", "y", "weight"])
@pytest.mark.parametrize("sparse", [False, True])
def test_other_rows_are_refused(change: str, sparse: bool, tmp_path: Path) -> None:
    rows = scipy.sparse.csr_array(X) if sparse else X
    names = np.array(["one", "two", "three"], dtype=object)[Y % 3]
    given = {"X": rows, "y": names, "sample_weight": np.ones(len(Y))}
    search_of(tmp_path, refit=False).fit(**given)
    search_of(tmp_path, refit=False).fit(**given | {"y": names.tolist()}, resume=True)
    other = {"X": {"X": rows * 2}, "y": {"y": names[::-1]}, "weight": {"sample_weight": np.full(len(Y), 2.0)}}
    with pytest.raises(CheckpointError, match="the digest of the rows was "):
        search_of(tmp_path, refit=False).fit(**given | other[change], resume=True)


def test_a_generator_of_ones_own_cannot_be_kept(tmp_path: Path) -> None:
    base = face(random_state=np.random.RandomState(0))
    with pytest.raises(
        InvalidParameterError, match="`random_state` of MLPClassifier must be an int or None in a search with"
    ):
        search_of(tmp_path, base).fit(X, Y)
