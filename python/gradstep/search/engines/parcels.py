"""Values that all tasks of a search need: written once to a file, and opened once in each process.

Arrays lie in the file as they do in memory, and who opens it maps them: all processes of a machine share one
copy. An array that is a map of a file itself is not written at all: who opens the parcel maps that file,
once its size and a digest of some of its bytes are what they were.
"""

from __future__ import annotations

import hashlib
import io
import mmap
import pickle
import socket
import threading
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from gradstep.errors import ExecutorError, InvalidParameterError
from gradstep.plan.mapped import MappedRows

# Arrays below so many bytes are pickled with the rest.
_SMALL = 1 << 14

# So that arrays begin where vectors do, and where pages do.
_ALIGNED = 1 << 12

# Parcels that a process keeps open: of the searches that it has worked for last.
_MOST_OPEN = 4

# Of a mapped file so many places are compared, of so many bytes each.
_PLACES, _BYTES = 1000, 256


class ParcelMissing(ExecutorError):
    """A process cannot see the file of a parcel, and was not sent its content."""


@dataclass(frozen=True)
class Parcel:
    """A value in a file.

    Attributes
    ----------
    key : str
        Nobody else's.
    path : str
    host : str
        Where it was written.
    """

    key: str
    path: str
    host: str

    def open(self) -> Any:
        """Return the value; in every process it is made once. Its arrays cannot be written to.

        Raises
        ------
        ParcelMissing
            The file is not there.
        ExecutorError
            A file that an array is mapped from is not there, or is another one.
        """
        with _LOCK:
            if self.key not in _OPEN:
                try:
                    with Path(self.path).open("rb") as file:
                        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                except OSError as error:
                    raise ParcelMissing(
                        f"the rows of a search lie in {self.path} of {self.host}, which worker "
                        f"{socket.gethostname()} cannot read: {error}. Set TMPDIR to a folder that all share"
                    ) from error
                receive(self.key, content)
            _OPEN.move_to_end(self.key)
            return _OPEN[self.key]

    @property
    def stop(self) -> Path:
        """The file whose presence asks all tasks to stop."""
        return Path(self.path).with_suffix(".stop")

    def should_stop(self) -> bool:
        """Return whether tasks are to stop."""
        return self.key in _STOPPED or self.stop.exists()

    def read(self) -> bytes:
        """Return the content of the file."""
        return Path(self.path).read_bytes()

    def remove(self) -> None:
        """Delete the files, and forget the value in this process."""
        forget(self.key)
        for path in (Path(self.path), self.stop):
            path.unlink(missing_ok=True)


# What this process has opened, by the key of the parcel; and the keys of those whose tasks are to stop.
_OPEN: OrderedDict[str, Any] = OrderedDict()
_STOPPED: set[str] = set()
_LOCK = threading.RLock()


def receive(key: str, content: Any) -> None:
    """Open the content of a parcel, as bytes or as a map of its file, in this process."""
    view = memoryview(content)
    size = int.from_bytes(view[:8], "little")
    pickled, starts = pickle.loads(view[8 : 8 + size])
    value = pickle.loads(pickled, buffers=[view[start:end] for start, end in starts])
    with _LOCK:
        _OPEN[key] = value
        while len(_OPEN) > _MOST_OPEN:
            _OPEN.popitem(last=False)


def can_open(parcel: Parcel) -> bool:
    """Return whether this process can read the file of a parcel."""
    return parcel.key in _OPEN or Path(parcel.path).is_file()


def stop(key: str) -> None:
    """Ask all tasks of a parcel in this process to stop."""
    _STOPPED.add(key)


def forget(key: str) -> None:
    """Forget the value of a parcel in this process."""
    with _LOCK:
        _OPEN.pop(key, None)
    _STOPPED.discard(key)


