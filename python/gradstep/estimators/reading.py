"""From what users give to rows that can be trained on: X, y, weights and validation rows, checked."""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from gradstep import backends
from gradstep.errors import InvalidDataError
from gradstep.plan import targets
from gradstep.plan.rows import ROW_TYPES, TrainingData, as_rows, prepare
from gradstep.plan.settings import Settings
from gradstep.plan.standardization import Standardization
from gradstep.plan.targets import Targets
from gradstep.training.setup import JobRows
from gradstep.utils import threads

Array = npt.NDArray[Any]

# Elements of X from which on checks cost less than what they check is for.
_FEW = 100_000


def read_rows(
    estimator: BaseEstimator,
    settings: Settings,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    eval_set: Any = None,
) -> JobRows:
    """Read and check all rows of a training; the estimator learns the number and the names of the features.

    Raises
    ------
    InvalidDataError
        X, y, `sample_weight` or `eval_set` cannot be used; scikit-learn's own checks of X raise its
        ValueError or TypeError.
    """
    whose = f"{settings.owner}.fit"
    checked, given = _read_pair(estimator, settings, X, y, whose, reset=True)
    check_weight(sample_weight, len(checked), whose)
    weight = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    vocabulary, encoded = targets.learn(
        settings.loss, given, f"y of {whose}", settings.standardize_targets, weight
    )
    if weight is not None and encoded.ndim == 1 and np.ptp(encoded[weight > 0]) == 0:
        raise InvalidDataError(
            f"sample_weight of {whose} must be > 0 in rows of two classes or more, got one class only"
        )
    rows = as_rows(checked)
    standardization = (
        measure(rows, settings, weight) if settings.standardize else Standardization.identity(rows.shape[1])
    )
    train = prepare(rows, _as_kernels_take(encoded, settings), weight, standardization)
    held_out = None
    if eval_set is not None:
        held_out = read_held_out(estimator, settings, eval_set, vocabulary, standardization)
    return JobRows(train, held_out, vocabulary, getattr(estimator, "feature_names_in_", None))


def measure(rows: Array, settings: Settings, weight: Any = None) -> Standardization:
    """Return mean and scale of the features, measured by the backend and the threads asked for."""
    return Standardization.of(
        rows,
        weight,
        n_threads=threads.choose(settings.n_threads, rows.size),
        sums=backends.get(settings.backend).sums_of_bytes,
    )


def read_held_out(
    estimator: BaseEstimator,
    settings: Settings,
    eval_set: Any,
    vocabulary: Targets,
    standardization: Standardization,
) -> TrainingData:
    """Return the rows of a pair (X, y), read as those that were trained on."""
    whose = f"eval_set of {settings.owner}.fit"
    X, y = check_pair(eval_set, whose)
    try:
        checked, given = _read_pair(estimator, settings, X, y, whose, reset=False)
    except (TypeError, ValueError) as error:
        text = str(error)
        raise InvalidDataError(text if whose in text else f"{whose}: {text}") from error
    encoded = vocabulary.encode(given, whose)
    return prepare(checked, _as_kernels_take(encoded, settings), None, standardization)


def read_targets(
    estimator: BaseEstimator, settings: Settings, X: Any, y: Any, whose: str
) -> tuple[Array, Any]:
    """Return X checked, and y in a form that a vocabulary encodes."""
    return _read_pair(estimator, settings, X, y, whose, reset=False)


def _read_pair(
    estimator: BaseEstimator, settings: Settings, X: Any, y: Any, whose: str, reset: bool
) -> tuple[Array, Any]:
    check_lengths(X, y, whose)
    if settings.loss.takes == "labels" and not _is_matrix(y):
        checked, labels = validate_data(estimator, X, y, reset=reset)
        return checked, labels
    if y is None:
        raise InvalidDataError(f"{whose} requires y to be passed, but the target y is None")
    checked = validate_data(estimator, X, reset=reset)
    # What became rows is of known length, whatever it was before.
    given = y if hasattr(y, "shape") or isinstance(y, (list, tuple)) else np.asarray(y)
    check_lengths(checked, given, whose)
    return checked, given


def _is_matrix(y: Any) -> bool:
    """Whether y has several columns, so that it can be no labels."""
    shape: tuple[int, ...] = np.shape(y) if isinstance(y, (list, tuple)) else getattr(y, "shape", ())
    return len(shape) == 2 and shape[1] > 1


def _as_kernels_take(encoded: Array, settings: Settings) -> Array:
    return encoded.astype(settings.precision) if encoded.ndim == 2 else encoded


def rows_to_predict(estimator: BaseEstimator, X: Any) -> Array:
    """Return X as scikit-learn's `validate_data` does; a few plain rows pass without its 50 microseconds."""
    plain = type(X) is np.ndarray and X.ndim == 2 and X.size <= _FEW and X.dtype in ROW_TYPES
    if (
        plain
        and X.shape[0] > 0
        and X.shape[1] == estimator.n_features_in_
        and not hasattr(estimator, "feature_names_in_")
        and (X.dtype == np.uint8 or np.isfinite(X).all())
    ):
        return np.asarray(X)
    checked: Array = validate_data(estimator, X, reset=False)
    return checked


def check_weight(sample_weight: Any, n: int, whose: str) -> None:
    """Raise InvalidDataError unless sample weights are None or n numbers >= 0 with a finite sum > 0."""
    if sample_weight is None:
        return
    whose = f"sample_weight of {whose} must"
    try:
        weight = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"{whose} be numbers, got {reprlib.repr(sample_weight)}") from error
    if weight.shape != (n,):
        raise InvalidDataError(f"{whose} have shape {(n,)}, that of y, got {weight.shape}")
    bad = np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))
    if bad.size:
        raise InvalidDataError(f"{whose} be finite and >= 0, got {weight[bad[0]]} in row {bad[0]}")
    with np.errstate(over="ignore"):
        total = weight.sum()
    if not 0 < total < np.inf:
        raise InvalidDataError(
            f"{whose} have a finite sum > 0, weights that are all zero do not, got {total}"
        )


def check_lengths(X: Any, y: Any, whose: str) -> None:
    """Raise InvalidDataError when y has not as many targets as X has rows."""
    n, count = _length(X), _length(y)
    is_table = getattr(X, "ndim", 2) == 2
    if is_table and n and count is not None and n != count:
        raise InvalidDataError(
            f"y of {whose} must have one label per row of X: X has {n} rows, y has {count}"
        )


def _length(array: Any) -> int | None:
    """Return the length of what has one; whatever else is wrong, scikit-learn says."""
    shape = getattr(array, "shape", None)
    if shape is None:
        return len(array) if isinstance(array, (list, tuple)) else None
    return int(shape[0]) if len(shape) > 0 else None


def check_pair(eval_set: Any, whose: str) -> tuple[Any, Any]:
    """Return the two parts of an eval set."""
    if not isinstance(eval_set, (tuple, list)) or len(eval_set) != 2:
        raise InvalidDataError(f"{whose} must be a pair (X, y), got {reprlib.repr(eval_set)}")
    return eval_set[0], eval_set[1]
