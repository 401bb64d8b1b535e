"""How results are judged: what reports say beside what came out, as the rows of a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gradstep.reproduction.outcomes import GroupResult, Outcome, ReportResult
from gradstep.reproduction.schema import DerivedResult, Expected
from gradstep.utils import text
from gradstep.utils.table import Table

#: The columns of every table of rows, in the order of `Row.cells`.
COLUMNS = ("setting", "metric", "it says", "we got", "difference", "allowed", "within", "seconds")

#: Verdicts on a number that is judged.
INSIDE, OUTSIDE = "yes", "NO"


@dataclass(frozen=True)
class Row:
    """What a report says and our number.

    Attributes
    ----------
    setting : str
        Label of the experiment; of a derived result what it is.
    metric : str
        In words; of a derived result empty.
    expected : Expected
    value : float
        Ours, the mean over the seeds.
    std : float
        Standard deviation over the seeds, NaN where there is one alone.
    verdict : str
        INSIDE or OUTSIDE where it is judged, else a dash.
    seconds : float or None
        Of the experiment, on its first row only.
    note : str
    """

    setting: str
    metric: str
    expected: Expected
    value: float
    std: float
    verdict: str
    seconds: float | None
    note: str

    @property
    def cells(self) -> tuple[str, ...]:
        """What a table shows, in the order of COLUMNS."""
        difference = self.expected.difference(self.value)
        scatter = f" ± {text.decimals(self.std)}" if math.isfinite(self.std) else ""
        return (
            self.setting,
            self.metric,
            _says(self.expected),
            f"{text.decimals(self.value)}{scatter}",
            text.NOTHING if difference is None else f"{'+' * (difference >= 0)}{text.decimals(difference)}",
            _allowed(self.expected),
            self.verdict,
            "" if self.seconds is None else text.decimals(self.seconds, 1),
        )


@dataclass(frozen=True)
class TablePart:
    """Rows of a report's table under one heading; `note` belongs to all of them."""

    title: str
    note: str
    rows: list[Row]


def parts(result: ReportResult, *, judged: bool) -> list[TablePart]:
    """Return the table of a report, as far as it has been run: its gradient check, then its groups."""
    found = [] if result.check is None else [check_part(result, judged=judged)]
    of_groups = [group_part(group, judged=judged) for group in result.groups]
    return found + [part for part in of_groups if part.rows]


def check_part(result: ReportResult, *, judged: bool) -> TablePart:
    """Return what tells of the gradient check, which has been made."""
    check = result.report.check
    rows = [_of_derived(derived, derived.measure(result.check), judged) for derived in check.derived]
    return TablePart("Gradient check", check.note, rows)


def group_part(group: GroupResult, *, judged: bool) -> TablePart:
    """Return what tells of a group, as far as it has been run."""
    rows = [row for outcome in group.outcomes for row in _of_experiment(outcome, judged)]
    if group.is_complete:
        rows += [
            _of_derived(derived, derived.measure(group.outcomes), judged) for derived in group.group.derived
        ]
    return TablePart(group.group.title, group.group.note, rows)


def table(result: ReportResult, *, judged: bool) -> Table:
    """Return all parts as one table of text, the first column says of which."""
    rows = [(part.title, *row.cells) for part in parts(result, judged=judged) for row in part.rows]
    names = ("group", *COLUMNS)
    return Table({name: [row[place] for row in rows] for place, name in enumerate(names)})


def count(results: Sequence[ReportResult]) -> tuple[int, int]:
    """Return how many numbers were judged, and how many of them are outside."""
    marks = [row.verdict for result in results for part in parts(result, judged=True) for row in part.rows]
    return marks.count(INSIDE) + marks.count(OUTSIDE), marks.count(OUTSIDE)


def summary(results: Sequence[ReportResult], *, judged: bool, seconds: float) -> str:
    """Return how it went in a sentence or two."""
    settings = sum(len(group.outcomes) for result in results for group in result.groups)
    reports = "1 report" if len(results) == 1 else f"{len(results)} reports"
    took = f"{settings} settings of {reports} in {text.duration(seconds)}."
    if not judged:
        return f"{took} A quick run: trained for too short a time to be judged."
    judged_count, outside = count(results)
    if not outside:
        return f"{took} All {judged_count} numbers that are judged are within their bounds."
    return f"{took} {outside} of {judged_count} numbers that are judged are OUTSIDE their bounds."


def _of_experiment(outcome: Outcome, judged: bool) -> Iterator[Row]:
    experiment, note = outcome.experiment, outcome.experiment.note
    if outcome.diverged:
        note = f"{outcome.diverged} of {experiment.seeds} trainings diverged. {note}".strip()
    for place, expected in enumerate(experiment.expected):
        mean, std = outcome.mean(expected.metric), outcome.std(expected.metric)
        seconds = outcome.seconds if place == 0 else None
        verdict = _verdict(expected, mean, judged)
        yield Row(
            experiment.label,
            expected.metric.replace("_", " "),
            expected,
            mean,
            std,
            verdict,
            seconds,
            note if place == 0 else "",
        )


def _of_derived(derived: DerivedResult, value: float, judged: bool) -> Row:
    expected = derived.expected
    return Row(
        expected.metric, "", expected, value, math.nan, _verdict(expected, value, judged), None, derived.note
    )


def _verdict(expected: Expected, value: float, judged: bool) -> str:
    if not (judged and expected.judged):
        return text.NOTHING
    return INSIDE if expected.holds(value) else OUTSIDE


def _says(expected: Expected) -> str:
    if expected.says is None:
        return text.NOTHING
    says = expected.says if isinstance(expected.says, tuple) else (expected.says,)
    return " to ".join(text.number(value, 6) for value in says)


def _allowed(expected: Expected) -> str:
    low, high = expected.low, expected.high
    if low is not None and high is not None:
        if isinstance(expected.says, float) and abs(low + high - 2 * expected.says) < 1e-9:
            return f"± {text.number((high - low) / 2, 6)}"
        return f"{text.number(low, 6)} to {text.number(high, 6)}"
    if low is not None:
        return f">= {text.number(low, 6)}"
    return f"<= {text.number(high, 6)}" if high is not None else text.NOTHING
