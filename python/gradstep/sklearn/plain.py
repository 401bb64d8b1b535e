"""Rows that need none of scikit-learn's checks, which take longer than many a call that they are for."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradstep.plan.rows import ROW_TYPES

# Elements up to which each is looked at.
_FEW = 10_000


def are_plain_rows(X: Any, d: int) -> bool:
    """Whether X is an array (n, d) of finite numbers of a type that kernels read; False may be either."""
    return (
        type(X) is np.ndarray and X.ndim == 2 and X.size > 0 and X.shape[1] == d and _is_finite(X, ROW_TYPES)
    )


def are_plain_targets(y: Any, n: int) -> bool:
    """Whether y is an array (n,) of finite numbers or of bools; False may be either."""
    kinds = (y.dtype,) if type(y) is np.ndarray and y.dtype.kind in "biuf" else ()
    return bool(kinds) and y.shape == (n,) and _is_finite(y, kinds)


def _is_finite(numbers: np.ndarray[Any, Any], kinds: tuple[np.dtype[Any], ...]) -> bool:
    """Whether an array is of one of these types and finite; of a sum that is, all terms are."""
    if numbers.dtype not in kinds:
        return False
    if numbers.dtype.kind != "f":
        return True
    if numbers.size <= _FEW:
        return bool(np.isfinite(numbers).all())
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(numbers.sum()))
