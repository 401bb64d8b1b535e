"""What the pages list is all that there is: public names, environment variables, decisions."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import gradstep

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
SUMMARY = re.compile(r"^\.\. autosummary::\n(?:   :.*\n)*\n((?:   \S+\n)+)", re.MULTILINE)
MODULES = ["gradstep", "gradstep.sklearn"] + [
    f"gradstep.{name}" for name in gradstep.__all__ if inspect.ismodule(getattr(gradstep, name))
]


def listed() -> dict[str, Any]:
    """Return what the reference lists, by full name."""
    found = {}
    for page in REFERENCE.glob("*.rst"):
        module = ""
        for part in re.split(
            r"^(?=\.\. (?:currentmodule|autosummary)::)", page.read_text("utf-8"), flags=re.M
        ):
            if named := re.match(r"\.\. currentmodule:: (\S+)", part):
                module = named[1]
            if summary := SUMMARY.match(part):
                for name in summary[1].split():
                    found[f"{module}.{name}"] = getattr(importlib.import_module(module), name)
    return found


def public(module: str) -> list[str]:
    """Return the public names of a module that are no modules themselves."""
    found = importlib.import_module(module)
    names = getattr(found, "__all__", None) or [
        name for name, value in vars(found).items() if getattr(value, "__module__", None) == found.__name__
    ]
    return [name for name in names if not inspect.ismodule(getattr(found, name))]


LISTED = listed()


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_in_the_reference(module: str) -> None:
    documented = {id(value) for value in LISTED.values()}
    values = {name: getattr(importlib.import_module(module), name) for name in public(module)}
    assert values
    assert [name for name, value in values.items() if id(value) not in documented] == []


def test_the_reference_lists_public_names_alone() -> None:
    known = {f"{module}.{name}" for module in MODULES for name in public(module)}
    assert LISTED.keys() - known == set()


# A name as programs ask for it: os.environ["NAME"], .get("NAME"); in build files as "if.env.NAME".
ASKED = re.compile(
    r"""(?:environ(?:\.get)?[\[(]|getenv\()\s*["'](\w+)["']|["'](\w+)["'] in os\.environ"""
    r"""|["'](GRADSTEP_\w+)["']|if\.env\.(\w+)"""
)


def test_every_environment_variable_is_in_the_table() -> None:
    sources = [*(ROOT / "python").rglob("*.py"), *(ROOT / "cpp").rglob("*.cpp"), ROOT / "pyproject.toml"]
    sources += [ROOT / "tools" / "build_backend.py", ROOT / "CMakeLists.txt"]
    asked = {
        name for path in sources for found in ASKED.findall(path.read_text("utf-8")) for name in found if name
    }
    assert len(asked) > 5
    table = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", (REFERENCE / "environment.md").read_text("utf-8")))
    assert asked - table == set()
    # Others are read by packages on whose behalf they are told: by tempfile and by CMake.
    others = {"TMPDIR", "CXX", "CXXFLAGS"}
    named = set(re.findall(r"\w+", "\n".join(path.read_text(encoding="utf-8") for path in sources)))
    assert table - others - named == set()


def test_topics_name_decisions_that_are_there_and_each_once() -> None:
    topics = (DOCS / "adr" / "index.md").read_text("utf-8").partition("## All")[0]
    named = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", topics)
    assert len(named) == len(set(named)) > 30
    assert set(named) <= {path.name for path in (DOCS / "adr").glob("[0-9]*.md")}


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ('<a href="other.html#there">', ""),
        ('<a href="#here"><i id="here">', ""),
        ('<a href="https://example.org/nowhere">', ""),
        ('<img src="picture.png">', "index.html: picture.png is not there"),
        ('<a href="other.html#not">', "index.html: other.html#not has no such anchor"),
        ('<a href="folder/">', "index.html: folder/ is not there"),
    ],
)
def test_links_that_lead_nowhere_are_found(page: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(page, encoding="utf-8")
    (tmp_path / "other.html").write_text('<p id="there">', encoding="utf-8")
    (tmp_path / "folder").mkdir()
    found = subprocess.run(
        [sys.executable, ROOT / "tools" / "check_links.py", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == bool(message)
    assert found.stderr.strip() == message
