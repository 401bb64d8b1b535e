"""Files: paths as people write them, reading what is a file and nothing else, writing in one step."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gradstep.errors import InvalidParameterError
from gradstep.utils.text import given

_locks: Any = None
with contextlib.suppress(ImportError):  # Windows has none of this kind
    import fcntl

    _locks = fcntl

# What is left of a write that was killed, where no lock tells that nobody works on it.
_OLD_SECONDS = 24 * 3600

# Longer names have no room for what makes a temporary one of them.
_LONGEST_NAME = 200

#: Ends of the names of pages and of tables.
PAGES, TABLES = (".html", ".htm"), (".csv", ".txt")

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def expanded(path: str | os.PathLike[str], whose: str) -> Path:
    """Return a path with ``~`` and ``~name`` as the home folders that they stand for.

    Parameters
    ----------
    path : str or path-like
    whose : str
        What the user calls it, for the message.

    Raises
    ------
    InvalidParameterError
        There is no such home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InvalidParameterError(
            f"{whose} must lie in a home folder that can be found, got {os.fspath(path)!r}"
        ) from error


def check_ending(path: Path, endings: Sequence[str], whose: str) -> None:
    """Raise where the name of a file says that it is something else than what is written to it.

    Parameters
    ----------
    path : Path
    endings : sequence of str
        Ends of names, as ".html", that say what is written; a name without any is taken, too.
    whose : str
        What the user calls it, for the message.

    Raises
    ------
    InvalidParameterError
        The name has another end.
    """
    if path.suffix and path.suffix.lower() not in endings:
        raise InvalidParameterError(f"{whose} must end in {' or '.join(endings)}, got {str(path)!r}")


def resolved(path: str | os.PathLike[str]) -> Path:
    """Return the path of what links lead to, which need not be there.

    Raises
    ------
    OSError
        Links lead in a circle, or no file can have such a name.
    TypeError
        It is no path.
    """
    try:
        return Path(path).resolve()
    except TypeError as error:
        raise TypeError(f"the name of a file must be a string or a path, got {given(path)}") from error
    except RuntimeError as error:
        raise OSError(errno.ELOOP, "links lead in a circle", os.fspath(path)) from error
    except ValueError as error:  # a NUL, or half a character
        raise OSError(errno.EINVAL, "no file can have this name", os.fspath(path)) from error


@contextmanager
def open_regular(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a file to be read; a pipe, a device or a folder is an error at once.

    Raises
    ------
    FileNotFoundError
        There is nothing of this name.
    OSError
        What is there is no file, or cannot be read.
    """
    place = resolved(path)
    _check_regular(place.stat().st_mode, path)
    # Whoever opens a pipe waits for somebody who writes to it; one may have come meanwhile.
    without_waiting = getattr(os, "O_NONBLOCK", 0)
    with open(place, "rb", opener=lambda name, flags: os.open(name, flags | without_waiting)) as file:
        _check_regular(os.fstat(file.fileno()).st_mode, path)
        yield file


def _check_regular(mode: int, path: str | os.PathLike[str]) -> None:
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise OSError(errno.EINVAL, f"it is {kind}, not a file", os.fspath(path))


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that at any moment `path` holds either its old content or all of the new.

    The bytes go to a file beside it and are on the disk before that takes the name of `path`. A link is
    followed, and stays. A file that is replaced hands on its permissions, and its owner where the system
    allows that; one that is write-protected is not replaced. What an earlier write of the same name left
    when it was killed is removed.

    Raises
    ------
    OSError
        The file cannot be written, or `path` is a device, a folder or anything else that is no file;
        what was there is untouched.
    """
    target = resolved(path)
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "there is something that is not a file", str(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(Path(path).parent))
    old = target.stat() if target.exists() else None
    if old is not None and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "the file is write-protected", str(path))
    stem = f".{_short_name(target.name)}."
    _remove_leftovers(target.parent, re.compile(rf"{re.escape(stem)}[0-9a-f]{{16}}\.tmp"))
    temporary, file = _claimed_file(target.parent, stem)
    try:
        with file:
            if old is not None:
                _hand_on(old, file.fileno())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if _locks is not None:  # still open, and so locked, until it has its name
                temporary.replace(target)
        if _locks is None:
            temporary.replace(target)
    except BaseException as error:
        if (
            isinstance(error, OSError) and error.filename is None
        ):  # the system names no file where a disk is full
            error.filename = str(path)
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(target.parent)


