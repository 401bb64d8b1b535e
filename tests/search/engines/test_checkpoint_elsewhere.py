"""Searches on workers that are kept in a folder: they go on to the same bits, there or here."""

from __future__ import annotations

import signal
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline

import gradstep as gs
from gradstep.errors import CheckpointError
from gradstep.search import fold_scores
from gradstep.search.engines.processes import ProcessEngine
from gradstep.search.load import GroupLoad
from gradstep.training.loop import TrainingLoop
from kept_searches import CASES, assert_same_search, fit, sweep_of
from killed import OFTEN, KilledError, dies_after
from scattering_engine import ScatteringEngine
from sweep_cases import HERE, X, Y, assert_same_tables, trainer

pytestmark = pytest.mark.usefixtures("python_own_handler")

# Who trains from one kill to the next, None this process, and how many slices or evaluations before the next.
TURNS = [(1, 1), (3, 1), (None, 1), (1, 2), (None, 2), (40, 1), (2, 3)]


def engine_of(slots: int | None, seed: int = 0, **options: Any) -> ScatteringEngine | None:
    return None if slots is None else ScatteringEngine(seed, slots, **options)


def killed(work: Any, slots: int | None, calls: int) -> bool:
    """Return whether a search was killed at the answer, or here at the evaluation, behind so many."""
    owner, name = (TrainingLoop, "advance") if slots is None else (GroupLoad, "take")
    with pytest.MonkeyPatch.context() as patched:
        dies_after(patched, owner, name, calls)
        try:
            work()
        except KilledError:
            return True
    return False


@pytest.mark.parametrize("last", [None, 3])
@pytest.mark.parametrize("case", CASES)
def test_a_search_that_was_killed_again_and_again_comes_to_the_same_bits(case, last, tmp_path):
    backend = "cpp" if "cpp" in HERE else "numpy"
    expected = fit(sweep_of(case, backend))
    kills = 0
    for turn, (slots, calls) in enumerate(TURNS):
        sweep = sweep_of(case, backend, tmp_path, executor=engine_of(slots, turn))
        kills += killed(lambda sweep=sweep: fit(sweep, resume=True), slots, calls)
    assert kills >= 3
    found = fit(sweep_of(case, backend, tmp_path, executor=engine_of(last)), resume=True)
    assert_same_search(found, expected, same_groups=False)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(TrainingLoop, "advance", None)  # what is over is returned at once
        again = fit(sweep_of(case, backend, tmp_path, executor=engine_of(last)), resume=True)
    assert_same_search(again, expected, same_groups=False)


FAR = X.copy()
# The first fold alone does not train on a row that no step survives.
FAR[next(StratifiedKFold(4).split(X, Y))[1][0]] *= 1e30


def far_search(folder, executor, pruner):
    checkpoint = None if folder is None else gs.Checkpoint(folder, OFTEN)
    space = {"standardize": [True, False], "l2": [0.0, 1e-3, 1e-2], "batch_size": [8, 20]}
    sweep = gs.Sweep(
        trainer(epochs=6, learning_rate=1e-3),
        space,
        folds=4,
        random_state=0,
        pruner=pruner,
        keep_trainers=True,
        executor=executor,
        checkpoint=checkpoint,
    )
    return sweep.fit(FAR, Y, resume=checkpoint is not None)


@pytest.mark.parametrize("pruner", [None, gs.SuccessiveHalving(2, min_epochs=2)])
@pytest.mark.parametrize("seed", range(2))
def test_folds_of_trials_that_diverge_go_back_to_where_their_rung_began(pruner, seed, tmp_path):
    """Side by side on workers and one after the other here: what is kept of one goes on as the other."""
    expected = far_search(None, None, pruner)
    begun = {tuple(own.status.value for own in trial.recorders.values()) for trial in expected.trials_}
    assert {states[1] for states in begun if "diverged" in states} == {"diverged"}
    for slots, calls in [(7, 5 + seed), (None, 1 + seed), (5, 3), (2, 9), (None, 4), (9, 11)]:
        killed(lambda: far_search(tmp_path, engine_of(slots, seed), pruner), slots, calls)  # noqa: B023
    found = far_search(tmp_path, engine_of(3 if seed % 2 else None), pruner)
    assert_same_search(found, expected, same_groups=False)
    for trial, other in zip(found.trials_, expected.trials_, strict=True):
        assert {fold: own.status for fold, own in trial.recorders.items()} == {
            fold: own.status for fold, own in other.recorders.items()
        }


