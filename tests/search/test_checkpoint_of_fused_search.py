"""`FusedSearchCV` in a folder: models, scores and the refit go on to the same table."""

from __future__ import annotations

import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.pipeline import make_pipeline

import gradstep as gs
from gradstep.errors import CheckpointError, InvalidParameterError
from gradstep.search import fold_scores
from gradstep.storage import checkpoint_folder
from gradstep.training.loop import TrainingLoop
from killed import OFTEN, is_killed
from sweep_cases import X, Y, assert_same_model, assert_same_tables, trainer

SPACE = {"l2": [0.0, 0.1], "learning_rate": [0.1, 1e30]}


def search_of(folder=None, base=None, space=SPACE, **more):
    checkpoint = None if folder is None else gs.Checkpoint(folder, OFTEN)
    base = trainer(epochs=3) if base is None else base
    return gs.FusedSearchCV(base, space, cv=3, return_train_score=True, checkpoint=checkpoint, **more)


def killed(search, owner, name, calls):
    return is_killed(search, (X, Y), owner, name, calls)


def assert_same_search(found, expected):
    assert_same_tables(found.cv_results_, expected.cv_results_)
    assert found.best_params_ == expected.best_params_
    assert_same_model(found.best_estimator_, expected.best_estimator_)
    assert found.best_estimator_.checkpoint is None


@pytest.mark.filterwarnings("ignore:3 of 12 models diverged")
@pytest.mark.parametrize("scoring", [None, ["accuracy", "neg_log_loss"]])
def test_a_search_that_was_killed_while_it_trained_scored_and_refitted(scoring, tmp_path):
    refit = "accuracy" if scoring else True
    expected = search_of(scoring=scoring, refit=refit).fit(X, Y)
    folder, more = tmp_path, {"scoring": scoring, "refit": refit}
    for calls in (1, 2, 3):
        assert killed(search_of(folder, **more), TrainingLoop, "advance", calls)
    for calls in (1, 3, 5):
        assert killed(search_of(folder, **more), fold_scores.FoldScores, "score", calls)
    assert killed(search_of(folder, **more), TrainingLoop, "advance", 1)  # that of the refit
    found = search_of(folder, **more).fit(X, Y, resume=True)
    assert_same_search(found, expected)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(TrainingLoop, "advance", None)
        patched.setattr(fold_scores.FoldScores, "score", None)
        assert_same_search(search_of(folder, **more).fit(X, Y, resume=True), expected)


def test_scores_that_were_taken_are_not_taken_again(tmp_path):
    calls = []

    def counted(y, answers):
        calls.append(len(y))
        return accuracy_score(y, answers)

    space = {"l2": [0.0, 0.1]}
    scoring = make_scorer(counted)
    assert killed(search_of(tmp_path, space=space, scoring=scoring), fold_scores.FoldScores, "score", 4)
    first = len(calls)
    search_of(tmp_path, space=space, scoring=scoring).fit(X, Y, resume=True)
    rehearsed = 1
    assert (first, len(calls) - first) == (4 + rehearsed, 12 - 4 + rehearsed)


def test_pipelines_go_on_behind_the_same_transformers(tmp_path):
    base = make_pipeline(PCA(3), trainer(epochs=3))
    space = {"pca__n_components": [2, 3], "trainer__l2": [0.0, 0.1]}
    expected = search_of(base=base, space=space).fit(X, Y)
    for owner, name, calls in [
        *((TrainingLoop, "advance", calls) for calls in (2, 4, 3)),
        (fold_scores.FoldScores, "score", 7),
        (TrainingLoop, "advance", 1),
    ]:
        assert killed(search_of(tmp_path, base, space), owner, name, calls)
    found = search_of(tmp_path, base, space).fit(X, Y, resume=True)
    assert_same_tables(found.cv_results_, expected.cv_results_)
    assert_same_model(found.best_estimator_[-1], expected.best_estimator_[-1])
    with pytest.raises(CheckpointError, match="the digest of the rows was"):
        search_of(tmp_path, base, space).fit(X + 1, Y, resume=True)


def test_models_that_are_scored_are_no_longer_in_the_folder(tmp_path):
    search_of(tmp_path, space={"l2": [0.0, 0.1]}).fit(X, Y)
    for path in tmp_path.glob("group-*"):
        with path.open("rb") as file:
            _, arrays = checkpoint_folder.unpack(file)
        assert set(arrays) == {"history"}
    assert (tmp_path / "refit" / "training.safetensors").exists()


def test_a_scorer_that_raises_leaves_models_to_go_on_with(tmp_path):
    calls = []

    def fails(y, answers):
        calls.append(len(y))
        if len(calls) == 4:
            raise ZeroDivisionError("once")
        return accuracy_score(y, answers)

    more = {"space": {"l2": [0.0, 0.1]}, "error_score": "raise", "scoring": make_scorer(fails)}
    with pytest.raises(ZeroDivisionError):
        search_of(tmp_path, **more).fit(X, Y)
    found = search_of(tmp_path, **more).fit(X, Y, resume=True)
    expected = search_of(space={"l2": [0.0, 0.1]}).fit(X, Y)
    assert_same_tables(found.cv_results_, expected.cv_results_)


def test_what_cannot_be_kept_is_told(tmp_path):
    checkpoint = gs.Checkpoint(tmp_path)
    with pytest.raises(InvalidParameterError, match="`checkpoint` of coarse_to_fine must be left out"):
        gs.coarse_to_fine(trainer(), {"l2": gs.LogUniform(1e-3, 1)}, X, Y, checkpoint=checkpoint)
    with pytest.raises(InvalidParameterError, match=r"`resume` of FusedSearchCV\.fit needs"):
        gs.FusedSearchCV(trainer(), {"l2": [0.1]}).fit(X, Y, resume=True)
    assert list(tmp_path.iterdir()) == []
