"""A fit that is kept in a folder: it goes on to the same bits, or says why it cannot."""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
import signal
import warnings

import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import gradstep as gs
from gradstep.errors import CheckpointError, CorruptFileError, DivergedError, InvalidParameterError
from gradstep.storage import checkpoint_folder
from gradstep.training.loop import TrainingLoop
from killed import OFTEN, KilledError, dies_after
from sweep_cases import HELD_OUT, HELD_OUT_VALUES, HERE, VALUES, X, Y, assert_same_model, trainer
from sweep_cases import regressor as make_regressor

pytestmark = pytest.mark.usefixtures("python_own_handler")

STOP = gs.EarlyStopping("validation_loss", patience=2, restore_best=True)
PLATEAU = gs.schedules.ReduceOnPlateau(0.5, factor=0.3, patience=1, monitor="running_loss", min_delta=0.05)
ADAM = gs.optimizers.Adam()

CASES = {
    "plain": trainer(hidden=(4,), epochs=6, random_state=3),
    "adam, dropout": trainer(hidden=(6,), optimizer=ADAM, dropout=0.3, epochs=6, evaluate_untrained=True),
    "early stopping": trainer(optimizer=ADAM, learning_rate=0.4, early_stopping=STOP, epochs=12),
    "plateau": trainer(learning_rate=PLATEAU, epochs=9, optimizer=gs.optimizers.SGD(momentum=0.9)),
    "averages": trainer(average=gs.averaging.EMA(0.8), clip_norm=0.5, evaluate_every=3, epochs=3),
    "function": trainer(learning_rate=lambda update: 0.3 / (1 + update), metrics=["f1_macro"]),
    "lbfgs": trainer(optimizer="lbfgs", learning_rate="auto", batch_size="auto", epochs=9, l2=1e-3),
    "values": make_regressor(hidden=(4,), optimizer=ADAM),
    "diverges": trainer(learning_rate=1e30, evaluate_every=2),
}


def fit(model, **more):
    given = (X, VALUES) if isinstance(model, gs.Regressor) else (X, Y)
    held_out = HELD_OUT_VALUES if isinstance(model, gs.Regressor) else HELD_OUT
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(*given, eval_set=held_out, **more)


def whole(base):
    """Return what one run comes to, and the error that it ends with."""
    model = clone(base)
    try:
        return fit(model), None
    except DivergedError as error:
        return model, error


def kept(base, folder, every=OFTEN, **more):
    return clone(base).set_params(checkpoint=gs.Checkpoint(folder, every), **more)


def killed(base, folder, evaluations, **more):
    """Train until the training is killed, or over before that."""
    with pytest.MonkeyPatch.context() as patched, contextlib.suppress(KilledError):
        dies_after(patched, TrainingLoop, "advance", evaluations)
        outcome(kept(base, folder, **more), resume=True)


def outcome(model, **more):
    try:
        return fit(model, **more), None
    except DivergedError as error:
        return model, error


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("case", CASES)
def test_a_fit_that_was_killed_goes_on_to_the_same_bits(case, backend, tmp_path, monkeypatch):
    base = clone(CASES[case]).set_params(backend=backend)
    expected, error = whole(base)
    for evaluations in (0, 1, 2):
        killed(base, tmp_path, evaluations, n_threads=2)
    found, again = outcome(kept(base, tmp_path), resume=True)
    assert repr(again) == repr(error)
    assert_same_model(found, expected)
    assert found.status_ is expected.status_
    # What is over is returned at once.
    monkeypatch.setattr(TrainingLoop, "advance", None)
    returned, again = outcome(kept(base, tmp_path), resume=True)
    assert repr(again) == repr(error)
    assert_same_model(returned, expected)
    assert returned.status_ is expected.status_


@pytest.mark.parametrize("case", ["adam, dropout", "early stopping", "plateau", "averages"])
def test_what_was_kept_to_its_end_can_be_resumed_for_more_epochs(case, tmp_path):
    expected = fit(clone(CASES[case])).resume(X, Y, eval_set=HELD_OUT, epochs=3)
    fit(kept(CASES[case], tmp_path))
    found = fit(kept(CASES[case], tmp_path), resume=True).resume(X, Y, eval_set=HELD_OUT, epochs=3)
    assert_same_model(found, expected)


