"""What a comparison found for a job, and its JSON file."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.jobs import Job, Work, work
from benchmarks.solvers import OURS


@dataclass
class Outcome:
    """Of one solver: seconds of every round, or why there are none.

    `problem` is "" where there are seconds; else it begins with "left out", "wrong" or "failed".
    """

    group: str
    seconds: list[float] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)


@dataclass
class Result:
    """Of one job; `peak` is None where it was not measured."""

    job: Job
    source: str
    date: str
    threads: int
    machine: dict[str, Any]
    peak: dict[str, float] | None
    reference: dict[str, float]
    solvers: dict[str, Outcome]

    @property
    def work(self) -> Work:
        """Arithmetic and bytes of the job."""
        return work(self.job)

    def timed(self) -> list[tuple[str, Outcome]]:
        """Return the solvers that have seconds, fastest first."""
        found = [(name, outcome) for name, outcome in self.solvers.items() if outcome.seconds]
        return sorted(found, key=lambda pair: pair[1].median)

    def fastest(self, group: str) -> str | None:
        """Return the name of the fastest of a group, None where none was timed."""
        return next((name for name, outcome in self.timed() if outcome.group == group), None)

    def times_ours(self, name: str) -> float | None:
        """Return how often our median goes into another's, None where ours was not timed."""
        ours = self.solvers.get(OURS)
        return self.solvers[name].median / ours.median if ours and ours.seconds else None

    def gflops(self, name: str) -> float:
        """Return the arithmetic of the job per second of a solver."""
        return self.work.flop / self.solvers[name].median / 1e9

    def share_of_peak(self, name: str) -> float | None:
        """Return it relative to the measured peak."""
        return self.gflops(name) / self.peak["gflops"] if self.peak else None

    def share_of_roofline(self, name: str) -> float | None:
        """Return the least time that the machine allows relative to a solver's."""
        return self.work.least_seconds(**self.peak) / self.solvers[name].median if self.peak else None


def write(result: Result, folder: Path) -> Path:
    """Write ``<job>.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.job.name}.json"
    path.write_text(json.dumps(asdict(result), indent=1) + "\n")
    return path


def read(path: Path) -> Result:
    """Read what `write` wrote."""
    found = json.loads(path.read_text())
    job = Job.of(found.pop("job"))
    solvers = {name: Outcome(**outcome) for name, outcome in found.pop("solvers").items()}
    return Result(job=job, solvers=solvers, **found)


def read_all(folder: Path, names: Iterable[str]) -> list[Result]:
    """Read the results that are there, in the order of the names."""
    paths = [folder / f"{name}.json" for name in names]
    return [read(path) for path in paths if path.exists()]
