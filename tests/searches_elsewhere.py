"""A search on an executor, and without one: what the tests of engines compare."""

from __future__ import annotations

from typing import Any

import gradstep as gs
from sweep_cases import HELD_OUT, X, Y, trainer

SPACE = {"l2": [0.0, 0.1, 1.0], "learning_rate": [0.05, 0.2]}


def search(executor: Any, space: Any = None, **options: Any) -> gs.Sweep:
    sweep = gs.Sweep(trainer(hidden=(4,)), space or SPACE, random_state=0, executor=executor, **options)
    return sweep.fit(X, Y, eval_set=HELD_OUT)


def scores(sweep: gs.Sweep) -> list[float]:
    found: list[float] = sweep.results_["score"].tolist()
    return found
