"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from gradstep.utils.files import write_atomically

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
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=["full", "Ctrl-C"]
)
@pytest.mark.parametrize("name", ["old", "new"])
def test_a_failure_leaves_no_trace(
    folder: Path, step: Any, error: BaseException, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(*step, failing(error))
        with pytest.raises(type(error)) as caught:
            write_atomically(folder / name, b"new")
    assert caught.value is error
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
