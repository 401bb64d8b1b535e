"""Arrays as rows to train on: what is read of X and y, and how rows are cut off."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.datasets.images import CHANNELS, ImageShape, as_rows
from gradstep.datasets.sets import TASK, Rows, held_out
from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.utils.constraints import check

_INT64 = np.iinfo(np.int64)

# A class of whose rows so many are expected among some rows is missing there for a reason.
_TELLING = 20


class ArrayReader:
    """How arrays become rows; it keeps what it took where nobody said it."""

    owner: str
    task: str
    image_shape: ImageShape | None
    channels: str | None

    def __init__(self, owner: str, task: str, image_shape: ImageShape | None, channels: str | None) -> None:
        check(owner, "task", task, [TASK])
        check(owner, "channels", channels, [CHANNELS])
        self.owner, self.task, self.image_shape, self.channels = owner, task, image_shape, channels
        self.notes: tuple[str, ...] = ()

    def note(self, note: str) -> None:
        """Keep a note, once."""
        if note and note not in self.notes:
            self.notes = (*self.notes, note)

    def rows(self, X: npt.NDArray[Any], y: npt.NDArray[Any], whose_X: str, whose_y: str) -> Rows:
        """Return the rows that two arrays are."""
        rows, shape = self.inputs(X, whose_X)
        return Rows(rows, self.targets(y, len(X), f"{whose_y} must hold"), shape)

    def more_rows(
        self, rows: Rows, arrays: tuple[npt.NDArray[Any], npt.NDArray[Any]], whose: tuple[str, str]
    ) -> Rows:
        """Return the rows that X and y are, which must be of the same kind as those that are there."""
        found = self.rows(*arrays, *whose)
        _check_like(rows, found, *whose)
        return found

    def inputs(self, X: npt.NDArray[Any], whose_X: str) -> tuple[npt.NDArray[Any], ImageShape | None]:
        """Return an array in the form (n, d), and the shape of its images."""
        if X.dtype.kind not in "biuf" or X.ndim not in (2, 3, 4) or 0 in X.shape:
            raise InvalidDataError(
                f"{whose_X} must hold numbers of shape (n, d), (n, height, width), "
                f"(n, channels, height, width) or (n, height, width, channels), "
                f"got {X.dtype} of shape {X.shape}"
            )
        rows, shape, note = as_rows(X, self.image_shape, self.channels, self.owner, whose_X)
        self.note(note)
        return rows, shape

    def targets(self, y: npt.NDArray[Any], n: int, whose: str) -> npt.NDArray[Any]:
        """Return what an array says of n rows for the task."""
        is_long = y.shape[:1] == (n,)
        given = f"got {y.dtype} of shape {y.shape}"
        if self.task == "regression":
            if y.dtype.kind not in "iuf" or y.ndim not in (1, 2) or not is_long or 0 in y.shape:
                raise InvalidDataError(f"{whose} real numbers of shape ({n},) or ({n}, k), {given}")
            return _finite(y.astype(np.float64), whose)
        if is_long and y.shape == (n, 1):
            y = y[:, 0]
        if y.dtype.kind == "f" and is_long and y.ndim == 1:
            return self._whole(y, whose)
        if y.dtype.kind == "S":
            y = _decoded(y, whose)
        if y.ndim == 2 and is_long and y.dtype.kind in "biuf" and y.size and ((y == 0) | (y == 1)).all():
            return y.astype(np.int64)
        if y.dtype.kind not in "biuU" or not is_long or y.ndim != 1:
            raise InvalidDataError(
                f"{whose} {n} integers or strings, or indicators ({n}, k) of 0 and 1, {given}"
            )
        return y

    def _whole(self, y: npt.NDArray[Any], whose: str) -> npt.NDArray[np.int64]:
        """Return labels that are written as floats."""
        n, classes = len(y), len(np.unique(y))
        is_whole = np.isfinite(y).all() and (y == np.round(y)).all() and abs(y).max() < _INT64.max
        if not is_whole or (2 * classes > n >= _TELLING):
            kind = f"{classes} different values" if is_whole else "values that are not whole"
            raise InvalidDataError(
                f"{whose} {n} integers or strings, or indicators ({n}, k) of 0 and 1, got {y.dtype} with "
                f"{kind}: `task=regression` is for measurements"
            )
        self.note(f"whole numbers of type {y.dtype} are taken as classes (`task=regression` takes values)")
        return y.astype(np.int64)


def _finite(y: npt.NDArray[np.float64], whose: str) -> npt.NDArray[np.float64]:
    """Return real values, all of them finite: `fit` sees dealt out rows, and could not say which it is."""
    bad = np.argwhere(~np.isfinite(y))
    if len(bad):
        raise InvalidDataError(f"{whose} finite numbers, got {y[tuple(bad[0])]} in row {bad[0][0]}")
    return y


def _decoded(y: npt.NDArray[Any], whose: str) -> npt.NDArray[np.str_]:
    """Return labels that are bytes, as HDF5 has them, as strings."""
    try:
        return np.char.decode(y, "utf-8")
    except UnicodeDecodeError as error:
        raise InvalidDataError(f"{whose} UTF-8 text where labels are bytes: {error}") from error


def _has_labels(rows: Rows) -> bool:
    return rows.y.ndim == 1 and rows.y.dtype.kind != "f"


def _check_like(rows: Rows, tested: Rows, whose_X: str, whose_y: str) -> None:
    """Raise unless test rows are of the same kind as the others."""
    if tested.X.shape[1] != rows.X.shape[1] or tested.image_shape != rows.image_shape:
        raise InvalidDataError(
            f"{whose_X} must have rows as those to train on, of {rows.X.shape[1]} values, "
            f"got {tested.X.shape[1]}"
        )
    if tested.y.shape[1:] != rows.y.shape[1:]:
        raise InvalidDataError(f"{whose_y} must have the form of that to train on, got {tested.y.shape}")
    if _has_labels(rows):
        new = np.setdiff1d(tested.y, rows.y).tolist()
        if new:
            raise InvalidDataError(f"{whose_y} must have the labels of that to train on, got {new[0]!r}")


def cut(
    rows: Rows, validation: float | None, test: float | None, owner: str
) -> tuple[Rows, Rows | None, Rows | None]:
    """Hold out the last rows; all parts are views."""
    n = len(rows)
    n_test, n_validation = held_out(test, "test", owner, n), held_out(validation, "validation", owner, n)
    if n_test + n_validation >= n:
        raise InvalidParameterError(
            f"`validation` and `test` of {owner} must leave rows to train on, "
            f"got {n_validation} + {n_test} of {n} rows"
        )
    ends = (0, n - n_validation - n_test, n - n_test, n)
    train, held, tested = (
        Rows(rows.X[start:end], rows.y[start:end], rows.image_shape) if start < end else None
        for start, end in pairwise(ends)
    )
    assert train is not None  # at least one row is left
    return train, held, tested


def check_unsorted(train: Rows, part: Rows, name: str, whose: str) -> None:
    """Raise where rows that were cut off have other classes than the rest: the file is sorted."""
    if not _has_labels(train):
        return
    labels, counts = np.unique(train.y, return_counts=True)
    new, expected = np.setdiff1d(part.y, labels).tolist(), counts * len(part) / len(train)
    missing = labels[(expected >= _TELLING) & ~np.isin(labels, part.y)].tolist()
    if new or missing:
        what = f"alone have the class {new[0]!r}" if new else f"lack the class {missing[0]!r}"
        raise InvalidDataError(
            f"{whose} is sorted: its {len(part)} last rows, for `{name}`, {what}. `copy=True` draws the rows "
            f"to hold out, and copies all; shuffled files need no copy"
        )


def check_known(train: Rows, held: Sequence[Rows | None], whose: str) -> None:
    """Raise where rows that were drawn have a class that none to train on has: there are too many classes."""
    for part in held:
        new = np.setdiff1d(part.y, train.y).tolist() if part is not None and _has_labels(part) else []
        if new:
            raise InvalidDataError(
                f"{whose} has so many different labels that some, as {new[0]!r}, are of rows held out alone: "
                f"`task=regression` is for measurements, `validation=none` and `test=none` hold out none"
            )
