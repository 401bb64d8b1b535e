"""Threads that run one kernel together."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

import numpy as np
import numpy.typing as npt

from gradstep.backends.numba.kernels.arrays import Crew
from gradstep.backends.numba.kernels.threads import GATE, GIVEN_UP

Inbox = SimpleQueue[Callable[[], None] | None]


class Team:
    """The calling thread and others, which start at the first task, wait between tasks and end with the team.

    In a forked child, which has none of them, others are started. `size`, the caller included, is cut to
    a few for each core: more only wait for each other.
    """

    size: int

    def __init__(self, size: int) -> None:
        self.size = max(1, min(size, max(16, 4 * (os.cpu_count() or 1))))
        #: What threads in a kernel meet at; all zero when a task begins.
        self.gate: npt.NDArray[np.int64] = np.zeros(GATE, dtype=np.int64)
        self._inboxes: list[Inbox] = []
        self._process = os.getpid()
        weakref.finalize(self, _dismiss, self._inboxes)

    def crew(self, thread: int, team: int, *, everyone: int) -> Crew:
        """Return a thread of some that work together, which meet everyone first."""
        return Crew(self.gate, np.uint64(everyone), np.uint64(thread), np.uint64(team))

    def run(self, task: Callable[[int, int], object], most: int) -> None:
        """Call ``task(thread, team)`` for every thread of the team, at most so many; return when all have.

        Where the system has no more threads to give, the team is smaller. What a call raises is
        raised here; threads that wait for that one in a kernel give up.
        """
        inboxes = self._started(min(most, self.size) - 1)
        gate, team = self.gate, len(inboxes) + 1
        gate[:] = 0
        failures: list[BaseException] = []
        done: SimpleQueue[None] = SimpleQueue()

        def work(thread: int) -> None:
            try:
                task(thread, team)
            except BaseException as error:
                gate[GIVEN_UP] = 1
                failures.append(error)
            finally:
                done.put(None)

        messages = [partial(work, thread) for thread in range(1, team)]
        sent: list[None] = []
        answers: list[None] = []
        try:
            # Within one call of C code: no Ctrl-C comes between a message and its being counted.
            sent.extend(map(SimpleQueue.put, inboxes, messages))
            task(0, team)
        except BaseException as error:
            gate[GIVEN_UP] = 1
            failures.append(error)
        while len(answers) < len(sent):
            try:
                answers.extend(map(SimpleQueue.get, [done]))
            except BaseException as error:
                failures.append(error)
        if failures:
            try:
                raise failures[0]
            finally:
                failures.clear()  # an exception refers to this frame, which refers to the list

    def _started(self, others: int) -> list[Inbox]:
        """Return the inboxes of so many threads, or of as many as can be had."""
        if self._process != os.getpid():
            self._inboxes.clear()
            self._process = os.getpid()
        while len(self._inboxes) < others:
            inbox: Inbox = SimpleQueue()
            try:
                threading.Thread(target=_work, args=(inbox,), name="gradstep", daemon=True).start()
            except RuntimeError:  # "can't start new thread"
                break
            self._inboxes.append(inbox)
        return self._inboxes[:others]


def _work(inbox: Inbox) -> None:
    """Do what is sent until None is; hold on to nothing in between."""
    while (message := inbox.get()) is not None:
        message()
        del message


def _dismiss(inboxes: list[Inbox]) -> None:
    for inbox in inboxes:
        inbox.put(None)
