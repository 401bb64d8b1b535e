"""The end of a process at a call, as a signal that cannot be caught would have it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest

#: Seconds between two writings of a checkpoint: at every evaluation.
OFTEN = 1e-9


class KilledError(BaseException):
    """Ends a training between two lines, as a signal that cannot be caught."""


def dies_after(patched: pytest.MonkeyPatch, owner: Any, name: str, calls: int) -> None:
    """Let a function be the end of the process at its call behind so many."""
    whole, left = getattr(owner, name), [calls]

    def call_or_die(*given: Any, **more: Any) -> Any:
        if left[0] == 0:
            raise KilledError
        left[0] -= 1
        return whole(*given, **more)

    patched.setattr(owner, name, call_or_die)


def is_killed(search: Any, rows: tuple[Any, Any], owner: Any, name: str, calls: int) -> bool:
    """Return whether a fit that may go on was killed at the call of a function behind so many."""
    with pytest.MonkeyPatch.context() as patched:
        dies_after(patched, owner, name, calls)
        try:
            search.fit(*rows, resume=True)
        except KilledError:
            return True
    return False


def scorer_that_presses(call: int) -> Callable[[Any, Any, Any], float]:
    """Return a scorer by a model's own score, at whose call of this number the user presses Ctrl-C."""
    calls = []

    def scorer(model: Any, X: Any, y: Any) -> float:
        calls.append(None)
        if len(calls) == call:
            signal.raise_signal(signal.SIGINT)
        return float(model.score(X, y))

    return scorer
