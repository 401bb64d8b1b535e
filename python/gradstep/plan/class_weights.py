"""What classes weigh in the loss: weights of rows that follow from their labels.

The formulas are those of scikit-learn's `compute_class_weight` and `compute_sample_weight`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import CorruptFileError, InvalidParameterError
from gradstep.plan.targets import Labels, Targets
from gradstep.utils import text
from gradstep.utils.concepts import plain
from gradstep.utils.constraints import NUMBER, Constraint, at_least

#: Class and weight of the classes that have one, for y or for every column of an indicator matrix; a value
#: that settings can be compared by.
Frozen = tuple[tuple[tuple[Any, float], ...], ...]
ClassWeights = str | Frozen | None

_WEIGHT = (NUMBER, at_least(0))


def _weighs_classes(value: object) -> bool:
    return isinstance(value, Mapping) and all(c.holds(weight) for weight in value.values() for c in _WEIGHT)


def _is_class_weight(value: object) -> bool:
    if value is None or (isinstance(value, str) and value == "balanced"):
        return True
    return _weighs_classes(value) or (
        isinstance(value, (tuple, list)) and len(value) > 0 and all(map(_weighs_classes, value))
    )


CLASS_WEIGHT = Constraint(
    "'balanced', None, a dict of class to finite weight >= 0 or a list of such dicts",
    _is_class_weight,
    ("heavy", 3, {0: -1.0}, {0: "1"}, {0: np.nan}, [], [1.0, 2.0], [{0: 1.0}, None]),
)


def frozen(given: Any) -> ClassWeights:
    """Return a `class_weight` that keeps its constraint as a value without identity."""
    if given is None or isinstance(given, str):
        return given
    columns = [given] if isinstance(given, Mapping) else given
    return tuple(tuple((label, float(weight)) for label, weight in own.items()) for own in columns)


def weights_of_rows(
    class_weight: ClassWeights,
    vocabulary: Targets,
    encoded: npt.NDArray[Any],
    weight: npt.NDArray[np.float64] | None,
    owner: str,
) -> npt.NDArray[np.float64] | None:
    """Return the weights of rows: their own times those of their classes.

    "balanced" is ``rows / (classes * rows of the class)``, rows being counted by their weights and classes
    where they have any. Of indicators the weights of all columns are multiplied.

    Parameters
    ----------
    class_weight : ClassWeights
    vocabulary : Labels or Indicators
    encoded : ndarray of shape (n,), int32, or (n, k) of 0 and 1
        The rows' targets.
    weight : ndarray of shape (n,), float64, or None
        The rows' own weights.
    owner : str
        Whose `class_weight` it is, for messages.

    Raises
    ------
    InvalidParameterError
        A class is none of y, or there are not as many dicts as y has columns.
    """
    if class_weight is None:
        return weight
    if isinstance(vocabulary, Labels):
        columns, classes = [encoded], vocabulary.classes.tolist()
    else:
        columns, classes = list(encoded.T.astype(np.int32)), [0, 1]
    of_rows = np.ones(len(encoded)) if weight is None else weight
    given = _by_column(class_weight, vocabulary, owner)
    for column, own in zip(columns, given, strict=True):
        of_classes = _balanced(column, len(classes), weight) if own is None else _of_dict(own, classes, owner)
        of_rows = of_rows * of_classes[column]
    return of_rows


def as_plain(given: Any) -> Any:
    """Return a `class_weight` as JSON has it: dicts, whose keys need not be text, as lists of pairs."""
    if isinstance(given, Mapping):
        return {"classes": [[plain(label), plain(weight)] for label, weight in given.items()]}
    return [as_plain(own) for own in given] if isinstance(given, (tuple, list)) else given


def from_plain(encoded: Any) -> Any:
    """Return what `as_plain` was made of.

    Raises
    ------
    CorruptFileError
        It is nothing of the kind.
    """
    if isinstance(encoded, list):
        return [from_plain(own) for own in encoded]
    if not isinstance(encoded, dict):
        return encoded
    pairs = encoded.get("classes")
    if not isinstance(pairs, list) or not all(_is_pair(pair) for pair in pairs):
        raise CorruptFileError(f"its class weights must be pairs of class and weight, got {encoded!r}")
    return dict(pairs)


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and not isinstance(pair[0], (dict, list))


def _by_column(
    class_weight: str | Frozen, vocabulary: Targets, owner: str
) -> Sequence[tuple[tuple[Any, float], ...] | None]:
    """Return the weights for every column of targets, None where they are balanced."""
    is_labels = isinstance(vocabulary, Labels)
    count = 1 if is_labels else vocabulary.k
    if isinstance(class_weight, str):
        return [None] * count
    if len(class_weight) != count:
        wanted = "one dict" if is_labels else f"a list of {count} dicts, one for each label"
        raise InvalidParameterError(
            f"`class_weight` of {owner} must be {wanted}, got {len(class_weight)}: {shown(class_weight)}"
        )
    return class_weight


def _balanced(
    column: npt.NDArray[np.int32], count: int, weight: npt.NDArray[np.float64] | None
) -> npt.NDArray[np.float64]:
    rows = np.bincount(column, weights=weight, minlength=count).astype(np.float64)
    of_classes, present = np.zeros(count), rows > 0
    of_classes[present] = rows.sum() / (present.sum() * rows[present])
    return of_classes


def _of_dict(own: tuple[tuple[Any, float], ...], classes: list[Any], owner: str) -> npt.NDArray[np.float64]:
    places = {label: place for place, label in enumerate(classes)}
    unknown = [label for label, _ in own if label not in places]
    if unknown:
        raise InvalidParameterError(
            f"`class_weight` of {owner} must name classes of y, got {text.given(unknown)}; "
            f"the classes are {text.given(classes)}"
        )
    of_classes = np.ones(len(classes))
    for label, weight in own:
        of_classes[places[label]] = weight
    return of_classes


def shown(class_weight: ClassWeights) -> str:
    """Return a `class_weight` as it was given, in short."""
    if class_weight is None or isinstance(class_weight, str):
        return repr(class_weight)
    dicts = [dict(own) for own in class_weight]
    return text.given(dicts[0] if len(dicts) == 1 else dicts)
