"""Arrays in .npz and .npy files: nothing is run, and nothing read before it is known how much it is."""

from __future__ import annotations

import math
import os
import struct
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gradstep.errors import CorruptFileError, GradstepError, InvalidDataError
from gradstep.utils import text
from gradstep.utils.files import open_regular

# Without a limit of the user's: what a small file may become, and how often its own size a large one.
_MOST_BYTES = 1 << 30
_MOST_TIMES = 100

# How many bytes one byte of a zip member can stand for; other methods have no bound that helps.
_RATIOS = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: 1032}

# LZMA takes as much memory as its data says, at once; packers go to 64 MiB.
_LARGEST_DICTIONARY = 1 << 26

_NPZ, _NPY = "an .npz file of plain arrays", "an .npy file of a plain array"


class _Header(NamedTuple):
    """What an array is, and where in its file it begins."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran_order: bool
    start: int

    @property
    def size(self) -> int:
        """Bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize


def npz_keys(file: Path) -> list[str]:
    """Return the names of the arrays in an .npz file."""
    with _opened(file, _NPZ) as stream, zipfile.ZipFile(stream) as archive:
        return list(_members(archive))


def read_npz(
    file: Path, keys: Mapping[str, str], owner: str, max_bytes: int | None
) -> dict[str, npt.NDArray[Any]]:
    """Return arrays of an .npz file.

    Parameters
    ----------
    file : Path
    keys : mapping of str to str
        Names of the arrays by the parameters of the loader that name them.
    owner : str
        The loader, for messages.
    max_bytes : int, or None
        The most that they may take together; None allows 1 GiB, and 100 times the size of a larger file.

    Raises
    ------
    CorruptFileError
        It is damaged, no .npz file, or needs pickle.
    InvalidDataError
        It has no array of a name, or they would take more.
    """
    with _opened(file, _NPZ) as stream, zipfile.ZipFile(stream) as archive:
        members = _members(archive)
        _check_keys(file, keys, members, owner)
        size = os.fstat(stream.fileno()).st_size
        wanted = {parameter: members[key] for parameter, key in keys.items()}
        for member in wanted.values():
            _check_member(stream, archive.getinfo(member), size)
        total = sum(_header_of_member(archive, member).size for member in set(wanted.values()))
        _check_total(file, size, total, owner, max_bytes)
        return {parameter: _read_member(archive, member) for parameter, member in wanted.items()}


def read_npy(file: Path) -> npt.NDArray[Any]:
    """Return the array of an .npy file, in memory."""
    with _opened(file, _NPY) as stream:
        _header(stream, os.fstat(stream.fileno()).st_size)
        stream.seek(0)
        return _read(stream)


def map_npy(file: Path) -> npt.NDArray[Any]:
    """Return the array of an .npy file where it lies, not to be written to; nothing of it is read."""
    with _opened(file, _NPY) as stream:
        header = _header(stream, os.fstat(stream.fileno()).st_size)
        if header.size == 0:
            stream.seek(0)
            return _read(stream)
        order: Any = "F" if header.fortran_order else "C"
        return np.memmap(file, header.dtype, "r", header.start, header.shape, order)


@contextmanager
def _opened(file: Path, kind: str) -> Iterator[IO[bytes]]:
    """Open a file; whatever NumPy or a decompressor says about its content is that it is damaged."""
    with open_regular(file) as stream:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore"
                )  # of a header that Python 2 wrote, or of what damage looks like
                yield stream
        except (GradstepError, MemoryError):
            raise
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise CorruptFileError(f"{file} must be {kind}, but it cannot be read: {reason}") from error


def _members(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the members of an archive by the names of the arrays."""
    return {member.removesuffix(".npy"): member for member in archive.namelist()}


def _check_keys(file: Path, keys: Mapping[str, str], known: Iterable[str], owner: str) -> None:
    names = list(known)
    for parameter, key in keys.items():
        if key not in names:
            raise InvalidDataError(
                f"`{parameter}` of {owner} must be a key of {file}, got {key!r}; "
                f"it has {', '.join(map(text.printable, names)) or 'none'}"
            )


def _check_total(file: Path, size: int, total: int, owner: str, max_bytes: int | None) -> None:
    most = max(_MOST_BYTES, _MOST_TIMES * size) if max_bytes is None else max_bytes
    if total > most:
        raise InvalidDataError(
            f"`max_bytes` of {owner} must be at least {total} to read the arrays of {file}, "
            f"which has {size} bytes itself; {'without it' if max_bytes is None else 'it'} allows {most}: "
            f"`max_bytes={total}` reads them"
        )


def _check_member(stream: IO[bytes], info: zipfile.ZipInfo, size: int) -> None:
    """Raise where what a member says of itself cannot be, in a file of so many bytes."""
    most = info.compress_size * _RATIOS.get(info.compress_type, info.file_size)
    if info.compress_size > size or info.file_size > most:
        raise ValueError(f"{info.filename!r} says that it has {info.file_size} bytes, more than it can have")
    if info.compress_type == zipfile.ZIP_LZMA:
        stream.seek(info.header_offset + 26)
        lengths = struct.unpack("<HH", stream.read(4))  # of the name and of what follows it
        stream.seek(info.header_offset + 30 + sum(lengths))
        _, _, _, dictionary = struct.unpack("<HHBL", stream.read(9))
        if dictionary > max(_LARGEST_DICTIONARY, info.file_size):
            raise ValueError(f"{info.filename!r} says that it takes {dictionary} bytes to unpack")


def _header_of_member(archive: zipfile.ZipFile, member: str) -> _Header:
    with archive.open(member) as stream:
        return _header(stream, archive.getinfo(member).file_size)


def _read_member(archive: zipfile.ZipFile, member: str) -> npt.NDArray[Any]:
    with archive.open(member) as stream:
        return _read(stream)


def _header(stream: IO[bytes], size: int) -> _Header:
    """Read what an array of so many bytes is, its header included; the sizes must fit."""
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    version = np.lib.format.read_magic(stream)
    if version not in readers:
        raise ValueError(f"version {version} of the format is for arrays of records")
    shape, fortran_order, dtype = readers[version](stream)
    header = _Header(dtype, shape, fortran_order, stream.tell())
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which need pickle; strings are saved as array.astype(str)")
    if any(length < 0 for length in shape) or header.start + header.size != size:
        raise ValueError(
            f"{dtype} of shape {shape} takes {header.size} bytes, but {size - header.start} follow its header"
        )
    return header


def _read(stream: IO[bytes]) -> npt.NDArray[Any]:
    # Not np.load: by the first bytes of a file it may take it for a pickle or an archive.
    values: npt.NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return values
