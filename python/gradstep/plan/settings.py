"""What `Trainer` accepts: its parameters as a table of constraints, and its data."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from gradstep import backends
from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.nn.augment import Augment
from gradstep.nn.initializers import KINDS, Init
from gradstep.nn.schedules import ReduceOnPlateau
from gradstep.plan.plan import LOSSES
from gradstep.plan.rows import ROW_TYPES
from gradstep.training.observers import EarlyStopping
from gradstep.utils.constraints import (
    CALLABLE,
    FLAG,
    NONE,
    NUMBER,
    WHOLE,
    Constraint,
    above,
    at_least,
    at_most,
    check,
    either,
    instance,
    one_of,
    sequence_of,
)

#: Most threads that may be asked for; a backend starts no more than help.
MOST_THREADS = 1024

#: Constraints of every parameter of Trainer, in the order in which they are checked.
TRAINER: dict[str, tuple[Constraint, ...]] = {
    "hidden": (sequence_of(WHOLE, at_least(1)),),
    "loss": (one_of(*LOSSES),),
    "l2": (NUMBER, at_least(0)),
    "optimizer": (one_of("sgd"),),
    "learning_rate": (either(NUMBER, CALLABLE), above(0)),
    "batch_size": (either(one_of("auto"), WHOLE), at_least(1)),
    "epochs": (WHOLE, at_least(1)),
    "shuffle": (FLAG,),
    "standardize": (FLAG,),
    "augment": (either(instance(Augment, "an augmentation of gradstep.augment"), NONE),),
    "init": (either(one_of(*KINDS), instance(Init, "a He, Xavier or Normal")),),
    "evaluate_every": (either(one_of("epoch", "running"), WHOLE, NONE), at_least(1)),
    "early_stopping": (either(instance(EarlyStopping, "an EarlyStopping"), NONE),),
    "callbacks": (sequence_of(CALLABLE),),
    "precision": (one_of("float32", "float64"),),
    "backend": (one_of("auto", *backends.NAMES),),
    "n_threads": (either(WHOLE, NONE), at_least(1), at_most(MOST_THREADS)),
    "random_state": (
        either(WHOLE, NONE, instance(np.random.RandomState, "a numpy RandomState")),
        at_least(0),
        at_most(2**32 - 1),
    ),
    "verbose": (either(WHOLE, FLAG), at_least(0)),
}

# Elements of X from which on checks cost less than what they check is for.
_FEW = 100_000

#: Most updates of one training; the learning rate of each is held in memory.
MOST_UPDATES = 2**28


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Raise InvalidParameterError for the first parameter of Trainer that breaks a constraint."""
    for name, constraints in TRAINER.items():
        check("Trainer", name, parameters[name], constraints)


def check_trainer(trainer: BaseEstimator, has_eval_set: bool) -> None:
    """Raise InvalidParameterError when a Trainer's parameters, or they and the data, do not fit together."""
    check_parameters(trainer.get_params(deep=False))
    for name in ("early_stopping", "learning_rate"):
        rule = getattr(trainer, name)
        if isinstance(rule, (EarlyStopping, ReduceOnPlateau)):
            whose = f"`{name}` of Trainer monitors"
            check_monitored(whose, rule.monitor, trainer.evaluate_every, has_eval_set)


def check_monitored(whose: str, column: str, evaluate_every: str | int | None, has_eval_set: bool) -> None:
    """Raise InvalidParameterError when the column that something watches would be empty, or come too late."""
    needs = ""
    if evaluate_every is None:
        needs = "figures while training, got evaluate_every=None"
    elif column.startswith("train") and evaluate_every == "running":
        needs = "the train rows evaluated, got evaluate_every='running'"
    elif column.startswith("validation") and not has_eval_set:
        needs = "an eval_set of validation rows, got none"
    if needs:
        raise InvalidParameterError(f"{whose} {column}, which needs {needs}")


def check_fitted(trainer: BaseEstimator) -> None:
    """Raise NotFittedError for a Trainer without a model, InvalidParameterError for what its methods read."""
    if not hasattr(trainer, "coefs_"):
        check_is_fitted(trainer)
    for name in ("loss", "backend", "n_threads"):
        check("Trainer", name, getattr(trainer, name), TRAINER[name])


