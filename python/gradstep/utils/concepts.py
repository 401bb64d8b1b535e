"""Concepts as values: losses, activations, optimizers, schedules, ... that register by being defined.

A family is a direct subclass of `Concept`; every class derived from it is a member and can be had by its
short name, be written to a model file and be read from one. Nothing else has to know that it exists.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from fractions import Fraction
from functools import cache
from typing import Any, ClassVar, Self

import numpy as np

from gradstep.errors import CorruptFileError, GradstepError
from gradstep.utils.constraints import Constraint, check
from gradstep.utils.names import KnownParameters, near


class Concept(KnownParameters):
    """A frozen dataclass whose fields are checked when it is made.

    Attributes
    ----------
    family : str
        What its members are called in messages, as "loss".
    home : str
        Where users find them, as "gradstep.losses".
    name : str
        Short for an object with defaults; the class name in lower case unless the class says otherwise.
    constraints : dict of str to tuple of Constraint
        Of the fields.
    """

    family: ClassVar[str]
    home: ClassVar[str]
    name: ClassVar[str]
    constraints: ClassVar[Mapping[str, tuple[Constraint, ...]]] = {}
    _members: ClassVar[dict[str, type[Any]]]
    _families: ClassVar[dict[str, type[Any]]] = {}

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if Concept in cls.__bases__:
            cls._members = {}
            Concept._families[cls.family] = cls
        elif not cls.__name__.startswith("_"):
            if "name" not in cls.__dict__:
                cls.name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()
            cls._members[cls.__name__] = cls

    def __post_init__(self) -> None:
        for name, constraints in self.constraints.items():
            check(type(self).__name__, name, getattr(self, name), constraints)

    @classmethod
    def members(cls) -> list[type[Self]]:
        """Return the classes of the family, in the order of their definition."""
        return list(cls._members.values())

    @classmethod
    def short_names(cls) -> list[str]:
        """Return the names that stand for objects with defaults: those of classes that need no value."""
        members: list[Any] = cls.members()
        return [member.name for member in members if _needs_nothing(member)]

    @classmethod
    def resolve(cls, value: str | Self) -> Self:
        """Return what a short name stands for, and a member of the family as it is."""
        if not isinstance(value, str):
            return value
        by_name: dict[str, type[Self]] = {member.name: member for member in cls.members()}
        member: Any = by_name[value]
        found: Self = _with_defaults(member)
        return found

    @classmethod
    def constraint(cls) -> Constraint:
        """Return "a short name or an object of this family"."""
        names = ", ".join(map(repr, cls.short_names()))
        article = "an" if cls.family[0] in "aeiou" else "a"
        return Constraint(
            f"one of {names} or {article} {cls.family} of {cls.home}",
            lambda value: isinstance(value, cls) or (isinstance(value, str) and value in cls.short_names()),
            ("nonsense", 3, None, cls.members()[0]),
            hint=cls._hint,
        )

    @classmethod
    def _hint(cls, value: object) -> str:
        alike = near(value, cls.short_names()) if isinstance(value, str) else []
        if alike:
            return f"did you mean {' or '.join(map(repr, alike))}?"
        if isinstance(value, type) and issubclass(value, cls):
            return f"make an object of it: {value.__name__}(...)"
        module = (value if isinstance(value, type) else type(value)).__module__.partition(".")[0]
        if module not in ("builtins", "gradstep", "numpy"):
            return f"it is of {module}"
        return ""

    def to_dict(self) -> dict[str, Any]:
        """Return this value as plain data, for a model file: its class under `family`, then its fields."""
        own = {field.name: plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]
        return {self.family: type(self).__name__, **own}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the value that `to_dict` described; unknown names are an error, nothing is run.

        Raises
        ------
        CorruptFileError
            There is no such class, or it cannot have these fields.
        """
        own = {field: restored(value) for field, value in data.items()}
        name = own.pop(cls.family, None)
        if name not in cls._members:
            article = "an" if cls.family[0] in "aeiou" else "a"
            raise CorruptFileError(
                f"{article} {cls.family} must be one of {', '.join(cls._members)}, got {name!r}"
            )
        try:
            value: Self = cls._members[name](**own)
        except GradstepError as error:
            raise CorruptFileError(str(error)) from error
        except (RecursionError, TypeError) as error:
            raise CorruptFileError(f"{cls.family} {name} cannot have the fields {sorted(own)}") from error
        return value


def plain(value: Any) -> Any:
    """Return a value as JSON has it: NumPy's numbers as Python's, tuples as lists, concepts as dicts."""
    if isinstance(value, Concept):
        return value.to_dict()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, Fraction):
        return float(value)
    return value


def restored(value: Any) -> Any:
    """Return what `plain` was made of: lists are tuples, dicts are values of the family that they name.

    Raises
    ------
    CorruptFileError
        A dict names no family, or cannot be a value of it.
    """
    if isinstance(value, list):
        return tuple(restored(item) for item in value)
    if not isinstance(value, dict):
        return value
    families = [family for name, family in Concept._families.items() if name in value]
    if not families:
        raise CorruptFileError(f"a value must be one of {', '.join(Concept._families)}, got {value!r}")
    concept: Concept = families[0].from_dict(value)
    return concept


def can_be_key(value: object) -> bool:
    """Whether a value has a hash: one of a class of one's own may hold a list, and only then say so."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


# Asked at every check of a parameter, and the same for the life of a class.
# Frozen: one object does for all who name it.
@cache
def _with_defaults(member: type[Any]) -> Any:
    return member()


@cache
def _needs_nothing(member: type[Any]) -> bool:
    return not is_dataclass(member) or all(
        field.default is not MISSING or field.default_factory is not MISSING for field in fields(member)
    )
