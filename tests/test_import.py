"""Importing gradstep is light and leaves the process as it was."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import gradstep as gs

# Everything that importing can load: the public names and, where it is there, the compiled core.
IMPORT_ALL = """
import contextlib, gradstep
for name in gradstep.__all__:
    getattr(gradstep, name)
with contextlib.suppress(ImportError):
    import gradstep.backends.cpp
import gradstep.backends.numba
"""


def run_in_new_process(code: str, *options: str) -> str:
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_it_imports_no_heavy_package() -> None:
    heavy = {"matplotlib", "numba", "pandas", "rich", "safetensors", "scipy", "sklearn"}
    loaded = run_in_new_process(
        "import sys, gradstep; print(*{name.partition('.')[0] for name in sys.modules})"
    )
    assert "gradstep" in loaded.split()
    assert heavy.isdisjoint(loaded.split())


def test_it_imports_without_a_warning() -> None:
    run_in_new_process(
        "import gradstep, gradstep.datasets, gradstep.training.history, gradstep.backends", "-W", "error"
    )


def test_every_public_name_can_be_had() -> None:
    for name in gs.__all__:
        assert getattr(gs, name) is not None
        assert name in dir(gs)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'gradstep' has no attribute 'Trainr'"):
        gs.Trainr  # noqa: B018


def test_the_library_loads_no_experiments_and_no_command_line() -> None:
    loaded = run_in_new_process(f"import sys\n{IMPORT_ALL}\nprint(*sys.modules)").split()
    assert "gradstep.reports" in loaded
    assert [name for name in loaded if name.startswith(("gradstep.reproduction", "gradstep.cli"))] == []


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in Linux's /proc")
def test_it_starts_no_thread() -> None:
    # What gradstep stands on is imported first: a BLAS may start threads of its own.
    counts = run_in_new_process(
        "import os, matplotlib.figure, numba, numpy, scipy.linalg, sklearn.base, sklearn.metrics\n"
        "count = lambda: len(os.listdir('/proc/self/task'))\n"
        f"before = count()\n{IMPORT_ALL}\nprint(before, count())"
    )
    before, after = counts.split()
    assert before == after


def test_it_sets_no_environment_variable() -> None:
    changed = run_in_new_process(
        "import os, matplotlib.figure, numba, sklearn.base\n"
        f"before = dict(os.environ)\n{IMPORT_ALL}\nprint(dict(os.environ) == before)"
    )
    assert changed == "True"


def test_it_leaves_subnormal_numbers_alone() -> None:
    smallest = run_in_new_process(
        f"{IMPORT_ALL}\n"
        "import numpy as np\n"
        "tiny = np.finfo(np.float32).smallest_subnormal\n"
        "print(tiny > 0 and tiny * np.float32(2) > tiny and np.finfo(np.float64).smallest_subnormal > 0)",
        "-W",
        "error::UserWarning",
    )
    assert smallest == "True"


def test_it_is_typed() -> None:
    assert (Path(gs.__file__).parent / "py.typed").is_file()


@pytest.mark.parametrize(
    "name", ["schedules", "optimizers", "losses", "activations", "augment", "metrics", "init"]
)
def test_public_modules_are_found_by_their_names(name: str) -> None:
    module = importlib.import_module(f"gradstep.{name}")
    assert module is getattr(gs, name)
    assert module.__spec__.name == module.__name__
    assert importlib.import_module(module.__name__) is module