def rows_to_predict(trainer: BaseEstimator, X: Any) -> npt.NDArray[Any]:
    """Return X as scikit-learn's `validate_data` does; a few plain rows pass without its 50 microseconds."""
    plain = type(X) is np.ndarray and X.ndim == 2 and X.size <= _FEW and X.dtype in ROW_TYPES
    if (
        plain
        and X.shape[0] > 0
        and X.shape[1] == trainer.n_features_in_
        and not hasattr(trainer, "feature_names_in_")
        and (X.dtype == np.uint8 or np.isfinite(X).all())
    ):
        return np.asarray(X)
    checked: npt.NDArray[Any] = validate_data(trainer, X, reset=False)
    return checked


def encode(y: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.int32]]:
    """Return the classes of y (k,), sorted, and the index of every label (n,).

    Raises
    ------
    InvalidDataError
        Labels that have no common order, or one class only.
    ValueError
        Values that are no labels, such as fractions; scikit-learn's own check.
    """
    from sklearn.utils.multiclass import check_classification_targets

    try:
        check_classification_targets(y)
        classes, indices = np.unique(y, return_inverse=True)
    except TypeError as error:
        raise InvalidDataError(f"y of Trainer.fit must have labels of one type: {error}") from error
    if len(classes) < 2:
        raise InvalidDataError(
            f"y of Trainer.fit must have two classes or more, got one class: {classes.tolist()[0]!r}"
        )
    return classes, indices.astype(np.int32)


def encode_as(classes: npt.NDArray[Any], y: npt.NDArray[Any], whose: str) -> npt.NDArray[np.int32]:
    """Return the index of every label of y (n,) among the known classes."""
    known = {label: index for index, label in enumerate(classes.tolist())}
    labels, inverse = np.unique(y, return_inverse=True)
    unseen = [label for label in labels.tolist() if label not in known]
    if unseen:
        raise InvalidDataError(
            f"{whose} must have only labels that Trainer.fit has seen, got {reprlib.repr(unseen)}; "
            f"seen: {reprlib.repr(classes.tolist())}"
        )
    indices = np.array([known[label] for label in labels.tolist()], dtype=np.int32)
    return indices[inverse]


def check_weight(sample_weight: Any, indices: npt.NDArray[np.int32]) -> npt.NDArray[np.float64] | None:
    """Return the sample weights as float64 (n,), None as None."""
    if sample_weight is None:
        return None
    whose = "sample_weight of Trainer.fit must"
    try:
        weight = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"{whose} be numbers, got {reprlib.repr(sample_weight)}") from error
    if weight.shape != indices.shape:
        raise InvalidDataError(f"{whose} have shape {indices.shape}, that of y, got {weight.shape}")
    bad = np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))
    if bad.size:
        raise InvalidDataError(f"{whose} be finite and >= 0, got {weight[bad[0]]} in row {bad[0]}")
    with np.errstate(over="ignore"):
        total = weight.sum()
    if not 0 < total < np.inf:
        raise InvalidDataError(
            f"{whose} have a finite sum > 0, weights that are all zero do not, got {total}"
        )
    if np.ptp(indices[weight > 0]) == 0:
        raise InvalidDataError(f"{whose} be > 0 in rows of two classes or more, got one class only")
    return weight


def check_lengths(X: Any, y: Any, whose: str) -> None:
    """Raise InvalidDataError when y has not as many labels as X has rows."""
    n, labels = _length(X), _length(y)
    is_table = getattr(X, "ndim", 2) == 2
    if is_table and n and labels is not None and n != labels:
        raise InvalidDataError(
            f"y of {whose} must have one label per row of X: X has {n} rows, y has {labels}"
        )


def _length(array: Any) -> int | None:
    """Return the length of what has one; whatever else is wrong, scikit-learn says."""
    shape = getattr(array, "shape", None)
    if shape is None:
        return len(array) if isinstance(array, (list, tuple)) else None
    return int(shape[0]) if len(shape) > 0 else None


def check_pair(eval_set: Any) -> tuple[Any, Any]:
    """Return the two parts of an eval set."""
    if not isinstance(eval_set, (tuple, list)) or len(eval_set) != 2:
        raise InvalidDataError(f"eval_set of Trainer.fit must be a pair (X, y), got {reprlib.repr(eval_set)}")
    return eval_set[0], eval_set[1]
