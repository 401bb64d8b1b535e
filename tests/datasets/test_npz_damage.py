"""Damaged .npz files, and such that say more than they hold."""

from __future__ import annotations

import contextlib
import io
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gradstep.datasets import load_npz
from gradstep.errors import CorruptFileError, InvalidDataError


def _npy(header: bytes, content: bytes = bytes(64)) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def _saved(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _archive(x: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr("X.npy", x)
        archive.writestr("y.npy", _saved(np.arange(4) % 2))
    return stream.getvalue()


def _overwritten(content: bytes, start: int, stop: int) -> bytes:
    return content[:start] + b"\xff" * (stop - start) + content[stop:]


_ARRAY = _saved(np.arange(8.0).reshape(4, 2))
DAMAGED = {
    "a header that does not end": _archive(_npy(b"{'descr': '<f8', 'shape': (4L, 2\n")),
    "a string that does not end": _archive(_npy(b"'''\n")),
    "a descr that is no dtype": _archive(
        _npy(b"{'descr': 'f8,f8(', 'fortran_order': False, 'shape': (4, 2)}\n")
    ),
    "a header of brackets": _archive(_npy(b"(" * 5000)),
    "a negative shape": _archive(_npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (-4, -2)}\n")),
    "more than there is": _archive(_npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (2**40, 9)}\n")),
    "far more than there is": _archive(
        _npy(b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 9)}\n")
    ),
    "two arrays in one": _archive(_ARRAY + _ARRAY),
    "lzma": _overwritten(_archive(_ARRAY, zipfile.ZIP_LZMA), 60, 80),
    "lzma that takes 4 GB": _overwritten(_archive(_ARRAY, zipfile.ZIP_LZMA), 40, 44),
    "bz2": _overwritten(_archive(_ARRAY, zipfile.ZIP_BZIP2), 60, 80),
    "deflate": _overwritten(_archive(_ARRAY, zipfile.ZIP_DEFLATED), 60, 80),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_every_damage_is_told_as_such(tmp_path: Path, what: str) -> None:
    (tmp_path / "a.npz").write_bytes(DAMAGED[what])
    with pytest.raises(
        CorruptFileError, match=r"must be an \.npz file of plain arrays, but it cannot be read: ."
    ):
        load_npz(tmp_path / "a.npz")


def test_a_lack_of_memory_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    (tmp_path / "a.npz").write_bytes(GOOD)
    monkeypatch.setattr(np.lib.format, "read_array", fail)
    with pytest.raises(MemoryError):
        load_npz(tmp_path / "a.npz")


def _peak(load: Any) -> int:
    """Return the most bytes that Python and NumPy held meanwhile."""
    tracemalloc.start()
    try:
        load()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_every_way_of_packing_is_read(tmp_path: Path, method: int) -> None:
    (tmp_path / "a.npz").write_bytes(_archive(_ARRAY, method))
    np.testing.assert_array_equal(load_npz(tmp_path / "a.npz").train.X, np.arange(8.0).reshape(4, 2))


def test_a_small_file_that_would_be_a_large_one_is_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gradstep.datasets import array_files

    monkeypatch.setattr(array_files, "_MOST_BYTES", 1 << 20)
    file = tmp_path / "a.npz"
    np.savez_compressed(file, X=np.zeros((4, 500_000)), y=np.arange(4))
    total = 8 * 4 * 500_000 + 8 * 4

    def refused() -> None:
        with pytest.raises(InvalidDataError, match=f"`max_bytes={total}` reads them"):
            load_npz(file)
        with pytest.raises(InvalidDataError, match=f"`max_bytes` of load_npz must be at least {total}"):
            load_npz(file, max_bytes=total - 1)

    assert _peak(refused) < 1_000_000
    assert load_npz(file, max_bytes=total).train.X.shape == (4, 500_000)


def test_a_file_is_as_large_as_it_says_or_refused_before_it_is_read(tmp_path: Path) -> None:
    content = bytearray(
        _archive(_npy(b"{'descr': '|u1', 'fortran_order': False, 'shape': (900000000, 1)}\n"))
    )
    info = zipfile.ZipFile(io.BytesIO(content)).getinfo("X.npy")
    lie = struct.pack("<L", 900_000_000 + info.file_size - 64)
    true = struct.pack("<L", info.file_size)
    place = content.rindex(b"PK\x01\x02", 0, content.rindex(b"PK\x01\x02"))
    for size in (true + true, true):  # in the directory: both sizes, or the one without compression
        where = content.index(size, place) + len(size) - 4
        (tmp_path / "a.npz").write_bytes(content[:where] + lie + content[where + 4 :])

        def refused() -> None:
            with pytest.raises(CorruptFileError, match=r"says that it has .* bytes, more than it can have"):
                load_npz(tmp_path / "a.npz")

        assert _peak(refused) < 1_000_000


GOOD = _archive(_saved(np.arange(8.0).reshape(4, 2)))


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_altered_npz_gives_a_data_set_or_a_clear_error(tmp_path: Path, place: int, new: bytes) -> None:
    file = tmp_path / "a.npz"
    file.write_bytes(GOOD[:place] + new + GOOD[place + len(new) :])
    with contextlib.suppress(CorruptFileError, InvalidDataError):
        load_npz(file)
