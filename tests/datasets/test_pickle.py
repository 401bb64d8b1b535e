"""The reader of CIFAR-10's pickles: it gives what pickle gives, and runs nothing that they name."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

import fake_cifar10
from gradstep.datasets import cifar10_files
from gradstep.datasets.cifar10_files import CIFAR10, CLASS_NAMES, read_python, verify
from gradstep.datasets.restricted_pickle import read_batch
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
    with pytest.raises(CorruptFileError, match=r"^evil must be an official CIFAR-10 batch, but it names "):
        read_batch(data, "evil")
    assert not trap.exists()
    pickle.loads(data)  # the trap works where pickle reads it
    assert trap.exists()


# Each asks for what would run a command, in another of pickle's ways to ask for it.
EVIL = {
    "a global that is called": b"\x80\x02cposix\nsystem\nU\x04true\x85R.",
    "a global of a name with dots": b"\x80\x04\x8c\x05numpy\x8c\x0fmatrixlib.os.sy\x93.",
    "an instance of old": b"(U\x04trueiposix\nsystem\n.",
    "an object of old": b"(cposix\nsystem\nU\x04trueo.",
    "a new object": b"\x80\x02cposix\nsystem\nU\x04true\x85\x81.",
    "another function of numpy": b"cnumpy\nload\nU\x04true\x85R.",
    "the function that opens the rest": b"c__builtin__\ngetattr\ncnumpy\nndarray\nU\x04base\x86R.",
    "what is evaluated": b"c__builtin__\neval\nU\x0411+1\x85R.",
}


@pytest.mark.parametrize("data", EVIL.values(), ids=list(EVIL))
def test_every_way_to_name_something_else_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptFileError, match=r"it names '[\w.]+'; nothing was run"):
        read_batch(data, "evil")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "Ran out of input"),
        (SMALL[:-1], "Ran out of input|truncated"),
        (b"\x80\x02K\x01.", "it is not one dictionary"),
        (b"\x80\x02.", "stack"),
        (b"P1\n.", "persistent"),
        (b"\x82\x01.", "unregistered extension code"),
        (b"]h\x00.", "Memo value not found"),
    ],
)
def test_what_is_no_batch_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(CorruptFileError, match=f"^file must be an official CIFAR-10 batch, but .*{reason}"):
        read_batch(data, "file")


def test_no_byte_is_unpickled_before_the_hash_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = fake_cifar10.FakeCifar10.draw()
    file = fake.write_python(tmp_path / "batches") / "data_batch_1"
    release, data = fake.release(), file.read_bytes()
    asked = []
    monkeypatch.setattr(cifar10_files, "read_batch", lambda *given: asked.append(given) or read_batch(*given))
    read_python(release, file)
    assert len(asked) == 1
    file.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    with pytest.raises(CorruptFileError, match=r"must have the SHA-256 \w+ of the official file"):
        read_python(release, file)
    assert len(asked) == 1
