"""The pages of the course show what a run came to, every experiment of it, and their programs run."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from fake_cifar10 import FakeCifar10
from gradstep import datasets
from gradstep.reproduction.experiments import REPORTS
from gradstep.reproduction.verdicts import INSIDE
from gradstep.utils.text import NOTHING

DOCS = Path(__file__).resolve().parents[2] / "docs"
COURSE = DOCS / "course"
PAGES = sorted(COURSE.glob("report_*.md"))
MOST_BYTES = 1_500_000

page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
report = pytest.mark.parametrize("number", REPORTS)


def load_program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_course", DOCS / "make_course.py")
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    return program


PROGRAM = load_program()


def sections(number: str) -> dict[str, str]:
    """Return the parts of a report's page by their headings."""
    text = (COURSE / f"report_{number}.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def slug(title: str) -> str:
    """Return a heading as names of figures have it."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def test_there_is_a_page_for_every_report() -> None:
    assert [path.stem for path in PAGES] == [f"report_{number}" for number in REPORTS]
    index = (COURSE / "index.md").read_text(encoding="utf-8")
    for path in COURSE.glob("*.md"):
        assert path.stem == "index" or f"\n{path.stem}\n" in index, path


@report
def test_every_experiment_has_its_place_its_table_and_its_picture(number: str) -> None:
    found = sections(number)
    assert list(found) == [
        "Gradient check",
        *(group.title for group in REPORTS[number].groups),
        "To think about",
    ]
    for group in REPORTS[number].groups:
        assert f"<!-- table: {number} {group.title} -->" in found[group.title]
        assert f"report-{number}-{slug(group.title)}-" in found[group.title]
    assert f"<!-- table: {number} Gradient check -->" in found["Gradient check"]


@page
def test_tables_are_those_of_the_results(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count(PROGRAM.END) == text.count("<!-- table: ")
    assert PROGRAM.filled(text) == text
    assert PROGRAM.filled(text.replace("| yes |", "| no |")) == text


@report
def test_results_are_of_these_experiments_and_within_bounds(number: str) -> None:
    for group in REPORTS[number].groups:
        rows = PROGRAM.rows(number, group.title)
        labels = [one.label for one in group.experiments for _ in one.expected]
        assert [row["setting"] for row in rows] == labels + [one.expected.metric for one in group.derived]
        assert {row["within"] for row in rows} <= {INSIDE, NOTHING}


def test_the_page_of_all_tables_is_of_the_same_run() -> None:
    assert PROGRAM.ALL_TABLES.read_text(encoding="utf-8") == PROGRAM.all_tables()


def test_pictures_are_all_shown_and_small() -> None:
    named = [name for path in PAGES for name in PROGRAM.named_images(path.read_text(encoding="utf-8"))]
    there = {path.name: path.stat().st_size for path in (COURSE / "images").iterdir()}
    assert sorted(named) == sorted(there)
    assert sum(there.values()) < MOST_BYTES


@page
def test_programs_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On 20 images a batch, so that what they hold out is less, too."""
    fake = FakeCifar10.draw_balanced(20)
    monkeypatch.setattr(datasets.cifar10, "CIFAR10", fake.release())
    monkeypatch.setenv("GRADSTEP_CIFAR10", str(fake.write_python(tmp_path / "files")))
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    program = re.sub(r"validation=\d+", "validation=20", "\n".join(blocks))
    exec(compile(program, page.name, "exec"), {"__name__": "__main__"})
    written = re.findall(r'savefig\(\s*"(.+?)"\s*\)', program)
    assert {path.name for path in tmp_path.iterdir()} == {"files", *written}
