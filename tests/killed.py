"""The end of a process at a call, as a signal that cannot be caught would have it."""

from __future__ import annotations

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
