"""Handwritten digits that come with scikit-learn: small enough for a first try."""

from __future__ import annotations

from typing import overload

import numpy as np

from gradstep.datasets.sets import DataSet, Rows, split
from gradstep.utils.names import known_parameters


@overload
def load_digits(
    *, validation: float = 0.15, test: float = 0.15, random_state: int | None = 0
) -> DataSet[Rows, Rows]: ...
@overload
def load_digits(
    *, validation: None, test: float = 0.15, random_state: int | None = 0
) -> DataSet[None, Rows]: ...
@overload
def load_digits(
    *, validation: float = 0.15, test: None, random_state: int | None = 0
) -> DataSet[Rows, None]: ...
@overload
def load_digits(
    *, validation: float | None = 0.15, test: float | None = 0.15, random_state: int | None = 0
) -> DataSet: ...
@known_parameters
def load_digits(
    *, validation: float | None = 0.15, test: float | None = 0.15, random_state: int | None = 0
) -> DataSet:
    """Load 1,797 handwritten digits of 8 x 8 grey values; no file and no network is needed.

    Parameters
    ----------
    validation, test : int, float or None
        Number or share of rows to hold out, drawn with the classes in the same proportions.
    random_state : int >= 0, or None
        The same number draws the same rows on every machine; None draws anew.

    Returns
    -------
    DataSet
        X (n, 64), uint8, from 0 (white) to 16 (black), row by row of the image. y (n,), int64, 0 to 9.

    Raises
    ------
    InvalidParameterError
        When the parts are not to be had.

    References
    ----------
    E. Alpaydin and C. Kaynak, "Optical recognition of handwritten digits", UCI repository, 1998.

    Examples
    --------
    >>> data = load_digits()
    >>> data.train, len(data.validation), len(data.test)
    (Rows(1257 x 64 uint8, images (1, 8, 8)), 270, 270)
    """
    from sklearn.datasets import load_digits as load

    digits = load()
    rows = Rows(digits.data.astype(np.uint8), digits.target.astype(np.int64), (1, 8, 8))
    parts = split(rows, validation, test, random_state, "load_digits")
    class_names = tuple(str(name) for name in digits.target_names)
    return DataSet("digits", *parts, class_names, tuple(digits.feature_names))