def pack(value: Any, folder: Path, whose: str) -> Parcel:
    """Write a value to a new file of a folder.

    Raises
    ------
    InvalidParameterError
        It cannot be pickled; `whose` is what sends it.
    """
    key = uuid.uuid4().hex
    path = folder / f"gradstep-{key}.rows"
    stream, buffers = io.BytesIO(), list[memoryview]()

    def is_small(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < _SMALL:
            return True
        buffers.append(raw)
        return False

    try:
        _Pickler(stream, protocol=5, buffer_callback=is_small).dump(value)
    except Exception as error:  # whatever a class of the user's raises
        if isinstance(error, (ExecutorError, MemoryError, OSError)):
            raise
        raise InvalidParameterError(
            f"{whose} sends rows, transformers and scorers to other processes, and one of them cannot be "
            f"pickled, as a function that a module defines under its own name can: {error}"
        ) from error
    with path.open("xb") as file:
        _write(file, stream.getvalue(), buffers)
    return Parcel(key, str(path), socket.gethostname())


def _write(file: BinaryIO, pickled: bytes, buffers: list[memoryview]) -> None:
    """Write what was pickled and where each buffer is, and behind it the buffers."""
    sizes = [buffer.nbytes for buffer in buffers]
    # Numbers of a fixed length: where buffers are does not change where they begin.
    room = _up(8 + len(pickle.dumps((pickled, [(2**62, 2**62)] * len(sizes)))) + 64)
    starts, place = [], room
    for size in sizes:
        starts.append((place, place + size))
        place = _up(place + size)
    head = pickle.dumps((pickled, starts))
    file.write(len(head).to_bytes(8, "little") + head)
    for buffer, (start, _) in zip(buffers, starts, strict=True):
        file.seek(start)
        file.write(buffer)
    file.truncate(max(place, room))


def _up(place: int) -> int:
    return -(-place // _ALIGNED) * _ALIGNED


class _Pickler(pickle.Pickler):
    """Puts the name of a file in the place of an array that is mapped from it."""

    def reducer_override(self, value: Any) -> Any:
        """Return how a mapped array is opened again."""
        mapped = MappedRows.of(value) if isinstance(value, np.ndarray) and value.ndim == 2 else None
        if mapped is None or not Path(mapped.name).is_file() or min(value.strides) < 0:
            return NotImplemented
        path = Path(mapped.name).resolve()
        whole = path.stat().st_size
        file = MappedFile(str(path), socket.gethostname(), whole, _digest(path, whole))
        layout = (value.dtype.str, value.shape, value.strides)
        return open_mapped, (file, mapped.start, *layout)


@dataclass(frozen=True)
class MappedFile:
    """A file that rows are mapped from, and how to tell it from others.

    Attributes
    ----------
    path, host : str
    size : int
        Bytes.
    digest : str
        Of head, tail and places between.
    """

    path: str
    host: str
    size: int
    digest: str

    def check(self) -> None:
        """Raise ExecutorError unless the file is here, and the same."""
        here = socket.gethostname()
        try:
            size = Path(self.path).stat().st_size
        except OSError as error:
            raise ExecutorError(
                f"X is mapped from {self.path} of {self.host}, {self.size:,} bytes, which worker {here} "
                f"cannot read: {error}. Put it where all workers see it under this name, or give X in memory"
            ) from error
        if size != self.size or _digest(Path(self.path), size) != self.digest:
            what = f"{size:,} bytes" if size != self.size else "other bytes"
            raise ExecutorError(
                f"X is mapped from {self.path} of {self.host}, {self.size:,} bytes, under which name worker "
                f"{here} has another file, of {what}"
            )


def open_mapped(
    file: MappedFile, start: int, dtype: str, shape: tuple[int, ...], strides: tuple[int, ...]
) -> npt.NDArray[Any]:
    """Return rows of a file that begin at a byte, as a map.

    Raises
    ------
    ExecutorError
        The file is not here, or is another one.
    """
    file.check()
    last = sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    raw = np.memmap(file.path, np.uint8, "r", start, (last + np.dtype(dtype).itemsize,))
    found: npt.NDArray[Any] = np.ndarray(shape, dtype, raw, strides=strides)
    return found


def _digest(path: Path, size: int) -> str:
    """Return what tells a file of so many bytes from others: head, tail and places evenly spread."""
    found = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        for place in np.unique(np.linspace(0, max(size - _BYTES, 0), _PLACES).astype(np.int64)):
            file.seek(int(place))
            found.update(file.read(_BYTES))
    return found.hexdigest()
