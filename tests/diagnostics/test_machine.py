"""gradstep.machine: what was measured is told in full, and what cannot be is refused."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys

import numpy as np
import pytest

import gradstep as gs
from gradstep.diagnostics import machine
from gradstep.errors import BackendUnavailableError, InvalidParameterError
from gradstep.plan.settings import MOST_THREADS
from gradstep.utils import threads

needs_core = pytest.mark.skipif(
    importlib.util.find_spec("gradstep._core") is None, reason="installed without the compiled core"
)


@needs_core
def test_it_measures_with_the_instruction_set_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADSTEP_ISA", "baseline")
    found = gs.machine.measure(n_threads=2)
    assert (found.isa, found.n_threads, found.precision) == ("baseline", 2, "float32")
    speeds = [value for value in dataclasses.astuple(found) if isinstance(value, float)]
    assert len(speeds) == 4
    assert min(speeds) > 0
    assert np.isfinite(speeds).all()


@needs_core
def test_one_thread_is_all_threads() -> None:
    found = machine.measure(n_threads=np.int64(1))  # type: ignore[arg-type]
    assert found.n_threads == 1
    assert found.gflops == found.gflops_one_thread
    assert found.gbytes_per_second == found.gbytes_per_second_one_thread


@needs_core
def test_figures_are_billions_and_each_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    cpp = importlib.import_module("gradstep.backends.cpp")
    asked = []

    def measure(isa: str, n_threads: int) -> tuple[int, float, float, float, float]:
        asked.append((isa, n_threads))
        return 3, 8e9, 4e9, 2e9, 1e9

    monkeypatch.setattr(cpp._core, "measure", measure)
    monkeypatch.setattr(threads, "available", lambda: 5)
    isa = cpp.CppBackend().isa
    found = machine.measure()
    assert asked == [(isa, 5)]
    assert found == machine.Machine(
        isa=isa,
        n_threads=3,
        precision="float32",
        gflops=8,
        gflops_one_thread=4,
        gbytes_per_second=2,
        gbytes_per_second_one_thread=1,
    )


@needs_core
def test_it_refuses_an_unknown_instruction_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADSTEP_ISA", "mmx")
    with pytest.raises(InvalidParameterError, match=r"GRADSTEP_ISA must be an instruction set .* got 'mmx'"):
        machine.measure()


def test_without_the_core_it_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradstep.backends.cpp", None)
    with pytest.raises(BackendUnavailableError, match=r"only the compiled core .*gradstep\.backends\.cpp"):
        machine.measure()


@pytest.mark.parametrize(
    "n_threads, constraint",
    [
        (0, ">= 1"),
        (-2, ">= 1"),
        (MOST_THREADS + 1, f"<= {MOST_THREADS}"),
        (1.5, "an int or None"),
        ("2", "an int or None"),
        (True, "an int or None"),
    ],
)
def test_it_refuses_what_is_no_number_of_threads(n_threads: object, constraint: str) -> None:
    with pytest.raises(InvalidParameterError, match=f"`n_threads` of measure must be {constraint}, got "):
        machine.measure(n_threads=n_threads)  # type: ignore[arg-type]
