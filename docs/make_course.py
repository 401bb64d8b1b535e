"""Make the numbers and pictures of the course: ``python docs/make_course.py``; it needs the CIFAR-10 files.

It runs `gradstep reproduce`, keeps its tables as docs/course/results/*.csv and the pictures that the pages of
docs/course/ show, and writes the tables into these pages and docs/reproduction.md. With ``--tables`` nothing
is trained: tables are written again from the results that are there.
"""

from __future__ import annotations

import argparse
import csv
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from gradstep import cli
from gradstep.reproduction.experiments import REPORTS
from gradstep.reproduction.verdicts import INSIDE
from gradstep.utils.printed_table import PrintedTable, as_markdown
from gradstep.utils.text import NOTHING

COURSE = Path(__file__).parent / "course"
RESULTS, IMAGES = COURSE / "results", COURSE / "images"
ALL_TABLES = COURSE.parent / "reproduction.md"
# What the run was made with: the last line of what the command writes.
_MADE_WITH = RESULTS / "made_with.txt"
END = "<!-- end of table -->"
_PLACE = re.compile(rf"<!-- table: (\d+) (.+?) -->\n(?:\n.*?{END}\n)?", re.DOTALL)
_SHOWN = ("setting", "metric", "it says", "we got", "allowed", "within")
_ALL = ("setting", "metric", "it says", "we got", "difference", "allowed", "within")
# Pixels of a picture's width, and the most colours that it keeps: class images need many.
_WIDTH, _COLOURS = 1000, 96


def pages() -> list[Path]:
    """Return the pages of the reports."""
    return sorted(COURSE.glob("report_*.md"))


def rows(report: str, title: str) -> list[dict[str, str]]:
    """Return what a run came to under one heading of a report."""
    with (RESULTS / f"report-{report}.csv").open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if row["group"] == title]


def notes(report: str, title: str) -> Iterator[tuple[str, str]]:
    """Yield what a reader should know of the numbers under a heading: of which setting, and what."""
    told = REPORTS[report]
    if title == "Gradient check":
        return
    (group,) = (group for group in told.groups if group.title == title)
    yield from ((experiment.label, experiment.note) for experiment in group.experiments if experiment.note)
    yield from ((derived.expected.metric, derived.note) for derived in group.derived if derived.note)


def table(report: str, title: str, columns: Sequence[str] = _SHOWN) -> str:
    """Return a table and its notes as Markdown.

    Raises
    ------
    LookupError
        The run has no such heading.
    """
    found = rows(report, title)
    if not found:
        raise LookupError(f"there are no results of {title!r} in report {report}")
    cells = [[row[name] for name in columns] for row in found]
    parts = [PrintedTable(columns, cells, [True, True]).markdown()]
    parts += [f"*{as_markdown(name)}*: {as_markdown(note)}" for name, note in notes(report, title)]
    return "\n\n".join(part.strip() for part in parts)


def all_tables() -> str:
    """Return the page with the tables of all reports."""
    parts, verdicts = [], []
    for number, report in REPORTS.items():
        parts.append(f"## {number} {report.title}")
        noted = {"Gradient check": report.check.note} | {group.title: group.note for group in report.groups}
        for title, note in noted.items():
            parts += [f"### {title}", as_markdown(note), table(number, title, _ALL)]
            verdicts += [row["within"] for row in rows(number, title)]
    settings = sum(len(group.experiments) for report in REPORTS.values() for group in report.groups)
    judged = len(verdicts) - verdicts.count(NOTHING)
    summary = (
        f"{settings} settings of {len(REPORTS)} reports: {verdicts.count(INSIDE)} of the {judged} numbers "
        f"that are judged are within their bounds. [The course](course/index.md) tells what they mean."
    )
    made_with = _MADE_WITH.read_text(encoding="utf-8").strip()
    return (
        "\n\n".join(filter(None, ["# The course reports, trained again", summary, *parts, made_with])) + "\n"
    )


def filled(page: str) -> str:
    """Return a page with its tables as the results have them."""
    return _PLACE.sub(
        lambda place: f"{place[0].partition(chr(10))[0]}\n\n{table(place[1], place[2])}\n\n{END}\n", page
    )


def named_images(page: str) -> list[str]:
    """Return the names of the pictures that a page shows."""
    return re.findall(r"\]\(images/([\w.-]+)\)", page)


def shrink(source: Path, target: Path) -> None:
    """Write a picture with fewer pixels and colours."""
    picture = Image.open(source).convert("RGB")
    width = min(_WIDTH, picture.width)
    picture = picture.resize((width, picture.height * width // picture.width), Image.Resampling.LANCZOS)
    picture.quantize(colors=_COLOURS, method=Image.Quantize.MEDIANCUT).save(target, optimize=True)


def train() -> None:
    """Run the reports, and keep their tables and the pictures that are shown.

    How long it took is not kept: that tells of the machine, and of what else it did.

    Raises
    ------
    SystemExit
        A number is outside its bounds, or the run ended early.
    """
    with tempfile.TemporaryDirectory() as folder:
        figures, tables = Path(folder) / "figures", Path(folder) / "tables.md"
        words = [
            "--markdown",
            str(tables),
            "--figures",
            str(figures),
            "--report",
            str(Path(folder) / "page.html"),
        ]
        if status := cli.main(["reproduce", *words]):
            raise SystemExit(status)
        _MADE_WITH.write_text(
            tables.read_text(encoding="utf-8").strip().splitlines()[-1] + "\n", encoding="utf-8"
        )
        for number in REPORTS:
            name = f"report-{number}.csv"
            with (figures / name).open(encoding="utf-8", newline="") as file:
                found = list(csv.DictReader(file))
            with (RESULTS / name).open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, ("group", *_ALL), extrasaction="ignore", lineterminator="\n")
                writer.writeheader()
                writer.writerows(found)
        for old in IMAGES.glob("*.png"):
            old.unlink()
        for page in pages():
            for name in named_images(page.read_text(encoding="utf-8")):
                shrink(figures / name, IMAGES / name)


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--tables", action="store_true", help="train nothing, write the tables of the pages again"
    )
    if not parser.parse_args().tables:
        train()
    for page in pages():
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
    ALL_TABLES.write_text(all_tables(), encoding="utf-8")


if __name__ == "__main__":
    main()
