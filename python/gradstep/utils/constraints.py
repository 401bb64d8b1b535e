"""Constraints as data: each one has its words, its test, and values that break it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from numbers import Integral, Real
from types import UnionType
from typing import Any

import numpy as np

from gradstep.errors import InvalidParameterError
from gradstep.utils.text import given

#: Types whose values nothing can change.
PLAIN = frozenset({type(None), bool, int, float, str})


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
    return value is True or value is False or isinstance(value, np.bool_)


def _is_real(value: object) -> bool:
    """Whether bounds say something about a value: any real number, however large."""
    # Nearly all are of these types, and to ask an abstract class takes ten times as long.
    return type(value) in (float, int) or (isinstance(value, Real) and not _is_bool(value))


def _is_number(value: object) -> bool:
    if not _is_real(value):
        return False
    try:
        return math.isfinite(value)  # type: ignore[arg-type]
    except (ArithmeticError, TypeError, ValueError):
        return False  # beyond the floats


def _hint_at_floats(value: object) -> str:
    is_beyond = _is_real(value) and not isinstance(value, (float, np.floating)) and not _is_number(value)
    return "floats end at 1.8e308" if is_beyond else ""


def _is_whole(value: object) -> bool:
    is_int = type(value) is int or (isinstance(value, Integral) and not _is_bool(value))
    return is_int and -MOST_WHOLE <= int(value) <= MOST_WHOLE  # type: ignore[call-overload]


def _hint_at_wholes(value: object) -> str:
    is_beyond = isinstance(value, Integral) and not _is_bool(value) and not _is_whole(value)
    return f"ints end at {MOST_WHOLE}" if is_beyond else ""


#: Whole numbers are those that arrays of them can hold.
MOST_WHOLE = 2**63 - 1

NUMBER = Constraint(
    "a finite number",
    _is_number,
    ("1", True, None, math.nan, math.inf, 1j, 10**400, Fraction(10**400), Decimal("0.1")),
    _hint_at_floats,
)
WHOLE = Constraint("an int", _is_whole, (1.5, "1", True, math.nan, 10**400, -(2**63) - 1), _hint_at_wholes)
FLAG = Constraint("True or False", _is_bool, (1, "yes", None))
NONE = Constraint("None", lambda value: value is None, (0, "none"))
CALLABLE = Constraint(
    "a callable, not a class of them",
    lambda value: callable(value) and not isinstance(value, type),
    (0, "f", None, dict),
)


def _bound(text: str, keeps: Callable[[Any], bool], *wrong: float) -> Constraint:
    """Return a bound; it says nothing about values that are no numbers."""

    def holds(value: Any) -> bool:
        # A small float of NumPy cannot be compared with every number.
        return not _is_real(value) or bool(keeps(value.item() if isinstance(value, np.generic) else value))

    return Constraint(text, holds, wrong)


def at_least(low: float) -> Constraint:
    """Return ``>= low``."""
    return _bound(f">= {low}", lambda value: value >= low, low - 1, -7)


def above(low: float) -> Constraint:
    """Return ``> low``."""
    return _bound(f"> {low}", lambda value: value > low, low, low - 0.1)


def at_most(high: float) -> Constraint:
    """Return ``<= high``."""
    return _bound(f"<= {high}", lambda value: value <= high, high + 1)


def below(high: float) -> Constraint:
    """Return ``< high``."""
    return _bound(f"< {high}", lambda value: value < high, high, high + 1)


def share_below(high: float) -> Constraint:
    """Return ``in [0, high)``."""
    return _bound(f"in [0, {high})", lambda value: 0 <= value < high, -0.1, high, high + 1)


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
        for constraint in constraints:  # noqa: SIM110 -- any() takes twice as long
            if constraint.holds(value):
                return True
        return False

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

    def hint(value: object) -> str:
        if not isinstance(value, (tuple, list)):
            return f"a single one is ({given(value)},)" if holds((value,)) else ""
        items = value
        broken = [(c, item) for item in items for c in constraints if not c.holds(item)]
        return broken[0][0].hint(broken[0][1]) if broken else ""

    return Constraint(text, holds, (*wrong, 7, "nonsense", None), hint)


def check(owner: str, name: str, value: Any, constraints: Iterable[Constraint]) -> None:
    """Raise InvalidParameterError with the first constraint that `value` breaks."""
    for constraint in constraints:
        if not constraint.holds(value):
            hint = constraint.hint(value)
            raise InvalidParameterError(
                f"`{name}` of {owner} must be {constraint.text}, got {given(value)}"
                + (f"; {hint}" if hint else "")
            )
