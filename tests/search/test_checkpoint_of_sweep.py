"""A search that is kept in a folder: it goes on to the same bits, or says why it cannot."""

from __future__ import annotations

import contextlib
import signal

import numpy as np
import pytest

import gradstep as gs
from gradstep.errors import CheckpointError, InvalidParameterError
from gradstep.storage import keeper
from gradstep.training.loop import TrainingLoop
from kept_searches import CASES, assert_same_search, fit, sweep_of
from killed import KilledError, dies_after
from sweep_cases import HELD_OUT, HERE, X, Y, trainer

pytestmark = pytest.mark.usefixtures("python_own_handler")


@pytest.mark.parametrize("case", CASES)
def test_a_search_that_was_killed_again_and_again_comes_to_the_same_bits(case, tmp_path):
    backend = "cpp" if "cpp" in HERE else "numpy"
    expected = fit(sweep_of(case, backend))
    kills = 0
    for evaluations in (0, 1, 2, 3, 2, 5, 1, 4):
        with pytest.MonkeyPatch.context() as patched:
            dies_after(patched, TrainingLoop, "advance", evaluations)
            try:
                fit(sweep_of(case, backend, tmp_path), resume=True)
            except KilledError:
                kills += 1
    assert kills >= 4
    found = fit(sweep_of(case, backend, tmp_path), resume=True)
    assert_same_search(found, expected)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(TrainingLoop, "advance", None)  # what is over is returned at once
        assert_same_search(fit(sweep_of(case, backend, tmp_path), resume=True), expected)


def test_ctrl_c_keeps_what_a_whole_search_would_have_had(tmp_path, monkeypatch):
    """A press in the middle of an epoch leaves a row in the table that is not in the folder."""
    expected = fit(sweep_of("rules"))
    train, calls = TrainingLoop._train, []

    def press(loop, cuts, should_stop):
        calls.append(loop.done)
        if len(calls) == 4:
            asked = iter([False, False, False])
            return train(
                loop, cuts, lambda: next(asked, True) and (signal.raise_signal(signal.SIGINT) or True)
            )
        return train(loop, cuts, should_stop)

    monkeypatch.setattr(TrainingLoop, "_train", press)
    monkeypatch.setattr(keeper, "_NOTES", 0.0)
    with pytest.warns(RuntimeWarning, match=r"search interrupted"):
        stopped = fit(sweep_of("rules", folder=tmp_path, every=3600))
    assert stopped.interrupted_
    assert stopped.histories_[0]["update"].tolist() == [9, 18, 27, 30]
    monkeypatch.undo()
    before = []
    found = sweep_of(
        "rules",
        folder=tmp_path,
        callbacks=(lambda sweep: before.append(sweep.histories_[0]["update"].tolist()) and None,),
    )
    assert_same_search(fit(found, resume=True), expected)
    assert before[0] == [9, 18, 27, 36]


def test_a_callback_may_end_the_search_and_it_goes_on(tmp_path):
    expected = fit(sweep_of("halving"))
    seen = []

    def enough(sweep):
        seen.append(sweep)
        return len(seen) == 5

    stopped = fit(sweep_of("halving", folder=tmp_path, every=3600, callbacks=(enough,)))
    assert stopped.interrupted_
    assert_same_search(fit(sweep_of("halving", folder=tmp_path), resume=True), expected)


def test_what_was_drawn_is_kept_where_no_seed_was_given(tmp_path):
    for state in (None, np.random.RandomState(5)):
        folder = tmp_path / str(state)[:4]
        with pytest.MonkeyPatch.context() as patched, contextlib.suppress(KilledError):
            dies_after(patched, TrainingLoop, "advance", 3)
            fit(sweep_of("halving", folder=folder, random_state=state))
        first = fit(sweep_of("halving", folder=folder, random_state=state), resume=True)
        again = fit(sweep_of("halving", folder=folder, random_state=state), resume=True)
        assert_same_search(again, first)
    expected = fit(sweep_of("halving", random_state=np.random.RandomState(5)))
    assert_same_search(again, expected)


def test_folders_of_others_are_told(tmp_path):
    fit(sweep_of("groups", folder=tmp_path))
    with pytest.raises(
        CheckpointError, match=r"`checkpoint` of Sweep holds a training already: Sweep.fit\(..., res"
    ):
        fit(sweep_of("groups", folder=tmp_path))
    with pytest.raises(CheckpointError, match=r"`l2` of trial 4 was 0.1, got 0.2"):
        fit(
            sweep_of("groups", folder=tmp_path, space=CASES["groups"]["space"] | {"l2": [0.0, 0.2]}),
            resume=True,
        )
    with pytest.raises(CheckpointError, match=r"`trials` was 8, got 4"):
        fit(sweep_of("groups", folder=tmp_path, space={"l2": [0.0, 0.1], "hidden": [(), (3,)]}), resume=True)
    with pytest.raises(CheckpointError, match=r"`metric` was 'validation_loss', got 'validation_accuracy'"):
        fit(sweep_of("groups", folder=tmp_path, metric="validation_accuracy"), resume=True)
    with pytest.raises(CheckpointError, match=r"the digest of the rows was"):
        sweep_of("groups", folder=tmp_path).fit(X[::-1], Y, eval_set=HELD_OUT, resume=True)
    with pytest.raises(
        CheckpointError, match=r"holds a training that Sweep.fit began, which Trainer.fit cannot go on with"
    ):
        trainer(checkpoint=gs.Checkpoint(tmp_path)).fit(X, Y, resume=True)


def test_a_trainer_of_a_search_has_no_folder_of_its_own(tmp_path):
    with pytest.raises(InvalidParameterError, match=r"`checkpoint` of Trainer must be None in a search"):
        fit(gs.Sweep(trainer(checkpoint=gs.Checkpoint(tmp_path)), {"l2": [0.0]}))
    with pytest.raises(InvalidParameterError, match=r"`resume` of Sweep.fit needs `checkpoint` of Sweep"):
        fit(sweep_of("groups"), resume=True)
    with pytest.raises(InvalidParameterError, match=r"`checkpoint` of Sweep must be a Checkpoint"):
        fit(gs.Sweep(trainer(), {"l2": [0.0]}, checkpoint=str(tmp_path)))


def test_groups_that_do_not_change_are_written_once(tmp_path):
    """A search of many groups writes the one that trains, and not all of them again."""
    written = {}

    def watch(sweep):
        for path in tmp_path.glob("group-*"):
            written[path.name] = path.stat().st_mtime_ns

    fit(sweep_of("groups", folder=tmp_path, callbacks=(watch,), keep_trainers=True))
    groups = len(list(tmp_path.glob("group-*")))
    assert groups == 2
    assert len(written) < 2 * 2 * 4  # evaluations of all groups, each with a file for both
