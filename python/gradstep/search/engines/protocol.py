"""What an engine is: it places tasks and says what became of them, and knows nothing of what they do."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Protocol

#: A function and its arguments, all of which can be pickled.
Call = tuple[Callable[..., Any], tuple[Any, ...]]


@dataclass(frozen=True)
class TaskReport:
    """What a worker tells of a task that it has done.

    Attributes
    ----------
    worker : str
        Its host and process.
    seconds : float
        That the task took there.
    value : object
        What the task returned.
    """

    worker: str
    seconds: float
    value: Any


@dataclass(frozen=True)
class TaskOutcome:
    """What became of a task.

    Attributes
    ----------
    ticket : hashable
        The task's.
    report : TaskReport, or None
        None where there is an error.
    error : BaseException, or None
        What the task raised, or what it was lost by.
    deaths : int
        Workers that were lost with the task; 0 where it raised the error itself.
    """

    ticket: Hashable
    report: TaskReport | None = None
    error: BaseException | None = None
    deaths: int = 0


class Engine(Protocol):
    """Workers that run tasks, in whichever processes and on whichever machines."""

    @property
    def slots(self) -> int:
        """Tasks that can run side by side at this moment; 0 while no worker is there."""
        ...

    @property
    def threads(self) -> int:
        """Most threads of one task, where there are more slots than tasks."""
        ...

    @property
    def lost(self) -> int:
        """Workers that were lost so far, of whose tasks the engine itself has begun others."""
        ...

    def now(self) -> float:
        """Return the time in seconds, since whenever."""
        ...

    def submit(self, call: Call) -> Hashable:
        """Begin a task, of which there are never more than `slots`; return its ticket."""
        ...

    def completed(self, seconds: float) -> list[TaskOutcome]:
        """Wait until a task is done, but no longer than that; return those that are."""
        ...

    def cancel(self, ticket: Hashable) -> bool:
        """Let a task go. Returns True when it takes no slot any more, and has no outcome."""
        ...

    def halt(self) -> None:
        """Ask all tasks that run to stop where they are, and tell what they have done."""
        ...
