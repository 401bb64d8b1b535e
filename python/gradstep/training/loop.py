"""The one loop that drives a backend: from row to row of the histories of the models of a group."""

from __future__ import annotations

import math
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gradstep.backends.protocol import Running, Session
from gradstep.errors import DivergedError
from gradstep.plan.plan import State
from gradstep.training import line_search
from gradstep.training.evaluation import metrics_of_models
from gradstep.training.history import column_names
from gradstep.training.setup import TrainingJob
from gradstep.training.status import Status

Array = npt.NDArray[np.floating]
Vectors = dict[str, npt.NDArray[np.float64]]


class ModelObserver(Protocol):
    """Observes the training of one model."""

    @property
    def evaluations_at_once(self) -> int:
        """The next evaluation and those after it, of which only the last may change the training.

        The parameters that the others are shown are those of the last.
        """
        ...

    def on_evaluation(
        self, row: dict[str, float], parameters: Array, to_come: npt.NDArray[np.float64]
    ) -> bool:
        """Handle an evaluation. Returns True when the training of this model is over.

        Parameters
        ----------
        row : dict
            The new row of the history; what was trained on had finite metrics.
        parameters : ndarray of shape (P,)
            Those that the row describes, finite; the observer's own.
        to_come : ndarray of shape (updates to come,), float64
            Learning rates of the updates after this one; may be changed in place.
        """
        ...

    def on_divergence(self, error: DivergedError) -> None:
        """Handle that a loss or a parameter is no longer finite; the training is over."""
        ...

    def end(self, status: Status) -> None:
        """Handle that the optimizer has no more to do; the training is over."""
        ...


