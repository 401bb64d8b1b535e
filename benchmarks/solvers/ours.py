"""gradstep on one of its backends, by its public interface."""

from __future__ import annotations

import numpy as np

import gradstep as gs
from benchmarks.answers import COLUMNS, CrossValidated, Trained
from benchmarks.solvers.splits import splits
from benchmarks.task import Task, layers_of

OPTIMIZERS = {
    "sgd": gs.optimizers.SGD(),
    "momentum": gs.optimizers.SGD(momentum=0.9),
    "adam": gs.optimizers.Adam(),
}


def trainer_of(task: Task, backend: str, precision: str) -> gs.Trainer:
    """Return what does a training of the task."""
    job = task.job
    return gs.Trainer(
        hidden=job.hidden,
        l2=job.l2,
        learning_rate=task.schedule,
        optimizer=OPTIMIZERS[job.optimizer],
        batch_size=job.batch_size,
        epochs=job.epochs,
        evaluate_every="epoch" if job.evaluation else None,
        precision=precision,
        backend=backend,
        random_state=0,
    )


def trained(trainer: gs.Trainer, evaluation: bool) -> Trained:
    """Return the answer that a trainer holds."""
    # Without an evaluation there is a row at the end, of running metrics.
    rows = trainer.history_ if evaluation else ()
    return Trained(layers_of(trainer), [tuple(row[name] for name in COLUMNS) for row in rows])


class Train:
    """`Trainer.fit` on the uint8 rows; mean and scale are measured inside it, every time."""

    def __init__(self, task: Task, backend: str, precision: str = "float32") -> None:
        self.job, self.train = task.job, task.train
        self.eval_set = (task.validation.X, task.validation.y) if task.job.evaluation else None
        self.trainer = trainer_of(task, backend, precision)

    def run(self) -> None:
        self.trainer.set_params(l2=self.job.l2).fit(self.train.X, self.train.y, eval_set=self.eval_set)

    def answer(self) -> Trained:
        return trained(self.trainer, self.job.evaluation)


class TrainMany:
    """`Sweep.fit` on the uint8 rows, one search after the other, all models kept."""

    def __init__(self, task: Task, backend: str, precision: str = "float32") -> None:
        self.job, self.train = task.job, task.train
        self.eval_set = (task.validation.X, task.validation.y) if task.job.evaluation else None
        trainer, metric = trainer_of(task, backend, precision), "validation_loss"
        if not task.job.evaluation:
            trainer, metric = trainer.set_params(evaluate_every="running"), "running_loss"
        self.sweeps = [
            gs.Sweep(trainer, {"l2": list(l2s)}, metric=metric, validation_share=None, keep_trainers=True)
            for l2s in task.job.searches
        ]

    def run(self) -> None:
        for sweep in self.sweeps:
            sweep.fit(self.train.X, self.train.y, eval_set=self.eval_set)

    def answer(self) -> list[Trained]:
        return [trained(trainer, self.job.evaluation) for sweep in self.sweeps for trainer in sweep.trainers_]


class CrossValidate:
    """`FusedSearchCV.fit`; nothing is evaluated on the way."""

    def __init__(self, task: Task, backend: str, precision: str = "float32") -> None:
        self.train = task.train
        grid = {name: list(values) for name, values in task.job.grid}
        self.search = gs.FusedSearchCV(trainer_of(task, backend, precision), grid, cv=splits(task))

    def run(self) -> None:
        self.search.fit(self.train.X, self.train.y)

    def answer(self) -> CrossValidated:
        accuracies = self.search.cv_results_["mean_test_score"].tolist()
        return CrossValidated(accuracies, layers_of(self.search.best_estimator_))


class Predict:
    """`Trainer.predict` on the uint8 rows."""

    def __init__(self, task: Task, backend: str) -> None:
        self.X = task.rows_to_predict()
        self.trainer = task.trainer.set_params(backend=backend)

    def run(self) -> None:
        self.classes = self.trainer.predict(self.X)

    def answer(self) -> np.ndarray:
        return self.classes