def test_ctrl_c_keeps_what_a_whole_run_would_have_had(tmp_path):
    base = trainer(hidden=(4,), epochs=8, early_stopping=STOP)
    expected, _ = whole(base)

    def press(model, row):
        if row["epoch"] == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.warns(RuntimeWarning, match=r"training interrupted at update 27"):
        stopped = fit(kept(base, tmp_path, callbacks=(press,)))
    assert stopped.interrupted_
    found = fit(kept(base, tmp_path), resume=True)
    assert_same_model(found, expected)


def test_a_press_between_two_evaluations_leaves_no_row(tmp_path, monkeypatch):
    """The row of an update that no evaluation is due at is in the model, and not in the folder."""
    base = trainer(backend="numpy", epochs=4)
    expected, _ = whole(base)
    train, calls = TrainingLoop._train, []

    def press(loop, cuts, should_stop):
        calls.append(loop.done)
        if len(calls) == 3:
            asked = iter([False, False, False])
            return train(
                loop, cuts, lambda: next(asked, True) and (signal.raise_signal(signal.SIGINT) or True)
            )
        return train(loop, cuts, should_stop)

    with monkeypatch.context() as patched:
        patched.setattr(TrainingLoop, "_train", press)
        with pytest.warns(RuntimeWarning, match=r"training interrupted at update 21"):
            stopped = fit(kept(base, tmp_path))
    assert stopped.history_["update"].tolist() == [9, 18, 21]
    assert_same_model(fit(kept(base, tmp_path), resume=True), expected)


def test_a_seed_that_was_drawn_is_kept(tmp_path, monkeypatch):
    base = trainer(random_state=None, validation_fraction=0.2, shuffle=True)
    dies_after(monkeypatch, TrainingLoop, "advance", 2)
    with pytest.raises(KilledError):
        kept(base, tmp_path).fit(X, Y)
    monkeypatch.undo()
    first = kept(base, tmp_path).fit(X, Y, resume=True)
    assert_same_model(kept(base, tmp_path).fit(X, Y, resume=True), first)
    assert len(first.history_) == 4


def test_a_folder_that_holds_a_training_is_not_written_over(tmp_path):
    model = fit(kept(CASES["plain"], tmp_path))
    with pytest.raises(
        CheckpointError, match=r"holds a training already: Trainer.fit\(..., resume=True\) .* empty"
    ):
        fit(kept(CASES["plain"], tmp_path))
    assert_same_model(fit(kept(CASES["plain"], tmp_path), resume=True), model)


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"l2": 0.5}, r"`l2` was 0.0, got 0.5"),
        ({"learning_rate": 0.2}, r"`learning_rate` was 0.1, got 0.2"),
        ({"epochs": 7}, r"`epochs` was 6, got 7"),
        ({"random_state": 4}, r"`random_state` was 3, got 4"),
        ({"hidden": (5,)}, r"`hidden` was \[4\], got \[5\]"),
        ({"backend": "numpy"}, r"`backend` was \w+, got numpy"),
    ],
)
def test_another_training_is_not_gone_on_with(changed, message, tmp_path):
    base = clone(CASES["plain"]).set_params(backend="cpp" if "cpp" in HERE else "numba")
    fit(kept(base, tmp_path))
    with pytest.raises(CheckpointError, match=f"another training than Trainer.fit: {message}; give that"):
        fit(kept(base, tmp_path, **changed), resume=True)


def test_other_rows_and_another_version_are_not_gone_on_with(tmp_path, monkeypatch):
    fit(kept(CASES["plain"], tmp_path))
    with pytest.raises(CheckpointError, match=r"the digest of the rows was"):
        kept(CASES["plain"], tmp_path).fit(X[:60], Y[:60], eval_set=HELD_OUT, resume=True)
    monkeypatch.setattr("gradstep.training.identity.__version__", "0.0.1")
    with pytest.raises(CheckpointError, match=r"gradstep version was .*, got 0\.0\.1"):
        fit(kept(CASES["plain"], tmp_path), resume=True)


