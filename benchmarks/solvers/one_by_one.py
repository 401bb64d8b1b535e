"""Many models one after the other, by a solver that trains one."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

from benchmarks.answers import Trained
from benchmarks.task import Task


class TrainMany:
    """`Train` of a module, prepared once; its job is another one for every model."""

    def __init__(self, task: Task, module: str, **options: Any) -> None:
        self.jobs = task.job.singles()
        solver = importlib.import_module(f"benchmarks.solvers.{module}")
        self.solver = solver.Train(replace(task, job=self.jobs[0]), **options)

    def run(self) -> None:
        self.answers = []
        for job in self.jobs:
            self.solver.job = job
            self.solver.run()
            layers, curves = self.solver.answer()
            # Some solvers give views of what the next run overwrites.
            self.answers.append(Trained([(W.copy(), b.copy()) for W, b in layers], curves))

    def answer(self) -> list[Trained]:
        return self.answers
