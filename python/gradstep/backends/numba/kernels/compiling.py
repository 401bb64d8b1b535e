"""How numba compiles and caches the kernels.

numba's cache of a function sees the changes of that function's own file, and none of what it calls. So only
what is entered from outside is cached, under a name that holds `SOURCES`, which stands for the contents of
all files of this folder and of `gradstep.nn`: a change anywhere there asks for another name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
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
    contents = (path.name.encode() + b"\0" + path.read_bytes() for path in files)
    return hashlib.sha256(b"".join(hashlib.sha256(each).digest() for each in contents)).hexdigest()[:16]


SOURCES = digest(Path(__file__).parent, Path(nn.__file__).parent)


def _probe() -> None:
    """Stand in for all that is cached."""


def _can_cache() -> bool:
    """Tell whether numba finds a folder it can write compiled code to."""
    try:
        njit(cache=True)(_probe)
    except RuntimeError:  # "cannot cache function ...: no locator available for file ..."
        return False
    return True


CACHE = _can_cache()

# Without reference counts: they took longer than the products. So kernels make no arrays, only views. And
# without what only Python needs to call a function, which took as long to compile as all the rest.
_ANY: dict[str, Any] = {"error_model": "numpy", "_nrt": False}
_INNER: dict[str, Any] = {**_ANY, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def compiled(function: Function) -> Function:
    """Compile what other kernels call, in strict IEEE arithmetic, so that blocking never changes a bit."""
    return cast(Function, njit(**_INNER)(function))


def entry(function: Function) -> Function:
    """Compile what Python calls, at the first call, or load it."""
    function.__qualname__ += f"-{SOURCES}"
    return cast(Function, njit(nogil=True, cache=CACHE, **_ANY)(function))


class Apart:
    """A loop that is compiled apart, for formulas or types of its own, and called by address.

    So all other kernels have one compiled form, whatever is trained with them, and what is new costs no more
    than its own loop.

    Parameters
    ----------
    loop : function
        Its text names formulas that `address` puts in their place.
    arguments : function
        Returns arguments as the loop takes them, for the type of the parameters.

    Attributes
    ----------
    call : intrinsic
        What calls a compiled form: a function of its address and a tuple of arguments.
    """

    def __init__(self, loop: Callable[..., None], arguments: Callable[[Any], tuple[Any, ...]]) -> None:
        kinds = map(np.dtype, (np.float32, np.float64))
        self.loop = loop
        self.signatures = {kind: types.void(*map(typeof, arguments(kind))) for kind in kinds}
        self.call = _caller([signature.args for signature in self.signatures.values()])
        # They are never let go of: sessions know their addresses.
        self._compiled: dict[Any, Any] = {}

    def address(self, kind: npt.DTypeLike, **names: Any) -> int:
        """Compile the loop with formulas and other values in place of names; return where it is.

        What others than gradstep define is not cached: nothing tells when it changes.
        """
        element: np.dtype[Any] = np.dtype(kind)
        key = (element, *names.items())
        if key not in self._compiled:
            formulas = {name: value for name, value in names.items() if isinstance(value, FunctionType)}
            put = {**names, **{name: compiled(formula) for name, formula in formulas.items()}}
            function = FunctionType(self.loop.__code__, {**self.loop.__globals__, **put})
            ours = all(formula.__module__.startswith("gradstep.") for formula in formulas.values())
            parts = [f"{each.__module__}.{each.__qualname__}" for each in formulas.values()]
            parts += [str(value) for name, value in names.items() if name not in formulas]
            name = hashlib.sha256(" ".join([SOURCES, *parts]).encode()).hexdigest()[:16]
            function.__qualname__ = f"{self.loop.__name__}-{name}"
            made = cfunc(self.signatures[element], cache=CACHE and ours, **_ANY)(function)
            self._compiled.setdefault(key, made)
        return int(self._compiled[key].address)


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
