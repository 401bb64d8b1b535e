"""Fixtures of the pytest-benchmark files: the backends that are here, and quick jobs with their rows."""

from __future__ import annotations

import functools

import pytest

from benchmarks.jobs import JOBS
from benchmarks.task import Task, make_task
from gradstep.backends import availability


@pytest.fixture(params=[name for name, reason in availability().items() if reason is None])
def backend_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@functools.cache
def _task(name: str) -> Task:
    return make_task(JOBS[name].quick())


@pytest.fixture(params=list(JOBS))
def task(request: pytest.FixtureRequest) -> Task:
    """A job in its quick form."""
    return _task(request.param)
