"""The pages of the gallery run as they stand, without a warning, show figures, and are built alike."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FOLDER = TESTS.parent / "examples"
EXAMPLES = sorted(FOLDER.glob("*/plot_*.py"))

example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


def test_there_is_a_gallery() -> None:
    assert len(EXAMPLES) >= 12
    assert {path.suffix for path in FOLDER.rglob("*") if path.is_file()} <= {".py", ".rst", ".pyc"}
    assert all((path.parent / "README.rst").is_file() for path in EXAMPLES)


@example
def test_a_page_says_what_is_learned_and_what_comes_next(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    title, line, _, lesson, *_ = (ast.get_docstring(ast.parse(source)) or "").split("\n")
    assert set(line) == {"="}
    assert len(line) == len(title)
    assert lesson.startswith("You will ")
    *_, last = re.split(r"^# %%\n", source, flags=re.MULTILINE)
    assert last.startswith("# What to try next\n")
    assert last.count("\n# - ") >= 3


@example
def test_a_page_runs_on_its_own_data_and_shows_figures(path: Path, tmp_path: Path) -> None:
    """In a process of its own, as a class of a loss that a page defines stays known."""
    variables = os.environ | {"MPLBACKEND": "agg", "GRADSTEP_CIFAR10": str(tmp_path / "none")}
    program = [sys.executable, "-W", "error", str(TESTS / "gallery_page.py"), str(path)]
    done = subprocess.run(program, capture_output=True, text=True, check=False, cwd=tmp_path, env=variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout.splitlines()[-1]) >= 2
    assert list(tmp_path.iterdir()) == []
