"""Entries of the JSON text of a model file, each looked at before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gradstep.errors import CorruptFileError


def typed(header: Mapping[str, Any], name: str, kind: type) -> Any:
    """Return an entry that must be of a type."""
    if type(header[name]) is not kind:
        raise CorruptFileError(f"its entry {name!r} must be of type {kind.__name__}, got {header[name]!r}")
    return header[name]


def count(header: Mapping[str, Any], name: str, least: int, most: int = 2**53) -> int:
    """Return an entry that must be an int of at least, and at most, so much."""
    number = int(typed(header, name, int))
    if number < least:
        raise CorruptFileError(f"its entry {name!r} must be >= {least}, got {number}")
    if number > most:
        raise CorruptFileError(f"its entry {name!r} must be <= {most}, got {number}")
    return number
