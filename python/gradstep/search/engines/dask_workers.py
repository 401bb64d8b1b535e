"""The workers of a client of Dask: who is there, who can take part, and what each must be sent."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from gradstep.errors import ExecutorError, InvalidParameterError, LostWorkersWarning
from gradstep.search.engines import parcels
from gradstep.search.engines.parcels import Parcel
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


class DaskWorkers:
    """Workers that a client knows; they come and go while a search runs.

    Parameters
    ----------
    client : dask.distributed.Client

    Attributes
    ----------
    threads : dict of str to int
        Threads of the workers that take part, by their address.
    refused : set of str
        Addresses of those that cannot.
    lost : int
        Workers that took part and are gone.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._agreement: Agreement | None = None
        self._parcel: Parcel | None = None
        self._looked_at = -_LOOK_SECONDS
        self.threads: dict[str, int] = {}
        self.refused: set[str] = set()
        self.lost: int = 0

    def agree(self) -> Agreement:
        """Return what all workers have in common; who comes later and has less gets no task."""
        greetings: dict[str, Greeting] = self._client.run(greet)
        self._agreement = Agreement.among(list(greetings.values()))
        self.lost, self.threads = 0, {}
        return self._agreement

    def share(self, parcel: Parcel | None) -> None:
        """Give this parcel to all that are there, and to those that come."""
        self._parcel = parcel
        if parcel is not None:
            self.look()

    def forget(self) -> None:
        """Begin anew with all workers at the next look: one has come that was not given the parcel."""
        self.threads, self._looked_at = {}, -_LOOK_SECONDS

    def look_now_and_then(self) -> None:
        """Look, unless it is not a second since the last time."""
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            self.look()

    def look(self) -> None:
        """See which workers there are; what new ones need to take part, they get."""
        there: dict[str, int] = self._client.nthreads()
        new = [worker for worker in there if worker not in self.threads and worker not in self.refused]
        greetings = self._client.run(greet, workers=new, on_error="ignore") if new else {}
        for worker, greeting in greetings.items():
            if self._agreement is not None and self._agreement.refuses(greeting):
                self.refused.add(worker)
        self._send([worker for worker in greetings if worker not in self.refused])
        self.lost += len(self.threads.keys() - there.keys())
        fit = [worker for worker in there if worker in self.threads or worker in greetings]
        self.threads = {worker: there[worker] for worker in fit if worker not in self.refused}

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


def require_workers(client: Any) -> None:
    """Wait for a first worker, and say so.

    Raises
    ------
    InvalidParameterError
        The client is asynchronous.
    ExecutorError
        It is closed, or no worker has come.
    """
    if client.asynchronous:
        raise InvalidParameterError("`executor` must be a Client that waits, got one with asynchronous=True")
    where = getattr(getattr(client, "scheduler", None), "address", "no scheduler")
    if client.status != "running":
        raise ExecutorError(f"`executor` must be a Client that is open, got {client.status}, of {where}")
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
