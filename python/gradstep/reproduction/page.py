"""The page of a reproduction: tables and pictures of every report, as one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradstep._version import __version__
from gradstep.reports import page, tables
from gradstep.reports.gallery import Gallery
from gradstep.reports.parts import Cell, Label, PageTable, TableRow
from gradstep.reports.runs import Run
from gradstep.reproduction import verdicts
from gradstep.reproduction.outcomes import ReportResult
from gradstep.reproduction.pictures import of_group

_VERDICT_CLASSES = {verdicts.INSIDE: "inside", verdicts.OUTSIDE: "outside"}


def write(
    target: Path, results: Sequence[ReportResult], *, judged: bool, summary: str, gallery: Gallery
) -> None:
    """Write the page of what has been run; its figures and tables go into the gallery.

    Parameters
    ----------
    target : Path
        The file to write.
    results : sequence of ReportResult
        A report that was interrupted has the groups that it got to.
    judged : bool
        Whether numbers are held against their bounds.
    summary : str
        Stands under the title.
    gallery : Gallery

    Raises
    ------
    OSError
        The file cannot be written.
    """
    page.write(
        target,
        "reproduction.html",
        {"reports": [_report(result, judged, gallery) for result in results]},
        title="The course reports, trained again",
        notes=f"{summary}\n\n{_EXPLANATION}",
        foot=tables.build_line(__version__, runs(results)),
        package=__package__,
    )


_EXPLANATION = (
    "Every number is the mean over the seeds of its setting, ± their standard deviation; seconds are of "
    "all of them together, and a setting that several reports have is trained once. Curves, images and "
    "histograms are of the first seed."
)


def _report(result: ReportResult, judged: bool, gallery: Gallery) -> dict[str, Any]:
    """Return what the template shows of a report."""
    number, check = result.report.number, result.report.check
    gallery.tabulate(f"report {number}", verdicts.table(result, judged=judged))
    shown: dict[str, Any] = {
        "number": number,
        "heading": f"{number} {result.report.title}",
        "anchor": f"report-{number}",
        "check": None,
        "groups": [],
    }
    if result.check is not None:
        part = verdicts.check_part(result, judged=judged)
        gallery.tabulate(f"report {number} gradient check", result.check)
        shown["check"] = _part(number, part, f"{check.note} {_CHECKED}")
        shown["gradients"] = result.check.table(*check.columns)
    for group in result.groups:
        if group.outcomes:
            part = verdicts.group_part(group, judged=judged)
            pictures = of_group(group, f"report {number} {part.title}", gallery)
            shown["groups"].append(_part(number, part, part.note) | {"pictures": pictures})
    return shown


_CHECKED = "a is the analytic gradient, n the slope by differences of the cost."


def _part(number: str, part: verdicts.TablePart, note: str) -> dict[str, Any]:
    name, *others = verdicts.COLUMNS
    label, heads = f"Report {number}: {part.title}", list(map(Label, others))
    table = PageTable(label, name, heads, list(map(_row, part.rows)), "entries")
    return {"title": part.title, "note": note, "table": table if part.rows else None}


def _row(row: verdicts.Row) -> TableRow:
    setting, *texts = row.cells
    cells = list(map(Cell, texts))
    within = verdicts.COLUMNS.index("within") - 1
    cells[within] = Cell(texts[within], _VERDICT_CLASSES.get(row.verdict, ""))
    return TableRow(Label(setting), cells, "noted" if row.note else "", row.note)


def runs(results: Sequence[ReportResult]) -> list[Run]:
    """Return the first training of every setting."""
    trainers = [o.trainer for result in results for group in result.groups for o in group.outcomes]
    return [Run("", trainer, trainer.history_, "", None) for trainer in trainers]
