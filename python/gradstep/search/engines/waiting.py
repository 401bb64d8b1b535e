"""How long a search waits for workers where there are none."""

from __future__ import annotations

import os

from gradstep.errors import InvalidParameterError
from gradstep.utils import text

_VARIABLE = "GRADSTEP_WORKER_WAIT"

# Seconds, unless the environment variable says how many.
_DEFAULT = 300.0


def waiting_seconds() -> float:
    """Return for how many seconds.

    Raises
    ------
    InvalidParameterError
        The environment variable is no number >= 0.
    """
    told = os.environ.get(_VARIABLE)
    if not told:
        return _DEFAULT
    try:
        seconds = float(told)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise InvalidParameterError(
            f"the environment variable {_VARIABLE} must be seconds, a number >= 0, got {text.given(told)}"
        )
    return seconds


def wait_in_words(seconds: float) -> str:
    """Say how long somebody waits, and how that can be changed."""
    how_long = "without an end" if seconds == float("inf") else text.duration(seconds)
    return f"for one to come, {how_long}; the environment variable {_VARIABLE} says how many seconds"
