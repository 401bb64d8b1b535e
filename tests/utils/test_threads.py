"""The default number of threads."""

import pytest

from gradstep.utils import threads


def test_threads_by_default(monkeypatch):
    monkeypatch.setattr(threads, "available", lambda: 6)
    assert threads.choose(None, threads.SERIAL_WORK) == 6
    assert threads.choose(None, threads.SERIAL_WORK - 1) == 1
    assert threads.choose(4, 1) == 4


def test_available_threads_respect_the_environment(monkeypatch):
    monkeypatch.setattr(threads, "_quota_of_second", lambda second: None)
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    for value, count in (("3", 3), ("2,4", 2), ("64", 8), ("0", 8), ("many", 8)):
        monkeypatch.setenv("OMP_NUM_THREADS", value)
        assert threads.available() == count
    monkeypatch.setattr(threads, "_quota_of_second", lambda second: 0.5)
    assert threads.available() == 1


@pytest.mark.parametrize(
    "files, quota",
    [
        ({}, None),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.max": "250000 100000"}, 2.5),
        ({"cpu.max": "800000 100000", "a/b/cpu.max": "max 100000", "a/cpu.max": "150000 100000"}, 1.5),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3.0),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
    ],
)
def test_cpu_quota_of_the_control_group(files, quota, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    membership = tmp_path / "membership"
    membership.write_text("0::/a/b\n")
    assert threads.cgroup_quota(tmp_path, membership) == quota
