"""The files of CIFAR-10: what the official ones are, and how one batch is read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gradstep.datasets.restricted_pickle import read_batch
from gradstep.errors import CorruptFileError

IMAGE_SHAPE = (3, 32, 32)
PIXELS = 3072
#: The names in the official ``batches.meta``, in its order.
CLASS_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
TRAINING_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST_BATCH = "test_batch"
PYTHON_FOLDER = "cifar-10-batches-py"
BINARY_FOLDER = "cifar-10-batches-bin"


class FileCheck(NamedTuple):
    """What a file must be: its size in bytes and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Release:
    """A published set of files.

    Attributes
    ----------
    rows : int
        Images of each batch.
    url : str
        Where the archive of the Python version is.
    archive_size : int
        Bytes of that archive.
    archive_md5 : str
        Its MD5 as its publisher states it. It tells damage; the SHA-256 of every file tells forgery.
    files : mapping of str to FileCheck
        The files of the Python version.
    """

    rows: int
    url: str
    archive_size: int
    archive_md5: str
    files: Mapping[str, FileCheck]


CIFAR10 = Release(
    rows=10_000,
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    archive_size=170_498_071,
    archive_md5="c58f30108f718f92721af3d95e74349a",
    files={
        "batches.meta": FileCheck(158, "f962466ef690d46b226450fb9aadc74ba4bc64a76aa526b5827fe4bc5c7125cb"),
        "data_batch_1": FileCheck(
            31_035_704, "54636561a3ce25bd3e19253c6b0d8538147b0ae398331ac4a2d86c6d987368cd"
        ),
        "data_batch_2": FileCheck(
            31_035_320, "766b2cef9fbc745cf056b3152224f7cf77163b330ea9a15f9392beb8b89bc5a8"
        ),
        "data_batch_3": FileCheck(
            31_035_999, "0f00d98ebfb30b3ec0ad19f9756dc2630b89003e10525f5e148445e82aa6a1f9"
        ),
        "data_batch_4": FileCheck(
            31_035_696, "3f7bb240661948b8f4d53e36ec720d8306f5668bd0071dcb4e6c947f78e9682b"
        ),
        "data_batch_5": FileCheck(
            31_035_623, "d91802434d8376bbaeeadf58a737e3a1b12ac839077e931237e0dcd43adcb154"
        ),
        "test_batch": FileCheck(
            31_035_526, "f53d8d457504f7cff4ea9e021afcf0e0ad8e24a91f3fc42091b8adef61157831"
        ),
    },
)

_Images = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]


def verify(data: bytes, check: FileCheck, name: str) -> None:
    """Raise CorruptFileError unless `data` is the content that `check` describes."""
    _verify_size(len(data), check.size, name)
    if hashlib.sha256(data).hexdigest() != check.sha256:
        raise CorruptFileError(
            f"{name} must have the SHA-256 {check.sha256} of the official file, but it was altered or damaged"
        )


def read_python(release: Release, file: Path) -> _Images:
    """Read a batch of the Python version; its size and SHA-256 are checked before its content.

    Returns
    -------
    X : ndarray of shape (rows, 3072), uint8, read-only
    y : ndarray of shape (rows,), int64

    Raises
    ------
    CorruptFileError
        When the file is not the official one.
    """
    check = release.files[file.name]
    # The bytes that are hashed are the bytes that are read: the file is opened once.
    data = _read_exactly(file, check.size)
    verify(data, check, str(file))
    batch = read_batch(data, str(file))
    X, labels = batch.get(b"data"), batch.get(b"labels")
    if not isinstance(X, np.ndarray) or X.shape != (release.rows, PIXELS):
        raise CorruptFileError(f"{file} must hold an array `data` of shape ({release.rows}, {PIXELS})")
    if not isinstance(labels, list) or len(labels) != release.rows:
        raise CorruptFileError(f"{file} must hold a list `labels` of {release.rows} numbers")
    if not all(isinstance(label, int) and 0 <= label < len(CLASS_NAMES) for label in labels):
        raise CorruptFileError(f"{file} must have labels from 0 to {len(CLASS_NAMES) - 1} only")
    return X, np.array(labels, dtype=np.int64)


def read_binary(release: Release, file: Path) -> _Images:
    """Read a batch of the binary version: records of one label and 3,072 pixels, 1 byte each.

    Size and labels are checked. Nothing in such a file can run, and changed pixels are not noticed.

    Returns
    -------
    X : ndarray of shape (rows, 3072), uint8, read-only
    y : ndarray of shape (rows,), int64

    Raises
    ------
    CorruptFileError
        When the file has another size or a label above 9.
    """
    size = release.rows * (1 + PIXELS)
    data = _read_exactly(file, size)
    records = np.frombuffer(data, dtype=np.uint8).reshape(release.rows, 1 + PIXELS)
    y = records[:, 0].astype(np.int64)
    wrong = np.flatnonzero(y >= len(CLASS_NAMES))
    if len(wrong):
        raise CorruptFileError(
            f"{file} must have labels from 0 to {len(CLASS_NAMES) - 1}, "
            f"got {y[wrong[0]]} in record {wrong[0]}"
        )
    return records[:, 1:], y


def _read_exactly(file: Path, size: int) -> bytes:
    with file.open("rb") as stream:
        data = stream.read(size + 1)
        _verify_size(stream.seek(0, 2), size, str(file))
    return data


def _verify_size(size: int, expected: int, name: str) -> None:
    if size != expected:
        raise CorruptFileError(
            f"{name} must have {expected} bytes, got {size}: it is truncated or no file of CIFAR-10"
        )
