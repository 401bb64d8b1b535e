"""The experiments of the reports, how they are run and judged, and what is shown of them."""

from __future__ import annotations

import itertools
import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import gradstep as gs
from gradstep.datasets import DataSet
from gradstep.datasets.sets import Rows
from gradstep.reports.gallery import Gallery
from gradstep.reproduction import markdown, page, verdicts
from gradstep.reproduction.checks import CHECK_000
from gradstep.reproduction.data import BATCH_1, ROWS_45, ROWS_49, SPLITS, split
from gradstep.reproduction.experiments import REPORTS
from gradstep.reproduction.outcomes import ReportResult
from gradstep.reproduction.pictures import PICTURES
from gradstep.reproduction.runner import ReportRunner, StopAfter, make_trainer
from gradstep.reproduction.schema import (
    Experiment,
    ExperimentGroup,
    Report,
    info,
)
from gradstep.utils.printed_table import as_markdown
from html_pages import Page

EXPERIMENTS = [e for report in REPORTS.values() for group in report.groups for e in group.experiments]
GROUPS = [group for report in REPORTS.values() for group in report.groups]


# --- the experiments ---


def expectations(number: str) -> list[tuple[str, object, float | None, float | None]]:
    groups = REPORTS[number].groups
    found = [one for group in groups for e in group.experiments for one in e.expected]
    found += [derived.expected for group in groups for derived in group.derived]
    return [(one.metric, one.says, one.low, one.high) for one in found]


def settings(number: str, group: int) -> list[tuple[float, object, int, int]]:
    experiments = REPORTS[number].groups[group].experiments
    return [(e.l2, e.learning_rate, e.batch_size, e.epochs) for e in experiments]


FOUR = [(0.0, 0.1, 100, 40), (0.0, 0.001, 100, 40), (0.1, 0.001, 100, 40), (1.0, 0.001, 100, 40)]


@pytest.mark.parametrize("number", ["000", "002", "004"])
def test_the_four_settings_of_three_reports(number: str) -> None:
    assert settings(number, 0) == FOUR


def test_every_number_of_the_reports_is_expected() -> None:
    test = "test_accuracy"
    assert (test, 0.238, None, 0.32) in expectations("000")
    assert expectations("000").count((test, 0.392, 0.384, 0.4)) == 2
    assert ("train_accuracy", 0.4483, None, None) in expectations("000")
    assert (test, 0.3651, 0.3501, 0.3801) in expectations("001")
    expected = [
        (test, 0.2571, None, 0.32),
        (test, 0.3906, 0.3826, 0.3986),
        (test, 0.3915, 0.3835, 0.3995),
        (test, 0.3717, 0.3637, 0.3797),
        (test, 0.4058, 0.4, 0.418),
        (test, 0.3884, 0.3784, 0.3984),
        (test, 0.3951, 0.3871, 0.4031),
        (test, 0.3882, 0.39, 0.42),
        (test, 0.3546, 0.3346, 0.3746),
    ]
    assert [one for one in expected if one not in expectations("002")] == []
    expected = [(test, 0.4629, 0.455, None), (test, 0.4811, 0.47, None), (test, 0.4995, 0.495, 0.525)]
    assert [one for one in expected if one not in expectations("003")] == []
    expected = [("test_loss", 6.92, None, None), ("test_loss", 2.02, None, None)]
    expected += [("test_loss", 1.74, 1.71, 1.77), ("test_cost", 1.8, 1.77, 1.83), (test, 0.41, 0.4, 0.42)]
    expected += [("test_loss", 1.85, 1.82, 1.88), ("test_cost", 1.92, 1.89, 1.95), (test, 0.37, 0.36, 0.38)]
    assert [one for one in expected if one not in expectations("004")] == []