def test_processes_that_are_lost_with_the_search(tmp_path):
    """Workers of a client that dies, and losses of workers on the way."""
    expected, kills = fit(sweep_of("rules")), 0
    for calls in (1, 2):
        engine = ProcessEngine(2)
        sweep = sweep_of("rules", folder=tmp_path, executor=engine)
        kills += killed(lambda sweep=sweep: fit(sweep, resume=True), 2, calls)
        engine.close()
    assert kills == 2
    with pytest.warns(RuntimeWarning, match="lost; what"):
        found = fit(sweep_of("rules", folder=tmp_path, executor=engine_of(2, losses=0.7)), resume=True)
    assert_same_search(found, expected, same_groups=False)


@pytest.mark.filterwarnings(
    "ignore:.* workers were lost", "ignore:2 of the search's models cannot be trained"
)
def test_a_model_that_kills_workers_has_failed_and_stays_so(tmp_path):
    """What it did to workers, it need not do again."""

    def kills(args):
        return any(own.l2 == 0.1 for own in args[-1].settings)

    space = {"l2": [0.0, 0.1, 0.2], "learning_rate": [0.1, 0.2]}
    engine = ScatteringEngine(1, 2, kills=kills)
    first = fit(sweep_of("rules", space=space, folder=tmp_path, executor=engine))
    assert [trial.status.value for trial in first.trials_].count("failed") == 2
    for slots in (None, 2):
        again = fit(sweep_of("rules", space=space, folder=tmp_path, executor=engine_of(slots)), resume=True)
        assert [trial.status.value for trial in again.trials_] == [t.status.value for t in first.trials_]
        assert str(again.trials_[2].failures[0]) == "the worker is gone"
        assert again.best_index_ == first.best_index_


def test_what_slices_have_done_before_ctrl_c_is_kept_and_what_it_cut_is_not(tmp_path, monkeypatch):
    expected = fit(sweep_of("rules"))
    take, calls = GroupLoad.take, []

    def press(load, value):
        calls.append(load)
        if len(calls) == 4:
            signal.raise_signal(signal.SIGINT)
        return take(load, value)

    def halt(engine):
        # From here on slices end where they are, with rows of their own.
        train = TrainingLoop.advance
        monkeypatch.setattr(
            TrainingLoop, "advance", lambda loop, goal, stop: train(loop, loop.done + 1, lambda: True)
        )

    monkeypatch.setattr(GroupLoad, "take", press)
    monkeypatch.setattr(ScatteringEngine, "halt", halt)
    with pytest.warns(RuntimeWarning, match="search interrupted"):
        stopped = fit(sweep_of("rules", folder=tmp_path, every=3600, executor=engine_of(3)))
    assert stopped.interrupted_
    monkeypatch.undo()
    assert any(path.name.startswith("group-") for path in tmp_path.iterdir())
    found = fit(sweep_of("rules", folder=tmp_path, executor=engine_of(2)), resume=True)
    assert_same_search(found, expected, same_groups=False)


def test_a_callback_may_end_the_search_and_it_goes_on(tmp_path):
    expected, seen = fit(sweep_of("halving")), []
    sweep = sweep_of(
        "halving",
        folder=tmp_path,
        every=3600,
        executor=engine_of(3),
        callbacks=(lambda sweep: seen.append(sweep) or len(seen) == 9,),
    )
    assert fit(sweep).interrupted_
    found = fit(sweep_of("halving", folder=tmp_path, executor=engine_of(1)), resume=True)
    assert_same_search(found, expected, same_groups=False)


