"""R2 of values of any unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def r2(predictions: Array, targets: Array, weight: npt.ArrayLike | None = None) -> float:
    """Return `r2_score` of scikit-learn of finite values (n,) or (n, k), of whatever unit.

    >>> r2(np.array([1e-200, 2e-200]), np.array([1e-200, 3e-200]))
    0.5
    """
    from sklearn.metrics import r2_score

    # Near 1, so that no square leaves the range of floats.
    exponents = -np.frexp(np.abs(targets).max(axis=0))[1]
    with np.errstate(over="ignore"):
        near, answers = np.ldexp(targets, exponents), np.ldexp(predictions, exponents)
        if not np.isfinite(np.square(answers).sum()):
            return -np.inf
    return float(r2_score(near, answers, sample_weight=weight))
