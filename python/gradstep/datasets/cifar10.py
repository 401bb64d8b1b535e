"""CIFAR-10: 60,000 colour images of 32 x 32 pixels in ten classes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, overload

import numpy as np
import numpy.typing as npt

from gradstep.datasets.cifar10_files import (
    BINARY_FOLDER,
    CIFAR10,
    CLASS_NAMES,
    IMAGE_SHAPE,
    PIXELS,
    PYTHON_FOLDER,
    TEST_BATCH,
    TRAINING_BATCHES,
    Release,
    read_binary,
    read_python,
)
from gradstep.datasets.download import cache_folder, fetch, how_to_get
from gradstep.datasets.sets import DataSet, Rows, as_path, held_out
from gradstep.errors import DatasetNotFoundError, InvalidParameterError
from gradstep.utils.constraints import FLAG, check
from gradstep.utils.files import expanded
from gradstep.utils.names import known_parameters

_OWNER = "load_cifar10"
_Images = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
_BatchReader = Callable[[str], _Images]
#: Names of the training batches, as type checkers know them.
Batch = Literal["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"]


@overload
def load_cifar10(
    path: str | os.PathLike[str] | None = None,
    *,
    train: Batch | Literal["all"] = "data_batch_1",
    validation: Batch | float = "data_batch_2",
    test: Literal[True] = True,
    download: bool = True,
) -> DataSet[Rows, Rows]: ...
@overload
def load_cifar10(
    path: str | os.PathLike[str] | None = None,
    *,
    train: Batch | Literal["all"] = "data_batch_1",
    validation: None,
    test: Literal[True] = True,
    download: bool = True,
) -> DataSet[None, Rows]: ...
@overload
def load_cifar10(
    path: str | os.PathLike[str] | None = None,
    *,
    train: str = "data_batch_1",
    validation: str | float | None = "data_batch_2",
    test: bool = True,
    download: bool = True,
) -> DataSet: ...
@known_parameters
def load_cifar10(
    path: str | os.PathLike[str] | None = None,
    *,
    train: str = "data_batch_1",
    validation: str | float | None = "data_batch_2",
    test: bool = True,
    download: bool = True,
) -> DataSet:
    """Load CIFAR-10 from its official files, the Python version or the binary one.

    Of the Python version the size and the SHA-256 of a file are checked before its content is
    looked at, and the reader runs nothing that a file names. Of the binary version the size and
    the labels are checked; changed pixels would not be noticed.

    Parameters
    ----------
    path : path, optional
        The folder with the batches, or one that holds ``cifar-10-batches-py`` or
        ``cifar-10-batches-bin``. By default the folder in the environment variable
        ``GRADSTEP_CIFAR10``, else the cache folder (see `cache_folder`).
    train : str
        "data_batch_1" to "data_batch_5", or "all" for the five of them.
    validation : str, int, float or None
        Another training batch; or how many of the last training rows, as a number or a share, are
        held out instead of trained on; or None.
    test : bool
        Whether to load the 10,000 test images.
    download : bool
        Whether to download the Python version (170 MB) into the cache folder when neither `path`
        nor ``GRADSTEP_CIFAR10`` is given and it is not there yet. A terminal shows a bar meanwhile; elsewhere
        the logger ``gradstep.datasets`` is told.

    Returns
    -------
    DataSet
        X (n, 3072), uint8: 1,024 red, 1,024 green and 1,024 blue values, row by row of the image.
        y (n,), int64: index into `class_names`.

    Raises
    ------
    DatasetNotFoundError
        When the files are not there; the message says where to get them.
    CorruptFileError
        When a file is not the official one.
    InvalidParameterError
        On an unknown batch, one batch for both, or more rows held out than there are.

    References
    ----------
    A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009.

    Examples
    --------
    >>> data = load_cifar10(train="all", validation=1000)      # doctest: +SKIP
    >>> len(data.train), len(data.validation), len(data.test)  # doctest: +SKIP
    (49000, 1000, 10000)
    """
    return load_release(CIFAR10, path, train, validation, test, download)


def load_release(
    release: Release,
    path: str | os.PathLike[str] | None,
    train: str,
    validation: str | float | None,
    test: bool,
    download: bool,
) -> DataSet:
    """Do what load_cifar10 does, for any release of the same form."""
    check(_OWNER, "test", test, [FLAG])
    check(_OWNER, "download", download, [FLAG])
    train_batches = _train_batches(train)
    held = 0
    if isinstance(validation, str):
        _check_validation_batch(validation, train_batches)
    else:
        held = held_out(validation, "validation", _OWNER, len(train_batches) * release.rows)
    validation_batches = (validation,) if isinstance(validation, str) else ()
    test_batches = (TEST_BATCH,) if test else ()

    read = _find(release, path, (*train_batches, *validation_batches, *test_batches), download)
    X, y = _stack(release, read, train_batches)
    end = len(y) - held
    validation_rows = _rows(X[end:], y[end:]) if held else None
    if validation_batches:
        validation_rows = _rows(*_stack(release, read, validation_batches))
    return DataSet(
        name="CIFAR-10",
        train=_rows(X[:end], y[:end]),
        validation=validation_rows,
        test=_rows(*_stack(release, read, test_batches)) if test else None,
        class_names=CLASS_NAMES,
    )


def _train_batches(train: str) -> tuple[str, ...]:
    if train == "all":
        return TRAINING_BATCHES
    if train in TRAINING_BATCHES:
        return (train,)
    raise InvalidParameterError(
        f"`train` of {_OWNER} must be one of {', '.join(TRAINING_BATCHES)} or all, got {train!r}"
    )


def _check_validation_batch(validation: str, train_batches: Sequence[str]) -> None:
    if validation not in TRAINING_BATCHES:
        raise InvalidParameterError(
            f"`validation` of {_OWNER} must be one of {', '.join(TRAINING_BATCHES)}, "
            f"a number or share of rows, or None, got {validation!r}"
        )
    if validation in train_batches:
        raise InvalidParameterError(
            f"`validation` of {_OWNER} must not be trained on, got {validation!r} with train="
            f"{'all' if len(train_batches) > 1 else train_batches[0]!r}. "
            f"Give a number of rows to hold out, such as validation=1000, or None."
        )


def _find(
    release: Release, path: str | os.PathLike[str] | None, batches: Sequence[str], download: bool
) -> _BatchReader:
    """Return a reader of batches by name, for the first folder that has them all."""
    if path is not None:
        return _need(release, as_path(path, _OWNER), batches, f"`path` of {_OWNER}")
    if named := os.environ.get("GRADSTEP_CIFAR10"):
        whose = "the environment variable GRADSTEP_CIFAR10"
        return _need(release, expanded(named, whose), batches, whose)
    cache = cache_folder()
    if (read := _reader(release, cache, batches)) is not None:
        return read
    if (cache / PYTHON_FOLDER).exists():
        raise DatasetNotFoundError(
            f"{cache / PYTHON_FOLDER} must hold the files {', '.join(batches)}, but not all are there. "
            f"Delete that folder and try again."
        )
    if not download:
        raise DatasetNotFoundError(f"CIFAR-10 is not in {cache}, and download=False. {how_to_get(release)}")
    return _need(release, fetch(release, cache), batches, "the download")


def _need(release: Release, folder: Path, batches: Sequence[str], whose: str) -> _BatchReader:
    read = _reader(release, folder, batches)
    if read is None:
        raise DatasetNotFoundError(
            f"{whose} must be a folder with {', '.join(batches)} (or the same with .bin) of CIFAR-10, "
            f"got {str(folder)!r}. {how_to_get(release)}"
        )
    return read


def _reader(release: Release, folder: Path, batches: Sequence[str]) -> _BatchReader | None:
    for place in (folder, folder / PYTHON_FOLDER, folder / BINARY_FOLDER):
        if all((place / name).is_file() for name in batches):
            return lambda name: read_python(release, place / name)
        if all((place / f"{name}.bin").is_file() for name in batches):
            return lambda name: read_binary(release, place / f"{name}.bin")
    return None


def _stack(release: Release, read: _BatchReader, batches: Sequence[str]) -> _Images:
    """Read batches one after the other into one array, so that at most one is held twice."""
    X = np.empty((len(batches) * release.rows, PIXELS), dtype=np.uint8)
    y = np.empty(len(X), dtype=np.int64)
    for number, name in enumerate(batches):
        here = slice(number * release.rows, (number + 1) * release.rows)
        X[here], y[here] = read(name)
    return X, y


def _rows(X: npt.NDArray[np.uint8], y: npt.NDArray[np.int64]) -> Rows:
    return Rows(X, y, IMAGE_SHAPE)
