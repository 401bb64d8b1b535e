"""The reader of CIFAR-10's pickles: it gives what pickle gives, and runs nothing."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fake_cifar10
from gradstep.datasets.cifar10_files import CIFAR10, CLASS_NAMES, verify
from gradstep.datasets.restricted_pickle import _ACTIONS, read_batch
from gradstep.errors import CorruptFileError

SMALL = fake_cifar10.batch(np.arange(12, dtype=np.uint8).reshape(3, 4), [7, 0, 9])


def test_a_batch_is_read_as_pickle_reads_it() -> None:
    ours = read_batch(SMALL, "batch")
    theirs = pickle.loads(SMALL, encoding="bytes")
    assert list(ours) == list(theirs) == [b"labels", b"data"]
    assert ours[b"labels"] == theirs[b"labels"] == [7, 0, 9]
    assert isinstance(ours[b"data"], np.ndarray)
    assert ours[b"data"].dtype == np.uint8
    np.testing.assert_array_equal(ours[b"data"], theirs[b"data"])


@pytest.mark.cifar10
@pytest.mark.parametrize("name", ["data_batch_3", "batches.meta"])
def test_official_files_are_read_as_pickle_reads_them(cifar10_folder: Path, name: str) -> None:
    data = (cifar10_folder / name).read_bytes()
    verify(data, CIFAR10.files[name], name)
    ours, theirs = read_batch(data, name), pickle.loads(data, encoding="bytes")
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        np.testing.assert_array_equal(ours[key], value)
    if name == "batches.meta":
        assert tuple(label.decode() for label in theirs[b"label_names"]) == CLASS_NAMES


class _Trap:
    """Unpickling one writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(6))
def test_another_global_is_refused_and_nothing_is_run(tmp_path: Path, protocol: int) -> None:
    trap = tmp_path / "trap"
    data = pickle.dumps({b"labels": _Trap(trap)}, protocol=protocol)
    with pytest.raises(CorruptFileError, match=r"^evil must be an official CIFAR-10 batch, but "):
        read_batch(data, "evil")
    assert not trap.exists()
    pickle.loads(data)  # the trap works where pickle reads it
    assert trap.exists()


def test_the_message_names_the_global() -> None:
    with pytest.raises(CorruptFileError, match=r"it names 'posix\.system'; nothing was run"):
        read_batch(b"\x80\x02cposix\nsystem\nU\x04true\x85R.", "evil")


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
ARRAY = fake_cifar10.array((1, 2), b"ab")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it ends at byte 0"),
        (SMALL[:-1], "it ends at byte"),
        (SMALL + b"x", "1 bytes follow its end"),
        (b"\x80\x02K\x01.", "it is not one dictionary"),
        (b"\x80\x02}}.", "it is not one dictionary"),
        (b"\x80\x02(}.", "it is not one dictionary"),
        (b"\x80\x02.", "it is not one dictionary"),
        (b"\x80\x03}.", "protocol 3"),
        (b"\x80\x02}U\x01a}s.", "no batch uses: b's'"),
        (b"P1\n.", "no batch uses: b'P'"),  # a persistent id
        (b"K\x01Q.", "no batch uses: b'Q'"),
        (b"\x82\x01.", r"no batch uses: b'\\x82'"),  # copyreg's extension registry
        (b"]h\x00.", "no batch uses: b'h'"),
        (b"cnumpy", "the name at byte 1 has no end"),
        (b"cnumpy\nload\n.", r"it names 'numpy\.load'"),
        (RECONSTRUCT + b"cnumpy\ndtype\nK\x00\x85U\x01b\x87R.", "the call before byte"),
        (b"cnumpy\nndarray\n)R.", "no batch uses"),
        (b"cnumpy\nndarray\nK\x09\x85R.", "the call before byte"),
        (b"cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R.", "the call before byte"),
        (RECONSTRUCT + b"Nb.", "the object before byte"),
        (b"]}b.", "the object before byte"),
        (b"](Nee.", "more than numbers and strings"),
        (b"](]e.", "more than numbers and strings"),
        (b"(e.", "empty stack"),
        (b"e.", "no mark"),
        (b"K\x01(K\x02\x86.", "empty stack"),  # a mark protects what lies below it
        (b"}(U\x01au.", "holds what no batch does"),
        (b"}(K\x01K\x01u.", "holds what no batch does"),
        (b"}(U\x01aNu.", "holds what no batch does"),
        (b"}(U\x01acnumpy\nndarray\nu.", "holds what no batch does"),
        (ARRAY + b"\x85.", "a tuple before byte"),
        (b"T\xff\xff\xff\xff.", "negative length"),
        (b"T\xff\xff\xff\x7f.", "it ends at byte"),
        (fake_cifar10.array((2, 2), b"abc"), r"shape \(2, 2\) has another number of bytes"),
        (fake_cifar10.array((-1, -3), b"abc"), "another number of bytes"),
        (fake_cifar10.array((0, 3), b""), "another number of bytes"),
        (ARRAY.replace(b"\x89", b"N"), "not of uint8 in C order"),
        (ARRAY.replace(b"\x86", b"\x85\x86"), "has not two axes|not of uint8"),
    ],
)
def test_what_no_batch_holds_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(CorruptFileError, match=reason):
        read_batch(data, "file")


def test_a_huge_memo_index_takes_no_memory() -> None:
    data = b"\x80\x02}r" + struct.pack("<I", 2**32 - 1) + b"."
    assert read_batch(data, "file") == {}


@given(st.binary(max_size=200))
def test_random_bytes_give_a_batch_or_corrupt_file_error(data: bytes) -> None:
    _read_or_refuse(data)


@given(
    st.lists(
        st.one_of(
            st.sampled_from([*_ACTIONS, b".", b"h\x00", b"\x81", b"i", b"o"]),
            st.sampled_from([b"K\x01", b"U\x01a", b"q\x00", RECONSTRUCT, b"cnumpy\nndarray\n", ARRAY]),
            st.binary(max_size=3),
        ),
        max_size=30,
    )
)
def test_random_opcodes_give_a_batch_or_corrupt_file_error(pieces: list[bytes]) -> None:
    _read_or_refuse(b"".join(pieces) + b".")


@given(st.integers(0, len(SMALL) - 1), st.binary(max_size=4), st.integers(0, 4))
def test_altered_batches_give_a_batch_or_corrupt_file_error(place: int, new: bytes, cut: int) -> None:
    _read_or_refuse(SMALL[:place] + new + SMALL[place + cut :])


def _read_or_refuse(data: bytes) -> None:
    try:
        found = read_batch(data, "file")
    except CorruptFileError:
        return
    for value in found.values():
        assert type(value) in (int, bytes, list, np.ndarray)
        if isinstance(value, list):
            assert all(type(item) in (int, bytes) for item in value)
