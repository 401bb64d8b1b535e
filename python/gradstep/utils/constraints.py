"""Constraints as data: each one has its words, its test, and values that break it."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Integral, Real
from types import UnionType
from typing import Any

import numpy as np

from gradstep.errors import InvalidParameterError


@dataclass(frozen=True)
class Constraint:
    """One condition on a value.

    Attributes
    ----------
    text : str
        Completes "must be ...".
    holds : callable
        Whether a value keeps it; never raises.
    wrong : tuple
        Values that break it, for tests.
    hint : callable, optional
        What a user may have meant by a value that breaks it, or "".
    """

    text: str
    holds: Callable[[Any], bool]
    wrong: tuple[Any, ...]
    hint: Callable[[Any], str] = lambda value: ""


def _is_bool(value: object) -> bool:
    return isinstance(value, (bool, np.bool_))


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not _is_bool(value) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not _is_bool(value)


NUMBER = Constraint("a finite number", _is_number, ("1", True, None, math.nan, math.inf, 1j))
WHOLE = Constraint("an int", _is_whole, (1.5, "1", True, math.nan))
FLAG = Constraint("True or False", _is_bool, (1, "yes", None))
NONE = Constraint("None", lambda value: value is None, (0, "none"))
CALLABLE = Constraint(
    "a callable, not a class of them",
    lambda value: callable(value) and not isinstance(value, type),
    (0, "f", None, dict),
)


def at_least(low: float) -> Constraint:
    """Return ``>= low``; it says nothing about values that are no numbers."""
    return Constraint(f">= {low}", lambda value: not _is_number(value) or value >= low, (low - 1, -7))


def above(low: float) -> Constraint:
    """Return ``> low``; it says nothing about values that are no numbers."""
    return Constraint(f"> {low}", lambda value: not _is_number(value) or value > low, (low, low - 0.1))


def at_most(high: float) -> Constraint:
    """Return ``<= high``; it says nothing about values that are no numbers."""
    return Constraint(f"<= {high}", lambda value: not _is_number(value) or value <= high, (high + 1,))


def below(high: float) -> Constraint:
    """Return ``< high``; it says nothing about values that are no numbers."""
    return Constraint(f"< {high}", lambda value: not _is_number(value) or value < high, (high, high + 1))


def one_of(*options: str) -> Constraint:
    """Return "one of these strings"."""
    text = f"one of {', '.join(map(repr, options))}" if len(options) > 1 else repr(options[0])
    return Constraint(text, lambda value: isinstance(value, str) and value in options, ("nonsense", 3, None))


def instance(kind: type | UnionType, text: str) -> Constraint:
    """Return "an instance of this class"."""
    return Constraint(text, lambda value: isinstance(value, kind), ("nonsense", 3, None, kind))


def either(*constraints: Constraint) -> Constraint:
    """Return "one of these constraints holds"."""

    def holds(value: object) -> bool:
        return any(constraint.holds(value) for constraint in constraints)

    wrong = tuple(value for constraint in constraints for value in constraint.wrong if not holds(value))

    def hint(value: object) -> str:
        return next(filter(None, (constraint.hint(value) for constraint in constraints)), "")

    return Constraint(" or ".join(constraint.text for constraint in constraints), holds, wrong, hint)


def sequence_of(*constraints: Constraint) -> Constraint:
    """Return "a tuple or list, each element of which keeps all of these constraints"."""

    def holds(value: object) -> bool:
        return isinstance(value, (tuple, list)) and all(c.holds(item) for item in value for c in constraints)

    text = f"a tuple or list, each element {' '.join(constraint.text for constraint in constraints)}"
    wrong = tuple((value,) for constraint in constraints for value in constraint.wrong)
    return Constraint(text, holds, (*wrong, 7, "nonsense", None))


def check(owner: str, name: str, value: Any, constraints: Iterable[Constraint]) -> None:
    """Raise InvalidParameterError with the first constraint that `value` breaks."""
    for constraint in constraints:
        if not constraint.holds(value):
            hint = constraint.hint(value)
            raise InvalidParameterError(
                f"`{name}` of {owner} must be {constraint.text}, got {reprlib.repr(value)}"
                + (f"; {hint}" if hint else "")
            )
