"""The build backend: scikit-build-core, which also gets along without CMake and builds nothing twice.

scikit-build-core retries a build that failed by its `if.failed` override, but does not count a
missing CMake as a failure (docs/adr/0002-pure-fallback.md). Here it is one.

A build in a checkout is kept in `build/<wheel tag>`, so that the next `pip install` compiles what changed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import scikit_build_core.build as backend
from scikit_build_core.build import (
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
)
from scikit_build_core.errors import CMakeNotFoundError
from scikit_build_core.settings.skbuild_overrides import strtobool

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
]

# The same as in the overrides of pyproject.toml.
_NATIVE_IS_A_MUST = ("GRADSTEP_REQUIRE_NATIVE", "CIBUILDWHEEL", "CONDA_BUILD")

# Where a build in a checkout is kept, as scikit-build-core spells it.
_KEPT = "build/{wheel_tag}"


def build_wheel(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Build a wheel, without the compiled core if there is no CMake."""
    return _build(backend.build_wheel, wheel_directory, config_settings, metadata_directory)


def build_editable(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Build an editable wheel, without the compiled core if there is no CMake."""
    return _build(backend.build_editable, wheel_directory, config_settings, metadata_directory)


def _build(
    build: Callable[..., str], folder: str, config_settings: dict[str, Any] | None, metadata: str | None
) -> str:
    _check_python()
    settings = dict(config_settings or {})
    if not strtobool(os.environ.get("GRADSTEP_PURE", "")):
        _say(
            "compiles its core for every instruction set of this kind of processor: some minutes on two "
            "cores, seconds where build/ has an earlier build; GRADSTEP_PURE=1 does without"
        )
    with _place_to_keep(settings) as kept:
        settings |= kept
        try:
            return build(folder, settings, metadata)
        except CMakeNotFoundError as error:
            if any(strtobool(os.environ.get(name, "")) for name in _NATIVE_IS_A_MUST):
                raise
            _say(f"{error} - going on without the compiled core")
            os.environ["GRADSTEP_PURE"] = "1"
            return build(folder, settings, metadata)


@contextlib.contextmanager
def _place_to_keep(settings: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield the setting that keeps the build, or none where somebody else says where or builds there now."""
    is_said = any(name.endswith("build-dir") for name in settings) or "SKBUILD_BUILD_DIR" in os.environ
    if is_said or not os.access(".", os.W_OK):
        yield {}
        return
    Path("build").mkdir(exist_ok=True)
    with Path("build", ".lock").open("w") as lock:
        if not _is_ours(lock):
            yield {}
            return
        for kept in Path("build").glob("*-*-*/"):
            _forget_configuration(kept)
        yield {"build-dir": _KEPT}


def _is_ours(lock: IO[str]) -> bool:
    """Whether nobody else holds the lock; where the system has none of this kind, pip builds alone."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _check_python() -> None:
    if sys.implementation.name != "cpython":
        raise SystemExit(
            f"gradstep needs CPython, whose modules it and Numba are; this is {sys.implementation.name}"
        )


def _forget_configuration(folder: Path) -> None:
    """Take what CMake found out away from a kept build, and leave what was compiled.

    An isolated build has its tools in another place every time, and a compiler named by CXX may be another
    one: CMake is to look again, and Ninja then compiles what is not as its commands say. scikit-build-core
    sees that the place of its tools has changed by a file of its own, and would throw the objects away, too.
    """
    for name in ("CMakeCache.txt", ".skbuild-info.json"):
        (folder / name).unlink(missing_ok=True)
    for found in (folder / "CMakeFiles").glob("[0-9]*/"):
        shutil.rmtree(found, ignore_errors=True)


def _say(text: str) -> None:
    print(f"*** gradstep: {text}", file=sys.stderr, flush=True)
