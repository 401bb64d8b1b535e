"""The workers of a search on its page."""

from __future__ import annotations

from pathlib import Path

import gradstep as gs
from gradstep.reports import workers
from gradstep.search.engines.scheduler import SliceRecord
from gradstep.search.workers import Workers
from scattering_engine import ScatteringEngine
from sweep_cases import X, Y, trainer


def test_a_line_for_every_worker_with_a_bar_for_every_slice() -> None:
    slices = [SliceRecord("one:1", 0.0, 2.0, 3, 4), SliceRecord("two:2", 1.0, 3.0, 2, 1)]
    page = workers.content(Workers([*slices, SliceRecord("one:1", 2.0, 1.0, 3, 4)]))
    assert page.count("<svg") == 2
    assert page.count("<rect x=") == 3
    assert '<rect x="250.0" width="750.0"' in page
    assert "75%" in page
    assert "one:1" in page


def test_the_page_of_a_search_tells_who_trained_it(tmp_path: Path) -> None:
    for executor in (None, ScatteringEngine()):
        sweep = gs.Sweep(trainer(), {"l2": [0.0, 0.1]}, random_state=0, executor=executor).fit(X, Y)
        gs.report(sweep, tmp_path / "page.html")
        page = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert ("slices of worker" in page) == (executor is not None)
