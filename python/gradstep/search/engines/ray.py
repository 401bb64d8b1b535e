"""Workers of the cluster of Ray that this process is connected to: the engine of ``executor="ray"``.

It has been tested with few workers, all of them on one machine.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from gradstep.errors import ExecutorError
from gradstep.search.engines import parcels
from gradstep.search.engines.by_file import FileEngine
from gradstep.search.engines.parcels import Parcel
from gradstep.search.engines.protocol import Call, TaskOutcome
from gradstep.search.engines.worker import Agreement, greet

# Seconds between two looks at how many processors there are.
_LOOK_SECONDS = 1.0


class RayEngine(FileEngine):
    """Workers of a cluster, with a processor each.

    Raises
    ------
    ImportError
        Ray is not installed.
    ExecutorError
        It is connected to no cluster.
    """

    def __init__(self) -> None:
        try:
            import ray
        except ImportError as error:
            raise ImportError("`executor='ray'` needs Ray: pip install 'gradstep[ray]'") from error
        if not ray.is_initialized():
            raise ExecutorError("`executor='ray'` needs a cluster: call ray.init() before the search")
        self._ray: Any = ray
        # Whether a lost task is begun again is for the search to say.
        self._do: Any = ray.remote(num_cpus=1, max_retries=0)(_do)
        self._running: list[Any] = []
        self._content: Any = None
        self._slots = 0
        self._looked_at = -_LOOK_SECONDS

    @property
    def slots(self) -> int:
        """Processors of all machines."""
        now = self.now()
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            self._slots = int(self._ray.cluster_resources().get("CPU", 0))
        return self._slots

    @property
    def threads(self) -> int:
        """One, as every worker has one processor."""
        return 1

    def agree(self) -> Agreement:
        """Return what all machines have in common; workers of those that come later refuse what they lack."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        nodes = [node["NodeID"] for node in self._ray.nodes() if node["Alive"] and "CPU" in node["Resources"]]
        places = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
        ask = self._ray.remote(num_cpus=0)(greet)
        return Agreement.among(
            self._ray.get([ask.options(scheduling_strategy=own).remote() for own in places])
        )

    def share(self, parcel: Parcel) -> None:
        """Put what tasks are about where every machine gets it from once, unless it can read the file."""
        super().share(parcel)
        self._content = self._ray.put(np.frombuffer(parcel.read(), dtype=np.uint8))

    def submit(self, call: Call) -> Hashable:
        """Begin a task on any worker."""
        function, args = call
        # A reference within a list is not looked up before somebody asks.
        ticket: Hashable = self._do.remote(self._parcel, [self._content], function, args)
        self._running.append(ticket)
        return ticket

    def completed(self, seconds: float) -> list[TaskOutcome]:
        """Wait for one task, and take those that are done by then."""
        if not self._running:
            time.sleep(max(0.0, seconds))
            return []
        self._ray.wait(self._running, num_returns=1, timeout=max(0.0, seconds))
        done, self._running = self._ray.wait(self._running, num_returns=len(self._running), timeout=0)
        return [self._outcome(ticket) for ticket in done]

    def cancel(self, ticket: Hashable) -> bool:
        """End the worker that has a task: it may never answer."""
        self._running = [own for own in self._running if own != ticket]
        with contextlib.suppress(Exception):
            self._ray.cancel(ticket, force=True)
        return True

    def release(self) -> None:
        """Let go what still runs, and what machines were sent."""
        for ticket in list(self._running):
            self.cancel(ticket)
        self._content = None
        super().release()

    def close(self) -> None:
        """Leave the connection as it is: it is its owner's."""

    def _outcome(self, ticket: Any) -> TaskOutcome:
        try:
            return TaskOutcome(ticket, self._ray.get(ticket))
        except self._ray.exceptions.RayTaskError as error:
            return TaskOutcome(ticket, error=error.cause if isinstance(error.cause, Exception) else error)
        except self._ray.exceptions.RayError as error:
            return TaskOutcome(ticket, error=error, deaths=1)


def _do(parcel: Parcel, content: list[Any], function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Do a task in a worker, which is sent the parcel where it cannot read its file."""
    if not parcels.can_open(parcel):
        import ray

        parcels.receive(parcel.key, memoryview(ray.get(content[0])))
    return function(*args)
