"""What decides where the groups of a search run: processes of this machine, an Executor, Dask or Ray.

No engine is imported here before somebody asks for it, by its name or by an object of it, whose module tells
which it is.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from gradstep.errors import FallbackWarning
from gradstep.search.engines.workforce import SharingEngine
from gradstep.utils.constraints import NONE, WHOLE, Constraint, at_least, either, one_of
from gradstep.utils.warn import warn

_METHODS = ("agree", "share", "submit", "completed", "cancel", "halt", "release", "close")


def _is_client(value: object) -> bool:
    found = (f"{kind.__module__}.{kind.__name__}" for kind in type(value).__mro__)
    return any(name.startswith("distributed.") and name.endswith(".Client") for name in found)


def _is_engine(value: object) -> bool:
    return all(callable(getattr(value, method, None)) for method in _METHODS)


def _is_executor(value: object) -> bool:
    return isinstance(value, Executor) or _is_client(value) or _is_engine(value)


#: What `executor` of a search may be.
EXECUTOR: tuple[Constraint, ...] = (
    either(
        Constraint(
            "a concurrent.futures.Executor or a Client of dask.distributed",
            _is_executor,
            ("nonsense", 0, 1.5, True, Executor),
        ),
        one_of("ray"),
        WHOLE,
        NONE,
    ),
    at_least(1),
)


@contextmanager
def opened(executor: Any) -> Iterator[SharingEngine]:
    """Give the engine that an `executor` stands for; at the end of the block what is its own is closed.

    Raises
    ------
    ExecutorError
        It has no workers.
    InvalidParameterError
        It cannot be used.
    """
    if _is_engine(executor):
        yield executor
        return
    engine = _engine_of(executor)
    try:
        yield engine
    finally:
        engine.close()


def _engine_of(executor: Any) -> SharingEngine:
    if _is_client(executor):
        from gradstep.search.engines.dask import DaskEngine

        return DaskEngine(executor)
    if executor == "ray":
        from gradstep.search.engines.ray import RayEngine

        return RayEngine()
    if not isinstance(executor, Executor) and multiprocessing.current_process().daemon:
        warn(
            f"executor={executor} of a search in a worker of another one, which may start no processes: "
            "it trains in that process",
            FallbackWarning,
        )
        executor = ThreadPoolExecutor(1)
    if isinstance(executor, Executor):
        from gradstep.search.engines.futures import FuturesEngine

        return FuturesEngine(executor)
    from gradstep.search.engines.processes import ProcessEngine

    return ProcessEngine(int(executor))