def test_the_grid_has_every_cell_with_its_number() -> None:
    grid = next(group for group in GROUPS if group.pictures == ("heat map",))
    says = [e.expected[0].says for e in grid.experiments]
    cells = [(e.batch_size, e.learning_rate, e.l2) for e in grid.experiments]
    assert cells == list(itertools.product((10, 50, 500), (0.001, 0.01), (0.0, 0.1, 0.5)))
    assert says[:6] == [0.3590, 0.3613, 0.3432, 0.2978, 0.2700, 0.2212]
    assert says[6:12] == [0.3838, 0.3846, 0.3696, 0.3389, 0.3414, 0.3228]
    assert says[12:] == [0.3448, 0.3452, 0.3526, 0.3796, 0.3784, 0.3728]
    assert {e.epochs for e in grid.experiments} == {20}
    bounds = [round(e.expected[0].high - e.expected[0].says, 9) for e in grid.experiments]
    assert [place for place, bound in enumerate(bounds) if bound == 0.05] == [3, 4, 5, 9, 10, 11]
    assert {bound for bound in bounds if bound != 0.05} == {0.015}


def test_searches_draw_within_what_the_report_drew_from() -> None:
    searches = [group for group in GROUPS if "over l2" in group.pictures]
    assert [len(group.experiments) for group in searches] == [10, 6, 9]
    for group, (low, high) in zip(
        searches, [(1e-5, 1e-1), (10**-3.5, 10**-2.5), (10**-3.25, 10**-2.75)], strict=True
    ):
        l2s = [e.l2 for e in group.experiments]
        assert l2s == sorted(l2s)
        assert low < l2s[0] < l2s[-1] < high
        assert len({replace(e, l2=0.0) for e in group.experiments}) == 1


def test_the_mirrored_run_differs_from_the_plain_one_in_that_alone() -> None:
    plain, mirrored = REPORTS["004"].groups[-1].experiments[:2]
    assert mirrored.augment == gs.augment.HorizontalFlip(0.5, image_shape=(3, 32, 32))
    assert replace(mirrored, augment=None) == plain


def test_cyclic_runs_end_where_a_cycle_ends() -> None:
    rows = {BATCH_1: 10_000, ROWS_45: 45_000, ROWS_49: 49_000}
    cyclic = [e for e in EXPERIMENTS if isinstance(e.learning_rate, gs.schedules.CyclicTriangular)]
    assert len(cyclic) > 25
    for e in cyclic:
        updates = e.updates or e.epochs * rows[e.data] // e.batch_size
        assert updates % (2 * e.learning_rate.step_size) == 0
        assert updates <= e.epochs * rows[e.data] // e.batch_size
        assert updates % e.evaluate_every == 0


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: f"{e.data}, {e.label}")
def test_an_experiment_is_whole(experiment: Experiment) -> None:
    assert experiment.expected
    assert experiment.data in SPLITS
    assert experiment.seeds >= 3 or experiment.updates
    for expected in experiment.expected:
        part, _, name = expected.metric.rpartition("_")
        assert part in ("train", "validation", "test")
        assert name in ("loss", "cost", "accuracy")
        assert expected.low is None or expected.high is None or expected.low < expected.high
    for quick in (experiment, experiment.quick()):
        assert len(make_trainer(quick, seed=0).get_params()) > 10
    assert experiment.quick().epochs < experiment.epochs


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.title)
def test_a_group_is_whole(group: ExperimentGroup) -> None:
    labels = [e.label for e in group.experiments]
    assert len(set(labels)) == len(labels)
    assert set(group.pictures) <= set(PICTURES)
    assert len({e.data for e in group.experiments}) == 1 or group.pictures == ("curves", "rates")


def test_every_kind_of_picture_is_used() -> None:
    assert {name for group in GROUPS for name in group.pictures} == set(PICTURES)


def test_the_name_the_expectations_and_the_note_do_not_make_it_another_setting() -> None:
    plain = Experiment(BATCH_1)
    assert plain == replace(plain, name="x", expected=(info("test_loss"),), note="x")
    compared = {field.name for field in fields(Experiment) if field.compare}
    changed = {"data": ROWS_45, "l2": 1.0, "learning_rate": 1.0, "batch_size": 1, "epochs": 1, "hidden": (1,)}
    changed |= {
        "loss": "sigmoid",
        "init": "he",
        "evaluate_every": None,
        "updates": 1,
        "seeds": 1,
        "augment": 1,
    }
    assert set(changed) == compared
    assert all(plain != replace(plain, **{name: value}) for name, value in changed.items())


# --- running ---


