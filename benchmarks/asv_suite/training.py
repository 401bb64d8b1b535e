"""Trainings and predictions in their quick form, and the accuracy of a whole one."""

from __future__ import annotations

from benchmarks.answers import metrics
from benchmarks.jobs import JOBS
from benchmarks.solvers import ours
from benchmarks.task import make_task

BACKENDS = ["cpp", "numba", "numpy"]
TRAININGS = [name for name, job in JOBS.items() if job.kind != "Predict"]
PREDICTIONS = [name for name, job in JOBS.items() if job.kind == "Predict"]


class Training:
    params = (TRAININGS, BACKENDS)
    param_names = ("job", "backend")
    timeout = 300

    def setup(self, job: str, backend: str) -> None:
        task = make_task(JOBS[job].quick())
        self.solver = getattr(ours, task.job.kind)(task, backend)
        self.solver.run()

    def time_fit(self, job: str, backend: str) -> None:
        self.solver.run()

    def peakmem_fit(self, job: str, backend: str) -> None:
        self.solver.run()


class Prediction:
    params = (PREDICTIONS, BACKENDS)
    param_names = ("job", "backend")

    def setup(self, job: str, backend: str) -> None:
        self.solver = ours.Predict(make_task(JOBS[job]), backend)
        self.solver.run()

    def time_predict(self, job: str, backend: str) -> None:
        self.solver.run()


class Accuracy:
    params = (["softmax", "mlp50", "small"],)
    param_names = ("job",)
    timeout = 300

    def setup(self, job: str) -> None:
        self.task = make_task(JOBS[job])

    def track_validation_accuracy(self, job: str) -> float:
        solver = ours.Train(self.task, "cpp")
        solver.run()
        return metrics(self.task, solver.answer().layers)["validation_accuracy"]

    track_validation_accuracy.unit = "share of validation rows"
