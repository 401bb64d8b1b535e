"""A process with one solver of one job in it: no other library's threads live beside it.

    python -m benchmarks.worker ORDER

ORDER is a JSON object. The worker prepares and checks its answer, says what it found as a line of JSON,
and then times one round for every line it reads, until there are no more.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from benchmarks import environment


@dataclass(frozen=True)
class Order:
    """What a worker is to do: `job` holds the fields of a Job, `solver` is a name or "reference".

    Without metrics to compare with, `reference`, those of a training are taken for right.
    """

    job: dict[str, Any]
    solver: str
    threads: int
    reference: dict[str, float] | None


def main() -> int:
    """Serve the order on the command line."""
    order = Order(**json.loads(sys.argv[1]))
    channel = own_channel()
    environment.pin(order.threads)
    _serve(order, channel)
    return 0


def own_channel() -> IO[str]:
    """Return standard output; what libraries print goes to standard error, not between its lines."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return channel


def time_rounds(say: Callable[..., None], run: Callable[[], None], calls: int) -> None:
    """Time so many runs for every line of standard input."""
    for _ in sys.stdin:
        gc.collect()
        began = time.perf_counter()
        for _ in range(calls):
            run()
        say(seconds=(time.perf_counter() - began) / calls)


def _serve(order: Order, channel: IO[str]) -> None:
    from benchmarks.answers import WrongAnswer
    from benchmarks.jobs import Job
    from benchmarks.solvers import REFERENCE, SOLVERS, CannotSolve, make
    from benchmarks.task import make_task
    from gradstep.errors import BackendUnavailableError

    def say(**message: Any) -> None:
        print(json.dumps(message), file=channel, flush=True)

    job = Job.of(order.job)
    entry = REFERENCE if order.solver == "reference" else SOLVERS[order.solver]
    try:
        task = make_task(job)
        solver = make(entry, task)
        solver.run()  # compiles and warms up too
        metrics = _check(task, solver.answer(), order.reference)
    except (CannotSolve, BackendUnavailableError, ImportError) as error:
        return say(problem=f"left out: {error}")
    except WrongAnswer as error:
        return say(problem=f"wrong: {error}")
    except Exception as error:  # whatever a library throws: the others go on
        return say(problem=f"failed: {type(error).__name__}: {str(error)[:200]}")
    say(metrics=metrics, versions=environment.versions(entry.packages), source=task.source)
    time_rounds(say, solver.run, job.calls)


def _check(task: Any, answer: Any, reference: dict[str, float] | None) -> dict[str, float]:
    from benchmarks import answers

    if task.job.predict_rows:
        return answers.check_prediction(task, answer)
    if reference is None:
        return _reference(task, answer)
    checks = {
        "Train": answers.check_training,
        "TrainMany": answers.check_many,
        "CrossValidate": answers.check_cross_validation,
    }
    return checks[task.job.kind](task, answer, reference)


def _reference(task: Any, answer: Any) -> dict[str, float]:
    """Return the metrics with which the answers of others are compared."""
    from benchmarks import answers

    if task.job.grid:
        return answers.of_settings(answer)
    if task.job.searches:
        l2s = [job.l2 for job in task.job.singles()]
        return answers.of_models(answers.metrics_of_all(task, [model.layers for model in answer], l2s))
    return answers.metrics(task, answer.layers)


if __name__ == "__main__":
    sys.exit(main())
