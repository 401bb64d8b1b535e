"""From what users give to rows that can be trained on: X, y, weights and validation rows, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import validate_data

from gradstep.errors import InvalidDataError
from gradstep.estimators.validation import ValidationRows
from gradstep.plan import targets
from gradstep.plan.forms import refuse_masked
from gradstep.plan.rows import ROW_TYPES, TrainingData, as_rows, prepare
from gradstep.plan.settings import Settings
from gradstep.plan.sparse import first_not_finite, is_sparse
from gradstep.plan.targets import Labels, Targets
from gradstep.training.rows import ReadRows
from gradstep.utils import text
from gradstep.utils.pieces import pieces

Array = npt.NDArray[Any]

# How errors of scikit-learn about values of X begin; its advice, and the array, follow in more lines.
_OF_VALUES = ("Complex data", "could not convert string", "dtype='numeric'", "setting an array element")

# Elements of X from which on checks cost less than what they check is for.
_FEW = 100_000


def read_rows(
    estimator: BaseEstimator,
    settings: Settings,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    eval_set: Any = None,
    *,
    known: Targets | None = None,
    method: str = "fit",
) -> ReadRows:
    """Read and check all rows of a training; the estimator itself learns nothing of them.

    Parameters
    ----------
    estimator : Trainer or Regressor
    settings : Settings
    X, y, sample_weight
        What is trained on.
    eval_set : ValidationRows, or whatever `ValidationRows.of` takes
    known : Targets, optional
        How y is read; by default it tells that itself.
    method : str, default="fit"
        What the user has called. `partial_fit` of a fitted estimator holds X against its features.

    Raises
    ------
    InvalidDataError
        X, y, `sample_weight` or `eval_set` cannot be used; scikit-learn's own checks of X raise its
        ValueError or TypeError.
    """
    whose = f"{settings.owner}.{method}"
    check_lengths(X, y, whose)
    # What checks X writes down the features that it finds; a fit that is refused must leave no trace.
    is_more = method == "partial_fit" and hasattr(estimator, "n_features_in_")
    reader = estimator if is_more else type(estimator)(**estimator.get_params(deep=False))
    rows = as_rows(_checked(reader, X, f"X of {whose}", reset=not is_more))
    weight = check_weight(sample_weight, rows.shape[0], whose)
    if known is None:
        vocabulary, encoded = targets.learn(settings.loss, y, f"y of {whose}", standardize=False)
    else:
        of_labels = isinstance(known, Labels)
        vocabulary, encoded = known, (known.encode if of_labels else known.read)(y, f"y of {whose}")
    check_lengths(rows, encoded, whose)
    if known is None and weight is not None and encoded.ndim == 1 and np.ptp(encoded[weight > 0]) == 0:
        raise InvalidDataError(
            f"sample_weight of {whose} must be > 0 in rows of two classes or more, got one class only"
        )
    validation = ValidationRows.of(eval_set, whose)
    held_out = None if validation is None else _read_held_out(reader, validation, vocabulary)
    if validation is not None and settings.standardize and is_sparse(validation.X) and not is_sparse(rows):
        raise InvalidDataError(
            f"{validation.names[0]} of {validation.whose} must be dense where X of {whose} is and "
            f"`standardize` centres it, got a sparse {type(validation.X).__name__}: give .toarray(), or "
            f"sparse rows for both"
        )
    names = getattr(reader, "feature_names_in_", None)
    return ReadRows(rows, encoded, vocabulary, weight, held_out, names)


def _read_held_out(reader: BaseEstimator, given: ValidationRows, vocabulary: Targets) -> TrainingData:
    """Return validation rows, read as those that are trained on."""
    X_name, y_name, weight_name = given.names
    check_lengths(given.X, given.y, given.whose, X_name, y_name)
    try:
        rows = _checked(reader, given.X, f"{X_name} of {given.whose}", reset=False)
    except (TypeError, ValueError) as error:
        said = str(error)
        raise InvalidDataError(said if given.whose in said else f"{given.whose}: {said}") from error
    encoded = vocabulary.encode(given.y, f"{y_name} of {given.whose}")
    check_lengths(rows, encoded, given.whose, X_name, y_name)
    weight = check_weight(given.sample_weight, rows.shape[0], given.whose, weight_name)
    return prepare(as_rows(rows), encoded, weight)


def read_targets(
    estimator: BaseEstimator, vocabulary: Targets, X: Any, y: Any, whose: str
) -> tuple[Array, Array]:
    """Return X checked, and y as its vocabulary encodes it."""
    check_lengths(X, y, whose)
    rows = _checked(estimator, X, f"X of {whose}", reset=False)
    encoded = vocabulary.encode(y, f"y of {whose}")
    check_lengths(rows, encoded, whose)
    return rows, encoded


def _checked(estimator: BaseEstimator, X: Any, whose: str, reset: bool) -> Array:
    """Return X as scikit-learn's `validate_data` does."""
    check_axes(X, whose)
    refuse_masked(X, whose)
    try:
        checked: Array = validate_data(
            estimator, X, reset=reset, accept_sparse="csr", ensure_all_finite=False
        )
    except OverflowError as error:
        raise InvalidDataError(f"{whose} has a number beyond floats, which end at 1.8e308") from error
    except np.exceptions.DTypePromotionError as error:  # of a table of numbers and dates
        raise InvalidDataError(f"{whose}: X must hold real numbers, got {_of_dates(X)}") from error
    except ValueError as error:
        said = str(error).partition("\n")[0]
        if not said.startswith(_OF_VALUES):
            raise
        raise InvalidDataError(f"{whose}: {said}") from error
    if checked.dtype.kind not in "biuf":
        raise InvalidDataError(f"{whose}: X must hold real numbers, got dtype {checked.dtype}")
    if is_sparse(checked):
        checked = _checked_sparse(checked, whose)
        return checked
    _check_finite(checked, whose)
    return checked


