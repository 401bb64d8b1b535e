"""Run solvers on jobs: a worker process each, all prepared and checked, then timed round by round."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import environment
from benchmarks.jobs import Job
from benchmarks.results import Outcome, Result
from benchmarks.solvers import SOLVERS
from benchmarks.worker import Order

if TYPE_CHECKING:
    from benchmarks.dropin.worker import DropInOrder

ROOT = Path(__file__).resolve().parents[1]
#: Between two solvers, so that the threads of the one before have stopped to spin.
PAUSE = 0.2


class Worker:
    """The other end of a worker's module, which takes an order; what it said first is in `prepared`."""

    def __init__(self, order: Order | DropInOrder, module: str = "benchmarks.worker") -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - `close` does
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, json.dumps(asdict(order))],
            cwd=ROOT,
            env=environment.variables(order.threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.prepared = self._read()

    def round(self) -> float:
        """Return the seconds of one more run."""
        assert self._process.stdin is not None
        self._process.stdin.write("round\n")
        self._process.stdin.flush()
        message = self._read()
        if "seconds" not in message:
            raise RuntimeError(message["problem"])
        return float(message["seconds"])

    def close(self) -> None:
        """End the process."""
        with self._process:  # closes the pipes, which ends the worker, and waits for it
            pass
        self._errors.close()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            return dict(json.loads(line))
        self._errors.seek(0)
        last = self._errors.read().strip().rpartition("\n")[2]
        return {"problem": f"failed: the process ended, {last or 'silently'}"}


def compare(
    job: Job, solvers: Sequence[str], *, rounds: int, threads: int, peak: dict[str, float] | None
) -> Result:
    """Return what the solvers need for a job."""
    machine = environment.machine()
    reference = {} if job.predict_rows else _reference(job, threads)
    today = datetime.date.today().isoformat()
    result = Result(job, "", today, threads, machine, peak, reference, solvers={})
    workers: dict[str, Worker] = {}
    try:
        for solver in solvers:
            _say(f"{job.name}: {solver} prepares")
            entry, own = SOLVERS[solver], job
            if entry.plain:
                if job.optimizer == "sgd":
                    result.solvers[solver] = Outcome(
                        entry.group, problem="left out: the job is by plain descent"
                    )
                    continue
                own, reference_of_own = job.plain(), _reference(job.plain(), threads)
            else:
                reference_of_own = reference
            worker = Worker(Order(asdict(own), solver, threads, reference_of_own))
            ready = worker.prepared
            result.source = ready.pop("source", result.source)
            result.solvers[solver] = Outcome(entry.group, **ready)
            if result.solvers[solver].problem:
                _say(f"{job.name}: {solver} {result.solvers[solver].problem}")
                worker.close()
            else:
                workers[solver] = worker
        _time(workers, result, rounds)
    finally:
        for worker in workers.values():
            worker.close()
    return result


def _time(workers: dict[str, Worker], result: Result, rounds: int) -> None:
    """Time all solvers `rounds` times, each round in another order."""
    names = list(workers)
    for number in range(rounds):
        _say(f"{result.job.name}: round {number + 1} of {rounds}")
        for solver in names[number % len(names) :] + names[: number % len(names)] if names else []:
            time.sleep(PAUSE)
            result.solvers[solver].seconds.append(workers[solver].round())


def _reference(job: Job, threads: int) -> dict[str, float]:
    """Return the metrics that the float64 reference reaches."""
    _say(f"{job.name}: the reference trains")
    worker = Worker(Order(asdict(job), "reference", threads, None))
    worker.close()
    if "metrics" not in worker.prepared:
        raise RuntimeError(f"no reference for {job.name}: {worker.prepared['problem']}")
    return dict(worker.prepared["metrics"])


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
