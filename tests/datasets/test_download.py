"""The download of CIFAR-10, from a server on this machine."""

from __future__ import annotations

import http.server
import io
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fake_cifar10 import FakeCifar10, pack
from gradstep.datasets import cache_folder
from gradstep.datasets.cifar10 import load_release
from gradstep.datasets.cifar10_files import PYTHON_FOLDER, Release
from gradstep.errors import CorruptFileError, DatasetNotFoundError

FAKE = FakeCifar10.draw()
ARCHIVE = FAKE.archive()


class _Server(http.server.ThreadingHTTPServer):
    body: bytes = ARCHIVE
    missing_bytes: int = 0  # announced, never sent
    requests: int = 0


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.requests += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body) + self.server.missing_bytes))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    monkeypatch.setenv("no_proxy", "*")
    with _Server(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GRADSTEP_CIFAR10", raising=False)
    monkeypatch.setenv("GRADSTEP_CACHE", str(tmp_path / "deep" / "cache"))
    return tmp_path / "deep" / "cache"


def _release(server: _Server, archive: bytes = ARCHIVE) -> Release:
    return FAKE.release(f"http://127.0.0.1:{server.server_address[1]}/cifar.tar.gz", archive)


def _load(release: Release) -> None:
    data = load_release(release, None, "data_batch_1", "data_batch_2", test=True, download=True)
    np.testing.assert_array_equal(data.train.X, FAKE.X["data_batch_1"])
    np.testing.assert_array_equal(data.train.y, FAKE.y["data_batch_1"])


def _assert_nothing_left(cache: Path) -> None:
    assert not cache.exists() or list(cache.iterdir()) == []


def test_download_once(server: _Server, cache: Path) -> None:
    _load(_release(server))
    _load(_release(server))
    assert server.requests == 1
    assert [file.name for file in cache.iterdir()] == [PYTHON_FOLDER]
    assert {file.name: file.read_bytes() for file in (cache / PYTHON_FOLDER).iterdir()} == FAKE.files


def test_a_download_that_breaks_off(server: _Server, cache: Path) -> None:
    release = _release(server)
    server.body, server.missing_bytes = ARCHIVE[:-10], 10
    size = len(ARCHIVE)
    with pytest.raises(CorruptFileError, match=f"must have {size} bytes, got {size - 10} bytes; try again"):
        _load(release)
    _assert_nothing_left(cache)


def test_a_download_that_is_too_long(server: _Server, cache: Path) -> None:
    release = _release(server)
    server.body = ARCHIVE + b"x"
    with pytest.raises(CorruptFileError, match="got more; try again"):
        _load(release)
    _assert_nothing_left(cache)


def test_a_download_with_a_changed_byte(server: _Server, cache: Path) -> None:
    release = _release(server)
    server.body = ARCHIVE[:100] + bytes([ARCHIVE[100] ^ 1]) + ARCHIVE[101:]
    with pytest.raises(CorruptFileError, match=r"must have the MD5 [0-9a-f]{32}, got [0-9a-f]{32}; try"):
        _load(release)
    _assert_nothing_left(cache)


def _members() -> dict[str, bytes | str]:
    return {f"{PYTHON_FOLDER}/{name}": data for name, data in FAKE.files.items()}


def _without_a_batch() -> bytes:
    members = _members()
    del members[f"{PYTHON_FOLDER}/data_batch_5"]
    return pack(members)


def _with_an_altered_batch() -> bytes:
    data = bytearray(FAKE.files["data_batch_5"])
    data[1000] ^= 1
    return pack({**_members(), f"{PYTHON_FOLDER}/data_batch_5": bytes(data)})


def _with_a_longer_batch() -> bytes:
    return pack({**_members(), f"{PYTHON_FOLDER}/data_batch_5": FAKE.files["data_batch_5"] + b"x"})


def _with_a_link() -> bytes:
    return pack({**_members(), f"{PYTHON_FOLDER}/data_batch_5": "/etc/hostname"})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_without_a_batch, "must hold the files .*data_batch_5, which are missing"),
        (_with_an_altered_batch, "data_batch_5 in http.* must have the SHA-256"),
        (_with_a_longer_batch, "data_batch_5 in http.* must have .* bytes"),
        (_with_a_link, "data_batch_5, which are missing"),
        (lambda: b"no archive", r"must be a tar\.gz archive"),
        (lambda: ARCHIVE[:2000], r"must be a tar\.gz archive"),
    ],
)
def test_an_archive_with_other_content(
    server: _Server, cache: Path, make: Callable[[], bytes], message: str
) -> None:
    server.body = make()
    with pytest.raises(CorruptFileError, match=message):
        _load(_release(server, server.body))
    _assert_nothing_left(cache)


