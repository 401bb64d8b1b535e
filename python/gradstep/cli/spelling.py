"""Values in words: how losses, schedules and the like are written, from what their classes say themselves.

A member of a family is its name and its fields in the constructor's order, with colons between:
``cyclic:1e-5:0.1:980``. Fields with defaults may be left out from the end. Nothing here knows any member.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from gradstep.utils import names

if TYPE_CHECKING:
    from gradstep.utils.concepts import Concept

#: What stands for None.
NONE = "none"

_FLAGS = {"yes": True, "no": False}

# Between the numbers of a tuple, where commas are between values.
_BETWEEN = "/"


class SpellingError(ValueError):
    """A word does not mean what it should; the message completes "must be ..."."""


def spelling(member: type[Concept]) -> str:
    """Return how a member of a family is written, as ``step:START[:FACTOR[:EVERY]]``."""
    spelt, optional = member.name, 0
    for field, _ in _fields(member):
        is_optional = not _is_required(field)
        spelt += f"{'[' * is_optional}:{field.name.upper()}"
        optional += is_optional
    return spelt + "]" * optional


def spellings(members: Iterable[type[Concept]], *others: str) -> str:
    """Return how all of them, or others, are written: ``a, b or c``."""
    *first, last = [*(spelling(member) for member in members if _can_be_written(member)), *others]
    return f"{', '.join(first)} or {last}" if first else last


def find(family: type[Concept], word: str) -> type[Concept] | None:
    """Return the member that a word begins with the name of; dashes are as good as underscores."""
    name = word.partition(":")[0].replace("-", "_")
    found = {member.name: member for member in family.members() if _can_be_written(member)}
    return found.get(name)


def read(member: type[Concept], word: str) -> Concept:
    """Return the object that a word means.

    Raises
    ------
    SpellingError
        It has too few or too many values, or one of another type.
    InvalidParameterError
        A value breaks a constraint of the member.
    """
    values = word.split(":")[1:]
    of_fields = _fields(member)
    fewest = sum(_is_required(field) for field, _ in of_fields)
    try:
        if not fewest <= len(values) <= len(of_fields):
            raise ValueError
        given = {
            field.name: _read_as(hint, value) for (field, hint), value in zip(of_fields, values, strict=False)
        }
    except ValueError:
        raise SpellingError(f"{spelling(member)}, got {word!r}") from None
    return member(**given)


def written(value: Any) -> str:
    """Return a value as it would be written: what `read` reads, names and numbers as they are."""
    from gradstep.utils.concepts import Concept
    from gradstep.utils.text import setting

    if value is None or (isinstance(value, (tuple, list)) and not value):
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Concept):
        words = [written(getattr(value, field.name)) for field, _ in _fields(type(value))]
        return ":".join([value.name, *words])
    if isinstance(value, (tuple, list)):
        return _BETWEEN.join(map(written, value))
    return setting(value)


def near(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean ...?" of the names that are nearest to a word, or nothing.

    >>> near("cylic:1:2", ["cyclic"]), near("nan", ["constant"])
    ('; did you mean cyclic?', '')
    """
    if isinstance(scalar(word), float):  # also nan and inf: a number, only none that will do
        return ""
    name = word.partition(":")[0]
    said = names.hint(name, [own for own in known if own != name])
    return f"; {said}" if said else ""


def scalar(word: str) -> Any:
    """Return a word as what it looks like: a number, yes or no, none, or a name."""
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            pass
    return None if word == NONE else _FLAGS.get(word, word)


def flag(word: str) -> bool:
    """Read yes or no."""
    if word not in _FLAGS:
        raise SpellingError(f"yes or no, got {word!r}")
    return _FLAGS[word]


def _fields(member: type[Concept]) -> list[tuple[Field[Any], Any]]:
    """Return the fields that can be written, and their types; what follows one that cannot is left out."""
    hints = get_type_hints(member)
    found: list[tuple[Field[Any], Any]] = []
    for field in _all_fields(member):
        if not _is_writable(hints[field.name]):
            break
        found.append((field, hints[field.name]))
    return found


def _can_be_written(member: type[Concept]) -> bool:
    required = sum(map(_is_required, _all_fields(member)))
    return required == sum(_is_required(field) for field, _ in _fields(member))


def _all_fields(member: Any) -> list[Field[Any]]:
    """Return the fields in the order of the constructor: those that are given by name alone come last."""
    return sorted(fields(member), key=lambda field: field.kw_only is True) if is_dataclass(member) else []


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _is_writable(hint: Any) -> bool:
    if get_origin(hint) in (Union, types.UnionType):
        return all(part is types.NoneType or _is_writable(part) for part in get_args(hint))
    if get_origin(hint) in (tuple, Sequence):
        return _is_writable(get_args(hint)[0])
    return hint in (bool, int, float, str)


def _read_as(hint: Any, word: str) -> Any:
    """Return a word as a value of a type; ValueError where it is none."""
    if get_origin(hint) in (Union, types.UnionType):
        if word == NONE and types.NoneType in get_args(hint):
            return None
        return _read_as(next(part for part in get_args(hint) if part is not types.NoneType), word)
    if get_origin(hint) in (tuple, Sequence):
        return tuple(_read_as(get_args(hint)[0], part) for part in word.split(_BETWEEN))
    return flag(word) if hint is bool else hint(word)
