"""The loop that drives a backend from evaluation to evaluation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gradstep.backends.protocol import Backend, Figures
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
    validation : Problem or None
        Rows that are evaluated and never trained on.
    evaluate_every : int
        Updates between evaluations; the last update is always followed by one.
    n_threads : int
    """

    backend: Backend
    plan: Plan
    train: Problem
    validation: Problem | None
    evaluate_every: int
    n_threads: int

    @property
    def updates(self) -> int:
        """Updates planned."""
        return int(self.plan.learning_rate.shape[1])


class Evaluation(NamedTuple):
    """Figures of m models after an update; `validation` is None without validation rows."""

    update: int
    train: Figures
    validation: Figures | None


def evaluations(run: Run, state: State, should_stop: Callable[[], bool]) -> Iterator[Evaluation]:
    """Train the m models of `state` in place, pausing for every evaluation.

    Ends after the last update, when `should_stop` says so (an evaluation of what was done comes
    first), or when no model is finite any more.
    """
    every, done = run.evaluate_every, int(state.updates.max())
    evaluated = [problem for problem in (run.train, run.validation) if problem is not None]
    session = run.backend.session(run.plan, run.train, evaluated, n_threads=run.n_threads)
    while done < run.updates and not should_stop():
        goal = min(run.updates, (done // every + 1) * every)
        session.train(state, done, goal, should_stop=should_stop)
        if not state.finite.any() or state.updates.max() == done:
            return
        done = int(state.updates.max())
        figures = session.evaluate(state.parameters)
        yield Evaluation(done, figures[0], figures[1] if run.validation else None)


def rows(
    run: Run, state: State, should_stop: Callable[[], bool], began: float
) -> Iterator[tuple[dict[str, float], npt.NDArray[np.floating]]]:
    """Train one model, m = 1; yield a row of its history and a copy of its parameters, shape (P,).

    Every row and every copy is of a finite model.

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
        done = evaluation.update
        loss_is_finite = bool(state.finite[0]) and np.isfinite(evaluation.train.cost[0])
        if not loss_is_finite or not np.isfinite(state.parameters).all():
            break
        row = {
            "update": done,
            "epoch": done / run.plan.updates_per_epoch,
            "learning_rate": float(rates[done - 1]),
            "seconds": time.perf_counter() - began,
        }
        for name, figures in (("train", evaluation.train), ("validation", evaluation.validation)):
            values = metrics(figures) if figures else Metrics(np.nan, np.nan, np.nan)
            row |= {f"{name}_{figure}": value for figure, value in values._asdict().items()}
        yield row, state.parameters[0].copy()
    else:
        if state.finite[0]:
            return
    done = int(state.updates[0])
    raise DivergedError(done, float(rates[max(done - 1, 0)]))


def metrics(figures: Figures) -> Metrics:
    """Return the figures of the first model as plain numbers."""
    return Metrics(*(float(values[0]) for values in figures))
