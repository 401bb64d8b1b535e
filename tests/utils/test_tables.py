"""Tables as text, in notebooks and in files: what is read back is what was written."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradstep as gs
from gradstep.diagnostics.gradcheck import GradientCheck, GradientCheckRow
from gradstep.diagnostics.lr_range import RangeTest
from gradstep.search.cv_results import tabulate
from gradstep.utils.printed_table import PrintedTable
from gradstep.utils.table import Table

SPECIAL = r"a_b & 50 % of $x^{2}$ ~ #1 \n | <b>*new*</b> `c` [d] \"e\""
# Apostrophes and quotation marks are one in LaTeX.
LETTERS = st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="'")
CELLS = st.text(LETTERS, max_size=12).map(str.strip)


class Cells(HTMLParser):
    """The cells of an HTML table, and the paragraphs below it."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.notes: list[str] = []
        self.open: list[str] | None = None
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td", "small"):
            self.open = self.notes if tag == "small" else self.rows[-1]
            self.open.append("")

    def handle_endtag(self, tag: str) -> None:
        self.open = self.open if tag == "b" else None

    def handle_data(self, data: str) -> None:
        if self.open is not None:
            self.open[-1] += data


def from_markdown(source: str) -> list[list[str]]:
    lines = [re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1] for line in source.splitlines() if line[:1] == "|"]
    entities = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
    found = []
    for line in lines[:1] + lines[2:]:
        cells = [re.sub(r"&\w+;", lambda name: entities[name[0]], cell).strip() for cell in line]
        found.append([re.sub(r"\\(.)", r"\1", cell) for cell in cells])
    return found


def from_latex(source: str) -> list[list[str]]:
    body = [line.removesuffix(r" \\") for line in source.splitlines() if line.endswith(r"\\")]
    words = {
        r"\textbackslash{}": "\\",
        r"\textasciitilde{}": "~",
        r"\textasciicircum{}": "^",
        "''": '"',
        "$<$": "<",
        "$>$": ">",
        "$|$": "|",
    }
    pattern = "|".join([*map(re.escape, words), r"\\([&%$#_{}])"])
    cells = [re.split(r"(?<!\\) & ", line.removeprefix("{}")) for line in body]
    return [
        [re.sub(pattern, lambda found: found[1] or words[found[0]], cell) for cell in line] for line in cells
    ]


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=3))
def test_what_people_read_is_what_was_written(rows):
    table = PrintedTable(["first", "second"], rows)
    expected = [["first", "second"], *map(list, rows)]
    assert from_latex(table.latex()) == expected
    assert Cells(table.html()).rows == expected
    if not any("\\" in cell for row in rows for cell in row):
        assert from_markdown(table.markdown()) == expected


def test_special_characters_are_escaped_everywhere():
    table = PrintedTable([SPECIAL, "n"], [["[0]", "1"], ["*", "2"], ["two\nlines", "3"]], [True], [SPECIAL])
    assert "<b>" not in table.html()
    assert Cells(table.html()).notes == [SPECIAL]
    assert table.markdown().splitlines()[1] == "| :--- | ---: |"
    assert "<b>" not in table.markdown()
    lines = table.latex().splitlines()
    assert lines[0] == f"% {SPECIAL}"
    assert lines[1:3] == [r"\begin{tabular}{lr}", r"\hline"]
    # A row that began with a bracket or a star would be an argument of the end of the row above it.
    assert [line for line in lines if line[:1] in "[*"] == []
    assert r"two lines & 3 \\" in lines
    assert len(table.plain().splitlines()) > 4


def history() -> gs.History:
    columns = {name: np.array([1 / 3, 2 / 3]) for name in gs.History().keys()}  # noqa: SIM118
    return gs.History(columns=columns | {"update": [10, 20], "validation_cost": [math.nan] * 2})


def gradient_check() -> GradientCheck:
    a = np.array([0.5])
    rows = [
        GradientCheckRow.of(name, kind, a, a + 1e-9, skipped=0, eps=1e-3, size=1.0)
        for name in ("W1", "b1")
        for kind in ("forward", "central")
    ]
    return GradientCheck(rows, "numpy", 1e-3, {"forward": 1e-8, "central": 1e-5}, 1e-16)


