"""`gradstep reproduce` as its users meet it, on small files of CIFAR-10's form and on the real ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fake_cifar10 import FakeCifar10
from gradstep import cli, datasets
from gradstep.reproduction import runner, verdicts
from gradstep.reproduction.data import split
from gradstep.reproduction.experiments import REPORTS
from gradstep.reproduction.outcomes import ReportResult
from gradstep.reproduction.runner import ReportRunner
from html_pages import Page


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, where GRADSTEP_CIFAR10 names files of 20 rows a batch."""
    fake = FakeCifar10.draw_balanced(20)
    monkeypatch.setattr(datasets.cifar10, "CIFAR10", fake.release())
    monkeypatch.setenv("GRADSTEP_CIFAR10", str(fake.write_python(tmp_path / "files")))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_from_files_to_tables_and_page(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reproduce", "000", "4", "--quick", "--markdown", "tables.md", "--figures", "out"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "Report 000: Softmax regression on one batch" in printed.out
    assert printed.out.index("Report 000:") < printed.out.index("Report 004:")
    row = next(line for line in printed.out.splitlines() if line.startswith("  l2 0.1, rate 0.001 "))
    assert re.split(r"\s{2,}", row.strip())[:3] == ["l2 0.1, rate 0.001", "test accuracy", "0.392"]
    assert "…" not in printed.out
    assert "A quick run" in printed.out
    tables = list(Page(folder / "gradstep-reproduction.html").rows)
    assert [name for name in tables if name.startswith("Gradients")] == [
        "Gradients of report 000",
        "Gradients of report 004",
    ]
    assert tables[0] == "Report 000: Gradient check"
    assert {"report-000.csv", "report-000-four-settings-curves.png"} <= {
        path.name for path in (folder / "out").iterdir()
    }
    assert (folder / "tables.md").read_text().count("\n## ") == 2


def test_numbers_outside_their_bounds_are_bad_news(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reproduce", "001", "--seeds", "2"]) == 1
    printed = capsys.readouterr().out
    assert re.search(r"l2 0, rate 0\.01 .* ± 0\.015 +NO ", printed)
    assert "OUTSIDE" in printed


def test_a_report_asked_for_twice_is_run_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["reproduce", "0", "000", "--quick"]) == 0
    assert capsys.readouterr().out.count("Report 000:") == 1


def test_ctrl_c_keeps_what_is_done(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    search, calls = runner._search, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return search(*arguments)

    monkeypatch.setattr(runner, "_search", interrupted)
    assert cli.main(["reproduce", "000", "003", "--quick"]) == 130
    printed = capsys.readouterr().out
    assert "Interrupted" in printed
    table = Page(folder / "gradstep-reproduction.html").rows["Report 000: Four settings"]
    found = [row[2] for row in table if len(row) > 2 and row[1] == "test accuracy"]
    assert found[:3] == ["0.238", "0.392", "0.392"]


def test_ctrl_c_before_anything_is_done_writes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "_check", interrupted)
    assert cli.main(["reproduce", "000"]) == 130
    assert not (folder / "gradstep-reproduction.html").exists()


MISTAKES = {
    "reproduce 005": "there is no report '005'; there are 000, 001, 002, 003, 004",
    "reproduce softmax": "there is no report 'softmax'; there are 000, 001",
    "reproduce --seeds 0": "argument --seeds: must be >= 1, got '0'",
    "reproduce --seeds many": "argument --seeds: must be an integer, got 'many'",
    "reproduce --report nowhere/page.html": "cannot write nowhere/page.html: there is no folder nowhere",
    "reproduce --report .": "cannot write .: it is a folder",
    "reproduce --figures nowhere/out": "cannot make nowhere/out (--figures): there is no folder nowhere",
    "reproduce --markdown nowhere/tables.md": "cannot write nowhere/tables.md: there is no folder nowhere",
    "reproduce --report page --markdown page": "cannot write page: --markdown names the same file",
    "reproduce --path nowhere": "Get http",
    "reproduce --epochs 3": "unknown argument --epochs",
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_are_told_in_one_line_before_anything_is_trained(
    words: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_metrics", lambda *arguments: pytest.fail("trained"))
    assert cli.main(words.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert MISTAKES[words] in printed.err
    assert printed.err.count("\n") == 1


def test_without_the_files_it_says_where_they_are_to_be_had(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADSTEP_CIFAR10", "empty")
    assert cli.main(["reproduce"]) == 2
    error = capsys.readouterr().err
    assert "GRADSTEP_CIFAR10 must be a folder with data_batch_1" in error
    assert "unpack it" in error


@pytest.mark.cifar10
def test_report_000_on_the_real_files(cifar10_folder: Path) -> None:
    result = ReportResult(REPORTS["000"])
    ReportRunner(split(datasets.load_cifar10(cifar10_folder, train="all", validation=None))).run(
        result, lambda text, count: None
    )
    rows = [row for part in verdicts.parts(result, judged=True) for row in part.rows]
    assert [row.verdict for row in rows if row.expected.judged] == ["yes"] * 4
    train = {row.setting: row.value for row in rows if row.expected.metric == "train_accuracy"}
    assert train["l2 0.1, rate 0.001"] == pytest.approx(0.4483, abs=0.003)
