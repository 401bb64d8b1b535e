"""What this gradstep is made of: versions, the compiled core, the backends that are there."""

from __future__ import annotations

import importlib
import os
import platform
from importlib import metadata
from typing import Required, TypedDict

from gradstep import backends
from gradstep._version import __version__
from gradstep.utils import threads

# Variables that change what runs; see `backends.get`, `CppBackend` and `threads.available`.
_OVERRIDES = ("GRADSTEP_BACKEND", "GRADSTEP_ISA", "OMP_NUM_THREADS")


class CoreInfo(TypedDict, total=False):
    """The compiled core: `why_not` where it is absent, all the others where it is present."""

    present: Required[bool]
    why_not: str
    compiler: str
    flags: str
    build_type: str
    instruction_sets_built: list[str]
    instruction_sets_usable: list[str]
    instruction_set: str | None


class BuildInfo(TypedDict):
    """What `build_info` returns."""

    version: str
    python: str
    platform: str
    packages: dict[str, str | None]
    core: CoreInfo
    backends: dict[str, str | None]
    default_threads: int
    environment: dict[str, str]


def build_info() -> BuildInfo:
    """Tell how this gradstep was built and what it runs on, as plain data.

    Returns
    -------
    dict
        ``version`` of gradstep, ``python`` and ``platform``; ``packages`` with the versions of those it
        stands on; ``core``: whether the compiled core is present or why not, its compiler, flags,
        build type, instruction sets built into it and usable on this machine, both best first, and the
        one in use; ``backends``: None for each that can be used, else the reason why not;
        ``default_threads``; ``environment``: the variables that are set and change any of this.

    Examples
    --------
    >>> import gradstep as gs
    >>> gs.build_info()["backends"]["numpy"] is None
    True
    """
    availability = backends.availability()
    return {
        "version": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        "packages": {name: _installed(name) for name in ("numpy", "scikit-learn", "numba")},
        "core": _core_info(usable=availability["cpp"] is None),
        "backends": availability,
        "default_threads": threads.available(),
        "environment": {name: os.environ[name] for name in _OVERRIDES if os.environ.get(name)},
    }


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _core_info(usable: bool) -> CoreInfo:
    try:
        core = importlib.import_module("gradstep._core")
    except ImportError as error:
        return {"present": False, "why_not": str(error)}
    config = core.build_config()
    return {
        "present": True,
        "compiler": config["compiler"],
        "flags": config["flags"],
        "build_type": config["build_type"],
        "instruction_sets_built": config["isas_built"],
        "instruction_sets_usable": core.isas(),
        # A wrong GRADSTEP_ISA makes the backend unusable and is told there.
        "instruction_set": getattr(backends.get("cpp"), "isa", None) if usable else None,
    }
