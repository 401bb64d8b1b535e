"""An engine that does everything that real ones may do: in any order, at any speed, with losses."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Hashable
from typing import Any

from gradstep.search.engines.parcels import Parcel, forget
from gradstep.search.engines.protocol import Call, TaskOutcome, TaskReport
from gradstep.search.engines.worker import Agreement, greet


class ScatteringEngine:
    """Workers whose tasks are done when somebody asks, one at a time and in random order.

    Tasks and answers are pickled. The seconds that a slice took are invented, so that slices are long and
    short, and loads are cut again and again.

    Parameters
    ----------
    seed, slots : int
    losses : float
        Share of tasks that are lost with their worker, none of them twice.
    kills : callable, optional
        Of the arguments of a task: whether it kills its worker, or an exception that it raises.
    """

    threads = 2
    lost = 0

    def __init__(
        self, seed: int = 0, slots: int = 3, losses: float = 0.0, kills: Callable[..., Any] | None = None
    ) -> None:
        self.slots = slots
        self.deaths = 0
        self.sizes: list[tuple[int, int]] = []
        self.opened: list[str] = []
        self.halted = False
        self._random = random.Random(seed)
        self._losses = losses
        self._kills = kills or (lambda *_: False)
        self._accidents: set[bytes] = set()
        self._tasks: dict[Hashable, bytes] = {}
        self._time = 0.0
        self._count = 0

    def agree(self) -> Agreement:
        return Agreement.among([greet()])

    def share(self, parcel: Parcel) -> None:
        self.parcel = parcel
        self.opened.append(parcel.key)

    def now(self) -> float:
        return self._time

    def submit(self, call: Call) -> Hashable:
        assert len(self._tasks) < self.slots
        self._count += 1
        self._tasks[self._count] = pickle.dumps(call)
        return self._count

    def completed(self, seconds: float) -> list[TaskOutcome]:
        self._time += self._random.random()
        if not self._tasks:
            return []
        ticket = self._random.choice(list(self._tasks))
        task = self._tasks.pop(ticket)
        function, args = pickle.loads(task)
        doom = self._kills(args)
        if isinstance(doom, BaseException):
            return [TaskOutcome(ticket, error=doom)]
        is_accident = task not in self._accidents and self._random.random() < self._losses
        if doom or is_accident:
            self.deaths += 1
            self._accidents.add(task)
            forget(self.parcel.key)
            return [TaskOutcome(ticket, error=OSError("the worker is gone"), deaths=1)]
        try:
            answer = pickle.dumps(function(*args))
        except Exception as error:
            return [TaskOutcome(ticket, error=error)]
        self.sizes.append((len(task), len(answer)))
        report: TaskReport = pickle.loads(answer)
        worker = f"worker {self._random.randrange(self.slots)}"
        return [TaskOutcome(ticket, TaskReport(worker, self._random.choice([0.1, 1.0, 8.0]), report.value))]

    def cancel(self, ticket: Hashable) -> bool:
        self._tasks.pop(ticket, None)
        return True

    def halt(self) -> None:
        self.halted = True

    def release(self) -> None:
        self._tasks.clear()

    def close(self) -> None:
        raise AssertionError("an engine that was given is not closed")