def lock(path: Path, holder: str) -> tuple[int | None, str]:
    """Lock a file, which is made where it is not there, until its descriptor is closed or the process ends.

    Parameters
    ----------
    path : Path
    holder : str
        Written to it: who has the lock.

    Returns
    -------
    descriptor : int, or None
        None where there are no locks, or somebody else has this one.
    other : str
        Who that is; "" where it is nobody.
    """
    if _locks is None:
        return None, ""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:  # a folder that is only read
        return None, ""
    try:
        _locks.flock(descriptor, _locks.LOCK_EX | _locks.LOCK_NB)
    except BlockingIOError:
        other = os.read(descriptor, 1 << 10).decode(errors="replace")
        os.close(descriptor)
        return None, other or "a process that does not say its name"
    except OSError:  # some file systems know no locks
        os.close(descriptor)
        return None, ""
    os.truncate(descriptor, 0)
    os.write(descriptor, holder.encode())
    return descriptor, ""


@contextmanager
def temporary_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Make a folder that goes when the `with` ends, and remove those that killed processes left.

    Parameters
    ----------
    parent : Path
        Where it lies.
    prefix : str
        What its name begins with; whatever begins with it and is nobody's any more is removed.
    """
    _remove_leftovers(parent, re.compile(rf"{re.escape(prefix)}.*"))
    folder, claim = _claimed_folder(parent, prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if claim is not None:
            os.close(claim)


def _short_name(name: str) -> str:
    if len(os.fsencode(name)) <= _LONGEST_NAME:
        return name
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:32]


def _hand_on(old: os.stat_result, descriptor: int) -> None:
    """Give a file the permissions of the one that it replaces, and its owner where that is allowed."""
    if os.name != "posix":
        return
    now = os.fstat(descriptor)
    if (now.st_uid, now.st_gid) != (old.st_uid, old.st_gid):
        with contextlib.suppress(OSError):
            os.fchown(descriptor, old.st_uid, old.st_gid)
    with contextlib.suppress(OSError):  # some file systems know no permissions
        os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & 0o777)


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where the file system can do that."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# A temporary file or folder is locked as long as its process works on it. The system takes the lock away
# when the process ends, however it ends, so that whoever gets the lock knows that nobody is there any more.


def _claimed_file(folder: Path, stem: str) -> tuple[Path, IO[bytes]]:
    while True:
        path = folder / f"{stem}{secrets.token_hex(8)}.tmp"
        file = path.open("xb")
        if _claim(path, file.fileno()):
            return path, file
        file.close()


def _claimed_folder(parent: Path, prefix: str) -> tuple[Path, int | None]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        if _locks is None:
            return folder, None
        with contextlib.suppress(FileNotFoundError):  # taken for left behind at once
            descriptor = os.open(folder, os.O_RDONLY)
            if _claim(folder, descriptor):
                return folder, descriptor
            os.close(descriptor)


def _claim(path: Path, descriptor: int) -> bool:
    """Lock what was just made; False where somebody took it for left behind and removed it before that."""
    if _locks is not None:
        with contextlib.suppress(OSError):  # some file systems know no locks
            _locks.flock(descriptor, _locks.LOCK_EX)
    return _is_at(path, descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _remove_leftovers(folder: Path, names: re.Pattern[str]) -> None:
    """Remove the temporary files and folders of such names that no process works on."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if names.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    _remove_if_abandoned(path)


def _remove_if_abandoned(path: Path) -> None:
    if _locks is None:
        if time.time() - path.stat().st_mtime > _OLD_SECONDS:
            _remove(path)
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        _locks.flock(descriptor, _locks.LOCK_EX | _locks.LOCK_NB)  # an OSError where somebody works on it
        if _is_at(path, descriptor):
            _remove(path)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()
