"""How many threads to use where nobody says."""

from __future__ import annotations

import os
import time
from functools import lru_cache
from pathlib import Path

#: Multiply-adds of one forward pass below which starting and joining threads costs more than they save.
SERIAL_WORK = 1_000_000


def choose(n_threads: int | None, multiply_adds: int) -> int:
    """Return an explicit count as it is; by default all cores, or 1 where the work is small."""
    if n_threads is not None:
        return int(n_threads)
    return 1 if multiply_adds < SERIAL_WORK else available()


def available() -> int:
    """Return the cores that this process may use.

    The smallest of ``OMP_NUM_THREADS``, the scheduler's affinity and the CPU quota of the control group.
    """
    # Not joblib's cpu_count, which reads the quota of the root group alone, where a service or a job of a
    # batch system has one of its own, and rounds it up: tests/utils/test_threads.py holds both against it.
    affinity = getattr(os, "sched_getaffinity", None)
    limits = [len(affinity(0)) if affinity else os.cpu_count() or 1]
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if wanted.isdecimal() and int(wanted) >= 1:
        limits.append(int(wanted))
    quota = _quota_of_second(int(time.monotonic()))
    if quota is not None:
        limits.append(max(1, int(quota)))
    return min(limits)


# A prediction on some hundred rows takes less time than to read three files.
@lru_cache(maxsize=1)
def _quota_of_second(second: int) -> float | None:
    """Return `cgroup_quota`, read anew in every second."""
    return cgroup_quota()


def cgroup_quota(
    root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")
) -> float | None:
    """Return the CPUs that the control group's quota amounts to, None without one.

    Reads version 2's ``cpu.max`` of the process's group and its parents, and version 1's
    ``cpu.cfs_quota_us`` at the root, where containers see their own.
    """
    quotas = []
    group = next((line[3:] for line in _lines(membership) if line.startswith("0::")), "/")
    folder = root / group.lstrip("/")
    for level in (folder, *folder.parents):
        for line in _lines(level / "cpu.max"):
            quotas.append(line.split())
        if level == root:
            break
    legacy = [*_lines(root / "cpu/cpu.cfs_quota_us"), *_lines(root / "cpu/cpu.cfs_period_us")]
    if len(legacy) == 2:
        quotas.append(legacy)
    cpus = [int(q[0]) / int(q[1]) for q in quotas if len(q) == 2 and q[0].isdecimal() and q[1].isdecimal()]
    return min(cpus, default=None)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
