"""Objects that are at work: their callbacks may look at them, and may not set them to work again."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from gradstep.errors import BusyError, InvalidParameterError
from gradstep.utils.text import given

P = ParamSpec("P")
R = TypeVar("R")
Worker = TypeVar("Worker")


class _Mark:
    """Of an object that is at work."""


# By identity, for an attribute would go into copies and pickles that a callback makes. A mark is kept alive
# by the call that made it alone: what is raised between any two lines leaves no object marked for good.
# Entries are made by `setdefault`, one step also where threads run without the GIL: of two that set the same
# object to work at once, one gets it. They go by a method of dict, which no signal can end half-way.
_AT_WORK: dict[int, weakref.ref[_Mark]] = {}


def _mark(worker: object) -> _Mark | None:
    """Mark an object for as long as what is returned lives; None where it is marked already."""
    key, mark = id(worker), _Mark()
    ours = weakref.ref(mark)
    held = _AT_WORK.setdefault(key, ours)
    # The mark of a call that ended before the next line is gone.
    if held is not ours and held() is not None:
        return None
    _AT_WORK[key] = weakref.ref(mark, functools.partial(_AT_WORK.pop, key))
    return mark


@contextmanager
def at_work(worker: object) -> Iterator[None]:
    """Mark an object as being at work while the block runs; blocks may be nested."""
    mark = _mark(worker)
    try:
        yield
    finally:
        del mark


def wants_stop(owner: str, answers: Iterable[Any]) -> bool:
    """Return True when a callback answers True.

    Raises
    ------
    InvalidParameterError
        One answers with something else that counts as true, as the bytes that a `file.write` returns: it is
        not said that this is meant to end the work.
    """
    answers = list(answers)
    for answer in answers:
        if not isinstance(answer, (bool, np.bool_)) and answer is not None and answer:
            raise InvalidParameterError(
                f"`callbacks` of {owner} must return True, which stops, or False or None, got {given(answer)}"
            )
    return any(answers)


def alone(method: Callable[Concatenate[Worker, P], R]) -> Callable[Concatenate[Worker, P], R]:
    """Make a method refuse to run on an object that is at work, and the object be so while it runs."""

    @functools.wraps(method)
    def guarded(self: Any, *args: P.args, **kwargs: P.kwargs) -> R:
        mark = _mark(self)
        if mark is None:
            raise BusyError(
                f"{type(self).__name__}.{method.__name__} must not be called while the same object trains, "
                f"from one of its callbacks or from another thread; a clone of it can be trained"
            )
        try:
            return method(self, *args, **kwargs)
        finally:
            del mark

    return guarded  # type: ignore[return-value]