SCORES = np.array([[0.5, 0.7], [0.8, 1.0]])
TABLES = {
    "Table": Table({"name": ["a", "b"], "value": [1 / 3, math.nan]}),
    "Results": gs.Results({"trial": [0, 1], "l2": [0.1, None], "score": [2.5, 1 / 3]}, ["l2"]),
    "History": history(),
    "Metrics": gs.Metrics({"loss": 1 / 3, "accuracy": 2 / 3}),
    "GradientCheck": gradient_check(),
    "RangeTest": RangeTest([1e-5, 1e-3], [2.3, 1 / 3]),
    "cv_results_": tabulate(
        [{"l2": 0.1}, {"hidden": (5,)}], {"fit_time": np.ones((2, 2))}, {"score": SCORES}
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_every_form(name, tmp_path):
    table = TABLES[name]
    printed = str(table)
    shown = Cells(table._repr_html_()).rows
    if name != "Metrics":
        assert [cell for row in shown for cell in row] == [
            cell for line in printed.splitlines()[: len(shown)] for cell in re.split(r"\s{2,}", line.strip())
        ]
    assert from_markdown(table.to_markdown()) == shown
    assert from_latex(table.to_latex()) == [[cell.replace("\u2013", "--") for cell in row] for row in shown]
    for form in ("csv", "json", "markdown", "latex"):
        write = getattr(table, f"to_{form}")
        assert write(tmp_path / form) is None
        assert (tmp_path / form).read_text("utf-8") == write()
    assert "\n" not in repr(table) or name == "cv_results_"
    assert len(repr(table)) < 250 or name == "cv_results_"


@pytest.mark.parametrize("name", [name for name in TABLES if name != "cv_results_"])
def test_csv_and_json_have_all_columns_at_full_precision(name):
    table = TABLES[name]
    read = list(csv.DictReader(io.StringIO(table.to_csv())))
    objects = json.loads(table.to_json())
    for column in table.keys():  # noqa: SIM118
        values = [table[column]] if name == "Metrics" else table[column].tolist()
        for value, row, item in zip(values, read, objects, strict=True):
            if isinstance(value, float):
                assert (math.nan if row[column] == "" else float(row[column])) == pytest.approx(
                    value, rel=0, abs=0, nan_ok=True
                )
                assert item[column] == (None if math.isnan(value) else value)
            else:
                assert row[column] == ("" if value is None else str(value))


def test_some_columns_in_the_order_asked_for():
    table = TABLES["Results"]
    assert from_markdown(table.to_markdown(columns=["score", "trial"])) == [
        ["score", "trial"],
        ["0.3333", "1"],
        ["2.5", "0"],
    ]
    with pytest.raises(gs.errors.InvalidParameterError, match="Results has no column 'rank'"):
        table.to_latex(columns=["rank"])
    with pytest.raises(gs.errors.InvalidParameterError, match="History has no column 'rank'"):
        TABLES["History"].to_latex(columns=["rank"])


def test_a_long_history_shows_its_ends_and_writes_all_of_it():
    columns = {name: np.arange(1.0, 101.0) for name in gs.History().keys()}  # noqa: SIM118
    long = gs.History(columns=columns)
    rows = Cells(long._repr_html_()).rows
    assert [row[0] for row in rows] == ["update", *map(str, range(1, 16)), "...", *map(str, range(86, 101))]
    assert len(from_markdown(long.to_markdown())) == 101
    assert len(long.to_csv().splitlines()) == 101
    assert str(gs.History()).split()[:2] == ["update", "epoch"]


def test_metrics_are_one_line_of_four_digits():
    assert repr(TABLES["Metrics"]) == str(TABLES["Metrics"]) == "Metrics(loss=0.3333, accuracy=0.6667)"
    assert Cells(TABLES["Metrics"]._repr_html_()).rows == [["loss", "accuracy"], ["0.3333", "66.67%"]]


def test_a_gradient_check_is_one_line():
    assert repr(TABLES["GradientCheck"]) == (
        "GradientCheck(passed; 2 arrays, largest relative error 1.0e-09 by central differences; "
        "backend numpy)"
    )


def test_scores_over_folds_stay_a_dict_for_scikit_learn():
    found = TABLES["cv_results_"]
    assert isinstance(found, dict)
    assert found["rank_test_score"].tolist() == [2, 1]
    assert Cells(found._repr_html_()).rows[1][:3] == ["1", "None", "(5,)"]
