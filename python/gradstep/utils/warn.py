"""Warnings that point at the line of the user, however deep in the package they are made."""

from __future__ import annotations

import inspect
import warnings

# This package, and what stands between its own lines: `fit` runs within a decorator of scikit-learn's.
_OURS = (__name__.partition(".")[0], "contextlib", "sklearn.callback")


def warn(message: str, category: type[Warning]) -> None:
    """Warn as if the first line outside of this package had."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


def _is_ours(module: str) -> bool:
    return any(module == own or module.startswith(f"{own}.") for own in _OURS)
