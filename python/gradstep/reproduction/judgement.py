"""How a result is judged: a report's claims beside what came out, as the rows of a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gradstep.reproduction.entries import Claim, Finding
from gradstep.reproduction.runner import Outcome, ReportResult

#: The columns of every table of rows, in the order of `Row.cells`.
COLUMNS = ("setting", "figure", "it says", "we got", "difference", "allowed", "within", "seconds")

#: Verdicts on a number that is judged.
INSIDE, OUTSIDE = "yes", "NO"

_NOTHING = "\u2013"  # a dash


@dataclass(frozen=True)
class Row:
    """A claim and our number.

    Attributes
    ----------
    setting : str
        Label of the experiment; of a finding what is found.
    figure : str
        Of the claim, in words; of a finding empty.
    claim : Claim
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
    figure: str
    claim: Claim
    value: float
    std: float
    verdict: str
    seconds: float | None
    note: str

    @property
    def cells(self) -> tuple[str, ...]:
        """What a table shows, in the order of COLUMNS."""
        difference = self.claim.difference(self.value)
        scatter = f" ± {self.std:.4f}" if math.isfinite(self.std) else ""
        return (
            self.setting,
            self.figure,
            _says(self.claim),
            f"{_number(self.value)}{scatter}",
            _NOTHING if difference is None else f"{'+' * (difference >= 0)}{_number(difference)}",
            _allowed(self.claim),
            self.verdict,
            "" if self.seconds is None else f"{self.seconds:.1f}",
        )


@dataclass(frozen=True)
class Part:
    """Rows of a report's table under one heading; `note` belongs to all of them."""

    title: str
    note: str
    rows: list[Row]


def parts(result: ReportResult, *, judged: bool) -> list[Part]:
    """Return the table of a report, as far as it has been run: its gradient check, then its groups."""
    found = []
    if result.check is not None:
        check = result.report.check
        rows = [_of_finding(finding, finding.measure(result.check), judged) for finding in check.findings]
        found.append(Part("Gradient check", check.note, rows))
    for group in result.groups:
        rows = [row for outcome in group.outcomes for row in _of_experiment(outcome, judged)]
        if group.is_complete:
            findings = group.group.findings
            rows += [_of_finding(finding, finding.measure(group.outcomes), judged) for finding in findings]
        if rows:
            found.append(Part(group.group.title, group.group.note, rows))
    return found


def verdicts(results: Sequence[ReportResult]) -> tuple[int, int]:
    """Return how many numbers were judged, and how many of them are outside."""
    marks = [row.verdict for result in results for part in parts(result, judged=True) for row in part.rows]
    return marks.count(INSIDE) + marks.count(OUTSIDE), marks.count(OUTSIDE)


def summary(results: Sequence[ReportResult], *, judged: bool, seconds: float) -> str:
    """Return how it went in a sentence or two."""
    settings = sum(len(group.outcomes) for result in results for group in result.groups)
    reports = "1 report" if len(results) == 1 else f"{len(results)} reports"
    took = f"{settings} settings of {reports} in {seconds:.0f} s."
    if not judged:
        return f"{took} A quick run: trained for too short a time to be judged."
    count, outside = verdicts(results)
    if not outside:
        return f"{took} All {count} numbers that are judged are within their bounds."
    return f"{took} {outside} of {count} numbers that are judged are OUTSIDE their bounds."


def _of_experiment(outcome: Outcome, judged: bool) -> Iterator[Row]:
    experiment, note = outcome.experiment, outcome.experiment.note
    if outcome.diverged:
        note = f"{outcome.diverged} of {experiment.seeds} trainings diverged. {note}".strip()
    for place, claim in enumerate(experiment.claims):
        mean, std = outcome.mean(claim.figure), outcome.std(claim.figure)
        seconds = outcome.seconds if place == 0 else None
        verdict = _verdict(claim, mean, judged)
        yield Row(
            experiment.label,
            claim.figure.replace("_", " "),
            claim,
            mean,
            std,
            verdict,
            seconds,
            note if place == 0 else "",
        )


def _of_finding(finding: Finding, value: float, judged: bool) -> Row:
    claim = finding.claim
    return Row(claim.figure, "", claim, value, math.nan, _verdict(claim, value, judged), None, finding.note)


def _verdict(claim: Claim, value: float, judged: bool) -> str:
    if not (judged and claim.judged):
        return _NOTHING
    return INSIDE if claim.holds(value) else OUTSIDE


def _number(value: float) -> str:
    """Return four decimals, or powers of ten where those would say nothing."""
    return f"{value:.4f}" if value == 0 or not abs(value) < 5e-5 else f"{value:.2e}"


def _says(claim: Claim) -> str:
    if claim.says is None:
        return _NOTHING
    says = claim.says if isinstance(claim.says, tuple) else (claim.says,)
    return " to ".join(f"{value:g}" for value in says)


def _allowed(claim: Claim) -> str:
    low, high = claim.low, claim.high
    if low is not None and high is not None:
        if isinstance(claim.says, float) and abs(low + high - 2 * claim.says) < 1e-9:
            return f"± {(high - low) / 2:g}"
        return f"{low:g} to {high:g}"
    if low is not None:
        return f">= {low:g}"
    return f"<= {high:g}" if high is not None else _NOTHING
