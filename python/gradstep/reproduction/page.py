"""The page of a reproduction: tables and pictures of every report, as one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from gradstep._version import __version__
from gradstep.reports import page, tables
from gradstep.reports.gallery import Gallery
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
    sections = [_contents(results), *(_section(result, judged, gallery) for result in results)]
    page.write(
        target,
        title="The course reports, trained again",
        notes=f"{summary}\n\n{_EXPLANATION}",
        sections=sections,
        foot=tables.build_line(__version__, runs(results)),
    )


_EXPLANATION = (
    "Every number is the mean over the seeds of its setting, ± their standard deviation; seconds are of "
    "all of them together, and a setting that several reports have is trained once. Curves, images and "
    "histograms are of the first seed."
)


def _contents(results: Sequence[ReportResult]) -> str:
    items = "".join(
        f'<li><a href="#report-{result.report.number}">{_heading(result)}</a></li>' for result in results
    )
    return page.section("Reports", f'<ul class="contents">{items}</ul>')


def _heading(result: ReportResult) -> str:
    return f"{result.report.number} {escape(result.report.title)}"


def _section(result: ReportResult, judged: bool, gallery: Gallery) -> str:
    number = result.report.number
    gallery.tabulate(f"report {number}", verdicts.table(result, judged=judged))
    pieces = []
    if result.check is not None:
        check = result.report.check
        part = verdicts.check_part(result, judged=judged)
        gallery.tabulate(f"report {number} gradient check", result.check)
        text = f"<pre>{escape(result.check.table(*check.columns))}</pre>"
        name = f'role="region" aria-label="Gradients of report {number}"'
        pieces.append(_under(part.title, f"{check.note} {_CHECKED}"))
        pieces.append(_table(number, part) if part.rows else "")
        pieces.append(f'<div class="scroll" {name} tabindex="0">{text}</div>')
    for group in result.groups:
        if group.outcomes:
            part = verdicts.group_part(group, judged=judged)
            pieces.append(_under(part.title, part.note))
            pieces.append(_table(number, part))
            pieces.append(of_group(group, f"report {number} {part.title}", gallery))
    return page.section(_heading(result), "\n".join(pieces), anchor=f"report-{number}")


_CHECKED = "a is the analytic gradient, n the slope by differences of the cost."


def _under(title: str, note: str) -> str:
    caption = f'<p class="caption above">{escape(note)}</p>' if note else ""
    return f"<h3>{escape(title)}</h3>{caption}"


def _table(number: str, part: verdicts.TablePart) -> str:
    name, *others = verdicts.COLUMNS
    head = f'<tr><th class="name" scope="col">{name}</th>{"".join(map(tables.head_cell, others))}</tr>'
    return tables.table(f"Report {number}: {escape(part.title)}", head, list(map(_row, part.rows)), "entries")


def _row(row: verdicts.Row) -> str:
    setting, *cells = map(escape, row.cells)
    kinds = [""] * len(cells)
    kinds[verdicts.COLUMNS.index("within") - 1] = _VERDICT_CLASSES.get(row.verdict, "")
    shown = [f'<td class="{kind}">{cell}</td>' for kind, cell in zip(kinds, cells, strict=True)]
    if not row.note:
        return tables.row(setting, shown)
    said = f"<div>{escape(row.note)}</div>"
    note = f'<tr class="note"><td class="text" colspan="{len(row.cells)}">{said}</td></tr>'
    return tables.row(setting, shown, "noted") + note


def runs(results: Sequence[ReportResult]) -> list[Run]:
    """Return the first training of every setting."""
    trainers = [o.trainer for result in results for group in result.groups for o in group.outcomes]
    return [Run("", trainer, trainer.history_, "", None) for trainer in trainers]
