"""How numba compiles and caches the kernels.

numba's cache of a function sees the changes of that function's own file, and none of what it calls.
So only the entry points are cached, and each of them takes the contents of all files of this folder
as a number, `SOURCES`, in the default of an argument that nobody passes: numba keeps such defaults
in a function's signature, so a change anywhere here asks for another signature.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from llvmlite import ir
from numba import njit
from numba.core import cgutils
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])


def digest(folder: Path) -> int:
    """Return a number of 56 bits that stands for all Python files of a folder."""
    contents = (path.name.encode() + b"\0" + path.read_bytes() for path in sorted(folder.glob("*.py")))
    lengths_kept = b"".join(hashlib.sha256(content).digest() for content in contents)
    return int.from_bytes(hashlib.sha256(lengths_kept).digest()[:7], "little")


SOURCES = digest(Path(__file__).parent)


def _probe() -> None:
    """Stand in for all entry points."""


def _can_cache() -> bool:
    """Tell whether numba finds a folder it can write compiled code to."""
    try:
        njit(cache=True)(_probe)
    except RuntimeError:  # "cannot cache function ...: no locator available for file ..."
        return False
    return True


CACHE = _can_cache()


# Without reference counts: they took longer than the products. So kernels make no arrays, only views.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}


def compiled(function: Function) -> Function:
    """Compile what entry points call, in strict IEEE arithmetic, so that blocking never changes a bit."""
    return cast(Function, njit(**_OPTIONS)(function))


def entry(function: Function) -> Function:
    """Compile what Python calls, at the first call, or load it; it needs ``sources: int = SOURCES``."""
    return cast(Function, njit(**_OPTIONS, cache=CACHE)(function))


def emitted(function: Callable[..., Any]) -> Any:
    """Let compiled functions call what a function returns: a signature, and what writes LLVM code for it."""
    return intrinsic(function)


def call_llvm(builder: Any, name: str, returned: Any, *arguments: Any) -> Any:
    """Write a call of one of LLVM's own functions."""
    kind = ir.FunctionType(returned, [argument.type for argument in arguments])
    declare: Any = cgutils.get_or_insert_function
    return builder.call(declare(builder.module, kind, name), arguments)
