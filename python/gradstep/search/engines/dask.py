"""Workers of Dask, here or on a cluster: a `dask.distributed.Client` says which."""

from __future__ import annotations

import contextlib
import queue
import time
import uuid
import warnings
from collections.abc import Hashable
from typing import Any

from gradstep.errors import ExecutorError, InvalidParameterError, LostWorkersWarning
from gradstep.search.engines import parcels
from gradstep.search.engines.parcels import Parcel, ParcelMissing
from gradstep.search.engines.protocol import Call, TaskOutcome
from gradstep.search.engines.waiting import wait_in_words, waiting_seconds
from gradstep.search.engines.worker import Agreement, Greeting, greet
from gradstep.utils import text
from gradstep.utils.warn import warn

# Seconds between two looks at which workers there are.
_LOOK_SECONDS = 1.0

# Workers of a cluster in this process take so many seconds to come; of who waits longer it is said.
_USUAL_SECONDS = 2.0

# Share of a worker's memory above which rows are not sent to it.
_MOST_OF_MEMORY = 0.1


class DaskEngine:
    """Workers that a client knows.

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
        if client.asynchronous:
            raise InvalidParameterError(
                "`executor` must be a Client that waits, got one with asynchronous=True"
            )
        where = getattr(getattr(client, "scheduler", None), "address", "no scheduler")
        if client.status != "running":
            raise ExecutorError(f"`executor` must be a Client that is open, got {client.status}, of {where}")
        _wait_for_worker(client, where)
        self._client = client
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._running: dict[str, Any] = {}
        self._agreement: Agreement | None = None
        self._parcel: Parcel | None = None
        # Threads of the workers that take part, and those that cannot.
        self._fit: dict[str, int] = {}
        self._refused: set[str] = set()
        self._looked_at = -_LOOK_SECONDS
        self._lost = 0

    @property
    def slots(self) -> int:
        """Threads of all workers that can take part."""
        now = self.now()
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            self._look()
        return sum(self._fit.values())

    @property
    def threads(self) -> int:
        """Threads of the worker that has the fewest."""
        return min(self._fit.values(), default=1)

    def now(self) -> float:
        """Return the time in seconds."""
        return time.monotonic()

    @property
    def lost(self) -> int:
        """Workers that are gone since the search began; Dask itself gives their tasks to others."""
        with contextlib.suppress(Exception):
            self._look()
        return self._lost

    def agree(self) -> Agreement:
        """Return what all workers have in common; who comes later and has less gets no task."""
        greetings: dict[str, Greeting] = self._client.run(greet)
        self._agreement = Agreement.among(list(greetings.values()))
        self._lost, self._fit = 0, {}
        return self._agreement

    def share(self, parcel: Parcel) -> None:
        """Learn what tasks are about; workers that cannot read its file are sent it."""
        self._parcel = parcel
        self._look()

    def submit(self, call: Call) -> Hashable:
        """Begin a task on any worker that can take part."""
        function, args = call
        key = f"gradstep-{uuid.uuid4().hex}"
        # Where all workers can, none is named: those that come in the place of lost ones have other names.
        chosen = list(self._fit) if self._refused else None
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

    def close(self) -> None:
        """Leave the client as it is: it is its owner's."""

    def _tell(self, function: Any) -> None:
        """Call a function of the parcel's key in all workers, and wait for none of them."""
        if self._parcel is not None and self._client.status == "running":
            with contextlib.suppress(Exception):
                self._client.run(function, self._parcel.key, wait=False)

    def _look(self) -> None:
        """See which workers there are; what new ones need to take part, they get."""
        there: dict[str, int] = self._client.nthreads()
        new = [worker for worker in there if worker not in self._fit and worker not in self._refused]
        greetings = self._client.run(greet, workers=new, on_error="ignore") if new else {}
        for worker, greeting in greetings.items():
            if self._agreement is not None and self._agreement.refuses(greeting):
                self._refused.add(worker)
        self._send([worker for worker in greetings if worker not in self._refused])
        self._lost += len(self._fit.keys() - there.keys())
        fit = [worker for worker in there if worker in self._fit or worker in greetings]
        self._fit = {worker: there[worker] for worker in fit if worker not in self._refused}

    def _send(self, workers: list[str]) -> None:
        """Send the parcel to those of some workers that cannot read its file."""
        if self._parcel is None or not workers:
            return
        readable = self._client.run(parcels.can_open, self._parcel, workers=workers, on_error="ignore")
        lacking = [worker for worker, is_there in readable.items() if not is_there]
        if not lacking:
            return
        content = self._parcel.read()
        known = self._client.scheduler_info()["workers"]
        for worker in lacking:
            limit = known.get(worker, {}).get("memory_limit") or 0
            if limit and len(content) > _MOST_OF_MEMORY * limit:
                raise ExecutorError(
                    f"worker {worker} cannot read {self._parcel.path} of {self._parcel.host}, and to send it "
                    f"{len(content):,} bytes is too much for its memory of {limit:,}: set TMPDIR to a folder "
                    f"that all workers share, or give X as a numpy.memmap of a file there"
                )
        self._client.run(parcels.receive, self._parcel.key, content, workers=lacking)

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
            self._fit, self._looked_at = {}, -_LOOK_SECONDS
            return TaskOutcome(future.key, error=error, deaths=1)
        # Dask has given it to others before, and gave it up.
        is_killed = type(error).__name__ == "KilledWorker"
        deaths = 1 + int(getattr(error, "allowed_failures", 3)) if is_killed else 0
        return TaskOutcome(future.key, error=error, deaths=deaths)


def _wait_for_worker(client: Any, where: str) -> None:
    """Wait for a first worker, and say so.

    Raises
    ------
    ExecutorError
        None has come.
    """
    patience = waiting_seconds()
    usual = max(min(_USUAL_SECONDS, patience), 0.01)
    with contextlib.suppress(TimeoutError):
        client.wait_for_workers(1, timeout=usual)
        return
    told = f"{where} has no worker: the search waits {wait_in_words(patience)}"
    warn(told, LostWorkersWarning)
    try:
        # A timeout of 0 is none.
        left = max(patience - usual, 0.01)
        client.wait_for_workers(1, timeout=None if left == float("inf") else left)
    except TimeoutError as error:
        raise ExecutorError(
            f"no worker has come to {where} in {text.duration(patience)}; "
            f"`cluster.scale(4)` of Dask would start four"
        ) from error


# Coroutines: of those alone Dask need not wait for the answer.


async def _stop(key: str) -> None:
    parcels.stop(key)


async def _forget(key: str) -> None:
    parcels.forget(key)
