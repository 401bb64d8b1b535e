"""What the Numba backend compiles, and what of it other processes find again."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from gradstep import nn
from gradstep.backends import availability
from gradstep.errors import BackendUnavailableError

if availability()["numba"] is not None:
    pytest.skip("numba is not here", allow_module_level=True)

from gradstep.backends.numba.kernels import compiling, passes
from gradstep.backends.numba.kernels.compiling import SOURCES, digest

PROGRAM = """
import sys
sys.path[:0] = {tests!r}
from cases import CASES, train, trained
from gradstep.backends import get
from gradstep.backends.numba.kernels import compiling, passes
backend = get("numba")
print(compiling.CACHE)
"""


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = program.replace("{tests!r}", repr([str(folder) for folder in Path(__file__).parents[:2]]))
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)


def test_code_is_cached_where_a_folder_can_be_written(tmp_path: Path) -> None:
    done = run(PROGRAM, NUMBA_CACHE_DIR=str(tmp_path))
    assert (done.stdout, done.stderr) == ("True\n", "")


TRAINING = """
from gradstep.backends.numba.kernels import formulas, reading
case = next(case for case in CASES if case.name.startswith("Adam(") and case.name.endswith("-hidden"))
trained(backend, case, "float32")
loops = [reading.read, formulas.activate, formulas.descend, formulas.judge, formulas.change]
print([made.cache_hits for loop in loops for made in loop._compiled.values()])
print(len(passes.train.stats.cache_hits), len(passes.train.stats.cache_misses))
"""


def test_all_that_a_training_needs_is_cached_for_other_processes(tmp_path: Path) -> None:
    found = [run(PROGRAM + TRAINING, NUMBA_CACHE_DIR=str(tmp_path)).stdout.splitlines() for _ in range(2)]
    assert found == [["True", "[0, 0, 0, 0, 0]", "0 1"], ["True", "[1, 1, 1, 1, 1]", "1 0"]]


UNCACHED = """
import numpy as np
from gradstep.backends.numba.kernels.arrays import Crew
print(backend.scores is not None)
crew = Crew(np.zeros(64, dtype=np.int64), np.uint64(4), np.uint64(1), np.uint64(4))
assert passes.share.py_func(np.uint64(10), crew) == (2, 5)
"""


def test_nothing_is_cached_where_no_folder_can_be_written(tmp_path: Path) -> None:
    """No locator finds a place: numba's own answer is an exception."""
    program = "from numba.core import caching\ncaching.CacheImpl._locator_classes = []\n" + PROGRAM
    program += UNCACHED
    done = run(program)
    assert (done.stdout, done.stderr) == ("False\nTrue\n", "")


NARROW = """
PROGRAM
import numpy as np
from cases import relative_error
from test_numba_backend import BORDERS
from dataclasses import replace
from numba.core.registry import cpu_target
for case in (BORDERS[2], BORDERS[4]):
    case = replace(case, rate=0.01)  # batches of two rows make much of rounding at higher rates
    ours, theirs = (trained(each, case, PRECISION).parameters for each in (backend, get("numpy")))
    assert relative_error(case.layers, ours, theirs) < LIMIT
print(cpu_target.target_context.codegen().magic_tuple()[1:])
"""


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="the features are those of x86")
@pytest.mark.parametrize("features", ["", "+avx2,+fma"])
@pytest.mark.parametrize(("precision", "limit"), [("float64", "1e-10"), ("float32", "5e-4")])
def test_fewer_and_shorter_registers_walk_the_same_way(features: str, precision: str, limit: str) -> None:
    program = NARROW.replace("PROGRAM", PROGRAM)
    program = program.replace("PRECISION", repr(precision)).replace("LIMIT", limit)
    done = run(program, NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES=features)
    assert (done.stdout.splitlines()[1:], done.stderr) == ([str(("generic", features))], "")


SCORES_WITH_CHANGES = """
from pathlib import Path
read = Path.read_bytes
Path.read_bytes = lambda path: read(path) + (b"# changed" if path.name == CHANGED else b"")
PROGRAM
case = CASES[0]
backend.scores(case.plan().objective, case.data(), case.parameters("float32"))
print(len(passes.evaluate.stats.cache_hits), len(passes.evaluate.stats.cache_misses))
"""


def test_cached_code_is_not_used_after_a_change_in_what_it_calls(tmp_path: Path) -> None:
    found = []
    for changed in ("", "", "vectors.py", "vectors.py", "losses.py", ""):
        program = SCORES_WITH_CHANGES.replace("PROGRAM", PROGRAM).replace("CHANGED", repr(changed))
        done = run(program, NUMBA_CACHE_DIR=str(tmp_path))
        assert done.stderr == ""
        found.append(done.stdout.split())
    hit, miss = ["True", "1", "0"], ["True", "0", "1"]
    assert found == [miss, hit, miss, hit, miss, hit]


def test_every_cached_function_knows_all_files(tmp_path: Path) -> None:
    """Those of the kernels, and those of the formulas that they compile."""
    folders = Path(compiling.__file__).parent, Path(nn.__file__).parent
    assert digest(*folders) == SOURCES
    copies = tmp_path / "kernels", tmp_path / "nn"
    for folder, copy in zip(folders, copies, strict=True):
        copy.mkdir()
        for path in folder.glob("*.py"):
            (copy / path.name).write_bytes(path.read_bytes())
    assert digest(*copies) == SOURCES
    for path in tmp_path.glob("*/*.py"):
        text = path.read_bytes()
        path.write_bytes(text + b"\n")
        assert digest(*copies) != SOURCES
        path.write_bytes(text)
    entries = [function for function in vars(passes).values() if hasattr(function, "enable_caching")]
    cached = [each for each in entries if type(each._cache).__name__ != "NullCache"]
    assert {each.py_func.__name__ for each in cached} == {"train", "evaluate"}
    assert all(each.py_func.__qualname__.endswith(SOURCES) for each in cached)


def test_without_numba_the_backend_says_why() -> None:
    program = """
import sys
sys.modules["numba"] = None
from gradstep.backends import availability, get
print(availability()["numba"])
get("numba")
"""
    done = run(program)
    assert "numba" in done.stdout
    assert done.stderr.splitlines()[-1].startswith(f"gradstep.errors.{BackendUnavailableError.__name__}: ")
