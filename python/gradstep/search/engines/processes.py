"""Processes of this machine: the engine of ``executor=4``."""

from __future__ import annotations

import itertools
import multiprocessing
import time
from collections.abc import Hashable
from multiprocessing.connection import wait

from gradstep.errors import ExecutorError
from gradstep.search.engines.by_file import FileEngine
from gradstep.search.engines.protocol import Call, TaskOutcome
from gradstep.search.engines.worker_process import WorkerProcess, how_it_ended


class ProcessEngine(FileEngine):
    """So many processes, each with a pipe: of who dies it is known at once which task it had.

    Parameters
    ----------
    count : int

    Raises
    ------
    ExecutorError
        A process cannot start.
    """

    def __init__(self, count: int) -> None:
        # Spawned: what a fork inherits, threads and locks among it, is not fit to train with.
        self._context = multiprocessing.get_context("spawn")
        self._workers = [WorkerProcess(self._context) for _ in range(count)]
        self._numbers = itertools.count()
        try:
            for worker in self._workers:
                worker.wait_for_start()
        except BaseException:
            self.close()
            raise

    @property
    def slots(self) -> int:
        """As many as there are processes: in place of one that is lost there is a new one."""
        return len(self._workers)

    @property
    def threads(self) -> int:
        """All slots are cores of one machine."""
        return len(self._workers)

    def submit(self, call: Call) -> Hashable:
        """Begin a task in a process that is idle."""
        worker = next(own for own in self._workers if own.ticket is None)
        ticket = next(self._numbers)
        worker.ticket = ticket
        worker.send(call)
        return ticket

    def completed(self, seconds: float) -> list[TaskOutcome]:
        """Wait for answers; start a new process in place of each that has died."""
        busy = [worker for worker in self._workers if worker.ticket is not None]
        if not busy:
            time.sleep(max(0.0, seconds))
            return []
        ready = wait([worker.pipe for worker in busy], max(0.0, seconds))
        found = []
        for worker in busy:
            if worker.pipe in ready:
                found += self._answer_of(worker)
        return found

    def _answer_of(self, worker: WorkerProcess) -> list[TaskOutcome]:
        """Return what a worker has to say of its task, if it is that."""
        try:
            answer = worker.receive()
        except (EOFError, OSError):
            code = worker.end()
            self._workers[self._workers.index(worker)] = WorkerProcess(self._context)
            lost = ExecutorError(f"{worker.name} ended {how_it_ended(code)} while it trained")
            return [TaskOutcome(worker.ticket, error=lost, deaths=1)]
        if answer is None:
            return []
        ticket, worker.ticket = worker.ticket, None
        report, error = answer
        return [TaskOutcome(ticket, report, error)]

    def cancel(self, ticket: Hashable) -> bool:
        """End the process that has a task, and start a new one: it may never answer."""
        for place, worker in enumerate(self._workers):
            if worker.ticket == ticket:
                worker.end()
                self._workers[place] = WorkerProcess(self._context)
        return True

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.end()
        self._workers = []
