"""The tables of a reproduction as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradstep._version import __version__
from gradstep.reports import tables
from gradstep.reproduction import verdicts
from gradstep.reproduction.outcomes import ReportResult
from gradstep.reproduction.page import runs
from gradstep.utils.printed_table import PrintedTable, as_markdown


def text(results: Sequence[ReportResult], *, judged: bool, summary: str) -> str:
    """Return a document: the summary, a section for every report, and what it was trained with."""
    foot = tables.build_line(__version__, runs(results))
    lines = ["# The course reports, trained again", "", summary]
    for result in results:
        lines += ["", f"## {result.report.number} {result.report.title}"]
        for part in verdicts.parts(result, judged=judged):
            lines += _part(part)
    return "\n".join([*lines, "", foot, ""])


def _part(part: verdicts.TablePart) -> Iterator[str]:
    yield from ("", f"### {part.title}", "")
    if part.note:
        yield from (as_markdown(part.note), "")
    yield PrintedTable(verdicts.COLUMNS, [row.cells for row in part.rows], [True, True]).markdown()
    for row in part.rows:
        if row.note:
            yield from ("", f"{as_markdown(row.setting)}: {as_markdown(row.note)}")
