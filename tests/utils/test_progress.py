"""Progress: in place on terminals and in notebooks, plain lines elsewhere, nothing if not asked for."""

from __future__ import annotations

import io
import re
import sys
import types

import numpy as np
import pytest
from rich.console import Console

import gradstep as gs
from gradstep.search import progress as search_progress
from gradstep.training import progress as fit_progress
from gradstep.utils import progress
from tests import makers

X = np.random.default_rng(0).normal(size=(60, 4))
Y = np.arange(60) % 3


class Terminal(io.StringIO):
    """A standard output that people look at."""

    def isatty(self) -> bool:
        return True


class Handle:
    def __init__(self, shown):
        self.shown = shown

    def update(self, bundle, raw):
        assert raw
        self.shown.append(bundle["text/plain"])


@pytest.fixture
def notebook(monkeypatch):
    """A kernel, by the names that gradstep asks for; the texts that it shows in one place, and tables."""
    shown = []

    def display(value, raw=False, display_id=False):
        if not raw:
            module.tables.append(value)
            return None
        assert display_id
        shown.append(value["text/plain"])
        return Handle(shown)

    ipython, module = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    module.display, module.tables = display, []
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return shown


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")

    def put() -> Terminal:
        # In the test itself, for pytest changes standard output before it.
        monkeypatch.setattr(sys, "stdout", Terminal())
        return sys.stdout

    return put


def trainer(**given):
    return makers.trainer(**given)


def sweep(**given):
    return gs.Sweep(trainer(epochs=4), {"l2": [0.0, 0.1, 1.0]}, random_state=0, **given)


RUNS = {
    "fit": lambda verbose: trainer(epochs=4, verbose=verbose).fit(X, Y),
    "sweep": lambda verbose: sweep(verbose=verbose).fit(X, Y),
    "search": lambda verbose: gs.FusedSearchCV(
        trainer(epochs=4), {"l2": [0.0, 0.1]}, cv=3, verbose=verbose
    ).fit(X, Y),
    "repeat": lambda verbose: gs.repeat(trainer(epochs=2), X, Y, seeds=3, verbose=verbose),
}


@pytest.mark.parametrize("name", RUNS)
def test_nothing_is_shown_where_nothing_was_asked_for(name, terminal):
    screen = terminal()
    RUNS[name](0)
    assert screen.getvalue() == ""


@pytest.mark.parametrize("name", RUNS)
def test_a_file_gets_lines_without_control_characters(name, capsys):
    RUNS[name](1)
    out, err = capsys.readouterr()
    assert err == ""
    assert len(out.splitlines()) >= 3
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", out)


@pytest.mark.parametrize("name", RUNS)
def test_a_terminal_is_drawn_on_before_anything_is_done(name, terminal):
    screen = terminal()
    RUNS[name](1)
    written = screen.getvalue()
    assert "\x1b[" in written
    first = {"fit": "0/4", "sweep": "search   0%", "search": "search   0%", "repeat": "0/3"}[name]
    assert first in written


@pytest.mark.parametrize("name", RUNS)
def test_a_notebook_shows_it_in_one_place(name, notebook, capsys):
    RUNS[name](1)
    first, last = {
        "fit": ("0/4", "4/4"),
        "sweep": ("search   0%", "search 100%"),
        "search": ("search   0%", "search 100%"),
        "repeat": ("0/3", "3/3"),
    }[name]
    assert first in notebook[0]
    assert last in notebook[-1]
    assert all("\x1b" not in text for text in notebook)
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("name", RUNS)
def test_a_notebook_that_calls_itself_a_terminal_is_none(name, notebook, monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    RUNS[name](1)
    assert len(notebook) > 1
    assert "\x1b" not in screen.getvalue()


def test_a_notebook_shows_the_results_of_a_sweep_as_a_table(notebook, capsys):
    found = sweep(verbose=1).fit(X, Y)
    (table,) = sys.modules["IPython.display"].tables
    assert table.to_csv() == found.results_.to_csv()
    assert "validation_loss" not in capsys.readouterr().out
    sweep(verbose=0).fit(X, Y)
    assert len(sys.modules["IPython.display"].tables) == 1


def test_lines_of_a_fit_are_about_ten_or_all(capsys):
    history = trainer(epochs=50, verbose=1).fit(X, Y, eval_set=(X, Y)).history_
    lines = capsys.readouterr().out.splitlines()
    assert 10 <= len(lines) <= 12
    assert lines[0].startswith("epoch  1/50  loss train ")
    assert lines[-1].startswith("epoch 50/50  ")
    told = re.search(r"validation ([\d.]+)  accuracy train ([\d.]+)%", lines[-1])
    assert float(told[1]) == pytest.approx(history["validation_loss"][-1], abs=5e-5)
    assert float(told[2]) == pytest.approx(100 * history["train_accuracy"][-1], abs=5e-3)
    trainer(epochs=50, verbose=2).fit(X, Y)
    assert len(capsys.readouterr().out.splitlines()) == 50


def test_models_of_a_search_are_named(capsys):
    gs.Sweep(trainer(epochs=2, verbose=2), {"l2": [0.0, 0.1]}).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split("  ")[0] for line in lines) == ["trial 0"] * 2 + ["trial 1"] * 2


def test_watching_changes_no_score(capsys):
    scores = [RUNS["search"](verbose).cv_results_["mean_test_score"].tolist() for verbose in (0, 1)]
    assert scores[0] == scores[1]
    capsys.readouterr()


def test_a_closed_standard_output_is_nobody(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    trainer(epochs=2, verbose=1).fit(X, Y)
    sweep(verbose=1).fit(X, Y)


def test_a_bar_stays_where_an_error_ended_the_fit(terminal):
    screen = terminal()
    with pytest.raises(gs.errors.DivergedError):
        trainer(epochs=4, learning_rate=1e300, verbose=1).fit(X, Y)
    assert screen.getvalue().endswith("\x1b[?25h")


def test_dumb_terminals_get_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    console = Console(file=Terminal())
    assert not progress.is_live(console)
    assert type(fit_progress.on_console(console, "", 3)) is fit_progress.FitLines
    assert search_progress.on_console(console, None).is_shown


def test_work_is_counted_in_lines(capsys):
    with progress.counter(progress.make_console(), "work", 12) as tell:
        tell("first", 0)
        tell("first", 3)
        tell("second", 0)
    assert capsys.readouterr().out.splitlines() == ["work ...", "work   0/12  first", "work   3/12  second"]
