"""The same trainings by PyTorch and JAX: the solvers of the other benchmarks, on the rows of these jobs."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

import numpy as np

from benchmarks import answers
from benchmarks.dropin.jobs import DropInJob
from benchmarks.dropin.rows import load
from benchmarks.jobs import Job
from benchmarks.solvers import CannotSolve
from benchmarks.task import Task
from gradstep.datasets import Rows

#: Modules of the solvers, by what they are called in tables.
PEERS = {"torch": "torch_autograd", "torch-by-hand": "torch_by_hand", "jax": "jax_scan"}

# Of scikit-learn: for batches of min(200, n) rows.
_ALPHA, _BATCH, _RATE = 1e-4, 200, 1e-3


@dataclass(frozen=True)
class _NamedJob(Job):
    """A job of the solvers whose rows no table names."""

    shape: tuple[int, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """``(d, h, ..., k)``."""
        return self.shape


class _FloatTask(Task):
    """Rows that are floats already, and are trained on as they are."""

    def standardised(self, X: np.ndarray, dtype: str = "float32") -> np.ndarray:
        """Return rows as they are."""
        return X.astype(dtype)


class Peer:
    """`fit` by another library, from other initial weights, by Adam with the same numbers.

    Raises
    ------
    CannotSolve
        The job is not one that the solvers do.
    """

    seed = 0

    def __init__(self, job: DropInJob, library: str, precision: str) -> None:
        if job.kind != "Fit" or job.own_stop or job.data in ("values", "texts") or precision != "float32":
            raise CannotSolve("it has no such job")
        split = load(job.data, precision)
        hidden = tuple(job.parameters.get("hidden_layer_sizes", (100,)))
        b = int(job.parameters.get("batch_size", _BATCH))
        of_solvers = _NamedJob(
            job.name,
            hidden=hidden,
            batch_size=b,
            epochs=int(job.parameters["max_iter"]),
            learning_rate=_RATE,
            l2=_ALPHA / (2 * b),
            evaluation=False,
            optimizer="adam",
            shape=(split.X.shape[1], *hidden, int(split.y.max()) + 1),
        )
        train, test = (Rows(X, y.astype(np.int64)) for X, y in (split[:2], split[2:]))
        module = importlib.import_module(f"benchmarks.solvers.{PEERS[library]}")
        self.test = test
        self.solver = module.Train(_FloatTask(of_solvers, train, test, "made up"))

    def run(self) -> None:
        self.solver.run()

    def score(self) -> float:
        """Return the accuracy on the test rows."""
        layers = self.solver.answer().layers
        found = answers.scores([(np.asarray(W), np.asarray(b)) for W, b in layers], self.test.X)
        return float((found.argmax(axis=1) == self.test.y).mean())
