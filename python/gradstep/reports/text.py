"""Numbers and settings as a reader wants them. Nothing here is escaped."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_NOTHING = "\u2013"  # a dash, for what was not measured
_GAP = "\u00a0"  # no line break between a number and its unit


def number(value: float) -> str:
    """Return a loss or cost with four decimals, or in powers of ten where those say nothing."""
    if not math.isfinite(value):
        return _NOTHING
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.3g}"


def percent(share: float) -> str:
    """Return a share in [0, 1] as percent."""
    return f"{100 * share:.2f}{_GAP}%" if math.isfinite(share) else _NOTHING


def duration(seconds: float) -> str:
    """Return seconds in the units that people use."""
    if seconds < 59.95:
        return f"{seconds:.{2 if seconds < 9.995 else 1}f}{_GAP}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{_GAP}h {minutes}{_GAP}min" if hours else f"{minutes}{_GAP}min {rest}{_GAP}s"


def layers(sizes: list[int]) -> str:
    """Return ``[64, 50, 10]`` as 64 → 50 → 10."""
    return f"{_GAP}→ ".join(map(str, sizes))


def setting(value: Any) -> str:
    """Return a setting in short: numbers without noise, functions by name, never an address."""
    if isinstance(value, str):
        return value
    if isinstance(value, (float, np.floating)):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return f"({', '.join(map(setting, value))}{',' * (len(value) == 1)})"
    if hasattr(value, "__qualname__"):
        return str(value.__qualname__)
    text = repr(value)
    return type(value).__name__ if " at 0x" in text else text
