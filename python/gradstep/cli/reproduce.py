"""gradstep reproduce: train every experiment of the five course reports, beside what they say."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradstep.cli import options, terminal
from gradstep.cli.output import INTERRUPTED, add_figure_options, check_apart, check_figures, check_writable
from gradstep.utils.progress import counter, make_console

if TYPE_CHECKING:
    from rich.console import Console

    from gradstep.reproduction.outcomes import ReportResult
    from gradstep.reproduction.schema import Report

_EXAMPLES = """examples:
  gradstep reproduce                  all five reports, in about two minutes on two cores
  gradstep reproduce 002 004
  gradstep reproduce --quick          fewer epochs and one seed: not judged
"""


def _report(text: str) -> str:
    from gradstep.reproduction.experiments import REPORTS

    number = text.zfill(3)
    if number not in REPORTS:
        raise argparse.ArgumentTypeError(f"there is no report {text!r}; there are {', '.join(REPORTS)}")
    return number


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.usage = "gradstep reproduce [REPORT ...] [options]"
    parser.epilog = _EXAMPLES
    parser.add_argument(
        "reports", type=_report, nargs="*", metavar="REPORT", help="000 to 004 (default: all of them)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a quarter of the epochs and one seed; nothing is judged"
    )
    parser.add_argument(
        "--seeds",
        type=options.at_least_one,
        metavar="N",
        help="trainings of every setting outside searches (default: as the entry says, mostly 3)",
    )
    parser.add_argument("--path", type=Path, metavar="FOLDER", help="folder with the official CIFAR-10 files")
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        default=Path("gradstep-reproduction.html"),
        help="where to write the page with tables and pictures, one HTML file (default: %(default)s)",
    )
    add_figure_options(parser, with_report=False)
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables as Markdown, too")


def run(arguments: argparse.Namespace) -> int:
    """Train, print the tables and write the page; return the exit status."""
    from gradstep.datasets import load_cifar10
    from gradstep.reproduction import data
    from gradstep.reproduction.outcomes import ReportResult
    from gradstep.reproduction.runner import ReportRunner

    _check_outputs(arguments)
    reports = _reports(arguments)
    console, began = make_console(), time.perf_counter()
    runner = ReportRunner(data.split(load_cifar10(arguments.path, train="all", validation=None)))
    results: list[ReportResult] = []
    interrupted = False
    for report in reports:
        results.append(ReportResult(report))
        try:
            with counter(console, f"report {report.number}", report.trainings) as tell:
                runner.run(results[-1], tell)
        except KeyboardInterrupt:
            interrupted = True
        _show(console, results[-1], judged=not arguments.quick)
        if interrupted:
            break
    outside = _finish(console, results, arguments, time.perf_counter() - began, interrupted)
    return INTERRUPTED if interrupted else int(outside > 0)


def _check_outputs(arguments: argparse.Namespace) -> None:
    check_writable(arguments.report, "--report")
    check_figures(arguments)
    if arguments.markdown is not None:
        check_writable(arguments.markdown, "--markdown")
        check_apart(arguments.report, arguments.markdown, "--markdown")


def _reports(arguments: argparse.Namespace) -> list[Report]:
    """Return the reports asked for, as they are to be run."""
    from gradstep.reproduction.experiments import REPORTS

    reports = [REPORTS[number] for number in dict.fromkeys(arguments.reports or REPORTS)]
    seeds = arguments.seeds or (1 if arguments.quick else None)
    if arguments.quick:
        reports = [report.quick() for report in reports]
    return reports if seeds is None else [report.with_seeds(seeds) for report in reports]


def _show(console: Console, result: ReportResult, *, judged: bool) -> None:
    """Print the table of a report, and its notes."""
    from gradstep.reproduction import verdicts

    lines: list[Sequence[str]] = []
    notes, outside = [], []
    for part in verdicts.parts(result, judged=judged):
        lines.append((part.title, *[""] * (len(verdicts.COLUMNS) - 1)))
        for row in part.rows:
            setting, *cells = row.cells
            outside += [len(lines)] if row.verdict == verdicts.OUTSIDE else []
            lines.append((f"  {setting}", *cells))
            notes += [f"  {setting}: {row.note}"] if row.note else []
    table: Any = terminal.make_table(verdicts.COLUMNS, lines, fold=True)
    for place in outside:
        table.rows[place].style = "bold red"
    console.print(f"\nReport {result.report.number}: {result.report.title}\n")
    console.print(table)
    console.print("\n".join(["", *notes]) if notes else "")


def _finish(
    console: Console,
    results: list[ReportResult],
    arguments: argparse.Namespace,
    seconds: float,
    interrupted: bool,
) -> int:
    """Write what was asked for and say how it went; return how many numbers are outside their bounds."""
    from gradstep.reports.gallery import Gallery
    from gradstep.reproduction import markdown, page, verdicts
    from gradstep.utils.files import write_atomically

    judged = not arguments.quick
    summary = verdicts.summary(results, judged=judged, seconds=seconds)
    summary += " Interrupted: only what was done by then is here." if interrupted else ""
    console.print(summary)
    done = [result for result in results if any(group.outcomes for group in result.groups)]
    if done:
        gallery = Gallery()
        page.write(arguments.report, done, judged=judged, summary=summary, gallery=gallery)
        console.print(f"report    {arguments.report}")
        if arguments.figures is not None:
            gallery.write(arguments.figures, arguments.figure_format)
            console.print(f"figures   {arguments.figures}")
        if arguments.markdown is not None:
            text = markdown.text(done, judged=judged, summary=summary)
            write_atomically(arguments.markdown, text.encode("utf-8"))
            console.print(f"markdown  {arguments.markdown}")
    return verdicts.count(results)[1] if judged else 0
