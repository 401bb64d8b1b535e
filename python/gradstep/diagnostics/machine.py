"""What this machine does at most: multiply-adds in registers, and bytes read from memory.

Measured by the kernels of the instruction set in use, so that a training's speed can be told as a share
of what was possible.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradstep.errors import BackendUnavailableError
from gradstep.plan.settings import TRAINER
from gradstep.utils import threads
from gradstep.utils.constraints import check
from gradstep.utils.names import module_getattr

__all__ = ["Machine", "measure"]

if not TYPE_CHECKING:  # who checks types shall know what is not there
    __getattr__ = module_getattr("gradstep.machine", __all__)


@dataclass(frozen=True)
class Machine:
    """What `measure` found.

    Attributes
    ----------
    isa : str
        Instruction set of the kernels that were used.
    n_threads : int
        Threads that were used; fewer than asked for where those were more than four per core.
    precision : str
        Type of the numbers, "float32".
    gflops : float
        Billions of operations per second of all threads together, a multiplication and an addition
        counting as two.
    gflops_one_thread : float
        The same of one thread alone.
    gbytes_per_second : float
        Billions of bytes per second that all threads together read from memory.
    gbytes_per_second_one_thread : float
        The same of one thread alone.
    """

    isa: str
    n_threads: int
    precision: str
    gflops: float
    gflops_one_thread: float
    gbytes_per_second: float
    gbytes_per_second_one_thread: float


def measure(n_threads: int | None = None) -> Machine:
    """Measure peak arithmetic and read bandwidth, in about a second.

    Each number is the best of many short runs, since whatever else the machine does only slows it down.
    The arithmetic is independent multiply-adds on values held in registers; fused where the instruction
    set has it, which the portable one has not on x86. Read are 256 MB, or 16 MB per thread where that is
    more, far beyond the last cache.

    Parameters
    ----------
    n_threads : int, optional
        Threads to measure together; by default as many as there are cores to use.

    Returns
    -------
    Machine

    Raises
    ------
    BackendUnavailableError
        The compiled core cannot be used here; the message says why.
    InvalidParameterError
        ``n_threads`` is no number of threads, or ``GRADSTEP_ISA`` names no usable instruction set.

    Examples
    --------
    >>> from gradstep import machine
    >>> machine.measure().gflops  # doctest: +SKIP
    529.8
    """
    check("measure", "n_threads", n_threads, TRAINER["n_threads"])
    try:
        from gradstep.backends.cpp import CppBackend
    except ImportError as error:
        raise BackendUnavailableError(
            f"only the compiled core can measure the machine, and it cannot be used here: {error}"
        ) from error
    backend = CppBackend()
    used, *speeds = backend.measure(threads.available() if n_threads is None else int(n_threads))
    return Machine(backend.isa, used, "float32", *(speed / 1e9 for speed in speeds))