def test_members_cannot_choose_where_they_go(server: _Server, cache: Path, tmp_path: Path) -> None:
    outside = tmp_path / "absolute"
    server.body = pack({"../up": b"1", f"{PYTHON_FOLDER}/../../up": b"2", str(outside): b"3", **_members()})
    before = {path for path in tmp_path.rglob("*") if cache not in path.parents}
    _load(_release(server, server.body))
    assert {path for path in tmp_path.rglob("*") if cache not in path.parents} - before <= {
        cache.parent,
        cache,
    }
    assert {file.name for file in cache.rglob("*")} == {PYTHON_FOLDER, *FAKE.files}


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/none.tar.gz", "file:///no/such/file.tar.gz"])
def test_offline(cache: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DatasetNotFoundError) as caught:
        _load(FAKE.release(url, ARCHIVE))
    message = str(caught.value)
    assert message.startswith("CIFAR-10 is not on this machine, and downloading it failed: ")
    assert (
        f"Get {url}, unpack it, and give the folder cifar-10-batches-py as `path` of load_cifar10" in message
    )
    assert message.endswith("in the environment variable GRADSTEP_CIFAR10.")
    _assert_nothing_left(cache)


def test_a_server_that_talks_no_http(cache: Path, server: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Handler, "do_GET", lambda self: self.wfile.write(b"hello\r\n\r\n"))
    with pytest.raises(DatasetNotFoundError, match="downloading it failed"):
        _load(_release(server))
    _assert_nothing_left(cache)


def test_a_cache_that_cannot_be_written(server: _Server, cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_text("a file where the folder should be")
    with pytest.raises(
        DatasetNotFoundError, match=r"cannot be stored in .* Name another folder in .* GRADSTEP_CACHE"
    ):
        _load(_release(server))


def test_ctrl_c_leaves_nothing_behind(server: _Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gradstep.datasets.download._unpack", interrupt)
    with pytest.raises(KeyboardInterrupt):
        _load(_release(server))
    _assert_nothing_left(cache)


def test_another_process_was_faster(server: _Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradstep.datasets import download

    original = download._move

    def move(unpacked: Path, folder: Path) -> None:
        FAKE.write_python(folder)
        original(unpacked, folder)

    monkeypatch.setattr(download, "_move", move)
    _load(_release(server))
    assert [file.name for file in cache.iterdir()] == [PYTHON_FOLDER]


def test_without_a_terminal_a_logger_is_told(
    server: _Server, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    release = _release(server)
    with caplog.at_level("INFO", "gradstep.datasets"):
        _load(release)
    assert capsys.readouterr() == ("", "")
    megabytes = f"{len(ARCHIVE) / 1e6:.0f}"
    lines = caplog.messages
    assert lines[0] == f"CIFAR-10: downloading {megabytes} MB"
    assert lines[-1] == f"CIFAR-10: {megabytes} of {megabytes} MB"
    assert 2 <= len(lines) <= 5


def test_a_bar_on_a_terminal(server: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    _load(_release(server))
    assert "CIFAR-10" in terminal.getvalue()
    assert "downloading" not in terminal.getvalue()


def test_the_official_release_is_pinned() -> None:
    from gradstep.datasets.cifar10_files import CIFAR10

    assert CIFAR10.url.startswith("https://")
    assert replace(CIFAR10, files={}) == Release(
        10_000, CIFAR10.url, 170_498_071, "c58f30108f718f92721af3d95e74349a", {}
    )
    assert all(len(check.sha256) == 64 for check in CIFAR10.files.values())


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"GRADSTEP_CACHE": "/a/b", "XDG_CACHE_HOME": "/c"}, "/a/b"),
        ({"GRADSTEP_CACHE": "~/b"}, "/home/someone/b"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/gradstep"),
        ({}, "/home/someone/.cache/gradstep"),
    ],
)
@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the cache folder of Linux")
def test_cache_folder(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str) -> None:
    for name in ("GRADSTEP_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)