class TrainingLoop:
    """m models that train together from evaluation to evaluation, and leave one by one.

    A model leaves when its observer says so, when it diverges, or when it is dropped; the others
    go on from their state in a new session, and do not notice.

    Parameters
    ----------
    job : TrainingJob
        Of m models.
    start : ndarray of shape (m, P), or State
        Initial parameters, or the state to go on from; changed in place.
    observers : sequence of m ModelObservers
    seconds : float, default=0.0
        Spent before; the column `seconds` of the histories goes on from there.

    Attributes
    ----------
    job, state, observers
        Of the models that are left, in the same order.
    done : int
        Updates that they have done.
    seconds : float
        Spent so far.
    """

    job: TrainingJob
    state: State
    observers: list[ModelObserver]
    done: int
    seconds: float

    def __init__(
        self,
        job: TrainingJob,
        start: Array | State,
        observers: Sequence[ModelObserver],
        seconds: float = 0.0,
    ) -> None:
        self.job = job
        self.state = line_search.begin(job.plan, start)
        self.observers = list(observers)
        self.done = int(self.state.updates.max())
        self._is_settled = True
        self._session: Session | None = None
        self._columns = column_names(job.metrics)
        self.seconds = seconds

    def state_of(self, observer: ModelObserver, leaves: bool = False) -> State | None:
        """Return a copy of the state of one model, None where it has left or is between two evaluations.

        Of a model that `leaves` at this evaluation, and was the last, it is the state itself: nothing
        changes it any more.
        """
        if observer not in self.observers or not self._is_settled:
            return None
        if leaves and len(self.observers) == 1:
            return self.state
        return self.state.select([self.observers.index(observer)])

    @property
    def is_over(self) -> bool:
        """Whether no model is left that has updates to come."""
        return not self.observers or self.done >= self.job.plan.updates

    def advance(self, goal: int, should_stop: Callable[[], bool]) -> None:
        """Train until the first evaluation at or after update `goal`.

        Ends earlier when no model is left, or when `should_stop` says so: an evaluation of what
        was done comes first.

        Raises
        ------
        MemoryError
            A batch and what the layers make of it do not fit in memory.
        """
        began = time.perf_counter() - self.seconds
        if self.job.evaluates_untrained and not self._session:
            self._begin(time.perf_counter() - began)
        while not self.is_over and self.done < goal and not should_stop():
            before, self._is_settled = self.done, False
            cuts = self._cuts(goal)
            running = self._train(cuts, should_stop)
            self.done = int(self.state.updates[self.state.finite].max(initial=before))
            described = self.job.plan.described(self.state)
            evaluated = self._evaluate(described) if self.done > before else {}
            seconds = time.perf_counter() - began
            finite = self._finite(cuts, running, evaluated)
            rows = self._rows(cuts, running, evaluated, seconds)
            leaving, self._is_settled = [], True
            for place, observer in enumerate(self.observers):
                new = rows[place]
                if not finite[place] and (new or not self.state.finite[place]):
                    leaving.append(observer)
                    # Its last row is of what is not finite. Where a batch was not, whole epochs before are.
                    whole = bisect_right(cuts, self.state.updates[place]) - 1
                    self._show(place, new[: whole if not self.state.finite[place] else -1], described)
                    observer.on_divergence(self._error(place))
                elif self._show(place, new, described):
                    leaving.append(observer)
                elif status := line_search.status_of(self.state, place):
                    leaving.append(observer)
                    observer.end(status)
            self.drop(leaving)
        self.seconds = time.perf_counter() - began

    def _cuts(self, goal: int) -> list[int]:
        """Return where the next updates begin, and the updates of the evaluations that they come to.

        The last of them is the first at or after `goal`, unless somebody asks for something before.
        """
        job, first = self.job, self.job.plan.first_update
        together = min(observer.evaluations_at_once for observer in self.observers)
        if job.evaluated or job.plan.takes_all_rows:
            together = 1
        else:
            together = max(1, min(together, job.plan.epochs_at_once))
        passed, last = (self.done - first) // job.every, min(goal, job.plan.updates)
        cuts = [self.done]
        while len(cuts) <= together and cuts[-1] < last:
            cuts.append(min(first + (passed + len(cuts)) * job.every, job.plan.updates))
        return cuts

    def _show(self, place: int, rows: Sequence[dict[str, float]], described: Array) -> bool:
        """Show the observer of a model its new rows. Returns True when it wants no more."""
        if not rows:
            return False
        observer, parameters = self.observers[place], described[place].copy()
        to_come = self.job.plan.rates(int(self.state.updates[place]))[place]
        return [observer.on_evaluation(row, parameters, to_come) for row in rows][-1]

    def _begin(self, seconds: float) -> None:
        """Tell the observers what the models come to before their first update, where they are evaluated."""
        self._session = self.job.session()
        described = self.job.plan.described(self.state)
        evaluated = self._evaluate(described)
        self.job = replace(self.job, evaluates_untrained=False)
        nothing = np.full((1, len(self.observers)), np.nan)
        rows = self._table(self.state.updates[None], Running(nothing, nothing), evaluated, seconds)
        leaving = []
        for place, row in enumerate(rows):
            row["learning_rate"] = 0.0  # no step was made
            if self._show(place, [row], described):
                leaving.append(self.observers[place])
        self.drop(leaving)

    def drop(self, leaving: Collection[object]) -> None:
        """Let models go; the others keep their state."""
        if not leaving:
            return
        left = [place for place, observer in enumerate(self.observers) if observer not in leaving]
        self.observers = [self.observers[place] for place in left]
        self.job = self.job.select(left)
        self.state = self.state.select(left)
        self._session = None

    def _train(self, cuts: Sequence[int], should_stop: Callable[[], bool]) -> Running:
        """Do the updates from the first cut to the last; return the means of every part, (e, m)."""
        job = self.job
        try:
            self._session = self._session or job.session()
            return self._session.train_parts(self.state, cuts, should_stop=should_stop)
        except MemoryError as error:
            sizes = "-".join(map(str, job.plan.objective.layers.sizes))
            models = "" if len(self.observers) == 1 else f"{len(self.observers)} times "
            raise MemoryError(
                f"`batch_size` of Trainer must leave work arrays that fit in memory, "
                f"got {job.plan.batch_size} rows of {models}a network {sizes}: {error}"
            ) from error

    def _evaluate(self, parameters: Array) -> dict[str, Vectors]:
        """Return the metrics of every model with parameters (m, P), each (m,), by split and name."""
        job, session = self.job, self._session
        if session is None or not job.evaluated:
            return {}
        with_scores = any(metric.from_answers for metric in job.metrics)
        evaluations = session.evaluate(parameters, with_scores=with_scores)
        loss = job.plan.objective.loss
        return {
            split: metrics_of_models(job.metrics, loss, job.targets, data, evaluation)
            for (split, data), evaluation in zip(job.evaluated.items(), evaluations, strict=True)
        }

    def _finite(
        self, cuts: Sequence[int], running: Running, evaluated: Mapping[str, Vectors]
    ) -> npt.NDArray[np.bool_]:
        """Say of which models the parameters and the losses of what was trained on are finite."""
        finite = self.state.finite & _are_finite(self.state.parameters)
        known = np.isfinite(running.loss)
        if not known.all():
            came_to = self.state.updates > np.array(cuts[:-1])[:, None]
            finite &= (known | ~came_to).all(axis=0)
        if "train" in evaluated:
            finite &= np.isfinite(evaluated["train"]["cost"])
        return finite

    def _error(self, place: int) -> DivergedError:
        done = int(self.state.updates[place])
        last = max(done - 1, self.job.plan.first_update)
        return DivergedError(done, float(self.job.plan.rates(last)[place, 0]))

    def _rows(
        self, cuts: Sequence[int], running: Running, evaluated: Mapping[str, Vectors], seconds: float
    ) -> list[list[dict[str, float]]]:
        """Return the new rows of the history of every model, those of evaluations that it came to."""
        done, ends = self.state.updates, np.array(cuts[1:])
        table, m = self._table(np.minimum(done, ends[:, None]), running, evaluated, seconds), len(done)
        return [table[place::m][: bisect_left(cuts, own)] for place, own in enumerate(done)]

    def _table(
        self,
        updates: npt.NDArray[np.int64],
        running: Running,
        evaluated: Mapping[str, Vectors],
        seconds: float,
    ) -> list[dict[str, float]]:
        """Return a row for every number of updates (e, m), one evaluation after the other."""
        plan, models = self.job.plan, np.arange(updates.shape[1])
        values: Vectors = {
            "update": updates.astype(np.float64),
            "epoch": plan.epochs_after(updates),
            "learning_rate": plan.learning_rate[models, updates - plan.first_update - 1],
            "running_loss": running.loss,
        }
        values |= {f"running_{metric.name}": running.hits for metric in self.job.metrics if metric.from_hits}
        for split, of_split in evaluated.items():
            values |= {f"{split}_{name}": of_models for name, of_models in of_split.items()}
        same = {"seconds": seconds}
        columns = [
            values[name].ravel().tolist() if name in values else [same.get(name, math.nan)] * updates.size
            for name in self._columns
        ]
        return [dict(zip(self._columns, row, strict=True)) for row in zip(*columns, strict=True)]


def _are_finite(parameters: Array) -> npt.NDArray[np.bool_]:
    """Return which rows of (m, P) parameters are finite."""
    # What is not finite is the largest or the smallest of them, or makes both NaN; neither takes any room.
    largest, smallest = parameters.max(axis=1), parameters.min(axis=1)
    finite: npt.NDArray[np.bool_] = np.isfinite(largest) & np.isfinite(smallest)
    return finite
