"""How numba compiles and caches the kernels.

numba's cache of a function sees the changes of that function's own file, and none of what it calls. So
only what is entered from outside is cached, under a name that holds `SOURCES`, which stands for all files of
this folder and of `gradstep.nn`: a change anywhere there asks for another name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, cast

import numpy as np
from llvmlite import ir
from numba import cfunc, njit, typeof, types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

from gradstep import nn

Function = TypeVar("Function", bound=Callable[..., Any])


def digest(*folders: Path) -> str:
    """Return a word that stands for all Python files of some folders."""
    files = [path for folder in folders for path in sorted(folder.glob("*.py"))]
    return _word(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files))


def _word(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


SOURCES = digest(Path(__file__).parent, Path(nn.__file__).parent)


def _can_cache() -> bool:
    """Tell whether numba finds a folder it can write compiled code to."""
    try:
        njit(cache=True)(_can_cache)
    except RuntimeError:  # "cannot cache function ...: no locator available for file ..."
        return False
    return True


CACHE = _can_cache()

# Without reference counts: they took longer than the products. So kernels make no arrays, only views. And
# within, without what only Python needs to call a function, which took as long to compile as all the rest.
_OPTIONS: dict[str, Any] = {"error_model": "numpy", "_nrt": False}
_WITHIN: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, **_OPTIONS}


def compiled(function: Function) -> Function:
    """Compile what other kernels call, in strict IEEE arithmetic, so that blocking never changes a bit."""
    return cast(Function, njit(**_WITHIN)(function))


def entry(function: Function) -> Function:
    """Compile what Python calls, at the first call, or load it."""
    function.__qualname__ += f"-{SOURCES}"
    options: dict[str, Any] = {"nogil": True, "cache": CACHE, **_OPTIONS}
    return cast(Function, njit(**options)(function))


class Apart:
    """A loop that is compiled apart, for formulas or types of its own, and called by address.

    So all other kernels have one compiled form, whatever is trained with them, and what is new costs no
    more than its own loop. In the loop's text stand names that `address` puts something else in place of;
    `arguments` returns arguments like those it takes, for the type of the parameters. `call` is for
    compiled code, a function of an address and a tuple of arguments.
    """

    signatures: dict[Any, Any]
    call: Any

    def __init__(self, loop: Callable[..., None], arguments: Callable[[Any], tuple[Any, ...]]) -> None:
        kinds = [np.dtype(np.float32), np.dtype(np.float64)]
        self.loop = loop
        self.signatures = {kind: types.void(*map(typeof, arguments(kind))) for kind in kinds}
        self.call = _caller([signature.args for signature in self.signatures.values()])
        # They are never let go of: sessions know their addresses.
        self._compiled: dict[Any, Any] = {}

    def address(self, kind: np.dtype[Any], **names: Any) -> int:
        """Compile the loop with formulas and other values in place of names; return where it is.

        What others than gradstep define is not cached: nothing tells when it changes.
        """
        key = (kind, *names.items())
        if key not in self._compiled:
            formulas = {name: value for name, value in names.items() if isinstance(value, FunctionType)}
            put = {**names, **{name: compiled(formula) for name, formula in formulas.items()}}
            function = FunctionType(self.loop.__code__, {**self.loop.__globals__, **put})
            ours = all(formula.__module__.startswith("gradstep.") for formula in formulas.values())
            parts = [f"{each.__module__}.{each.__qualname__}" for each in formulas.values()]
            parts += [str(value) for name, value in names.items() if name not in formulas]
            function.__qualname__ = f"{self.loop.__name__}-{_word(' '.join([SOURCES, *parts]).encode())}"
            made = cfunc(self.signatures[kind], cache=CACHE and ours, **_OPTIONS)(function)
            self._compiled.setdefault(key, made)
        return int(self._compiled[key].address)


def apart(arguments: Callable[[Any], tuple[Any, ...]]) -> Callable[[Callable[..., None]], Apart]:
    """Make an `Apart` of a loop."""
    return lambda loop: Apart(loop, arguments)


def _caller(known: list[tuple[Any, ...]]) -> Any:
    @emitted
    def call(typing: Any, address: Any, arguments: Any) -> Any:
        if tuple(arguments.types) not in known:
            raise TypingError(f"a loop is called with {arguments}")

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kinds = [context.get_value_type(kind) for kind in signature.args[1].types]
            function = ir.FunctionType(context.get_value_type(types.none), kinds)
            pointer = builder.inttoptr(values[0], function.as_pointer())
            builder.call(pointer, [builder.extract_value(values[1], i) for i in range(len(kinds))])
            return context.get_dummy_value()

        return types.void(types.uint64, arguments), generate

    return call


def emitted(function: Callable[..., Any]) -> Any:
    """Let compiled functions call what a function returns: a signature, and what writes LLVM code for it."""
    return intrinsic(function)


def call_llvm(builder: Any, name: str, returned: Any, *arguments: Any) -> Any:
    """Write a call of one of LLVM's own functions."""
    kind = ir.FunctionType(returned, [argument.type for argument in arguments])
    declare: Any = cgutils.get_or_insert_function
    return builder.call(declare(builder.module, kind, name), arguments)
