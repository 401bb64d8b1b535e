"""Fetches CIFAR-10 into the cache folder: verified, and moved into place in one step."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import sys
import tarfile
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gradstep.datasets.cifar10_files import PYTHON_FOLDER, Release, verify
from gradstep.errors import CorruptFileError, DatasetNotFoundError, GradstepError, InvalidParameterError
from gradstep.utils.files import expanded, temporary_folder
from gradstep.utils.log import of_room

_log = of_room(__name__)

_CHUNK = 1 << 20
_TIMEOUT_SECONDS = 30


def cache_folder() -> Path:
    """Return the folder where gradstep keeps what it downloads.

    The environment variable ``GRADSTEP_CACHE`` names it. Otherwise it is the folder ``gradstep`` in
    the user's cache folder: ``XDG_CACHE_HOME`` or ``~/.cache`` on Linux, ``~/Library/Caches`` on
    macOS, ``LOCALAPPDATA`` on Windows.

    Raises
    ------
    InvalidParameterError
        There is no home folder, and no variable names another one.
    """
    if named := os.environ.get("GRADSTEP_CACHE"):
        return expanded(named, "the environment variable GRADSTEP_CACHE")
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or _home() / "AppData" / "Local") / "gradstep"
    if sys.platform == "darwin":
        return _home() / "Library" / "Caches" / "gradstep"
    return Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache") / "gradstep"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:
        raise InvalidParameterError(
            "the environment variable GRADSTEP_CACHE must name a folder: this user has no home folder"
        ) from error


def how_to_get(release: Release) -> str:
    """Return the sentence that tells where CIFAR-10 is to be had and where to put it."""
    return (
        f"Get {release.url}, unpack it, and give the folder {PYTHON_FOLDER} as `path` of load_cifar10 "
        f"or in the environment variable GRADSTEP_CIFAR10."
    )


def fetch(release: Release, cache: Path) -> Path:
    """Download the Python version of CIFAR-10 into `cache`.

    Returns
    -------
    Path
        The folder with the batches.

    Raises
    ------
    DatasetNotFoundError
        Without a network, or where the cache folder cannot be written.
    CorruptFileError
        When what arrives is not the official archive. Nothing of it is left behind.
    """
    folder = cache / PYTHON_FOLDER
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # In the cache folder itself: a folder can be renamed within one file system only.
        with temporary_folder(cache, ".download-") as work:
            archive = work / "archive.tar.gz"
            _download(release, archive)
            unpacked = work / PYTHON_FOLDER
            _unpack(release, archive, unpacked)
            _move(unpacked, folder)
    except GradstepError:
        raise
    except OSError as error:
        raise DatasetNotFoundError(
            f"CIFAR-10 cannot be stored in {cache} ({error}). "
            f"Name another folder in the environment variable GRADSTEP_CACHE."
        ) from error
    return folder


def _download(release: Release, archive: Path) -> None:
    """Write the archive's bytes to a file; its size and MD5 are right when this returns."""
    digest = hashlib.md5(usedforsecurity=False)
    size = 0
    with archive.open("wb") as file, _progress(release.archive_size) as advance:
        for chunk in _chunks(release):
            size += len(chunk)
            if size > release.archive_size:
                break
            digest.update(chunk)
            file.write(chunk)
            advance(len(chunk))
    if size != release.archive_size:
        given = f"{size} bytes" if size < release.archive_size else "more"
        raise CorruptFileError(
            f"{release.url} must have {release.archive_size} bytes, got {given}; try again"
        )
    if digest.hexdigest() != release.archive_md5:
        raise CorruptFileError(
            f"{release.url} must have the MD5 {release.archive_md5}, got {digest.hexdigest()}; try again"
        )


def _chunks(release: Release) -> Iterator[bytes]:
    """Yield what the server sends; an early end is the caller's to notice."""
    try:
        with urllib.request.urlopen(release.url, timeout=_TIMEOUT_SECONDS) as response:
            while chunk := response.read(_CHUNK):
                yield chunk
    except http.client.IncompleteRead as error:
        yield error.partial
    except (OSError, http.client.HTTPException) as error:
        raise DatasetNotFoundError(
            f"CIFAR-10 is not on this machine, and downloading it failed: {error}. {how_to_get(release)}"
        ) from error


def _unpack(release: Release, archive: Path, folder: Path) -> None:
    """Write the release's files, and no other member of the archive, into a new folder."""
    folder.mkdir()
    # Members are looked up by their whole name and written under our own, so none can choose a path.
    wanted = {f"{PYTHON_FOLDER}/{name}": name for name in release.files}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = wanted.get(member.name)
                stream = tar.extractfile(member) if name is not None and member.isfile() else None
                if name is None or stream is None:
                    continue
                check = release.files[name]
                data = stream.read(check.size + 1)
                verify(data, check, f"{name} in {release.url}")
                (folder / name).write_bytes(data)
                del wanted[member.name]
    except CorruptFileError:
        raise
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, OverflowError) as error:
        raise CorruptFileError(f"{release.url} must be a tar.gz archive: {error}") from error
    if wanted:
        raise CorruptFileError(f"{release.url} must hold the files {', '.join(wanted)}, which are missing")


def _move(unpacked: Path, folder: Path) -> None:
    try:
        unpacked.replace(folder)
    except OSError:
        # Another process may have put the same files there meanwhile; then there is nothing to do.
        if not all((folder / file.name).is_file() for file in unpacked.iterdir()):
            raise


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show how far a download is by a bar on a terminal; elsewhere log a line per quarter."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("CIFAR-10"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("download", total=total)
            yield lambda size: bar.advance(task, size)
        return

    done = 0

    def advance(size: int) -> None:
        nonlocal done
        before, done = done, done + size
        if 4 * before // total < 4 * done // total:
            _log.info("CIFAR-10: %.0f of %.0f MB", done / 1e6, total / 1e6)

    _log.info("CIFAR-10: downloading %.0f MB", total / 1e6)
    yield advance
