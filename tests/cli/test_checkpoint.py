"""`gradstep train` and `sweep` with a folder: killed, they go on to what one run would have shown."""

from __future__ import annotations

import json

import pytest

from gradstep import cli
from gradstep.training.loop import TrainingLoop
from killed import KilledError, dies_after

pytestmark = pytest.mark.usefixtures("numpy_backend")

OPTIONS = ("--data", "digits", "--epochs", "5", "--json", "--quiet")
COMMANDS = {
    "train": ("train", *OPTIONS, "--hidden", "5", "--optimizer", "adam", "--early-stopping", "2"),
    "sweep": (
        "sweep",
        *OPTIONS,
        "--param",
        "l2=0,0.1",
        "--param",
        "batch_size=50,100",
        "--pruner",
        "halving",
    ),
    "folds": ("sweep", *OPTIONS, "--param", "l2=0,0.1", "--folds", "3"),
}


def found(capsys, *words):
    """Return what a command writes as JSON, without times."""
    assert cli.main(list(words)) == 0
    document = json.loads(capsys.readouterr().out)
    document.pop("seconds")
    for name in ("history", "trials"):
        for row in [document[name]] if isinstance(document.get(name), dict) else document.get(name, []):
            row.pop("seconds", None)
    return document


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_was_killed_goes_on(command, tmp_path, capsys):
    words = (*COMMANDS[command], "--random-state", "0")
    kept = ("--checkpoint", str(tmp_path / "runs" / "kept"), "--checkpoint-every", "1e-9", "--resume")
    expected = found(capsys, *words)
    for evaluations in (1, 2):
        with pytest.MonkeyPatch.context() as patched:
            dies_after(patched, TrainingLoop, "advance", evaluations)
            with pytest.raises(KilledError):
                cli.main([*words, *kept])
    capsys.readouterr()
    assert found(capsys, *words, *kept) == expected
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(TrainingLoop, "advance", None)  # what is over is shown at once
        assert found(capsys, *words, *kept) == expected


def test_a_sweep_on_processes_goes_on_without_them(tmp_path, capsys):
    words = (*COMMANDS["sweep"], "--random-state", "0")
    kept = ("--checkpoint", str(tmp_path), "--resume")
    there = found(capsys, *words, *kept, "--executor", "1")
    here = found(capsys, *words, *kept)
    assert (there["best"], there["trials"]) == (here["best"], here["trials"])


def test_without_a_seed_the_one_that_was_drawn_goes_on(tmp_path, capsys):
    kept = ("--checkpoint", str(tmp_path), "--checkpoint-every", "1e-9", "--resume")
    with pytest.MonkeyPatch.context() as patched:
        dies_after(patched, TrainingLoop, "advance", 2)
        with pytest.raises(KilledError):
            cli.main([*COMMANDS["sweep"], *kept])
    capsys.readouterr()
    first = found(capsys, *COMMANDS["sweep"], *kept)
    assert found(capsys, *COMMANDS["sweep"], *kept) == first


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_folders_of_others_are_told_in_options(command, tmp_path, capsys):
    words, kept = (*COMMANDS[command], "--random-state", "0"), ("--checkpoint", str(tmp_path))
    found(capsys, *words, *kept)

    def told(*words):
        assert cli.main(list(words)) == 2
        return capsys.readouterr().err

    assert told(*words, *kept) == (
        "gradstep: error: the folder of --checkpoint holds a training already: --resume goes on with it; "
        f"for another one give an empty folder, got {str(tmp_path)!r}\n"
    )
    assert f"holds another training than gradstep {command}: --epochs was 5, got 6; give that" in told(
        *words, *kept, "--resume", "--epochs", "6"
    )
    other = "sweep" if command == "train" else "train"
    assert f"holds a training that gradstep {command} began, which gradstep {other} cannot" in told(
        *COMMANDS[other], *kept, "--resume"
    )
    (tmp_path / "file").touch()
    assert f"{tmp_path / 'file'}: File exists" in told(*words, "--checkpoint", str(tmp_path / "file"))
