"""Pages are templates that escape whatever text they get; no HTML is put together elsewhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from gradstep.reports import page
from gradstep.reports.parts import Cell, Label, PageTable, TableRow
from html_pages import Page
from test_codebase import MODULES, PACKAGE, TREES, room

EVIL = '"><script>alert(1)</script>&'
TEMPLATES = sorted(PACKAGE.rglob("templates/*.html"))


def test_templates_have_no_way_round_the_escapes() -> None:
    assert {path.stem for path in TEMPLATES} == {"base", "parts", "training", "search", "reproduction"}
    for path in TEMPLATES:
        assert not re.search(r"\|\s*safe\b|autoescape|Markup", path.read_text(encoding="utf-8")), path


def test_one_module_alone_says_that_text_is_markup() -> None:
    users = {
        module
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Markup"
    }
    assert users == {"gradstep.reports.pictures"}


def test_no_module_puts_html_together() -> None:
    tags = re.compile(r"<(?:t[a-z]+|div|span|section|p|ul|li|h\d|a|figure|mark|small)[ >]")
    found = [
        f"{module}:{node.lineno}"
        for module in MODULES
        if room(module) in {"reports", "reproduction"}
        for node in ast.walk(TREES[module])
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and tags.search(node.value)
    ]
    assert found == []


def test_every_text_of_a_table_is_escaped(tmp_path: Path) -> None:
    row = TableRow(Label(EVIL, badge=EVIL, colour=EVIL), [Cell(EVIL, small=[EVIL], look="mark")], note=EVIL)
    table = PageTable(EVIL, EVIL, [Label(EVIL)], [row], caption=EVIL)
    content = {
        "cards": [], "trials": table, "over_parameters": [], "curves": None, "groups": table, "workers": None,
        "best": None,
    }  # fmt: skip
    page.write(tmp_path / "p.html", "search.html", content, title=EVIL, notes=EVIL, foot=EVIL)
    shown = Page(tmp_path / "p.html")
    assert "script" not in {tag for tag, _, _ in shown.attributes}
    assert "<script" not in shown.source
    assert EVIL in shown.rows
    assert shown.rows[EVIL][1] == [EVIL + EVIL, f"[{EVIL}][{EVIL}]"]


def test_a_template_that_is_not_given_all_fails(tmp_path: Path) -> None:
    with pytest.raises(UndefinedError, match="'cards' is undefined"):
        page.write(tmp_path / "p.html", "search.html", {}, title="", notes="", foot="")
    assert list(tmp_path.iterdir()) == []
