"""What a schedule is, and what several of them need."""

from __future__ import annotations

from gradstep.errors import InvalidParameterError
from gradstep.utils.concepts import Concept


class Schedule(Concept):
    """Base of all schedules: a pure function of the update number.

    Its short name is the word by which the command line knows it; the fields follow with colons between.
    """

    family = "schedule"
    home = "gradstep.schedules"

    def __call__(self, update: int, updates_per_epoch: int, updates: int | None = None) -> float:
        """Return the learning rate of update number `update` in a run of `updates`."""
        raise NotImplementedError

    def cycle_ends(self, updates_per_epoch: int, updates: int) -> list[int]:
        """Return after how many updates each whole cycle ends, in a run of so many; none without cycles."""
        return []


def require(holds: bool, what: str, given: object) -> None:
    """Raise InvalidParameterError with ``what`` and what was given, unless it holds."""
    if not holds:
        raise InvalidParameterError(f"{what}, got {given!r}")


def length(owner: str, epochs: int | None, updates_per_epoch: int, updates: int | None) -> int:
    """Return the updates of so many epochs, or of the whole run where `epochs` is None."""
    if epochs is not None:
        return int(epochs) * updates_per_epoch
    if updates is None:
        raise InvalidParameterError(f"{owner} over a whole run needs its number of updates, got None")
    return updates


def between(start: float, end: float, share: float) -> float:
    """Return what lies at `share`, clipped to [0, 1], of the way: exactly `start` at 0 and `end` at 1."""
    share = min(max(share, 0.0), 1.0)
    return float(start) * (1 - share) + float(end) * share
