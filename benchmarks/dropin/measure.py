"""Measure the jobs: a worker process for every library and number of threads, timed in turns."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import environment, tables
from benchmarks.compare import PAUSE, Worker
from benchmarks.dropin.jobs import DROPIN_JOBS
from benchmarks.dropin.peers import PEERS
from benchmarks.dropin.worker import DropInOrder

OURS, THEIRS = "gradstep", "scikit-learn"


@dataclass
class Measured:
    """One job in one type of rows, by the library; scikit-learn with its threads, as "scikit-learn 1".

    `problems` are those of libraries that have no seconds: "left out", "wrong" or "failed", and why.
    """

    job: str
    precision: str
    threads: int
    machine: dict[str, Any]
    quick: bool = False
    seconds: dict[str, list[float]] = field(default_factory=dict)
    scores: dict[str, list[float]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def median(self, library: str) -> float | None:
        """Return the seconds of a library, None where it has none."""
        found = self.seconds.get(library)
        return statistics.median(found) if found else None

    def theirs(self) -> str | None:
        """Return whether scikit-learn is faster with one thread or with more."""
        timed = [name for name in self.seconds if name.startswith(THEIRS) and self.seconds[name]]
        return min(timed, key=lambda name: statistics.median(self.seconds[name]), default=None)

    def times(self) -> float | None:
        """Return how often our seconds go into the better ones of scikit-learn."""
        ours, theirs = self.median(OURS), self.theirs()
        return None if ours is None or theirs is None else statistics.median(self.seconds[theirs]) / ours


def libraries(threads: int) -> dict[str, tuple[str, int]]:
    """Return library and threads of every worker, by its name in tables."""
    of_theirs = {f"{THEIRS} {count}": (THEIRS, count) for count in sorted({1, threads})}
    return {OURS: (OURS, threads), **of_theirs, **{peer: (peer, threads) for peer in PEERS}}


def measure(name: str, precision: str, *, threads: int, rounds: int, quick: bool) -> Measured:
    """Return what all libraries need for a job, their answers checked against scikit-learn's."""
    found = Measured(name, precision, threads, environment.machine(), quick)
    workers: dict[str, Worker] = {}
    try:
        for library, (home, count) in libraries(threads).items():
            _say(f"{name}, {precision}: {library} prepares")
            order = DropInOrder(name, home, precision, count, quick)
            worker = workers[library] = Worker(order, "benchmarks.dropin.worker")
            if "problem" in worker.prepared:
                found.problems[library] = worker.prepared["problem"]
                _say(f"{name}: {library} {found.problems[library]}")
                workers.pop(library).close()
            else:
                found.scores[library] = worker.prepared["scores"]
        _check_scores(found)
        for number in range(rounds):
            _say(f"{name}, {precision}: round {number + 1} of {rounds}")
            names = list(workers)
            for library in names[number % len(names) :] + names[: number % len(names)] if names else []:
                time.sleep(PAUSE)
                found.seconds.setdefault(library, []).append(workers[library].round())
    finally:
        for worker in workers.values():
            worker.close()
    return found


def _check_scores(found: Measured) -> None:
    """Note where our mean score over the seeds is not that of scikit-learn."""
    job = DROPIN_JOBS[found.job]
    tolerance = job.quick().tolerance if found.quick else job.tolerance
    theirs = next((scores for name, scores in found.scores.items() if name.startswith(THEIRS)), None)
    ours = found.scores.get(OURS)
    if ours and theirs:
        difference = statistics.fmean(ours) - statistics.fmean(theirs)
        if abs(difference) > tolerance:
            found.problems[OURS] = f"wrong: the mean score differs by {difference:+.4f}"


def write(found: Iterable[Measured], path: Path) -> None:
    """Write what was measured; what is in the file of other jobs stays."""
    known = {(one.job, one.precision): one for one in (*read(path), *found)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(one) for one in known.values()], indent=1) + "\n")


def read(path: Path) -> list[Measured]:
    """Read what `write` wrote."""
    return [Measured(**one) for one in json.loads(path.read_text())] if path.exists() else []


def table(found: Iterable[Measured]) -> str:
    """Return a line for every job and type of rows."""
    header = (
        *("job", "rows", OURS, THEIRS, "times ours", "reach", "", "score", "theirs"),
        *(f"{peer}" for peer in PEERS),
    )
    return tables.markdown(header, map(_line, found))


def _line(one: Measured) -> list[str]:
    times, theirs, reach = one.times(), one.theirs(), DROPIN_JOBS[one.job].reach_of(one.precision)
    ours = one.median(OURS)
    verdict = one.problems.get(OURS, "")
    if not verdict and times is not None:
        verdict = "reached" if times >= reach else "not reached"
    return [
        one.job,
        one.precision,
        _seconds(ours),
        _seconds(one.median(theirs) if theirs else None)
        + (f" ({theirs.rpartition(' ')[2]})" if theirs else ""),
        "" if times is None else f"{times:.2f} x",
        f"{reach:g} x",
        verdict,
        _score(one.scores.get(OURS)),
        _score(one.scores.get(theirs) if theirs else None),
        *(_beside(one.median(peer), ours) for peer in PEERS),
    ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else tables.seconds(value)


def _score(values: list[float] | None) -> str:
    return "-" if not values else f"{statistics.fmean(values):.4f}"


def _beside(value: float | None, ours: float | None) -> str:
    return "-" if value is None else tables.seconds(value) + (f", {value / ours:.2f} x" if ours else "")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
