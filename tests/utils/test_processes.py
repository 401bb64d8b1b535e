"""Which process wrote something down, and whether it still runs."""

from __future__ import annotations

import subprocess
import sys

from gradstep.utils.processes import has_ended, this_process


def test_processes_are_told_apart() -> None:
    assert has_ended(this_process()) is False
    code = "from gradstep.utils.processes import this_process; print(this_process())"
    gone = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert has_ended(gone) is True
    host, boot, pid, began = this_process().rsplit(" ", 3)
    assert has_ended(f"elsewhere {boot} {pid} {began}") is None
    assert has_ended("nonsense") is None
    if sys.platform == "linux":
        assert has_ended(f"{host} {boot} {pid} 1") is True
        assert has_ended(f"{host} before {pid} {began}") is True
