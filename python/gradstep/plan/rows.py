"""The data side of training: rows as they lie, targets, weights, mean and scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidDataError
from gradstep.plan.standardization import Standardization

#: Element types that a backend reads where they lie; anything else is converted once.
ROW_TYPES = (np.dtype(np.uint8), np.dtype(np.float32), np.dtype(np.float64))

# Kernels number rows by int32.
_MOST_ROWS = 2**31 - 1


@dataclass(frozen=True)
class TrainingData:
    """Rows, targets and all that a backend needs to read them.

    Attributes
    ----------
    X : ndarray of shape (n, d), uint8, float32 or float64
        Elements of a row are adjacent; rows may be any distance apart.
    targets : ndarray of shape (n,), int32, or (n, k), float
        Class indices in [0, k), or values of the type of the parameters; class 0 throughout where only
        scores are wanted.
    weight : ndarray of shape (n,) or (m, n), float64, or None
        Weights of mean 1, of all models or a row for each of m models that train together; None when
        every row counts the same.
    standardization : Standardization
    """

    X: npt.NDArray[Any]
    targets: npt.NDArray[Any]
    weight: npt.NDArray[np.float64] | None
    standardization: Standardization

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.X.shape[0])

    @property
    def d(self) -> int:
        """Number of inputs."""
        return int(self.X.shape[1])

    def select(self, models: Sequence[int]) -> TrainingData:
        """Return the data of some of m models that train together, in the order given."""
        if self.weight is None or self.weight.ndim == 1:
            return self
        return replace(self, weight=self.weight[list(models)])


def as_rows(X: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return X in a form that backends read where it lies: X itself whenever it is one already.

    float16, bool and integers of up to 16 bits become float32 (exactly), other types float64;
    Fortran-ordered, column-strided and big-endian arrays are copied once.
    """
    if X.dtype.kind not in "biuf":
        raise InvalidDataError(f"X must hold real numbers, got dtype {X.dtype}")
    if X.dtype.newbyteorder("=") in ROW_TYPES:
        dtype = X.dtype.newbyteorder("=")
    elif X.dtype.kind in "biuf" and X.dtype.itemsize <= 2:
        dtype = np.dtype(np.float32)
    else:
        dtype = np.dtype(np.float64)
    rows_lie_ready = (
        X.dtype == dtype
        and X.dtype.isnative
        and X.flags.aligned
        and (X.shape[1] <= 1 or X.strides[1] == X.itemsize)
        and (X.shape[0] <= 1 or (X.strides[0] >= 0 and X.strides[0] % X.itemsize == 0))
    )
    return X if rows_lie_ready else np.array(X, dtype=dtype, order="C")


def prepare(
    X: npt.NDArray[Any],
    targets: npt.NDArray[Any] | None,
    weight: npt.NDArray[Any] | None = None,
    standardization: Standardization | None = None,
) -> TrainingData:
    """Make TrainingData of validated arrays.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Any real dtype and layout, finite.
    targets : ndarray of shape (n,) of class indices or (n, k) of floats, or None for class 0 throughout
    weight : ndarray of shape (n,) or (m, n), optional
        Sample weights >= 0 with a positive sum, of all models or a row for each of m; scaled to mean 1
        here.
    standardization : Standardization, optional
        The identity by default.
    """
    rows = as_rows(X)
    n, d = rows.shape
    if n > _MOST_ROWS:
        raise InvalidDataError(f"X must have at most {_MOST_ROWS} rows, got {n}")
    if targets is None:
        targets = np.zeros(n, dtype=np.int32)
    targets = np.ascontiguousarray(targets, dtype=None if targets.ndim == 2 else np.int32)
    weight = None if weight is None else _of_mean_1(np.ascontiguousarray(weight, dtype=np.float64))
    return TrainingData(rows, targets, weight, standardization or Standardization.identity(d))


def _of_mean_1(weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    """Scale every row of weights (..., n); None where all of them are equal."""
    equal = (weight == weight[..., :1]).all(axis=-1, keepdims=True)
    if equal.all():
        return None
    return np.where(equal, 1.0, weight * (weight.shape[-1] / weight.sum(axis=-1, keepdims=True)))
