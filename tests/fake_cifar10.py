"""CIFAR-10 in small: files of the official forms with a release that describes them."""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gradstep.datasets.cifar10_files import PIXELS, PYTHON_FOLDER, FileCheck, Release

ROWS = 6
BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")


def byte_string(value: bytes) -> bytes:
    """Pickle bytes as Python 2 pickled its strings."""
    if len(value) < 256:
        return b"U" + struct.pack("<B", len(value)) + value
    return b"T" + struct.pack("<i", len(value)) + value


def array(shape: tuple[int, int], data: bytes) -> bytes:
    """Pickle a uint8 array as in the official batches."""
    sizes = b"".join(b"J" + struct.pack("<i", size) for size in shape)
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btRq\x01"
    dtype = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    return empty + b"(K\x01" + sizes + b"\x86" + dtype + b"\x89" + byte_string(data) + b"tb"


def batch(X: npt.NDArray[np.uint8], labels: list[int]) -> bytes:
    """Pickle a whole batch: protocol 2, written without the pickle module."""
    numbers = b"".join(b"K" + bytes([label]) for label in labels)
    return (
        b"\x80\x02}q\x01("
        + (byte_string(b"labels") + b"]r\x00\x01\x00\x00(" + numbers + b"e")
        + (byte_string(b"data") + array(X.shape, X.tobytes()))
        + b"u."
    )


@dataclass(frozen=True)
class FakeCifar10:
    """Generated images, and the files that hold them."""

    X: dict[str, npt.NDArray[np.uint8]]
    y: dict[str, list[int]]

    @classmethod
    def draw(cls) -> FakeCifar10:
        rng = np.random.default_rng(0)
        X = {name: rng.integers(256, size=(ROWS, PIXELS), dtype=np.uint8) for name in BATCHES}
        return cls(X, {name: rng.integers(10, size=ROWS).tolist() for name in BATCHES})

    @classmethod
    def draw_balanced(cls, rows: int) -> FakeCifar10:
        """Draw batches of so many rows, every class in each."""
        rng = np.random.default_rng(0)
        X = {name: rng.integers(256, size=(rows, PIXELS), dtype=np.uint8) for name in BATCHES}
        return cls(X, {name: (np.arange(rows) % 10).tolist() for name in BATCHES})

    @property
    def files(self) -> dict[str, bytes]:
        """Files of the Python version."""
        return {name: batch(self.X[name], self.y[name]) for name in BATCHES}

    def write_python(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        for name, data in self.files.items():
            (folder / name).write_bytes(data)
        return folder

    def write_binary(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        for name in BATCHES:
            records = np.column_stack([np.array(self.y[name], dtype=np.uint8), self.X[name]])
            (folder / f"{name}.bin").write_bytes(records.tobytes())
        return folder

    def archive(self) -> bytes:
        """Return the archive of the Python version, with the web page that the official one has."""
        members = {f"{PYTHON_FOLDER}/{name}": data for name, data in self.files.items()}
        return pack({f"{PYTHON_FOLDER}/readme.html": b"<p>", **members})

    def release(self, url: str = "http://localhost/none", archive: bytes = b"") -> Release:
        checks = {
            name: FileCheck(len(data), hashlib.sha256(data).hexdigest()) for name, data in self.files.items()
        }
        return Release(len(self.y["test_batch"]), url, len(archive), hashlib.md5(archive).hexdigest(), checks)


def pack(members: dict[str, bytes | str]) -> bytes:
    """Return a tar.gz archive; a member of type str is a symbolic link to that place."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()
