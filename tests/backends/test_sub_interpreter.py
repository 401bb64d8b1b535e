"""The compiled core in a sub-interpreter: it says no, and does not hang."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("gradstep._core")

PROGRAM = """
import sys
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters

interpreters.run_string(interpreters.create(), f'''
import sys
sys.path[:] = {sys.path!r}
try:
    import gradstep._core
except ImportError as error:
    print(error, flush=True)
''')
import gradstep._core
print(gradstep._core.isas()[-1])
"""


def test_the_core_refuses_a_sub_interpreter() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    said, baseline = done.stdout.splitlines()
    assert "main interpreter alone, not in a sub-interpreter" in said
    assert baseline == "baseline"
    assert done.returncode == 0, done.stderr