def _checked_sparse(X: Any, whose: str) -> Any:
    """Return CSR as backends read it."""
    try:
        rows = as_rows(X)
    except InvalidDataError as error:
        raise InvalidDataError(f"{whose}: {error}") from error
    wrong = first_not_finite(rows)
    if wrong is not None:
        row, column, value = wrong
        try:
            assert_all_finite(value.astype(np.float64), input_name="X")
        except ValueError as error:
            raise _not_finite(error, (row, column), whose) from error
    return rows


def _of_dates(X: Any) -> str:
    """Say which columns of a table are no numbers but dates or durations."""
    kinds = getattr(X, "dtypes", {})
    found = [
        f"{name!r} of {kind}" for name, kind in kinds.items() if getattr(kind, "kind", "") in tuple("mM")
    ]
    return f"columns {', '.join(found)}" if found else "dates among them"


def check_axes(X: Any, whose: str) -> None:
    """Raise InvalidDataError where X is one row, or has more axes than two; scikit-learn prints it all."""
    shape = getattr(X, "shape", None)
    if shape is None and isinstance(X, (list, tuple)) and X and isinstance(X[0], Real):
        shape = (len(X),)
    if not isinstance(shape, tuple) or len(shape) in (0, 2):
        return
    if len(shape) == 1:
        raise InvalidDataError(
            f"{whose}: Expected 2D array, got 1D array of shape {shape}. Reshape your data: "
            f"X.reshape(1, -1) for one row, X.reshape(-1, 1) for one feature"
        )
    raise InvalidDataError(
        f"{whose}: Expected 2D array, Found array with dim {len(shape)}, of shape {shape}. "
        f"Reshape your data: X.reshape(len(X), -1)"
    )


def _check_finite(X: Array, whose: str) -> None:
    """Raise InvalidDataError where X is not finite; scikit-learn's check may copy X, so it gets pieces."""
    if X.dtype.kind != "f":
        return
    for part in pieces(len(X), 8 * X.shape[1]):
        # What kernels read is float64 at most.
        with np.errstate(over="ignore"):
            numbers = X[part] if X.itemsize <= 8 else X[part].astype(np.float64)
        try:
            with np.errstate(invalid="ignore"):  # it adds all numbers up first, and may subtract infinities
                assert_all_finite(numbers, input_name="X")
        except ValueError as error:
            row, column = np.argwhere(~np.isfinite(numbers))[0].tolist()
            raise _not_finite(error, (part.start + row, column), whose) from error


def _not_finite(error: ValueError, place: tuple[int, int], whose: str) -> InvalidDataError:
    said = str(error).partition("\n")[0]
    return InvalidDataError(f"{whose}: {said} The first is in row {place[0]}, column {place[1]}.")


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
    return _checked(estimator, X, f"X of {type(estimator).__name__}", reset=False)


def check_weight(
    sample_weight: Any, n: int, whose: str, name: str = "sample_weight"
) -> npt.NDArray[np.float64] | None:
    """Return sample weights in float64; None where there are none.

    Raises
    ------
    InvalidDataError
        They are not n numbers >= 0 with a finite sum > 0.
    """
    if sample_weight is None:
        return None
    refuse_masked(sample_weight, f"{name} of {whose}")
    whose = f"{name} of {whose} must"
    try:
        numbers = np.asarray(sample_weight)
        if numbers.dtype.kind == "c":
            raise TypeError("complex numbers have no order")
        weight = np.asarray(numbers, dtype=np.float64)
    except (ArithmeticError, TypeError, ValueError) as error:
        raise InvalidDataError(f"{whose} be numbers, got {text.given(sample_weight)}") from error
    if weight.shape != (n,):
        raise InvalidDataError(f"{whose} have shape {(n,)}, that of y, got {weight.shape}")
    bad = np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))
    if bad.size:
        raise InvalidDataError(f"{whose} be finite and >= 0, got {weight[bad[0]]} in row {bad[0]}")
    with np.errstate(over="ignore"):
        total = weight.sum()
    if not 0 < total < np.inf:
        which = "they are all zero" if total == 0 else "their sum is beyond 1.8e308"
        raise InvalidDataError(f"{whose} have a finite sum > 0, but {which}")
    return weight


def check_lengths(X: Any, y: Any, whose: str, X_name: str = "X", y_name: str = "y") -> None:
    """Raise InvalidDataError when there is no y, or it has not as many targets as X has rows."""
    if y is None:
        raise InvalidDataError(f"{whose} requires {y_name} to be passed, but the target {y_name} is None")
    n, count = length(X), length(y)
    is_table = getattr(X, "ndim", 2) == 2
    if is_table and n and count is not None and n != count:
        raise InvalidDataError(
            f"{y_name} of {whose} must have one target per row of {X_name}: "
            f"{X_name} has {n} rows, {y_name} has {count}"
        )


def length(array: Any) -> int | None:
    """Return the length of what has one; whatever else is wrong, others say."""
    shape = getattr(array, "shape", None)
    if shape is None:
        is_sized = isinstance(array, Sized) and not isinstance(array, (str, bytes, Mapping))
        return len(array) if is_sized else None
    return int(shape[0]) if len(shape) > 0 else None
