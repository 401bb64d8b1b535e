"""Every Python block of the pages runs as it stands, those of a page from the first to the last.

Cells of pages that Sphinx executes run there, at every build.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<why>.+?) -->\n)?^```python\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE
)
# Decisions quote code, and a page that is written by a command has none.
PAGES = [
    path
    for path in sorted(DOCS.rglob("*.md"))
    if not {"adr", "_generated", "gallery", "jupyter_execute"} & set(path.relative_to(DOCS).parts)
    and BLOCK.search(path.read_text(encoding="utf-8"))
]


def blocks_of(path: Path) -> list[re.Match[str]]:
    return list(BLOCK.finditer(path.read_text(encoding="utf-8")))


def test_there_are_pages_with_code() -> None:
    assert {"checkpoints.md", "dropin.md", "executors.md", "optuna.md"} <= {path.name for path in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(DOCS).as_posix())
def test_what_is_not_run_is_code_all_the_same(page: Path) -> None:
    for block in blocks_of(page):
        ast.parse(block["code"])


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(DOCS).as_posix())
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    code = "\n".join(block["code"] for block in blocks_of(page) if block["why"] is None)
    for package in ("optuna", "distributed"):
        if re.search(rf"import {package}|from dask\.{package}", code):
            pytest.importorskip(package)
    (tmp_path / "page.py").write_text(code, encoding="utf-8")
    found = subprocess.run(
        [sys.executable, "page.py"],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert found.returncode == 0, found.stderr
