"""Objects that are at work: their callbacks may look at them, and may not set them to work again."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

from gradstep.errors import BusyError

P = ParamSpec("P")
R = TypeVar("R")
Worker = TypeVar("Worker")

# By identity, for an attribute would go into copies and pickles that a callback makes.
_AT_WORK: Counter[int] = Counter()


@contextmanager
def at_work(worker: object) -> Iterator[None]:
    """Mark an object as being at work while the block runs; blocks may be nested."""
    _AT_WORK[id(worker)] += 1
    try:
        yield
    finally:
        _AT_WORK[id(worker)] -= 1
        if not _AT_WORK[id(worker)]:
            del _AT_WORK[id(worker)]


def alone(method: Callable[Concatenate[Worker, P], R]) -> Callable[Concatenate[Worker, P], R]:
    """Make a method refuse to run on an object that is at work, and the object be so while it runs."""

    @functools.wraps(method)
    def guarded(self: Any, *args: P.args, **kwargs: P.kwargs) -> R:
        if _AT_WORK[id(self)]:
            raise BusyError(
                f"{type(self).__name__}.{method.__name__} must not be called while the same object trains, "
                f"from one of its callbacks or from another thread; a clone of it can be trained"
            )
        with at_work(self):
            return method(self, *args, **kwargs)

    return guarded  # type: ignore[return-value]
