"""Workers that take no time but a clock's of their own, and loads that know what they cost."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from gradstep.search.engines.protocol import Call, TaskOutcome, TaskReport


def train(*args: Any) -> Any:
    """Stand for the function of a task, which is never called."""


@dataclass(eq=False)
class VirtualLoad:
    """Models of one kind; an epoch of m of them takes `cost(m)` seconds, the first `starts` more."""

    models: list[int]
    cost: Callable[[int], float]
    done: int = 0
    kind: Hashable = "alike"
    deaths: int = 0
    failed: list[int] = field(default_factory=list)
    taken: list[tuple[int, int]] = field(default_factory=list)
    starts: float = 0.0
    last: float = 1e9

    @property
    def size(self) -> int:
        return len(self.models)

    def call(self, goal: float, n_threads: int) -> Call:
        assert goal == round(goal)
        return train, (self, tuple(self.models), self.done, round(goal), n_threads)

    def take(self, value: Any) -> bool:
        models, before, goal = value
        assert list(models) == self.models
        assert before == self.done
        self.taken.extend((model, epoch) for model in models for epoch in range(before, goal))
        self.done = goal
        return bool(self.models)

    def trim(self) -> bool:
        return bool(self.models)

    def halves(self) -> tuple[Self, Self]:
        middle = self.size // 2
        parts = self.models[:middle], self.models[middle:]
        one, other = (replace(self, models=part) for part in parts)
        return one, other

    def fail(self, error: BaseException) -> None:
        self.failed.extend(self.models)


Fate = Callable[[tuple[int, ...], int, str, float], Any]


class VirtualEngine:
    """Workers with speeds of their own.

    Parameters
    ----------
    speeds : sequence of float
        Of every worker.
    overhead : float
        Seconds that every slice takes besides.
    fate : callable, optional
        Of models, epoch, worker and time, when a slice begins: None, an exception that it raises, "dies" for
        a worker that is lost half-way and comes again, or "hangs" for one that never answers.
    """

    def __init__(
        self, speeds: Sequence[float], overhead: float = 0.0, fate: Fate | None = None, threads: int = 1
    ) -> None:
        self.threads = threads
        self.lost = 0
        self.speeds = list(speeds)
        self.overhead = overhead
        self.fate = fate or (lambda *_: None)
        self.time = 0.0
        self.slices: list[tuple[tuple[int, ...], int, int, int]] = []
        self.busy: dict[int, int] = {}
        self.halted = False
        self.cancels = True
        self._events: list[tuple[float, int, TaskOutcome]] = []
        self._tickets = itertools.count()

    @property
    def slots(self) -> int:
        return len(self.speeds)

    def now(self) -> float:
        return self.time

    def submit(self, call: Call) -> Hashable:
        load, models, done, goal, n_threads = call[1]
        worker = next(place for place in range(self.slots) if place not in self.busy.values())
        ticket = next(self._tickets)
        self.busy[ticket] = worker
        self.slices.append((models, done, goal, n_threads))
        seconds = (goal - done) * load.cost(len(models)) / n_threads + load.starts
        load.starts = 0.0
        seconds /= self.speeds[worker]
        fate = self.fate(models, done, str(worker), self.time)
        name = f"worker {worker}"
        if fate == "hangs":
            return ticket
        if fate == "dies":
            end, outcome = seconds / 2, TaskOutcome(ticket, error=OSError("gone"), deaths=1)
        elif isinstance(fate, BaseException):
            end, outcome = seconds / 2, TaskOutcome(ticket, error=fate)
        else:
            end, outcome = (
                seconds + self.overhead,
                TaskOutcome(ticket, TaskReport(name, seconds, (models, done, goal))),
            )
        heapq.heappush(self._events, (self.time + end, ticket, outcome))
        return ticket

    def completed(self, seconds: float) -> list[TaskOutcome]:
        while self._events and self._events[0][1] not in self.busy:
            heapq.heappop(self._events)
        if not self._events or self._events[0][0] > self.time + seconds:
            self.time += seconds
            return []
        end, ticket, outcome = heapq.heappop(self._events)
        self.time = end
        del self.busy[ticket]
        return [outcome]

    def cancel(self, ticket: Hashable) -> bool:
        if self.cancels:
            self.busy.pop(ticket, None)
        return self.cancels

    def halt(self) -> None:
        self.halted = True
