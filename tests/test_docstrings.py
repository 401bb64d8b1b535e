"""The examples in the docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

import gradstep

PACKAGE = Path(gradstep.__file__).parent
WITH_EXAMPLES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(PACKAGE.rglob("*.py"))
    if re.search(r">>> (?!.*# doctest: \+SKIP)", path.read_text(encoding="utf-8"))
]


def test_there_are_examples() -> None:
    assert {"gradstep.plan.order", "gradstep.nn.schedules", "gradstep.estimators.trainer"} <= set(
        WITH_EXAMPLES
    )


# Of other tests, which have imported scikit-learn's networks before.
@pytest.mark.filterwarnings(r"ignore:.* before gradstep\.sklearn\.patch\(\):RuntimeWarning")
@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted > 0
    assert results.failed == 0
