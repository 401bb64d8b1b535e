"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradstep.errors import InvalidParameterError
from gradstep.utils.files import expanded, open_regular, temporary_folder, write_atomically

posix = pytest.mark.skipif(os.name != "posix", reason="devices and pipes with a name are POSIX")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with one file, `old`."""
    (tmp_path / "old").write_bytes(b"old")
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("content", [b"", b"new", bytes(range(256)) * 10_000], ids=len)
@pytest.mark.parametrize("name", ["old", "new"])
def test_the_content_is_there_and_nothing_else(folder: Path, name: str, content: bytes) -> None:
    write_atomically(str(folder / name), content)
    assert (folder / name).read_bytes() == content
    assert names(folder) == sorted({"old", name})


def test_who_reads_the_old_file_reads_it_to_its_end(folder: Path) -> None:
    with (folder / "old").open("rb") as reader:
        write_atomically(folder / "old", b"new")
        assert reader.read() == b"old"


def test_a_relative_path_is_one_from_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    write_atomically("old", b"new")
    assert (folder / "old").read_bytes() == b"new"


def test_a_link_leads_to_what_is_written(folder: Path) -> None:
    for target in ("old", "new"):
        link = folder / f"link to {target}"
        link.symlink_to(folder / target)
        write_atomically(link, b"written")
        assert link.is_symlink()
        assert (folder / target).read_bytes() == b"written"


def failing(error: BaseException) -> Any:
    def fail(*arguments: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("step", [(os, "fsync"), (Path, "replace")], ids=["fsync", "replace"])
@pytest.mark.parametrize(
    "make",
    [lambda: OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt],
    ids=["full", "Ctrl-C"],
)
@pytest.mark.parametrize("name", ["old", "new"])
def test_a_failure_leaves_no_trace(
    folder: Path, step: Any, make: Callable[[], BaseException], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = make()
    with monkeypatch.context() as patch:
        patch.setattr(*step, failing(error))
        with pytest.raises(type(error)) as caught:
            write_atomically(folder / name, b"new")
    assert caught.value is error
    assert not isinstance(error, OSError) or error.filename == str(folder / name)
    assert names(folder) == ["old"]
    assert (folder / "old").read_bytes() == b"old"


def test_the_bytes_are_on_the_disk_before_the_file_has_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bytes] = []
    fsync = os.fsync

    def spy(descriptor: int) -> None:
        synced.append((folder / "old").read_bytes())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    write_atomically(folder / "old", b"new")
    # The second is the folder's, for the name itself.
    assert synced == [b"old", b"new"][: 2 if os.name == "posix" else 1]


def refused(path: Path) -> None:
    with pytest.raises(OSError, match="there is something that is not a file") as caught:
        write_atomically(path, b"new")
    assert caught.value.filename == str(path)


def test_a_folder_is_refused(folder: Path) -> None:
    (folder / "sub").mkdir()
    refused(folder / "sub")
    assert names(folder) == ["old", "sub"]
    assert names(folder / "sub") == []


@posix
def test_a_device_is_refused() -> None:
    refused(Path(os.devnull))
    assert Path(os.devnull).is_char_device()


@posix
def test_a_pipe_is_refused_and_a_link_to_it(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(folder / "pipe")
    refused(folder / "pipe")
    refused(folder / "link")
    assert (folder / "pipe").is_fifo()
    assert names(folder) == ["link", "old", "pipe"]


def test_a_folder_that_is_not_there_is_not_made(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(folder / "no" / "file", b"new")
    assert names(folder) == ["old"]


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_a_file_that_is_replaced_hands_on_its_permissions(folder: Path, mode: int) -> None:
    (folder / "old").chmod(mode)
    write_atomically(folder / "old", b"new")
    assert stat.S_IMODE((folder / "old").stat().st_mode) == mode
    assert (folder / "old").read_bytes() == b"new"


@posix
def test_nobody_reads_what_becomes_a_private_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    fsync = os.fsync

    def spy(descriptor: int) -> None:
        seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    (folder / "old").chmod(0o600)
    monkeypatch.setattr(os, "fsync", spy)
    write_atomically(folder / "old", b"new")
    assert seen[0] == 0o600


@posix
def test_a_new_file_has_the_permissions_of_any_new_file(folder: Path) -> None:
    (folder / "other").write_bytes(b"")
    write_atomically(folder / "new", b"new")
    assert (folder / "new").stat().st_mode == (folder / "other").stat().st_mode


@posix
@pytest.mark.skipif(hasattr(os, "getuid") and os.getuid() != 0, reason="gives a file to another user")
def test_a_file_that_is_replaced_hands_on_its_owner(folder: Path) -> None:
    os.chown(folder / "old", 1234, 2345)
    (folder / "old").chmod(0o640)
    write_atomically(folder / "old", b"new")
    found = (folder / "old").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 2345, 0o640)


def test_a_write_protected_file_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(PermissionError, match="the file is write-protected"):
        write_atomically(folder / "old", b"new")
    assert (folder / "old").read_bytes() == b"old"
    assert names(folder) == ["old"]


KILLED = """
import os, sys
from gradstep.utils import files

