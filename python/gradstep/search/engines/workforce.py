"""The workers of an engine, with what all tasks of a search need."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from gradstep.search.engines.parcels import Parcel, pack
from gradstep.search.engines.protocol import Call, Engine
from gradstep.search.engines.worker import Agreement, work
from gradstep.utils.files import temporary_folder

# What the names of folders in TMPDIR begin with that rows are written to.
_PREFIX = "gradstep-rows-"


class SharingEngine(Engine, Protocol):
    """An engine that gets a value to all of its workers."""

    def agree(self) -> Agreement:
        """Return what all workers have in common."""
        ...

    def share(self, parcel: Parcel) -> None:
        """Learn what the tasks to come are about."""
        ...

    def release(self) -> None:
        """Let workers forget what they were sent, and do no more of it."""
        ...

    def close(self) -> None:
        """End what is the engine's own."""
        ...


class Workforce:
    """Workers that know a value: of a block of tasks, which is a ``with``.

    Parameters
    ----------
    engine : SharingEngine
    value : object
        First argument of every task.
    whose : str
        What sends it, in messages.

    Raises
    ------
    ExecutorError
        The workers cannot work together, or not with this process.
    InvalidParameterError
        The value cannot be pickled.
    """

    def __init__(self, engine: SharingEngine, value: Any, whose: str) -> None:
        self.engine = engine
        self._agreement = engine.agree()
        with ExitStack() as stack:
            # Of its own, so that what a process left that was killed is known as such, and removed.
            folder = stack.enter_context(temporary_folder(Path(tempfile.gettempdir()), _PREFIX))
            self._parcel = pack(value, folder, whose)
            engine.share(self._parcel)
            self._folder = stack.pop_all()

    @property
    def isa(self) -> str | None:
        """Instruction set that the workers have agreed on; None without a compiled core."""
        return self._agreement.isa

    def call(self, function: Callable[..., Any], *args: Any) -> Call:
        """Return the task ``function(value, should_stop, *args)``."""
        return work, (self._agreement, self._parcel, function, *args)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._folder:
            self.engine.release()
            self._parcel.remove()
