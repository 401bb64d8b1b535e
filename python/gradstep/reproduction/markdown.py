"""The tables of a reproduction as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import unescape

from gradstep._version import __version__
from gradstep.reports import tables
from gradstep.reproduction import verdicts
from gradstep.reproduction.outcomes import ReportResult
from gradstep.reproduction.page import runs


def text(results: Sequence[ReportResult], *, judged: bool, summary: str) -> str:
    """Return a document: the summary, a section for every report, and what it was trained with."""
    foot = unescape(tables.build_line(__version__, runs(results)))
    lines = ["# The course reports, trained again", "", summary]
    for result in results:
        lines += ["", f"## {result.report.number} {result.report.title}"]
        for part in verdicts.parts(result, judged=judged):
            lines += _part(part)
    return "\n".join([*lines, "", foot, ""])


def _part(part: verdicts.TablePart) -> Iterator[str]:
    yield from ("", f"### {part.title}", "")
    if part.note:
        yield from (_escaped(part.note), "")
    yield _line(verdicts.COLUMNS)
    yield _line(["---"] * len(verdicts.COLUMNS))
    yield from (_line([_escaped(cell) for cell in row.cells]) for row in part.rows)
    for row in part.rows:
        if row.note:
            yield from ("", f"{_escaped(row.setting)}: {_escaped(row.note)}")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(cell: str) -> str:
    return cell.replace("*", "\\*").replace("|", "\\|").replace("<", "&lt;")
