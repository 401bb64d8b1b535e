"""gradstep on one of its backends, by its public interface."""

from __future__ import annotations

import numpy as np

import gradstep as gs
from benchmarks.answers import COLUMNS, Trained
from benchmarks.task import Task, layers_of


class Train:
    """`Trainer.fit` on the uint8 rows; mean and scale are measured inside it, every time."""

    def __init__(self, task: Task, backend: str, precision: str = "float32") -> None:
        job = task.job
        self.train = task.train
        self.eval_set = (task.validation.X, task.validation.y) if job.evaluation else None
        self.trainer = gs.Trainer(
            hidden=job.hidden,
            l2=job.l2,
            learning_rate=job.learning_rate,
            batch_size=job.batch_size,
            epochs=job.epochs,
            evaluate_every="epoch" if job.evaluation else None,
            precision=precision,
            backend=backend,
            random_state=0,
        )

    def run(self) -> None:
        self.trainer.fit(self.train.X, self.train.y, eval_set=self.eval_set)

    def answer(self) -> Trained:
        # Without an evaluation there is a row at the end, of running figures.
        rows = self.trainer.history_ if self.eval_set else ()
        return Trained(layers_of(self.trainer), [tuple(row[name] for name in COLUMNS) for row in rows])


class Predict:
    """`Trainer.predict` on the uint8 rows."""

    def __init__(self, task: Task, backend: str) -> None:
        self.X = task.rows_to_predict()
        self.trainer = task.trainer.set_params(backend=backend)

    def run(self) -> None:
        self.classes = self.trainer.predict(self.X)

    def answer(self) -> np.ndarray:
        return self.classes
