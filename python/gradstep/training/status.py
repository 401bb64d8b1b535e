"""What a training is at."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """What a training is at; each is its own text, as ``"completed"``."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"  # all epochs are done
    EARLY_STOPPED = "early_stopped"  # by a rule or a callback of its own
    CONVERGED = "converged"  # as its optimizer says: at a minimum
    PRUNED = "pruned"  # by the search that it was part of
    DIVERGED = "diverged"
    FAILED = "failed"  # what comes before it in a pipeline raised an error
    INTERRUPTED = "interrupted"  # by Ctrl-C, by a callback of a search, or by what was raised on the way

    @property
    def is_complete(self) -> bool:
        """Whether a training came to its own end."""
        return self in (Status.COMPLETED, Status.EARLY_STOPPED, Status.CONVERGED)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be trained."""
        return self not in (Status.WAITING, Status.RUNNING)
