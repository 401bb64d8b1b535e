"""What a worker does with a task, in whatever process that is."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gradstep import backends
from gradstep._version import __version__
from gradstep.errors import ExecutorError, FallbackWarning
from gradstep.search.engines.parcels import Parcel
from gradstep.search.engines.protocol import TaskReport
from gradstep.utils.warn import warn


@dataclass(frozen=True)
class Greeting:
    """What a worker is.

    Attributes
    ----------
    worker : str
        Its host and process.
    version : str
        Of gradstep there.
    isas : tuple of str
        Instruction sets that its compiled core can use, best first; none without one.
    """

    worker: str
    version: str
    isas: tuple[str, ...]


@dataclass(frozen=True)
class Agreement:
    """What all workers of a search have in common, so that its bits are those of one.

    Attributes
    ----------
    version : str
        Of gradstep.
    isa : str, or None
        Instruction set that the compiled core uses; None where there is none.
    """

    version: str
    isa: str | None

    @classmethod
    def among(cls, greetings: list[Greeting]) -> Agreement:
        """Return what all of these can agree on.

        Raises
        ------
        ExecutorError
            They have other versions than this process, or no instruction set in common.
        """
        for other in greetings:
            if other.version != __version__:
                raise ExecutorError(
                    f"worker {other.worker} must have gradstep {__version__} as this process has, "
                    f"got {other.version}"
                )
        if not any(other.isas for other in greetings):
            return cls(__version__, None)
        common = [isa for isa in greetings[0].isas if all(isa in other.isas for other in greetings)]
        if not common:
            told = ", ".join(f"{other.worker}: {' '.join(other.isas) or 'none'}" for other in greetings)
            raise ExecutorError(f"workers must have an instruction set of the core in common, got {told}")
        best = {other.isas[0] for other in greetings}
        if len(best) > 1:
            told = f"workers have unlike instruction sets ({', '.join(sorted(best))}): all use {common[0]}"
            warn(told, FallbackWarning)
        return cls(__version__, common[0])

    def refuses(self, other: Greeting) -> str:
        """Return why a worker cannot take part, "" where it can."""
        if other.version != self.version:
            return f"worker {other.worker} has gradstep {other.version}, and the search {self.version}"
        if self.isa is not None and self.isa not in other.isas:
            have = " ".join(other.isas) or "no compiled core"
            return f"worker {other.worker} has {have}, and the search needs {self.isa}"
        return ""


def greet() -> Greeting:
    """Return what this process is."""
    return Greeting(name(), __version__, backends.instruction_sets())


def name() -> str:
    """Return host and process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def work(agreement: Agreement, parcel: Parcel | None, function: Callable[..., Any], *args: Any) -> TaskReport:
    """Call ``function(value, should_stop, *args)``, where value is that of the parcel.

    Raises
    ------
    ExecutorError
        This worker cannot do what was agreed on.
    """
    began = time.perf_counter()
    reason = agreement.refuses(greet())
    if reason:
        raise ExecutorError(reason)
    value = None if parcel is None else parcel.open()
    should_stop = _never if parcel is None else parcel.should_stop
    with backends.pinned(agreement.isa):
        found = function(value, should_stop, *args)
    return TaskReport(name(), time.perf_counter() - began, found)


def _never() -> bool:
    return False