def tiny_sets() -> dict[str, DataSet]:
    """Return the data sets of 500 small images instead of 50,000: 4 x 4 pixels in three colours."""
    rng = np.random.default_rng(0)

    def rows(n: int) -> Rows:
        y = np.arange(n) % 10
        X = rng.integers(256, size=(n, 48), dtype=np.uint8)
        X[:, :10] //= 8
        X[np.arange(n), y] = 255
        return Rows(X, y, (3, 4, 4))

    return split(DataSet("tiny", rows(500), None, rows(50), tuple("abcdefghij")))


def test_the_sets_are_those_of_the_reports() -> None:
    sets = tiny_sets()
    sizes = {name: (len(found.train), len(found.validation), len(found.test)) for name, found in sets.items()}
    assert sizes == {BATCH_1: (100, 100, 50), ROWS_49: (490, 10, 50), ROWS_45: (450, 50, 50)}
    for found in sets.values():
        assert np.shares_memory(found.train.X, sets[BATCH_1].train.X)
        together = np.concatenate([found.train.X, found.validation.X])
        assert len(np.unique(together, axis=0)) == len(together)


def shortened(number: str) -> Report:
    """Return a report with trainings of a few updates."""

    def short(e: Experiment) -> Experiment:
        every = None if e.evaluate_every is None else 1 if e.updates else "epoch"
        flip = e.augment and replace(e.augment, image_shape=(3, 4, 4))
        return replace(
            e, epochs=2, updates=e.updates and 2, evaluate_every=every, seeds=min(e.seeds, 2), augment=flip
        )

    report = REPORTS[number]
    groups = [replace(group, experiments=tuple(map(short, group.experiments))) for group in report.groups]
    return replace(report, groups=tuple(groups))


@pytest.fixture(scope="module")
def results() -> list[ReportResult]:
    """Every report on the tiny sets, run by one ReportRunner."""
    runner, found = ReportRunner(tiny_sets()), []
    for number in REPORTS:
        found.append(ReportResult(shortened(number)))
        told_of: list[int] = []
        runner.run(found[-1], lambda text, count, seen=told_of: seen.append(count))
        assert sum(told_of) == found[-1].report.trainings
    return found


def test_every_experiment_is_run(results: list[ReportResult]) -> None:
    for result in results:
        assert all(group.is_complete for group in result.groups)
        for group in result.groups:
            assert [o.experiment for o in group.outcomes] == list(group.group.experiments)
            assert [o.experiment.expected for o in group.outcomes] == [
                e.expected for e in group.group.experiments
            ]
            assert all(np.isfinite(o.metrics["test_loss"]).all() for o in group.outcomes)
            assert all(len(o.metrics["test_loss"]) == o.experiment.seeds for o in group.outcomes)


def test_the_gradient_checks_pass_in_the_style_of_their_reports(results: list[ReportResult]) -> None:
    for result in results:
        assert result.check is not None
        row = verdicts.parts(result, judged=True)[0].rows[-1]
        assert (row.metric, row.verdict) == ("", "yes")
        assert set(result.report.check.columns) <= set(result.check)
    arrays = [result.check.by("central")["array"].tolist() for result in results if result.check]
    assert [len(names) for names in arrays] == [2, 2, 2, 4, 2]
    assert REPORTS["004"].check.init == gs.Normal(2.0)


def test_a_setting_that_two_reports_have_is_trained_once(results: list[ReportResult]) -> None:
    first, third = results[0].groups[0].outcomes, results[2].groups[0].outcomes
    assert [o.trainer for o in first] == [o.trainer for o in third]
    assert [o.experiment.expected for o in first] != [o.experiment.expected for o in third]


def test_the_trainings_are_those_of_the_experiment(results: list[ReportResult]) -> None:
    searched = next(group for group in results[3].groups if "over l2" in group.group.pictures)
    data = tiny_sets()[ROWS_45]
    for found in searched.outcomes:
        assert found.trainer.history_["update"].tolist() == [1, 2]
        assert found.trainer.hidden == (50,)
        alone = gs.Trainer(
            **found.experiment.parameters(), random_state=0, evaluate_every=1, callbacks=(StopAfter(2),)
        )
        alone.fit(data.train.X, data.train.y)
        assert found.mean("test_accuracy") == alone.evaluate(data.test.X, data.test.y).accuracy


