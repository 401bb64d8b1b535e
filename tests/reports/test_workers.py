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
    table = workers.content(Workers([*slices, SliceRecord("one:1", 2.0, 1.0, 3, 4)]))
    assert table is not None
    assert [row.name.text for row in table.rows] == ["one:1", "two:2"]
    assert [row.cells[-2].text for row in table.rows] == ["75%", "75%"]
    lines = [row.cells[-1].line for row in table.rows]
    assert [line.bars for line in lines if line] == [[(0.0, 500.0), (500.0, 250.0)], [(250.0, 750.0)]]


def test_the_page_of_a_search_tells_who_trained_it(tmp_path: Path) -> None:
    for executor in (None, ScatteringEngine()):
        sweep = gs.Sweep(trainer(), {"l2": [0.0, 0.1]}, random_state=0, executor=executor).fit(X, Y)
        gs.report(sweep, tmp_path / "page.html")
        page = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert ("slices of worker" in page) == (executor is not None)
