"""Every job in its quick form on every backend: ``pytest benchmarks/test_jobs.py`` (pytest-benchmark)."""

from __future__ import annotations

import pytest

from benchmarks.solvers import ours
from benchmarks.task import Task

pytest.importorskip("pytest_benchmark")


def test_job(benchmark, task: Task, backend_name: str) -> None:
    solver = getattr(ours, task.job.kind)(task, backend_name)
    benchmark.group = task.job.name
    benchmark.pedantic(solver.run, rounds=3, iterations=1, warmup_rounds=1)
