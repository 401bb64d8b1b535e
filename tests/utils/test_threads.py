"""The default number of threads."""

import builtins
import os

import joblib
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


@pytest.mark.parametrize(
    "files, ours, theirs",
    [
        ({"cpu.max": "max 100000", "a/cpu.max": "150000 100000"}, 1, 8),  # of a group of its own
        (
            {"cpu.max": "250000 100000", "a/cpu.max": "max 100000"},
            2,
            3,
        ),  # half a core is no core for a thread
        ({"cpu.max": "200000 100000", "a/cpu.max": "max 100000"}, 2, 2),
    ],
)
def test_what_joblib_counts_is_not_what_a_process_may_use(files, ours, theirs, tmp_path, monkeypatch):
    """The reason why cores are counted here: where this fails, joblib's count has come to do as well."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    membership = tmp_path / "membership"
    membership.write_text("0::/a\n")

    def moved(path):
        return str(path).replace("/sys/fs/cgroup", str(tmp_path))

    def opened(path, *given, opener=builtins.open, **more):
        return opener(moved(path), *given, **more)

    monkeypatch.setattr(builtins, "open", opened)
    monkeypatch.setattr(os.path, "exists", lambda path, ask=os.path.exists: ask(moved(path)))
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    for name in ("LOKY_MAX_CPU_COUNT", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    quota = threads.cgroup_quota(tmp_path, membership)
    monkeypatch.setattr(threads, "_quota_of_second", lambda second: quota)
    assert (threads.available(), joblib.cpu_count()) == (ours, theirs)
