"""A job together with its rows: all that a solver is given."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

import gradstep as gs
from benchmarks.jobs import CLASSES, SHAPES, Job
from gradstep.datasets import Rows
from gradstep.plan.standardization import Standardization

#: W (in, out) and b (out,) of every layer.
LayerList = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Task:
    """`train` and `validation` hold uint8 rows, as the files do; `source` says where they come from."""

    job: Job
    train: Rows
    validation: Rows
    source: str

    @cached_property
    def standardization(self) -> Standardization:
        """Mean and scale of the train rows."""
        return Standardization.of(self.train.X)

    def standardised(self, X: np.ndarray, dtype: str = "float32") -> np.ndarray:
        """Return rows as the peers take them: standardised floats, one after the other in memory."""
        mean, scale = (part.astype(dtype) for part in (self.standardization.mean, self.standardization.scale))
        rows = X.astype(dtype)
        rows -= mean
        rows /= scale
        return rows

    def first_layers(self) -> LayerList:
        """Return the initial weights of our trainings, for all that can be given any: rate 0 keeps them."""
        rows = self.row_per_class()
        trainer = gs.Trainer(hidden=self.job.hidden, learning_rate=lambda update: 0.0, epochs=1)
        trainer.set_params(backend="numpy", random_state=0).fit(self.train.X[rows], self.train.y[rows])
        return layers_of(trainer)

    @property
    def updates_per_epoch(self) -> int:
        """Updates, that of a short last batch included."""
        return -(-len(self.train.y) // self.job.batch_size)

    @property
    def schedule(self) -> float | gs.schedules.CyclicTriangular:
        """The learning rate as Trainer takes it."""
        job = self.job
        if not job.step_size:
            return job.learning_rate
        return gs.schedules.CyclicTriangular(1e-5, job.learning_rate, step_size=job.step_size)

    def rates(self) -> np.ndarray:
        """Return the learning rate of every update (epochs, updates_per_epoch)."""
        shape, schedule = (self.job.epochs, self.updates_per_epoch), self.schedule
        if isinstance(schedule, float):
            return np.full(shape, schedule)
        return np.reshape([schedule(t, shape[1]) for t in range(shape[0] * shape[1])], shape)

    def row_per_class(self) -> np.ndarray:
        """Return the number of a train row of every class."""
        return np.unique(self.train.y, return_index=True)[1]

    @cached_property
    def trainer(self) -> gs.Trainer:
        """What predicts: trained for an epoch by the reference backend."""
        trainer = gs.Trainer(hidden=self.job.hidden, batch_size=100, epochs=1, evaluate_every=None)
        return trainer.set_params(backend="numpy", random_state=0).fit(self.train.X, self.train.y)

    def trained_layers(self) -> LayerList:
        """Return the weights and biases of what predicts."""
        return layers_of(self.trainer)

    def rows_to_predict(self) -> np.ndarray:
        """Return uint8 rows (predict_rows, d)."""
        return self.validation.X[: self.job.predict_rows]


def layers_of(trainer: gs.Trainer) -> LayerList:
    """Copy weights and biases."""
    pairs = zip(trainer.coefs_, trainer.intercepts_, strict=True)
    return [(W.copy(), b.copy()) for W, b in pairs]


def make_task(job: Job) -> Task:
    """Load the rows of a job."""
    if job.data == "digits":
        data = gs.datasets.load_digits(validation=SHAPES["digits"][2], test=None)
        return Task(job, data.train, data.validation, "the digits of scikit-learn")
    if Path(os.environ.get("GRADSTEP_CIFAR10", "nowhere")).is_dir():
        if job.data == "cifar10":
            data = gs.datasets.load_cifar10(test=False, download=False)
            return Task(job, data.train, data.validation, "CIFAR-10, data_batch_1 and data_batch_2")
        data = gs.datasets.load_cifar10(
            train="all", validation=SHAPES[job.data][2], test=False, download=False
        )
        source = "CIFAR-10, the five batches, 5,000 rows held out"
        return Task(job, data.train, data.validation, source)
    train, validation = _like_images(SHAPES[job.data])
    return Task(job, train, validation, "made-up images of the shape of CIFAR-10's")


def _like_images(shape: tuple[int, int, int]) -> tuple[Rows, Rows]:
    """Draw a faint pattern per class under noise: to be learned, but not by heart in an update."""
    d, n, n_validation = shape
    rng = np.random.default_rng(0)
    y = rng.integers(CLASSES, size=n + n_validation)
    pattern = rng.integers(0, 16, size=(CLASSES, d), dtype=np.uint8)
    X = rng.integers(0, 240, size=(len(y), d), dtype=np.uint8)
    X += pattern[y]
    return Rows(X[:n], y[:n]), Rows(X[n:], y[n:])
