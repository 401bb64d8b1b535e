"""What is written in more than one file about a release agrees."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import gradstep as gs

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

#: Names of packages that conda knows by other names.
CONDA = {"matplotlib": "matplotlib-base"}


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["CITATION.cff", "recipe/recipe.yaml"])
def test_every_file_names_the_version_of_the_package(name: str) -> None:
    assert re.findall(r"^ *version: (\d\S*)$", text(name), re.MULTILINE) == [gs.__version__]


def test_the_changelog_and_the_citation_know_the_day_of_the_release() -> None:
    dates = re.findall(rf"^## \[{re.escape(gs.__version__)}\] - (\S+)$", text("CHANGELOG.md"), re.MULTILINE)
    assert len(dates) == 1
    assert f'date-released: "{dates[0]}"' in text("CITATION.cff")


def test_the_recipe_asks_for_what_the_package_asks_for() -> None:
    run = text("recipe/recipe.yaml").partition("  run:\n")[2].partition("\ntests:")[0]
    asked = {line.strip("- ").replace(" ", "") for line in run.splitlines() if line.strip()}
    assert asked == {"python"} | {
        re.sub(r"^[\w-]+", lambda name: CONDA.get(name[0], name[0]), needed)
        for needed in PROJECT["dependencies"]
    }


def test_every_bound_can_be_tried_to_the_letter() -> None:
    """`tools/check_bounds.sh` reads a lower bound of every package; one of another form would be left out."""
    extras = PROJECT["optional-dependencies"]
    needed = [*PROJECT["dependencies"], *extras["test"], *extras["dask"], *extras["optuna"]]
    assert [line for line in needed if not re.fullmatch(r"[\w-]+>=[\d.]+|gradstep\[[\w,]+\]", line)] == []


def test_python_versions_are_told_one_by_one_from_the_first_that_is_taken() -> None:
    oldest = int(PROJECT["requires-python"].removeprefix(">=3."))
    told = re.findall(r"Python :: 3\.(\d+)", "\n".join(PROJECT["classifiers"]))
    assert [int(minor) for minor in told] == list(range(oldest, oldest + len(told)))
