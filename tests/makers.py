"""What tests make again and again: the backends that are here, and estimators that are quick."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import gradstep as gs
from gradstep.backends import Backend, availability, get

#: Set to names with commas between them, only these backends are tested, and others not even looked for.
CHOSEN = "GRADSTEP_TEST_BACKENDS"


def _names() -> list[str]:
    """Return the backends to be tested, best first: all that this machine can run."""
    if os.environ.get(CHOSEN):
        return os.environ[CHOSEN].split(",")
    return [name for name, reason in availability().items() if reason is None]


#: Names of the backends to be tested.
HERE = _names()

#: What is not the reference.
COMPILED_HERE = [name for name in HERE if name != "numpy"]

#: Thread counts to be compared with one thread: below, near and above what machines have.
THREADS = (2, 3, 7)


def backend_makers() -> dict[str, Callable[[], Backend]]:
    """Return a maker for numpy, numba and one cpp per instruction set, as far as they are here."""
    makers: dict[str, Callable[[], Backend]] = {name: partial(get, name) for name in HERE if name != "cpp"}
    if "cpp" in HERE:
        backend = importlib.import_module("gradstep.backends.cpp").CppBackend
        core = importlib.import_module("gradstep._core")
        makers |= {f"cpp-{isa}": partial(backend, isa=isa) for isa in core.isas()}
    return makers


_QUICK = {
    "backend": "numpy",
    "random_state": 0,
    "epochs": 4,
    "learning_rate": 0.1,
    "batch_size": 8,
    "l2": 0.0,
}


def trainer(**parameters: Any) -> gs.Trainer:
    """Make a Trainer that is quick and the same every time."""
    return gs.Trainer(**_QUICK | parameters)


def regressor(**parameters: Any) -> gs.Regressor:
    """Make a Regressor that is quick and the same every time."""
    return gs.Regressor(**_QUICK | parameters)
