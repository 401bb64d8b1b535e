"""gradstep.build_info: what it tells with and without a compiled core."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from typing import Any, get_type_hints

import pytest

import gradstep as gs
from gradstep.diagnostics.build_info import BuildInfo, CoreInfo

PRINT = "import json, gradstep; print(json.dumps(gradstep.build_info()))"
WITHOUT_CORE = "import sys; sys.modules['gradstep._core'] = None; " + PRINT
needs_core = pytest.mark.skipif(
    importlib.util.find_spec("gradstep._core") is None, reason="installed without the compiled core"
)


def info_of_new_process(code: str, **environment: str) -> Any:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GRADSTEP_")}
    output = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**clean, **environment},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(output.stdout)


def test_it_is_plain_data_with_the_documented_keys() -> None:
    info = gs.build_info()
    assert list(info) == list(get_type_hints(BuildInfo))
    assert json.loads(json.dumps(info)) == info
    assert info["version"] == gs.__version__
    assert info["backends"]["numpy"] is None
    assert list(info["backends"]) == ["cpp", "numba", "numpy"]
    assert info["default_threads"] >= 1


@needs_core
def test_the_core_tells_how_it_was_built_and_what_it_runs_on() -> None:
    core = info_of_new_process(PRINT)["core"]
    assert {"why_not", *core} == set(get_type_hints(CoreInfo))
    assert "baseline" in core["instruction_sets_usable"]
    assert set(core["instruction_sets_usable"]) <= set(core["instruction_sets_built"])
    assert core["instruction_set"] == core["instruction_sets_usable"][0]
    assert core["compiler"].strip()


@needs_core
def test_a_default_build_has_no_flag_that_changes_arithmetic_or_ties_it_to_one_machine() -> None:
    flags = gs.build_info()["core"]["flags"]
    assert "-ffp-contract=fast" in flags
    for forbidden in ("-ffast-math", "-Ofast", "-ffinite-math-only", "-march=native", "-flto"):
        assert forbidden not in flags


@needs_core
def test_it_tells_the_forced_instruction_set() -> None:
    info = info_of_new_process(PRINT, GRADSTEP_ISA="baseline")
    assert info["core"]["instruction_set"] == "baseline"
    assert info["environment"]["GRADSTEP_ISA"] == "baseline"


@needs_core
def test_it_tells_why_an_unknown_instruction_set_cannot_be_used() -> None:
    info = info_of_new_process(PRINT, GRADSTEP_ISA="mmx")
    assert info["core"]["present"]
    assert info["core"]["instruction_set"] is None
    assert "GRADSTEP_ISA must be an instruction set" in info["backends"]["cpp"]
    assert "'mmx'" in info["backends"]["cpp"]


def test_without_a_core_it_tells_why_and_what_is_left() -> None:
    info = info_of_new_process(WITHOUT_CORE)
    assert list(info["core"]) == ["present", "why_not"]
    assert not info["core"]["present"]
    assert "gradstep._core" in info["core"]["why_not"]
    assert "_core" in info["backends"]["cpp"]
    assert info["backends"]["numba"] is None


def test_it_lists_only_the_overrides_that_are_set() -> None:
    info = info_of_new_process(WITHOUT_CORE, GRADSTEP_BACKEND="numpy", GRADSTEP_ISA="", OMP_NUM_THREADS="1")
    assert info["environment"] == {"GRADSTEP_BACKEND": "numpy", "OMP_NUM_THREADS": "1"}
    assert info["default_threads"] == 1
