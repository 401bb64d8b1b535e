"""How results are judged: bounds, differences and what a row of a table says."""

from __future__ import annotations

import numpy as np
import pytest

import gradstep as gs
from gradstep.datasets import DataSet
from gradstep.datasets.sets import Rows
from gradstep.reproduction import verdicts
from gradstep.reproduction.checks import CHECK_000
from gradstep.reproduction.data import BATCH_1
from gradstep.reproduction.measures import best
from gradstep.reproduction.outcomes import GroupResult, Outcome, ReportResult
from gradstep.reproduction.schema import (
    DerivedResult,
    Expected,
    Experiment,
    ExperimentGroup,
    Report,
    info,
    within,
)

ROWS = Rows(np.zeros((2, 3)), np.arange(2), None)
DATA = DataSet("none", ROWS, None, ROWS, ("a", "b"))


def test_expectations_hold_within_their_bounds() -> None:
    expected = within("test_accuracy", 0.39, 0.01)
    assert [expected.holds(value) for value in (0.379, 0.38, 0.4, 0.401)] == [False, True, True, False]
    assert expected.judged
    assert not info("test_accuracy", 0.39).judged
    assert Expected("test_accuracy", high=0.32).holds(0.1)
    assert not within("test_accuracy", 0.39, 0.01).holds(np.nan)


def test_the_difference_to_a_range_is_that_to_its_nearer_end() -> None:
    expected = Expected("test_accuracy", (0.4, 0.5))
    assert [expected.difference(value) for value in (0.25, 0.45, 0.75)] == pytest.approx([-0.15, 0.0, 0.25])
    assert Expected("test_accuracy", 0.5).difference(0.25) == -0.25
    assert Expected("test_accuracy").difference(0.25) is None


def outcome(experiment: Experiment, *accuracies: float) -> Outcome:
    values = np.array(accuracies)
    return Outcome(experiment, gs.Trainer(), {"test_accuracy": values, "train_loss": values}, 1.25)


def judged(experiment: Experiment, *accuracies: float, mark: bool = True) -> verdicts.Row:
    group = ExperimentGroup("x", (experiment,), ())
    (row,) = rows_of(group, outcome(experiment, *accuracies), mark=mark)
    return row


def rows_of(group: ExperimentGroup, *outcomes: Outcome, mark: bool = True) -> list[verdicts.Row]:
    result = ReportResult(Report("000", "x", CHECK_000, (group,)))
    result.groups.append(GroupResult(group, DATA, list(outcomes)))
    return [row for part in verdicts.parts(result, judged=mark) for row in part.rows]


def test_a_row_says_it_all() -> None:
    experiment = Experiment(BATCH_1, l2=0.1, expected=(within("test_accuracy", 0.39, 0.01),))
    row = judged(experiment, 0.38, 0.4, 0.42)
    assert row.cells == (
        "l2 0.1, rate 0.001",
        "test accuracy",
        "0.39",
        "0.4000 ± 0.0200",
        "+0.0100",
        "± 0.01",
        "yes",
        "1.2",
    )
    assert judged(experiment, 0.41, 0.41).verdict == "NO"
    assert judged(experiment, 0.41, 0.41, mark=False).verdict == "\u2013"
    assert judged(experiment, 0.39).cells[3] == "0.3900"


@pytest.mark.parametrize(
    ("expected", "says", "allowed"),
    [
        (Expected("test_accuracy", (0.4, 0.5), 0.3, 0.6), "0.4 to 0.5", "0.3 to 0.6"),
        (Expected("test_accuracy", 0.5, low=0.4), "0.5", ">= 0.4"),
        (Expected("test_accuracy", high=0.4), "\u2013", "<= 0.4"),
        (info("test_accuracy"), "\u2013", "\u2013"),
    ],
)
def test_what_is_allowed_is_written_out(expected: Expected, says: str, allowed: str) -> None:
    cells = judged(Experiment(BATCH_1, expected=(expected,)), 0.4).cells
    assert (cells[2], cells[5]) == (says, allowed)


def test_diverged_trainings_are_told_and_do_not_count() -> None:
    experiment = Experiment(BATCH_1, expected=(within("test_accuracy", 0.39, 0.01),), note="Why.")
    row = judged(experiment, 0.39, np.nan, 0.39)
    assert (row.value, row.verdict) == (0.39, "yes")
    assert row.note == "1 of 3 trainings diverged. Why."
    assert judged(experiment, np.nan).verdict == "NO"


def test_derived_results_wait_for_the_whole_group() -> None:
    pair = (Experiment(BATCH_1, l2=0.0), Experiment(BATCH_1, l2=1.0))
    derived = DerivedResult(Expected("the best", low=0.5), best("test_accuracy"))
    group = ExperimentGroup("x", pair, (), (derived,))
    assert rows_of(group, outcome(pair[0], 0.25)) == []
    (row,) = rows_of(group, outcome(pair[0], 0.25), outcome(pair[1], 0.5))
    assert (row.setting, row.value, row.verdict) == ("the best", 0.5, "yes")
