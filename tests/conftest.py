"""Fixtures: every backend this machine can run, thread counts, precisions, CIFAR-10's folder."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from cases import Case
from gradstep.backends import Backend, get
from gradstep.utils.interrupt import Interrupt
from makers import THREADS, backend_makers

hypothesis.settings.register_profile("gradstep", deadline=None, max_examples=50, print_blob=True)
hypothesis.settings.load_profile("gradstep")


BACKENDS = backend_makers()
#: Of them, instruction sets that are here once more, with products of bytes.
_WITH_BYTES = {"cpp-avx512vnni": "cpp-avx512", "cpp-dotprod": "cpp-baseline"}
BASES = {base for own, base in _WITH_BYTES.items() if own in BACKENDS}


@pytest.fixture(scope="session", params=list(BACKENDS))
def backend(request: pytest.FixtureRequest) -> Backend:
    """Every backend; cpp once per instruction set."""
    return BACKENDS[request.param]()


@pytest.fixture(scope="session", params=[name for name in BACKENDS if name != "numpy"])
def compiled_backend(request: pytest.FixtureRequest) -> Backend:
    """Every backend but the reference."""
    return BACKENDS[request.param]()


@pytest.fixture(scope="session")
def reference() -> Backend:
    """The NumPy backend."""
    return get("numpy")


@pytest.fixture(scope="session", params=["float32", "float64"])
def precision(request: pytest.FixtureRequest) -> str:
    """Both types of arithmetic."""
    return str(request.param)


@pytest.fixture(scope="session", params=THREADS)
def n_threads(request: pytest.FixtureRequest) -> int:
    """Thread counts to be compared with one thread."""
    return int(request.param)


@pytest.fixture
def numpy_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train on NumPy where nothing else is asked for, also in other processes."""
    monkeypatch.setenv("GRADSTEP_BACKEND", "numpy")


@pytest.fixture
def python_own_handler() -> Iterator[None]:
    """Run with Python's handler of Ctrl-C, and find it again afterwards; no press of before counts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    Interrupt.forget()
    yield
    Interrupt.forget()
    after = signal.signal(signal.SIGINT, before)
    assert after is signal.default_int_handler


@pytest.fixture(scope="session")
def cifar10_folder() -> Path:
    """Return the folder of the CIFAR-10 files; tests that use it carry the mark ``cifar10``."""
    return Path(os.environ["GRADSTEP_CIFAR10"])


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name values by what they are and not where they lie: processes that share the tests must agree."""
    text = repr(val)
    return re.sub(r" at 0x[0-9a-fA-F]+", "", text) if " at 0x" in text else None


def _is_as_another(item: pytest.Item) -> bool:
    """Whether a test of an instruction set would be that of another: one more multiplies bytes, no more."""
    given = getattr(item, "callspec", None)
    parameters = given.params if given else {}
    if parameters.get("backend", parameters.get("compiled_backend")) not in BASES:
        return False
    case = parameters.get("case")
    is_of_floats = isinstance(case, Case) and case.dtype != "uint8"
    return is_of_floats or parameters.get("precision") == "float64"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is tested twice; skip ``cifar10`` where ``GRADSTEP_CIFAR10`` names no folder."""
    twice = {item for item in items if _is_as_another(item)}
    if twice:
        config.hook.pytest_deselected(items=list(twice))
        items[:] = [item for item in items if item not in twice]
    if not Path(os.environ.get("GRADSTEP_CIFAR10", "nowhere")).is_dir():
        for item in items:
            if item.get_closest_marker("cifar10"):
                item.add_marker(pytest.mark.skip(reason="GRADSTEP_CIFAR10 names no folder"))
