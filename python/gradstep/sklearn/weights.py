"""Sample weights of the faces, times the weights of classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import _check_sample_weight

Weight = npt.NDArray[np.float64] | None


def read_weights(sample_weight: Any, X: Any) -> Weight:
    """Return sample weights (n,) in float64; None where there are none.

    Raises
    ------
    ValueError
        They are not as many as X has rows, not finite, negative, or all of them 0.
    """
    if sample_weight is None:
        return None
    weight: npt.NDArray[np.float64] = _check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )
    if not weight.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return weight


def times_class_weights(weight: Weight, class_weight: Any, y: Any) -> Weight:
    """Return weights times those of the classes, "balanced" or by class, of labels y as they were given.

    Raises
    ------
    ValueError
        In scikit-learn's words, of `class_weight`.
    """
    if class_weight is None:
        return weight
    of_classes: npt.NDArray[np.float64] = compute_sample_weight(class_weight, y)
    return of_classes if weight is None else weight * of_classes
