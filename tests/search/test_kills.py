"""Searches that are killed by a signal, at any moment, and go on."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "kill_while_checkpointing.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("kills, executor", [(20, None), (6, 2)])
def test_searches_that_are_killed_come_to_the_same_bits(kills, executor, tmp_path):
    spec = importlib.util.spec_from_file_location("kill_while_checkpointing", TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    whole, different = tool.kill(kills, tmp_path, executor=executor)
    assert whole >= 1
    assert different == 0
