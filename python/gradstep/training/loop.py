"""The one loop that drives a backend: from row to row of the histories of the models of a group."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gradstep.backends.protocol import Backend, Figures, Running, Session
from gradstep.errors import DivergedError
from gradstep.plan.plan import Plan, State
from gradstep.plan.rows import Problem
from gradstep.training.history import COLUMNS, Metrics

Array = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Run:
    """The training of a group of m models as a whole.

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

    def session(self) -> Session:
        """Begin to execute the plan."""
        return self.backend.session(
            self.plan, self.train, list(self.evaluated.values()), n_threads=self.n_threads
        )

    def only(self, models: Sequence[int]) -> Run:
        """Return the training of some models of the group, in the order given."""
        evaluated = {name: problem.only(models) for name, problem in self.evaluated.items()}
        return replace(self, plan=self.plan.only(models), train=self.train.only(models), evaluated=evaluated)


class Follower(Protocol):
    """Follows the training of one model."""

    def see(self, row: dict[str, float], parameters: Array, to_come: npt.NDArray[np.float64]) -> bool:
        """Take in an evaluation and say whether the training of this model is over.

        Parameters
        ----------
        row : dict
            The new row of the history; what was trained on had finite figures.
        parameters : ndarray of shape (P,)
            Those that the row describes, finite; the follower's own.
        to_come : ndarray of shape (updates to come,), float64
            Learning rates of the updates after this one; may be changed in place.
        """
        ...

    def diverge(self, error: DivergedError) -> None:
        """Take in that a loss or a parameter is no longer finite; the training is over."""
        ...


class Group:
    """m models that train together from evaluation to evaluation, and leave one by one.

    A model leaves when its follower says so, when it diverges, or when it is dropped; the others
    go on from their state in a new session, and do not notice.

    Parameters
    ----------
    run : Run
        Of m models.
    parameters : ndarray of shape (m, P)
        The first ones; changed in place.
    followers : sequence of m Followers
    seconds : float, default=0.0
        Spent before; the column `seconds` of the histories goes on from there.

    Attributes
    ----------
    run, state, followers
        Of the models that are left, in the same order.
    done : int
        Updates that they have done.
    """

    def __init__(
        self, run: Run, parameters: Array, followers: Sequence[Follower], seconds: float = 0.0
    ) -> None:
        self.run, self.state, self.followers = run, State.start(parameters), list(followers)
        self._session: Session | None = None
        self.done, self._seconds = 0, seconds

    @property
    def is_over(self) -> bool:
        """Whether no model is left that has updates to come."""
        return not self.followers or self.done >= self.run.plan.updates

    def advance(self, goal: int, should_stop: Callable[[], bool]) -> None:
        """Train until the first evaluation at or after update `goal`.

        Ends earlier when no model is left, or when `should_stop` says so: an evaluation of what
        was done comes first.

        Raises
        ------
        MemoryError
            A batch and what the layers make of it do not fit in memory.
        """
        began = time.perf_counter() - self._seconds
        while not self.is_over and self.done < goal and not should_stop():
            before = self.done
            running = self._train(should_stop)
            self.done = int(self.state.updates[self.state.finite].max(initial=before))
            figures = self._evaluate() if self.done > before else {}
            seconds, finite = time.perf_counter() - began, self._finite(running, figures)
            rows = _rows(self.run.plan, self.state.updates, running, figures, seconds)
            leaving = []
            for place, follower in enumerate(self.followers):
                done = int(self.state.updates[place])
                if not finite[place] and (done > before or not self.state.finite[place]):
                    leaving.append(follower)
                    follower.diverge(self._error(place))
                elif done > before:
                    to_come = self.run.plan.learning_rate[place, done:]
                    if follower.see(rows[place], self.state.parameters[place].copy(), to_come):
                        leaving.append(follower)
            self.drop(leaving)
        self._seconds = time.perf_counter() - began

    def drop(self, leaving: Collection[Follower]) -> None:
        """Let models go; the others keep their state."""
        if not leaving:
            return
        left = [place for place, follower in enumerate(self.followers) if follower not in leaving]
        self.followers = [self.followers[place] for place in left]
        self.run, self.state, self._session = self.run.only(left), self.state.only(left), None

    def _train(self, should_stop: Callable[[], bool]) -> Running:
        """Do the updates up to the next evaluation."""
        run = self.run
        goal = min(run.plan.updates, (self.done // run.every + 1) * run.every)
        if self._session is None:
            self._session = run.session()
        try:
            return self._session.train(self.state, self.done, goal, should_stop=should_stop)
        except MemoryError as error:
            sizes = "-".join(map(str, run.plan.objective.layers.sizes))
            models = "" if len(self.followers) == 1 else f"{len(self.followers)} times "
            raise MemoryError(
                f"`batch_size` of Trainer must leave work arrays that fit in memory, "
                f"got {run.plan.batch_size} rows of {models}a network {sizes}: {error}"
            ) from error

    def _evaluate(self) -> dict[str, Figures]:
        evaluated, session = self.run.evaluated, self._session
        figures = session.evaluate(self.state.parameters) if session is not None and evaluated else []
        return dict(zip(evaluated, figures, strict=True))

    def _finite(self, running: Running, figures: Mapping[str, Figures]) -> npt.NDArray[np.bool_]:
        """Say of which models the parameters and the figures of what was trained on are finite."""
        # Model by model: the answers for all parameters of all models would take a quarter of their bytes.
        finite = np.array([np.isfinite(block).all() for block in self.state.parameters])
        finite &= self.state.finite & np.isfinite(running.loss)
        if "train" in figures:
            finite &= np.isfinite(figures["train"].cost)
        return finite

    def _error(self, place: int) -> DivergedError:
        done = int(self.state.updates[place])
        return DivergedError(done, float(self.run.plan.learning_rate[place, max(done - 1, 0)]))


def _rows(
    plan: Plan,
    updates: npt.NDArray[np.int64],
    running: Running,
    evaluated: Mapping[str, Figures],
    seconds: float,
) -> list[dict[str, float]]:
    """Return the next row of the history of every model."""
    m = len(updates)
    nothing = Figures(*np.full((3, m), np.nan))
    columns = {
        "update": updates,
        "epoch": updates / plan.updates_per_epoch,
        "learning_rate": plan.learning_rate[np.arange(m), updates - 1],
        "seconds": np.full(m, seconds),
        "running_loss": running.loss,
        "running_accuracy": running.accuracy,
    }
    for part in ("train", "validation"):
        figures = evaluated.get(part, nothing)
        columns |= {f"{part}_{name}": values for name, values in figures._asdict().items()}
    values = zip(*(columns[name].tolist() for name in COLUMNS), strict=True)
    return [dict(zip(COLUMNS, row, strict=True)) for row in values]


def metrics(figures: Figures, place: int = 0) -> Metrics:
    """Return the figures of one model as plain numbers."""
    return Metrics(*(float(values[place]) for values in figures))
