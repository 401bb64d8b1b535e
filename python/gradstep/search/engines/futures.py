"""Any `concurrent.futures.Executor`: processes, MPI, ipyparallel, executorlib and whatever else has one."""

from __future__ import annotations

import queue
from collections.abc import Hashable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from typing import Any

from gradstep.errors import ExecutorError
from gradstep.search.engines.by_file import FileEngine
from gradstep.search.engines.processes import ProcessEngine
from gradstep.search.engines.protocol import Call, TaskOutcome
from gradstep.utils import threads

# Where executors keep how many tasks they run side by side.
_COUNTS = ("_max_workers", "max_workers", "num_workers", "_num_workers")


class FuturesEngine(FileEngine):
    """Workers of an executor that somebody else has made, and shuts down.

    A broken pool of processes runs nothing any more. One of the standard library is replaced by as many
    processes of our own; of any other one, all tasks are lost.

    Parameters
    ----------
    executor : Executor
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        found = (getattr(executor, count, None) for count in _COUNTS)
        self._slots = next((count for count in found if isinstance(count, int) and count > 0), 0)
        self._slots = self._slots or threads.available()
        self._done: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        self._running: set[Future[Any]] = set()
        self._heir: ProcessEngine | None = None

    @property
    def slots(self) -> int:
        """As many as the executor says that it has workers; else cores of this machine."""
        return self._slots

    @property
    def threads(self) -> int:
        """What the workers share is not known."""
        return 1

    def submit(self, call: Call) -> Hashable:
        """Begin a task."""
        if self._heir:
            return self._heir.submit(call)
        function, args = call
        try:
            future = self._executor.submit(function, *args)
        except RuntimeError as error:
            if self._inherit():
                return self.submit(call)
            raise ExecutorError(f"`executor` takes no tasks any more: {error}") from error
        self._running.add(future)
        future.add_done_callback(self._done.put)
        return future

    def completed(self, seconds: float) -> list[TaskOutcome]:
        """Wait for futures."""
        if self._heir and not self._running:
            return self._heir.completed(seconds)
        found: list[TaskOutcome] = []
        try:
            future = self._done.get(timeout=max(0.0, seconds))
            while True:
                if future in self._running:
                    self._running.discard(future)
                    found.append(_outcome(future))
                future = self._done.get_nowait()
        except queue.Empty:
            return found

    def cancel(self, ticket: Hashable) -> bool:
        """Let a task go; one that runs goes on."""
        if self._heir and not isinstance(ticket, Future):
            return self._heir.cancel(ticket)
        assert isinstance(ticket, Future)
        is_gone = ticket.cancel()
        if is_gone:
            self._running.discard(ticket)
        return is_gone

    def close(self) -> None:
        """End what is our own."""
        if self._heir:
            self._heir.close()

    def _inherit(self) -> bool:
        """Put processes of our own in the place of a broken pool of processes, where that is what it is."""
        # loky's pool says that of itself as well, and revives nothing either.
        is_pool = isinstance(self._executor, ProcessPoolExecutor)
        if not is_pool or not getattr(self._executor, "_broken", False):
            return False
        self._heir = ProcessEngine(self._slots)
        return True


def _outcome(future: Future[Any]) -> TaskOutcome:
    try:
        return TaskOutcome(future, future.result())
    except (BrokenExecutor, CancelledError) as error:
        return TaskOutcome(future, error=error, deaths=1)
    except BaseException as error:
        # As other libraries spell that a worker has died: loky's, mpi4py's.
        is_lost = type(error).__name__ in ("TerminatedWorkerError", "WorkerLostError", "EngineError")
        return TaskOutcome(future, error=error, deaths=int(is_lost))
