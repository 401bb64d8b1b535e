"""The loop that drives a backend from row to row of the history."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gradstep.backends.protocol import Backend, Figures, Running
from gradstep.errors import DivergedError
from gradstep.history import Metrics
from gradstep.plan import Plan, State
from gradstep.problem import Problem


@dataclass(frozen=True)
class Run:
    """A training as a whole.

    Attributes
    ----------
    backend : Backend
    plan : Plan
    train : Problem
    evaluated : mapping of str to Problem
        What is evaluated, every time in full: "train", "validation", both or nothing.
    every : int
        Updates between evaluations; the last update is always followed by one.
    n_threads : int
    """

    backend: Backend
    plan: Plan
    train: Problem
    evaluated: Mapping[str, Problem]
    every: int
    n_threads: int

    @property
    def updates(self) -> int:
        """Updates planned."""
        return int(self.plan.learning_rate.shape[1])


class Evaluation(NamedTuple):
    """Figures of m models after an update: of the updates since the last one, and by what was evaluated."""

    update: int
    running: Running
    figures: dict[str, Figures]


def evaluations(run: Run, state: State, should_stop: Callable[[], bool]) -> Iterator[Evaluation]:
    """Train the m models of `state` in place, pausing for every evaluation.

    Ends after the last update, when `should_stop` says so (an evaluation of what was done comes
    first), or when no model is finite any more.
    """
    done, evaluated = int(state.updates.max()), list(run.evaluated.values())
    session = run.backend.session(run.plan, run.train, evaluated, n_threads=run.n_threads)
    while done < run.updates and not should_stop():
        goal = min(run.updates, (done // run.every + 1) * run.every)
        try:
            running = session.train(state, done, goal, should_stop=should_stop)
        except MemoryError as error:
            sizes = "-".join(map(str, run.plan.objective.layers.sizes))
            raise MemoryError(
                f"`batch_size` of Trainer must leave work arrays that fit in memory, "
                f"got {run.plan.batch_size} rows of a network {sizes}: {error}"
            ) from error
        if not state.finite.any() or state.updates.max() == done:
            return
        done = int(state.updates.max())
        figures = session.evaluate(state.parameters) if evaluated else []
        yield Evaluation(done, running, dict(zip(run.evaluated, figures, strict=True)))


def rows(
    run: Run, state: State, should_stop: Callable[[], bool], began: float
) -> Iterator[tuple[dict[str, float], npt.NDArray[np.floating]]]:
    """Train one model, m = 1; yield a row of its history and a copy of its parameters, shape (P,).

    Every copy is finite, and so are the figures on the train rows.

    Parameters
    ----------
    run : Run
    state : State
        Of one model; changed in place.
    should_stop : callable
    began : float
        ``time.perf_counter()`` from which the column `seconds` counts.

    Raises
    ------
    DivergedError
        A loss or a parameter is no longer finite.
    """
    rates = run.plan.learning_rate[0]
    for evaluation in evaluations(run, state, should_stop):
        seen = [evaluation.running.loss[0]]
        seen += [evaluation.figures["train"].cost[0]] if "train" in evaluation.figures else []
        if not (state.finite[0] and np.isfinite(seen).all() and np.isfinite(state.parameters).all()):
            break
        yield _row(run.plan, evaluation, time.perf_counter() - began), state.parameters[0].copy()
    else:
        if state.finite[0]:
            return
    done = int(state.updates[0])
    raise DivergedError(done, float(rates[max(done - 1, 0)]))


def _row(plan: Plan, evaluation: Evaluation, seconds: float) -> dict[str, float]:
    """Return the first model's row of the history."""
    done = evaluation.update
    row = {
        "update": done,
        "epoch": done / plan.updates_per_epoch,
        "learning_rate": float(plan.learning_rate[0, done - 1]),
        "seconds": seconds,
        "running_loss": float(evaluation.running.loss[0]),
        "running_accuracy": float(evaluation.running.accuracy[0]),
    }
    for part in ("train", "validation"):
        figures = evaluation.figures.get(part)
        values = metrics(figures) if figures else Metrics(np.nan, np.nan, np.nan)
        row |= {f"{part}_{name}": value for name, value in values._asdict().items()}
    return row


def metrics(figures: Figures) -> Metrics:
    """Return the figures of the first model as plain numbers."""
    return Metrics(*(float(values[0]) for values in figures))