def test_a_diverged_training_has_no_metrics() -> None:
    wild = Experiment(BATCH_1, hidden=(5,), learning_rate=1e30, seeds=2, epochs=5)
    result = ReportResult(Report("000", "x", CHECK_000, (ExperimentGroup("x", (wild,), ("curves",)),)))
    ReportRunner(tiny_sets()).run(result, lambda text, count: None)
    (found,) = result.groups[0].outcomes
    assert found.diverged == 2
    assert np.isnan(found.mean("test_accuracy"))


# --- what is shown ---


def test_the_page_has_every_table_and_every_picture(results: list[ReportResult], tmp_path: Path) -> None:
    gallery = Gallery()
    page.write(tmp_path / "page.html", results, judged=True, summary="It <went> well.", gallery=gallery)
    shown = Page(tmp_path / "page.html")
    for result in results:
        number = result.report.number
        assert f"Gradients of report {number}" in shown.rows
        for part in verdicts.parts(result, judged=True):
            cells = shown.rows[f"Report {number}: {part.title}"]
            assert len([row for row in cells if len(row) == 1]) == sum(bool(row.note) for row in part.rows)
            found = [row[3] for row in cells if len(row) > 1]
            assert found == ["we got", *(row.cells[3] for row in part.rows)]
    written = {path.name for path in gallery.write(tmp_path / "figures", "svg")}
    assert {path.name for path in (tmp_path / "figures").iterdir()} == written
    assert {f"report-{number}.{ending}" for number in REPORTS for ending in ("csv", "md", "tex")} <= written
    assert "report-002-a-grid-of-batch-size-rate-and-l2-heat-map.svg" in written
    ids = [value for tag, name, value in shown.attributes if name == "id"]
    assert len(set(ids)) == len(ids)
    pictures = [name for result in results for group in result.report.groups for name in group.pictures]
    labels = [value for tag, name, value in shown.attributes if tag == "svg" and name == "aria-label"]
    assert labels.count("Accuracy over epochs") == pictures.count("curves")
    assert labels.count("Learning rate over updates") == pictures.count("rates")
    assert labels.count("Accuracy over l2") == pictures.count("over l2") == 3
    assert labels.count("Probability of the true class") == pictures.count("histograms") == 2
    assert sum(label.startswith("Validation accuracy over batch size") for label in labels) == 1
    assert "It &lt;went&gt; well." in shown.source
    links = [value for tag, name, value in shown.attributes if tag == "a"]
    assert links == [f"#report-{number}" for number in REPORTS]
    assert {link[1:] for link in links} <= set(ids)


def test_what_is_outside_stands_out_on_the_page(results: list[ReportResult], tmp_path: Path) -> None:
    outside = verdicts.count(results)[1]
    assert outside > 0
    for judged_, count in ((True, outside), (False, 0)):
        page.write(tmp_path / "page.html", results, judged=judged_, summary="", gallery=Gallery())
        source = (tmp_path / "page.html").read_text()
        assert len(re.findall('<td class="outside">NO</td>', source)) == count


def test_the_markdown_has_every_row(results: list[ReportResult]) -> None:
    text = markdown.text(results, judged=True, summary="Well.")
    parts = [part for result in results for part in verdicts.parts(result, judged=True)]
    rows = [row for part in parts for row in part.rows]
    lines = [line for line in text.splitlines() if line.startswith("|") and "---" not in line]
    assert len(lines) == len(rows) + len(parts)
    assert all(len(re.findall(r"(?<!\\)\|", line)) == len(verdicts.COLUMNS) + 1 for line in lines)
    assert text.count("| NO |") == verdicts.count(results)[1]
    assert all(as_markdown(row.note) in text for row in rows)


def test_the_summary_counts(results: list[ReportResult]) -> None:
    count, outside = verdicts.count(results)
    assert f"{outside} of {count} numbers" in verdicts.summary(results, judged=True, seconds=1.0)
    assert "judged" in verdicts.summary(results, judged=False, seconds=1.0)
