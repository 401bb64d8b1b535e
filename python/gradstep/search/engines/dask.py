"""Workers of Dask, here or on a cluster: a `dask.distributed.Client` says which."""

from __future__ import annotations

import contextlib
import queue
import time
import uuid
import warnings
from collections.abc import Hashable
from typing import Any

from gradstep.errors import ExecutorError
from gradstep.search.engines import parcels
from gradstep.search.engines.dask_workers import DaskWorkers, require_workers
from gradstep.search.engines.parcels import Parcel, ParcelMissing
from gradstep.search.engines.protocol import Call, TaskOutcome
from gradstep.search.engines.worker import Agreement


class DaskEngine:
    """Tasks as futures of a client.

    Parameters
    ----------
    client : dask.distributed.Client

    Raises
    ------
    InvalidParameterError
        The client is asynchronous.
    ExecutorError
        It is closed, or has no worker.
    """

    def __init__(self, client: Any) -> None:
        require_workers(client)
        self._client = client
        self._workers = DaskWorkers(client)
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._running: dict[str, Any] = {}
        self._parcel: Parcel | None = None

    @property
    def slots(self) -> int:
        """Threads of all workers that can take part."""
        self._workers.look_now_and_then()
        return sum(self._workers.threads.values())

    @property
    def threads(self) -> int:
        """Threads of the worker that has the fewest."""
        return min(self._workers.threads.values(), default=1)

    def now(self) -> float:
        """Return the time in seconds."""
        return time.monotonic()

    @property
    def lost(self) -> int:
        """Workers that are gone since the search began; Dask itself gives their tasks to others."""
        with contextlib.suppress(Exception):
            self._workers.look()
        return self._workers.lost

    def agree(self) -> Agreement:
        """Return what all workers have in common; who comes later and has less gets no task."""
        return self._workers.agree()

    def share(self, parcel: Parcel) -> None:
        """Learn what tasks are about; workers that cannot read its file are sent it."""
        self._parcel = parcel
        self._workers.share(parcel)

    def submit(self, call: Call) -> Hashable:
        """Begin a task on any worker that can take part."""
        function, args = call
        key = f"gradstep-{uuid.uuid4().hex}"
        # Where all workers can, none is named: those that come in the place of lost ones have other names.
        chosen = list(self._workers.threads) if self._workers.refused else None
        with warnings.catch_warnings():
            # State travels with every task, as it is meant to.
            warnings.filterwarnings("ignore", message="Sending large graph")
            future = self._client.submit(function, *args, key=key, pure=False, workers=chosen)
        self._running[key] = future
        future.add_done_callback(self._done.put)
        return key

    def completed(self, seconds: float) -> list[TaskOutcome]:
        """Wait for futures."""
        found: list[TaskOutcome] = []
        try:
            future = self._done.get(timeout=max(0.0, seconds))
            while True:
                if self._running.pop(future.key, None) is not None:
                    found.append(self._outcome(future))
                future = self._done.get_nowait()
        except queue.Empty:
            return found

    def cancel(self, ticket: Hashable) -> bool:
        """Let a task go; one that runs goes on, and it is Dask that knows of its slot."""
        future = self._running.pop(str(ticket))
        with contextlib.suppress(Exception):
            future.cancel()
        return True

    def halt(self) -> None:
        """Ask what runs to stop, on all workers."""
        if self._parcel is not None:
            self._parcel.stop.touch()
            self._tell(_stop)

    def release(self) -> None:
        """Let workers forget what they were sent."""
        for ticket in list(self._running):
            self.cancel(ticket)
        self._tell(_forget)
        self._parcel = None
        self._workers.share(None)

    def close(self) -> None:
        """Leave the client as it is: it is its owner's."""

    def _tell(self, function: Any) -> None:
        """Call a function of the parcel's key in all workers, and wait for none of them."""
        if self._parcel is not None and self._client.status == "running":
            with contextlib.suppress(Exception):
                self._client.run(function, self._parcel.key, wait=False)

    def _outcome(self, future: Any) -> TaskOutcome:
        """Return what became of a task."""
        if future.status == "finished":
            return TaskOutcome(future.key, future.result())
        error = future.exception() if future.status == "error" else None
        if error is None:
            error = ExecutorError(f"Dask has let a task go: it is {future.status}")
            return TaskOutcome(future.key, error=error, deaths=1)
        if isinstance(error, ParcelMissing):
            # A worker has come before anybody looked.
            self._workers.forget()
            return TaskOutcome(future.key, error=error, deaths=1)
        # Dask has given it to others before, and gave it up.
        is_killed = type(error).__name__ == "KilledWorker"
        deaths = 1 + int(getattr(error, "allowed_failures", 3)) if is_killed else 0
        return TaskOutcome(future.key, error=error, deaths=deaths)


# Coroutines: of those alone Dask need not wait for the answer.


async def _stop(key: str) -> None:
    parcels.stop(key)


async def _forget(key: str) -> None:
    parcels.forget(key)