def test_a_damaged_file_is_told(tmp_path):
    fit(kept(CASES["plain"], tmp_path))
    (group,) = tmp_path.glob("group-*")
    content = bytearray(group.read_bytes())
    content[-1] ^= 1
    group.write_bytes(bytes(content))
    with pytest.raises(CorruptFileError, match=r"group-.* is not a whole part of a training: .*SHA-256"):
        fit(kept(CASES["plain"], tmp_path), resume=True)
    (tmp_path / "training.safetensors").write_bytes(b"nothing")
    with pytest.raises(CorruptFileError, match=r"training.safetensors is not a whole part"):
        fit(kept(CASES["plain"], tmp_path), resume=True)


def test_a_full_disk_is_told_once_and_the_training_goes_on(tmp_path, monkeypatch):
    expected, _ = whole(CASES["plain"])
    write, count = checkpoint_folder.write_atomically, []

    def full(path, content):
        count.append(path)
        if 5 < len(count) < 10:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, content)

    monkeypatch.setattr(checkpoint_folder, "write_atomically", full)
    with pytest.warns(RuntimeWarning, match=r"could not be kept .* goes on; .* No space left") as told:
        model = fit(kept(CASES["plain"], tmp_path))
    assert len([one for one in told if "could not be kept" in str(one.message)]) == 1
    assert_same_model(model, expected)
    assert_same_model(fit(kept(CASES["plain"], tmp_path), resume=True), expected)


def test_a_folder_that_cannot_be_written_is_an_error_before_anything_trains(tmp_path, monkeypatch):
    monkeypatch.setattr(TrainingLoop, "advance", None)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"file"):
        fit(kept(CASES["plain"], tmp_path / "file"))


def test_what_resume_and_checkpoint_must_be():
    with pytest.raises(
        InvalidParameterError, match=r"`resume` of Trainer.fit needs `checkpoint` of Trainer, the"
    ):
        fit(trainer(), resume=True)
    with pytest.raises(InvalidParameterError, match=r"`resume` of Trainer.fit must be"):
        fit(trainer(), resume="yes")
    with pytest.raises(InvalidParameterError, match=r"`checkpoint` of Trainer must be a Checkpoint"):
        fit(trainer(checkpoint="folder"))
    with pytest.raises(InvalidParameterError, match=r"`every` of Checkpoint must be > 0, got 0"):
        gs.Checkpoint("folder", every=0)
    for folder in (None, ""):
        with pytest.raises(
            InvalidParameterError, match=r"`folder` of Checkpoint must be the path of a folder"
        ):
            gs.Checkpoint(folder)
    with pytest.raises(
        InvalidParameterError, match=r"`warm_start` of Trainer must be False with a `checkpoint`"
    ):
        fit(trainer(checkpoint=gs.Checkpoint("folder"), warm_start=True))


def test_a_model_that_is_saved_or_sent_tells_no_folder(tmp_path):
    model = fit(kept(CASES["plain"], tmp_path / "kept"))
    model.save(tmp_path / "model")
    assert gs.Trainer.load(tmp_path / "model").checkpoint is None
    assert pickle.loads(pickle.dumps(model)).checkpoint == model.checkpoint
    assert b"kept" not in (tmp_path / "model").read_bytes()


def test_old_groups_are_removed(tmp_path):
    fit(kept(CASES["plain"], tmp_path))
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors", ".lock"}


@pytest.mark.skipif(os.name == "nt", reason="needs locks")
def test_a_folder_is_for_one_training_at_a_time(tmp_path):
    told = []

    def begin_another(model, row):
        words = rf"must be for one training at a time, and process {os.getpid()} of .* keeps one in it: give"
        with pytest.raises(CheckpointError, match=words):
            trainer(checkpoint=gs.Checkpoint(tmp_path)).fit(X, Y, resume=True)
        told.append(row)

    trainer(checkpoint=gs.Checkpoint(tmp_path), callbacks=(begin_another,), epochs=2).fit(X, Y)
    assert len(told) == 2
    assert trainer(checkpoint=gs.Checkpoint(tmp_path), epochs=2).fit(X, Y, resume=True).n_iter_ == 2
