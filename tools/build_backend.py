"""The build backend: scikit-build-core, which also gets along without CMake.

scikit-build-core retries a build that failed by its `if.failed` override, but does not count a
missing CMake as a failure (docs/adr/0002-pure-fallback.md). Here it is one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

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


def build_wheel(*args: Any, **kwargs: Any) -> str:
    """Build a wheel, without the compiled core if there is no CMake."""
    return _with_or_without_cmake(backend.build_wheel, *args, **kwargs)


def build_editable(*args: Any, **kwargs: Any) -> str:
    """Build an editable wheel, without the compiled core if there is no CMake."""
    return _with_or_without_cmake(backend.build_editable, *args, **kwargs)


def _with_or_without_cmake(build: Callable[..., str], *args: Any, **kwargs: Any) -> str:
    try:
        return build(*args, **kwargs)
    except CMakeNotFoundError as error:
        if any(strtobool(os.environ.get(name, "")) for name in _NATIVE_IS_A_MUST):
            raise
        print(f"*** {error} - going on without the compiled core", file=sys.stderr, flush=True)
        os.environ["GRADSTEP_PURE"] = "1"
        return build(*args, **kwargs)
