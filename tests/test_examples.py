"""The pages of the gallery are built alike.

That they run, without a warning, show figures and leave no file is demanded where the documentation is built.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
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
