"""Searches that are killed by a signal, at any moment, and go on."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "kill_while_checkpointing.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_searches_that_are_killed_come_to_the_same_bits(tmp_path):
    spec = importlib.util.spec_from_file_location("kill_while_checkpointing", TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    whole, different = tool.kill(20, tmp_path)
    assert whole >= 1
    assert different == 0