os.fsync = lambda descriptor: os.kill(os.getpid(), 9)
files.write_atomically(sys.argv[1], b"half")
"""


@posix
@pytest.mark.parametrize("name", ["old", "model." * 40], ids=["short", "long"])
def test_what_killed_writes_left_goes_at_the_next(folder: Path, name: str) -> None:
    for _ in range(2):
        subprocess.run([sys.executable, "-c", KILLED, str(folder / name)], check=False)
    (folder / ".old.mine.tmp").write_bytes(b"not ours")
    (folder / f".older.{'0' * 16}.tmp").write_bytes(b"of another name")
    assert len(names(folder)) >= 4
    write_atomically(folder / name, b"new")
    assert (folder / name).read_bytes() == b"new"
    assert set(names(folder)) == {"old", name, ".old.mine.tmp", f".older.{'0' * 16}.tmp"}


@posix
def test_a_write_that_goes_on_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one write is at its end another of the same name begins, and both succeed."""
    fsync = os.fsync

    def meanwhile(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", fsync)
        write_atomically(folder / "old", b"second")
        assert (folder / "old").read_bytes() == b"second"
        assert len(names(folder)) == 2

    monkeypatch.setattr(os, "fsync", meanwhile)
    write_atomically(folder / "old", b"first")
    assert (folder / "old").read_bytes() == b"first"
    assert names(folder) == ["old"]


@posix
def test_a_folder_that_is_worked_in_is_left_alone_and_one_that_is_left_goes(tmp_path: Path) -> None:
    (tmp_path / ".work-left").mkdir()
    (tmp_path / ".work-left" / "file").write_bytes(b"1")
    (tmp_path / "mine").mkdir()
    with temporary_folder(tmp_path, ".work-") as first:
        assert names(tmp_path) == [first.name, "mine"]
        with temporary_folder(tmp_path, ".work-") as second:
            assert names(tmp_path) == sorted([first.name, second.name, "mine"])
        assert names(tmp_path) == [first.name, "mine"]
    assert names(tmp_path) == ["mine"]


@posix
def test_a_folder_that_another_process_removes_at_once_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its making and its lock a folder looks like one that was left behind."""
    made: list[str] = []
    mkdtemp = tempfile.mkdtemp

    def removed(*arguments: Any, **settings: Any) -> str:
        made.append(mkdtemp(*arguments, **settings))
        if len(made) == 1:
            Path(made[0]).rmdir()
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", removed)
    with temporary_folder(tmp_path, ".work-") as folder:
        assert folder.is_dir()
        assert str(folder) == made[1]
    assert names(tmp_path) == []


@posix
def test_links_in_a_circle(folder: Path) -> None:
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    with pytest.raises(OSError, match="links lead in a circle"):
        write_atomically(folder / "a", b"new")
    with pytest.raises(OSError, match="links lead in a circle"), open_regular(folder / "a"):
        pass


@pytest.mark.parametrize("name", ["a\0b", "a\ud800"], ids=["NUL", "surrogate"])
def test_a_name_that_no_file_can_have(folder: Path, name: str) -> None:
    with pytest.raises(OSError, match="no file can have this name"):
        write_atomically(folder / name, b"new")
    with pytest.raises(OSError, match="no file can have this name"), open_regular(folder / name):
        pass
    assert names(folder) == ["old"]


@posix
def test_only_a_file_is_opened(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
    kinds = {"pipe": "a pipe", "socket": "a socket", ".": "a folder", "/dev/zero": "a device"}
    for name, kind in kinds.items():
        with pytest.raises(OSError, match=f"it is {kind}, not a file"), open_regular(folder / name):
            pass
    with open_regular(folder / "old") as file:
        assert file.read() == b"old"


def test_a_home_folder_is_found_or_its_lack_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("USERPROFILE", "/home/someone")
    assert expanded("~/a", "`path`") == Path("/home/someone/a")
    with pytest.raises(
        InvalidParameterError,
        match=r"^`path` must lie in a home folder .*, got '~nobodyhere/a'$",
    ):
        expanded("~nobodyhere/a", "`path`")


@pytest.mark.parametrize("path", [3, None, ["loss"]], ids=["int", "none", "list"])
def test_what_is_no_path_is_told_as_given(path: Any) -> None:
    said = f"the name of a file must be a string or a path, got {path}"
    for take in (lambda: write_atomically(path, b""), lambda: open_regular(path).__enter__()):
        with pytest.raises(TypeError) as caught:
            take()
        assert str(caught.value).replace("'", "") == said.replace("'", "")
