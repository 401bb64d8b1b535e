"""Standard output and error that are closed, full or of few letters, and names that a terminal would obey."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gradstep import cli
from gradstep.cli import streams

posix = pytest.mark.skipif(os.name != "posix", reason="shells and names of bytes are POSIX")

QUICK = ("--epochs", "1", "--quiet", "--backend", "numpy")


def run(command: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a shell's line, in which GRADSTEP stands for the program."""
    line = command.replace("GRADSTEP", f"{sys.executable} -m gradstep")
    return subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, check=False)


@posix
@pytest.mark.parametrize(
    ("command", "status", "told"),
    [
        ("GRADSTEP info >&-", 0, b""),
        ("GRADSTEP info >&- 2>&-", 0, b""),
        ("GRADSTEP train --data gone.csv 2>&-", 2, b""),
        ("GRADSTEP info >/dev/full", 2, b"gradstep: error: "),
        ("PYTHONIOENCODING=ascii GRADSTEP info --snowman-\u2603", 2, b"unknown argument --snowman-\\u2603"),
    ],
)
def test_streams_as_they_may_be(tmp_path: Path, command: str, status: int, told: bytes) -> None:
    if "/dev/full" in command and not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    done = run(command, tmp_path)
    assert done.returncode == status
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert told in done.stderr
    assert done.stderr.count(b"\n") <= 1


def _table(folder: Path, name: bytes) -> None:
    rows = "".join(f"{i % 5},{i % 3},{'xy'[i % 2]}\n" for i in range(40))
    with open(os.path.join(os.fsencode(folder), name), "w") as file:  # noqa: PTH118, PTH123
        file.write("a,b,c\n" + rows)


@posix
def test_the_name_of_a_file_is_shown_and_not_obeyed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, shown in ((b"\xff\xe9.csv", r"\xff\xe9"), (b"red\x1b[31m.csv", r"red\x1b[31m")):
        _table(tmp_path, name)
        report = os.fsdecode(name) + ".html"
        assert cli.main(["train", "--data", os.fsdecode(name), *QUICK, "--report", report]) == 0
        out, _ = capsys.readouterr()
        assert f"{shown}: softmax regression" in out
        assert "\x1b" not in out
        page = Path(report).read_text(encoding="utf-8")
        assert f"Training on {shown}" in page
        assert "\x1b" not in page
        assert cli.main(["train", "--data", "gone" + os.fsdecode(name)]) == 2
        _, err = capsys.readouterr()
        assert "existing file, got" in err
        assert err.removesuffix("\n").isprintable()


def test_classes_that_no_encoding_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = np.array(["a\udce9", "\x1b[31m", "b\ud800"])[np.arange(60) % 3]
    np.savez(tmp_path / "a.npz", X=np.arange(60 * 64).reshape(60, 8, 8).astype(np.uint8), y=labels)
    words = ["train", "--data", str(tmp_path / "a.npz"), *QUICK, "--report", str(tmp_path / "r.html")]
    assert cli.main(words) == 0
    assert "\x1b" not in capsys.readouterr().out
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert r"\xe9" in page
    assert r"\x1b[31m" in page
    assert "\x1b" not in page


def test_streams_are_as_they_were_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", None)
    with streams.writable():
        print("\u2603")
        assert streams.say("error", "nobody is told", 2) == 2
        assert streams.flush(0) == 0
    assert out.errors == "strict"
    assert out.buffer.getvalue() == b"\\u2603\n"  # type: ignore[attr-defined]
    assert sys.stderr is None