def test_bits_are_those_of_the_instruction_set_that_workers_agree_on(tmp_path, monkeypatch):
    fit(sweep_of("groups", "auto", folder=tmp_path, executor=engine_of(2)))
    agree = ScatteringEngine.agree
    monkeypatch.setattr(
        ScatteringEngine, "agree", lambda self: agree(self).__class__(gs.__version__, "baseline")
    )
    if "cpp" not in HERE:
        pytest.skip("needs the compiled core")
    with pytest.raises(CheckpointError, match=r"instruction set was avx\w+, got baseline"):
        fit(sweep_of("groups", "auto", folder=tmp_path, executor=engine_of(2)), resume=True)


def fused(folder=None, slots=None, base=None, space=None, seed=0, **more):
    checkpoint = None if folder is None else gs.Checkpoint(folder, OFTEN)
    base = trainer(epochs=3) if base is None else base
    space = {"l2": [0.0, 0.1], "learning_rate": [0.1, 1e30]} if space is None else space
    engine = engine_of(slots, seed)
    more = {"cv": 3, "return_train_score": True, "executor": engine} | more
    return gs.FusedSearchCV(base, space, checkpoint=checkpoint, **more)


PIPELINE = make_pipeline(PCA(3), trainer(epochs=3))
SEVERAL = {"scoring": ["accuracy", "neg_log_loss"], "refit": "accuracy"}
PIPELINES = {"base": PIPELINE, "space": {"pca__n_components": [2, 3], "trainer__l2": [0.0, 0.1]}}


@pytest.mark.filterwarnings("ignore:3 of 12 models diverged")
@pytest.mark.parametrize("last", [None, 2])
@pytest.mark.parametrize("more", [{}, SEVERAL, PIPELINES])
def test_models_are_scored_where_they_were_and_scores_are_kept(more, last, tmp_path, monkeypatch):
    expected = fused(**more).fit(X, Y)
    kills = 0
    for turn, (slots, calls) in enumerate([(1, 2), (3, 4), (None, 2), (2, 3)]):
        search = fused(tmp_path, slots, seed=turn, **more)
        kills += killed(lambda search=search: search.fit(X, Y, resume=True), slots, calls)
    assert kills >= 3
    found = fused(tmp_path, last, **more).fit(X, Y, resume=True)
    assert_same_tables(found.cv_results_, expected.cv_results_)
    np.testing.assert_array_equal(found.predict(X), expected.predict(X))
    monkeypatch.setattr(TrainingLoop, "advance", None)
    monkeypatch.setattr(fold_scores.FoldScores, "score", None)
    again = fused(tmp_path, last, **more).fit(X, Y, resume=True)
    assert_same_tables(again.cv_results_, expected.cv_results_)


def fails_for_a_penalty(model, X, y):
    """Stand for a scorer that raises for some models."""
    if model.l2 > 0:
        raise ZeroDivisionError("a penalty")
    return model.score(X, y)


@pytest.mark.filterwarnings("ignore:scoring failed")
@pytest.mark.parametrize("slots", [None, 2])
def test_models_whose_scorer_failed_come_back_and_are_asked_about_again(slots, tmp_path):
    more = {"space": {"l2": [0.0, 0.3]}, "scoring": fails_for_a_penalty, "refit": False}
    expected = fused(**more).fit(X, Y)
    assert np.isnan(expected.cv_results_["split0_test_score"]).tolist() == [False, True]
    with pytest.MonkeyPatch.context() as patched:
        dies_after(patched, fold_scores.FoldScores, "settle", 0)
        search = fused(tmp_path, 2, **more)
        with pytest.raises(KilledError):
            search.fit(X, Y)
    found = fused(tmp_path, slots, **more).fit(X, Y, resume=True)
    assert_same_tables(found.cv_results_, expected.cv_results_)
    raising = fused(tmp_path / "raises", 2, error_score="raise", **more)
    with pytest.raises(ZeroDivisionError, match="a penalty"):
        raising.fit(X, Y)
    with pytest.raises(ZeroDivisionError, match="a penalty"):
        fused(tmp_path / "raises", slots, error_score="raise", **more).fit(X, Y, resume=True)
