"""The solvers by name. A solver is made for a task, untimed; then its `run` is what is timed.

A module has a class for every kind of job that it does: `Train`, `Predict`, `TrainMany`, `CrossValidate`:

    Train(task, **options)       may compile, convert, standardise and allocate: none of it is timed
    .run() -> None               does the whole job once, from the initial weights on
    .answer()                    what the last run found: `Trained`, of `TrainMany` a list of them,
                                 `CrossValidated`, or of `Predict` the classes (n,)

All take b rows an update, in a new random order every epoch with a short last batch, and use float32
(the course program: float64). Ours reads the uint8 images and standardises them inside `run`; the
others get standardised floats that already lie in memory.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmarks.task import Task


class CannotSolve(Exception):
    """The job is not one for this solver; the message says why."""


class Solver(Protocol):
    """Does one job, again and again."""

    def run(self) -> None: ...

    def answer(self) -> Any: ...


@dataclass(frozen=True)
class Entry:
    """`group`: "ours"; "peer", the way people write it; "by hand"; "one by one"; or
    "yardstick", what NumPy gives.

    `packages` are those whose versions matter. `plain`: it does the job by plain descent, and only those jobs
    that have another optimizer.
    """

    module: str
    group: str
    packages: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    plain: bool = False


OURS = "gradstep-cpp"
#: Ours by plain descent, where a job has another optimizer: what that one costs.
OURS_PLAIN = "gradstep-cpp-sgd"
SOLVERS = {
    OURS: Entry("ours", "ours", ("gradstep",), {"backend": "cpp"}),
    OURS_PLAIN: Entry("ours", "ours", ("gradstep",), {"backend": "cpp"}, plain=True),
    "gradstep-numba": Entry("ours", "ours", ("gradstep", "numba"), {"backend": "numba"}),
    "gradstep-numpy": Entry("ours", "ours", ("gradstep", "numpy"), {"backend": "numpy"}),
    "numpy-course": Entry("numpy_course", "yardstick", ("numpy",)),
    "numpy-float32": Entry("numpy_float32", "yardstick", ("numpy",)),
    "scikit-learn": Entry("scikit", "peer", ("scikit-learn",)),
    "torch": Entry("torch_autograd", "peer", ("torch",)),
    "torch-compile": Entry("torch_autograd", "peer", ("torch",), {"compiled": True}),
    "torch-by-hand": Entry("torch_by_hand", "by hand", ("torch",)),
    "torch-by-hand-fused": Entry("torch_by_hand", "by hand", ("torch",), {"fused": True}),
    "jax": Entry("jax_scan", "peer", ("jax", "jaxlib", "optax")),
    "gradstep-cpp-alone": Entry("one_by_one", "ours", ("gradstep",), {"module": "ours", "backend": "cpp"}),
    "torch-alone": Entry("one_by_one", "one by one", ("torch",), {"module": "torch_by_hand"}),
    "jax-alone": Entry("one_by_one", "one by one", ("jax", "jaxlib"), {"module": "jax_scan"}),
}
#: What the answers of all others are compared with.
REFERENCE = Entry("ours", "reference", ("gradstep",), {"backend": "numpy", "precision": "float64"})


def make(entry: Entry, task: Task) -> Solver:
    """Prepare a solver; ImportError or CannotSolve where it cannot be."""
    module = importlib.import_module(f"benchmarks.solvers.{entry.module}")
    if not hasattr(module, task.job.kind):
        raise CannotSolve(f"it has no {task.job.kind}")
    solver: Solver = getattr(module, task.job.kind)(task, **entry.options)
    return solver
