"""Warnings have classes of the package's own, loggers are one a room, and nothing prints unasked."""

from __future__ import annotations

import ast
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator

import numpy as np
import pytest

import gradstep as gs
from gradstep import errors
from gradstep.utils.warn import warn
from test_codebase import MODULES, TREES, room

OWN = {name: kind for name, kind in vars(errors).items() if name.endswith("Warning")}

# Of scikit-learn, for what its users filter already.
THEIRS = {"ConvergenceWarning", "FitFailedWarning"}

# What prints because it was asked to: the command line, `verbose`, and a figure's or table's own words.
PRINTING = {"cli", "gradstep.sklearn.curves", "gradstep.sklearn.patching"}


def calls(module: str, name: str) -> Iterator[ast.Call]:
    """Yield the calls of a function, by its own name or as an attribute."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called == name:
                yield node


def test_every_warning_has_a_class_to_filter_it_by() -> None:
    unnamed, count = [], 0
    for module, tree in TREES.items():
        # Under whatever name a module imports it.
        names = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "gradstep.utils.warn"
            for alias in node.names
        }
        for call in [call for name in names for call in calls(module, name)]:
            count += 1
            given = ast.unparse(call.args[1]) if len(call.args) > 1 else ""
            # A face warns in scikit-learn's words, of scikit-learn's class.
            is_theirs = module == "gradstep.sklearn.settings" and given == "UserWarning"
            if given not in {*OWN, *THEIRS} and not is_theirs:
                unnamed.append(f"{module}:{call.lineno} {given}")
    assert unnamed == []
    assert count > 15


def test_one_module_alone_calls_the_warnings_of_python() -> None:
    users = [
        module
        for module in MODULES
        for call in calls(module, "warn")
        if ast.unparse(call.func) == "warnings.warn"
    ]
    assert users == ["gradstep.utils.warn"]


@pytest.mark.parametrize("kind", OWN.values(), ids=list(OWN))
def test_a_warning_is_filtered_by_its_class_or_all_by_one(kind: type[Warning]) -> None:
    assert issubclass(kind, errors.GradstepWarning)
    assert issubclass(kind, UserWarning)
    for filtered in (kind, errors.GradstepWarning):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", filtered)
            warn("told", kind)
            with pytest.raises(RuntimeWarning):
                warn("told", RuntimeWarning)


def test_every_class_of_warnings_is_used() -> None:
    used = {
        node.id
        for module, tree in TREES.items()
        if module != "gradstep.errors"
        for node in ast.walk(tree)
        if isinstance(node, ast.Name)
    }
    assert OWN.keys() - used == {"GradstepWarning"}  # the base of the others


def test_nothing_prints_unless_it_is_asked_to() -> None:
    printing = {
        module
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert {module for module in printing if room(module) not in PRINTING} - PRINTING == set()


def test_every_logger_is_that_of_its_room() -> None:
    makers = [module for module in MODULES for _ in calls(module, "getLogger")]
    assert set(makers) == {"gradstep.utils.log", "gradstep.cli.streams"}
    rooms = {room(module) for module in MODULES for call in calls(module, "of_room") if call.args}
    assert {"backends", "datasets", "estimators", "search", "storage"} <= rooms
    given = {ast.unparse(call.args[0]) for module in MODULES for call in calls(module, "of_room")}
    assert given == {"__name__"}


def test_a_fit_and_a_search_tell_their_loggers(caplog: pytest.LogCaptureFixture) -> None:
    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    trainer = gs.Trainer(epochs=3, backend="numpy", random_state=0)
    with caplog.at_level("INFO", "gradstep"):
        trainer.fit(X, y)
    assert [record.name for record in caplog.records] == ["gradstep.estimators"] * 2
    assert caplog.messages == [
        f"Trainer: 40 rows, up to update {3 * trainer.updates_per_epoch_}",
        "Trainer: completed in epoch 3, backend numpy",
    ]
    caplog.clear()
    with caplog.at_level("INFO", "gradstep"):
        gs.Sweep(trainer, {"l2": [0.1, 0.2]}, random_state=0).fit(X, y, eval_set=(X, y))
    assert {record.name for record in caplog.records} == {"gradstep.search"}
    assert caplog.messages[-1] == "2 of 2 trials have come to their end"


def test_what_is_logged_is_shown_to_nobody_who_did_not_ask() -> None:
    code = (
        "import gradstep, logging\n"
        "from gradstep.utils.log import of_room\n"
        "of_room('gradstep.search.runner').warning('unasked')\n"
        "logging.basicConfig(format='%(name)s %(message)s', level='INFO')\n"
        "of_room('gradstep.search.runner').info('asked')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "gradstep.search asked\n")


def test_loggers_are_not_given_levels_or_handlers_of_their_own() -> None:
    for name in ("gradstep.search", "gradstep.datasets"):
        logger = logging.getLogger(name)
        assert (logger.level, logger.handlers, logger.propagate) == (logging.NOTSET, [], True)
