"""The jobs: what is to be done, as a table, and how much arithmetic and memory traffic that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

CLASSES = 10
#: Inputs of a row, training rows and validation rows of every data set.
SHAPES = {
    "cifar10": (3072, 10_000, 10_000),
    "cifar10-45000": (3072, 45_000, 5_000),
    "digits": (64, 1_500, 297),
}


@dataclass(frozen=True)
class Job:
    """A training; with `predict_rows` > 0 a prediction of the classes of so many rows.

    `searches`: the lambdas of models that may train side by side, one search after the other. `grid`:
    values of parameters of Trainer, every combination of which is cross-validated in `folds` folds; the
    best is then trained on all rows. `step_size`: the rate goes from 1e-5 up to `learning_rate` in so
    many updates, and back, and again.

    `optimizer`: "sgd", "momentum" (0.9, heavy ball) or "adam" with the numbers that all libraries have by
    default.

    `evaluation`: loss, cost and accuracy of all train and validation rows after every epoch.
    `quick_epochs` is what ``--quick`` trains. An answer counts when its loss on the train rows lies
    within a share, `loss_tolerance`, of the reference's, and its accuracy on the validation rows within
    `accuracy_tolerance`: what another order of rows may do. `calls` are made in a row for one
    measurement, where one is too short for a clock.
    """

    name: str
    data: str = "cifar10"
    hidden: tuple[int, ...] = ()
    batch_size: int = 100
    epochs: int = 40
    quick_epochs: int = 2
    learning_rate: float = 0.01
    l2: float = 0.0
    evaluation: bool = True
    loss_tolerance: float = 0.01
    accuracy_tolerance: float = 0.02
    predict_rows: int = 0
    calls: int = 1
    step_size: int = 0
    searches: tuple[tuple[float, ...], ...] = ()
    grid: tuple[tuple[str, tuple[float, ...]], ...] = ()
    folds: int = 0
    optimizer: str = "sgd"

    @property
    def sizes(self) -> tuple[int, ...]:
        """``(d, h, ..., k)``."""
        return (SHAPES[self.data][0], *self.hidden, CLASSES)

    @property
    def kind(self) -> str:
        """Class of a solver's module that does such a job."""
        if self.predict_rows:
            return "Predict"
        if self.grid:
            return "CrossValidate"
        return "TrainMany" if self.searches else "Train"

    @property
    def models(self) -> int:
        """Models trained, all folds and the last training on all rows included."""
        if self.grid:
            return prod(len(values) for _, values in self.grid) * self.folds + 1
        return sum(map(len, self.searches)) or 1

    def singles(self) -> list[Job]:
        """Return the training of every model of the searches as a job of its own."""
        return [replace(self, l2=l2, searches=()) for search in self.searches for l2 in search]

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Job:
        """Return the job that `asdict` took apart, also when it has been JSON since."""
        lists = ("hidden", "searches", "grid")
        return cls(**{**fields, **{name: _frozen(fields[name]) for name in lists if name in fields}})

    def plain(self) -> Job:
        """Return the same by plain descent."""
        return replace(self, optimizer="sgd")

    def quick(self) -> Job:
        """Return the same with few epochs and calls."""
        return replace(self, epochs=self.quick_epochs, calls=max(1, self.calls // 10))


def _frozen(value: Any) -> Any:
    """Return lists within lists as tuples."""
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def _lambdas(count: int, low: float, high: float) -> tuple[float, ...]:
    """Return so many 10**U(low, high), ascending; always the same."""
    return tuple(sorted((10.0 ** np.random.default_rng(0).uniform(low, high, count)).tolist()))


def _by_optimizers() -> list[Job]:
    """Return the jobs of three networks with other optimizers; their rates are good ones for these."""
    softmax = Job("softmax", learning_rate=1e-4, loss_tolerance=0.02)
    mlp50 = Job("mlp50", hidden=(50,), epochs=10, loss_tolerance=0.05, accuracy_tolerance=0.03)
    small = Job(
        "small",
        data="digits",
        hidden=(100,),
        batch_size=32,
        epochs=20,
        quick_epochs=10,
        evaluation=False,
        loss_tolerance=0.15,
        accuracy_tolerance=0.03,
    )
    rates = {"softmax": (1e-4, 1e-4), "mlp50": (1e-3, 1e-4), "small": (1e-2, 1e-3)}
    return [
        replace(job, name=f"{job.name}-{optimizer}", optimizer=optimizer, learning_rate=rate)
        for job in (softmax, mlp50, small)
        for optimizer, rate in zip(("momentum", "adam"), rates[job.name], strict=True)
    ]


# Where one model trains, l2 is 0: gradstep would do it for nothing, some of the others would walk the
# weights once more.
JOBS = {
    job.name: job
    for job in (
        Job("softmax", learning_rate=0.001),
        Job("softmax-no-evaluation", learning_rate=0.001, evaluation=False),
        Job("mlp50", hidden=(50,), loss_tolerance=0.02),
        Job("mlp512", hidden=(512,), epochs=1, quick_epochs=1),
        Job(
            "deep",
            hidden=(256, 256, 128),
            epochs=1,
            quick_epochs=1,
            accuracy_tolerance=0.04,
        ),
        Job(
            "small",
            data="digits",
            hidden=(100,),
            batch_size=32,
            epochs=100,
            quick_epochs=10,
            learning_rate=0.1,
            evaluation=False,
            loss_tolerance=0.05,
            accuracy_tolerance=0.03,
        ),
        *_by_optimizers(),
        Job("sweep24-softmax", epochs=3, learning_rate=0.001, searches=(_lambdas(24, -5, -1),)),
        Job("sweep24-mlp50", hidden=(50,), epochs=3, searches=(_lambdas(24, -5, -1),)),
        Job(
            "sweep24-small",
            data="digits",
            hidden=(100,),
            batch_size=32,
            epochs=20,
            learning_rate=0.1,
            evaluation=False,
            loss_tolerance=0.05,
            accuracy_tolerance=0.03,
            searches=(_lambdas(24, -5, -1),),
        ),
        # The three searches for lambda of report 003; its step is 800, with which 8 epochs end amid a cycle.
        Job(
            "searches003",
            data="cifar10-45000",
            hidden=(50,),
            epochs=8,
            quick_epochs=1,
            learning_rate=0.1,
            step_size=900,
            loss_tolerance=0.05,
            accuracy_tolerance=0.04,
            searches=(_lambdas(10, -5, -1), _lambdas(6, -3.5, -2.5), _lambdas(9, -3.25, -2.75)),
        ),
        Job(
            "gridsearch",
            data="digits",
            hidden=(50,),
            batch_size=32,
            epochs=30,
            quick_epochs=5,
            evaluation=False,
            accuracy_tolerance=0.03,
            grid=(("l2", (1e-5, 1e-4, 1e-3, 1e-2)), ("learning_rate", (0.03, 0.1, 0.3))),
            folds=5,
        ),
        Job("predict-one", data="digits", hidden=(100,), predict_rows=1, calls=2000),
        Job("predict-many", hidden=(50,), predict_rows=10_000, calls=10),
    )
}


@dataclass(frozen=True)
class Work:
    """What a job cannot do without: `flop` operations (a multiply-add is two) and `bytes` of rows read."""

    flop: int
    bytes: int

    def least_seconds(self, gflops: float, gbytes_per_second: float) -> float:
        """Return the time on the roofline: arithmetic at peak or bytes at full bandwidth, the longer."""
        return max(self.flop / (gflops * 1e9), self.bytes / (gbytes_per_second * 1e9))


def work(job: Job) -> Work:
    """Count the products of all layers, and the bytes of the uint8 rows.

    Of a training row every layer has a product forward and one for the gradient of its weights, and
    every layer but the first one for the gradient of its inputs. Training reads the rows once an epoch,
    and once more before it for mean and scale; an evaluation reads train and validation rows again.
    What is not a product (softmax, ReLU, biases, an optimizer's step) is not counted; weights are taken to
    stay in the cache.
    Models of a search read the rows together. A model of a fold trains on the rows that are not held
    out, and those are evaluated once.
    """
    d, n, n_validation = SHAPES[job.data]
    layers = [inputs * outputs for inputs, outputs in pairwise(job.sizes)]
    forward = 2 * sum(layers)
    if job.predict_rows:
        return Work(job.predict_rows * forward, job.predict_rows * d)
    backward = forward + 2 * sum(layers[1:])
    evaluated = n + n_validation if job.evaluation else 0
    if job.grid:
        trained = (job.models - 1) * (n - n // job.folds) + n
        flop = job.epochs * trained * (forward + backward) + (job.models - 1) * (n // job.folds) * forward
        return Work(flop, n * d + 2 * job.epochs * n * d)
    flop = job.models * job.epochs * (n * (forward + backward) + evaluated * forward)
    passes = len(job.searches) or 1
    return Work(flop, passes * (n * d + job.epochs * (n + evaluated) * d))
