"""The forms in which y is given, each read by one rule wherever a y is taken.

What an array can be made of will do: arrays, lists, series, tables, nullable and categorical columns. A
column (n, 1) of labels is one label a row, which scikit-learn's DataConversionWarning says.
"""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import column_or_1d

from gradstep.errors import InvalidDataError
from gradstep.utils import text

Array = npt.NDArray[Any]


def labels(y: Any, whose: str) -> Array:
    """Return class labels, (n,).

    Raises
    ------
    InvalidDataError
        y has several columns, a label is missing, or the labels are of different types.
    """
    if hasattr(y, "toarray"):
        raise InvalidDataError(
            f"{whose} must be one label a row, got a sparse matrix of shape {y.shape}: "
            f"loss='multilabel' takes those"
        )
    given = _array(y, whose)
    if given.ndim == 2 and given.shape[1] > 1:
        raise InvalidDataError(f"{whose} must be one label a row, got {_several(given)}")
    if given.ndim not in (1, 2):
        raise InvalidDataError(f"{whose} must be one label a row, shape (n,), got shape {given.shape}")
    if given.dtype.kind == "c":
        raise InvalidDataError(f"{whose} must be class labels: Complex data not supported")
    column: Array = column_or_1d(_unboxed(given, whose), warn=True)
    if column.dtype.kind in "fmM":  # dates and durations have a NaN of their own, NaT
        wrong = np.flatnonzero(~np.isfinite(column))
        if len(wrong):
            raise InvalidDataError(
                f"{whose} must have a label in every row and contain no NaN, "
                f"got {column[wrong[0]]} in row {wrong[0]}"
            )
    return column


def indicators(y: Any, whose: str) -> npt.NDArray[np.float64]:
    """Return an indicator matrix of 0 and 1, (n, k).

    Raises
    ------
    InvalidDataError
        y is none.
    """
    wanted = f"{whose} must be an indicator matrix (n, k) of 0 and 1"
    refuse_masked(y, whose)
    try:
        values = np.asarray(y.toarray() if hasattr(y, "toarray") else y, dtype=np.float64)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise InvalidDataError(f"{wanted}, got {text.given(y)}") from error
    if values.ndim != 2 or values.shape[1] == 0:
        raise InvalidDataError(f"{wanted}, got shape {values.shape}; labels (n,) are for loss='softmax'")
    wrong = np.argwhere((values != 0) & (values != 1))
    if len(wrong):
        row, column = wrong[0].tolist()
        raise InvalidDataError(f"{wanted}, got {values[row, column]} in row {row}, column {column}")
    return values


def values(y: Any, whose: str, least: float) -> npt.NDArray[np.float64]:
    """Return real numbers >= `least`, (n,) or (n, k) as y has them.

    Raises
    ------
    InvalidDataError
        y has other values, or another shape.
    """
    refuse_masked(y, whose)
    try:
        given = np.asarray(y)
        if given.dtype.kind not in "biufO":
            raise TypeError(f"values of dtype {given.dtype}")
        if given.dtype == object and any(isinstance(item, (str, bytes)) for item in given.flat):
            raise TypeError("strings among them")
        real = given.astype(np.float64)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise InvalidDataError(f"{whose} must be real numbers, got {text.given(y)}: {error}") from error
    if real.ndim not in (1, 2) or real.shape[-1] == 0:
        raise InvalidDataError(f"{whose} must have shape (n,) or (n, k), got {real.shape}")
    for wrong, wanted in ((~np.isfinite(real), "finite and contain no NaN"), (real < least, f">= {least:g}")):
        if wrong.any():
            row = int(np.argwhere(wrong)[0][0])
            got = real[row] if real.ndim == 1 else real[row][wrong[row]][0]
            raise InvalidDataError(f"{whose} must be {wanted}, got {got} in row {row}")
    return real


def plain(y: Any, takes: str, whose: str) -> Any:
    """Return a y in a form that scikit-learn's splitters and scorers take, for the targets that a loss takes.

    Numbers stay what they are; what is wrong with indicators is left to say to who reads them.

    Raises
    ------
    InvalidDataError
        y are no labels, or no real values.
    """
    if takes == "labels":
        return labels(y, whose)
    if hasattr(y, "toarray"):
        return y
    refuse_masked(y, whose)
    given = np.asarray(y)
    return values(y, whose, -np.inf) if takes == "values" and given.dtype.kind not in "biuf" else given


def refuse_masked(given: Any, whose: str) -> None:
    """Raise InvalidDataError where an array has masked elements: what lies below a mask would be read."""
    if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(given):
        place = np.argwhere(np.ma.getmaskarray(given))[0].tolist()
        names = ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), place, strict=False))
        raise InvalidDataError(
            f"{whose} must have a value everywhere, got a masked array, the first masked of it in {names}: "
            f"leave such rows out, or fill them in with .filled(...)"
        )


def _array(y: Any, whose: str) -> Array:
    refuse_masked(y, whose)
    try:
        given = np.asarray(y)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise InvalidDataError(f"{whose} must be one label a row, got {text.given(y)}: {error}") from error
    # scikit-learn knows nothing of NumPy's strings of variable length.
    return given.astype(object) if given.dtype.kind == "T" else given


def _several(given: Array) -> str:
    """Say what several columns are, and what else takes them."""
    values = given.astype(object)
    if not ((values == 0) | (values == 1)).all():
        return f"an array of shape {given.shape}"
    what = f"an indicator matrix of shape {given.shape}: "
    one_hot = (np.sum(values == 1, axis=1) == 1).all()
    return (
        what + ("y.argmax(axis=1) is its labels, and " if one_hot else "") + "loss='multilabel' takes those"
    )


def _unboxed(given: Array, whose: str) -> Array:
    """Return objects that are all numbers, or all truth values, as an array of those."""
    if given.dtype != object:
        return given
    items = given.ravel().tolist()
    for row, item in enumerate(items):
        # A missing value is not even equal to itself, or has no answer to that.
        if item is None or not _is_itself(item):
            raise InvalidDataError(
                f"{whose} must have a label in every row and contain no NaN, got {item} in row {row}"
            )
    if not items or not all(isinstance(item, (Number, np.bool_)) for item in items):
        return given
    if len({isinstance(item, (bool, np.bool_)) for item in items}) == 1:
        given = np.array(items).reshape(given.shape)
    return given


def _is_itself(item: Any) -> bool:
    try:
        return bool(item == item)
    except (TypeError, ValueError):
        return False
