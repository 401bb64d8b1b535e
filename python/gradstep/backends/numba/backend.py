"""The Numba backend: it prepares what the kernels take, and calls them a portion at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.backends.numba.kernels import passes
from gradstep.backends.numba.kernels.arrays import Crew, Models, PackedGroup, Portion
from gradstep.backends.numba.kernels.formulas import Concept, can_compile
from gradstep.backends.numba.packing import Packing, aligned, chunks_of, portion_of, rows_of
from gradstep.backends.numba.team import Team
from gradstep.backends.numpy import penalty, penalty_gradient
from gradstep.backends.protocol import Evaluation, Running, Session, never, running
from gradstep.nn.rules import DescentRule, Rule
from gradstep.plan.network import Objective
from gradstep.plan.order import Augmentation
from gradstep.plan.plan import Plan, State
from gradstep.plan.rows import TrainingData, readable, readable_pieces
from gradstep.plan.standardization import sums_of_bytes

Array = npt.NDArray[Any]

# Rows that one thread evaluates at a time; their losses are summed in the order of such chunks.
_EVALUATION_ROWS = 64

# Rows of which threads share out a gradient.
_GRADIENT_ROWS = 256

# A call of a kernel aims at this, so that a stop or a signal is seen soon.
_SECONDS = 0.03


class NumbaBackend:
    """Executes plans in loops that numba compiles at first use, on threads of its own, without the GIL."""

    name = "numba"
    rows_together = _EVALUATION_ROWS

    def lacks(self, objective: Objective, rule: type[Rule] | None = None) -> list[str]:
        """Return the losses, activations and rules among these that numba cannot compile."""
        concepts: list[Concept] = [type(objective.loss), *map(type, objective.activations[0])]
        concepts += [] if rule is None else [rule]
        return [concept.name for concept in dict.fromkeys(concepts) if not can_compile(concept)]

    def session(
        self, plan: Plan, data: TrainingData, evaluated: Sequence[TrainingData] = (), *, n_threads: int = 1
    ) -> NumbaSession:
        """Prepare to train on the rows of a data set, and to evaluate those of others."""
        return NumbaSession(plan, data, evaluated, n_threads)

    def evaluate(
        self, objective: Objective, data: TrainingData, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> Evaluation:
        """Return what every model comes to over all rows (weighted, if they are)."""
        team, judged = Team(n_threads), []
        for piece in readable_pieces(data, parameters.dtype, self.rows_together):
            judged.append(_Forward(objective, parameters.dtype, [piece], team).judge(0, parameters)[0])
        return _evaluation(np.concatenate(judged, axis=2), data.n, penalty(objective, parameters))

    def full_batch(self, objective: Objective, data: TrainingData, *, n_threads: int = 1) -> NumbaFullBatch:
        """Prepare to take the rows of a data set, at least one, as one batch."""
        return NumbaFullBatch(objective, data, n_threads)

    def loss_and_gradient(
        self, objective: Objective, data: TrainingData, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> tuple[Evaluation, npt.NDArray[Any]]:
        """Return what `FullBatch` does, once."""
        return self.full_batch(objective, data, n_threads=n_threads).loss_and_gradient(parameters)

    def scores(
        self, objective: Objective, data: TrainingData, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> npt.NDArray[Any]:
        """Return the last layer's output of every model, shape (m, n, k); targets are not looked at."""
        return _Forward(objective, parameters.dtype, [data], Team(n_threads)).scores(parameters)

    def sums_of_bytes(self, X: npt.NDArray[np.uint8], n_threads: int) -> npt.NDArray[Any]:
        """Return the sums of every column and of its squares, (2, d); exact."""
        return sums_of_bytes(X, n_threads)


class NumbaSession(Session):
    """One plan being executed; it keeps its threads and all arrays that the kernels need."""

    plan: Plan
    data: TrainingData
    evaluated: Sequence[TrainingData]

    def __init__(
        self, plan: Plan, data: TrainingData, evaluated: Sequence[TrainingData], n_threads: int
    ) -> None:
        self.plan, self.data, self.evaluated = plan, data, evaluated
        self._readable = data
        self._team, self._pace, self._begun = Team(n_threads), Pace(), False
        self._lanes: list[_Lane] = []
        self._forward: _Forward | None = None

    def train(self, state: State, t0: int, t1: int, *, should_stop: Callable[[], bool] = never) -> Running:
        """Do the updates ``t0 <= t < t1`` on `state`, in place."""
        if not self._lanes or self._lanes[0].packing.dtype != state.parameters.dtype:
            self._lanes = self._lay_lanes(state.parameters.dtype)
        for lane in self._lanes:
            lane.begin(state)
        try:
            # Rates may be infinite: divergence is seen by a loss that is not finite.
            with np.errstate(over="ignore", invalid="ignore"):
                self._walk(t0, t1, should_stop)
        finally:
            for lane in self._lanes:
                lane.end(state)
        return running(np.concatenate([lane.models.sums for lane in self._lanes], axis=1))

    def _lay_lanes(self, dtype: np.dtype[Any]) -> list[_Lane]:
        """Give every thread a lane of its own if models are as many, or many enough not to lie uneven."""
        plan, m, team = self.plan, len(self.plan.objective.l2), self._team.size
        count = team if team <= m and -(-m // team) * team <= 1.25 * m else 1
        lanes, rows = [], min(plan.batch_size, self.data.n)
        self._readable = readable(self.data, dtype)
        for lane in range(count):
            models = range(m * lane // count, m * (lane + 1) // count)
            own = plan.select(models)
            packing = Packing(own.objective, dtype, rows, own.rule, team // count, own)
            lanes.append(_Lane(packing, self._readable.select(models), models, plan.augmentation))
        return lanes

    def _walk(self, t0: int, t1: int, should_stop: Callable[[], bool]) -> None:
        lanes = self._lanes
        for updates in self.plan.ranges(t0, t1):
            self.data.require_whole()
            whole = portion_of(updates, self._readable, lanes[0].packing.dtype)
            for first, last in self._pace.portions(whole.last):
                if should_stop() or not any(lane.models.finite[0].any() for lane in lanes):
                    return
                portion = whole._replace(first=first, last=last)
                for lane in lanes:
                    lane.models.finite[:] = lane.models.finite[0]  # not all threads need have been there
                # The first update of a session is the caller's alone: it may have to compile.
                most = lanes[0].packing.tasks if len(lanes) == 1 else len(lanes)
                self._team.run(partial(self._train, portion), most if self._begun else 1)
                self._begun = True

    def _train(self, portion: Portion, thread: int, team: int) -> None:
        """Train a single lane together, or one for each thread; those that no thread is left for, alone."""
        lanes, crew = self._lanes, self._team.crew
        if len(lanes) == 1:
            lanes[0].train(portion, crew(thread, team, everyone=team))
        elif len(lanes) == team:
            lanes[thread].train(portion, crew(0, 1, everyone=team))
        else:
            for lane in lanes[thread::team]:
                lane.train(portion, crew(0, 1, everyone=1))

    def evaluate(self, parameters: npt.NDArray[Any], *, with_scores: bool = False) -> list[Evaluation]:
        """Return what every model comes to on each of the data sets to be evaluated."""
        if self._forward is None or self._forward.packing.dtype != parameters.dtype:
            self._forward = _Forward(self.plan.objective, parameters.dtype, self.evaluated, self._team)
        return self._forward.evaluate(parameters, with_scores)


class NumbaFullBatch:
    """All rows as one batch, some at a time: updates by steps of 1 along the gradient of the rows' mean loss.

    Numbers other than the parameters take them, so the parameters stay.
    """

    objective: Objective
    data: TrainingData

    def __init__(self, objective: Objective, data: TrainingData, n_threads: int) -> None:
        self.objective, self.data, self._team = objective, data, Team(n_threads)
        self._pace, self._begun = Pace(), False
        self._lanes: dict[np.dtype[Any], tuple[_Lane, Portion]] = {}

    def loss_and_gradient(
        self, parameters: npt.NDArray[Any], active: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Evaluation, npt.NDArray[Any]]:
        """Return what every model comes to on all rows, and the gradient of its cost.

        Both are NaN of a model whose loss is not finite.
        """
        self.data.require_whole()
        if parameters.dtype not in self._lanes:
            self._lanes[parameters.dtype] = self._lane(parameters.dtype)
        lane, whole = self._lanes[parameters.dtype]
        state = State.start(parameters)
        if active is not None:
            state.finite[:] = active
        lane.begin(state)
        lane.models.changed[:] = 0
        with np.errstate(over="ignore", invalid="ignore"):
            self._walk(lane, whole)
            gradient = penalty_gradient(self.objective, parameters)
            sums = np.empty_like(parameters)
            lane.packing.unpack(lane.models.changed, sums)
            gradient += sums
        loss, hits, rows = lane.models.sums
        missing = rows < self.data.n
        gradient[missing] = loss[missing] = hits[missing] = np.nan
        loss, hits = loss / self.data.n, hits / self.data.n
        return Evaluation(loss, loss + penalty(self.objective, parameters), hits), gradient

    def _lane(self, dtype: np.dtype[Any]) -> tuple[_Lane, Portion]:
        """Return a lane of all models with zeros beside the parameters, and the rows in stretches."""
        data, m = readable(self.data, dtype), len(self.objective.l2)
        rows = min(_GRADIENT_ROWS, data.n)
        lane = _Lane(Packing(self.objective, dtype, rows, DescentRule, self._team.size), data, range(m))
        zeros = aligned(lane.models.parameters.shape, dtype)
        lane.group = lane.group._replace(models=lane.models._replace(changed=zeros))
        return lane, chunks_of(data, rows, m, dtype)

    def _walk(self, lane: _Lane, whole: Portion) -> None:
        for first, last in self._pace.portions(whole.last):
            lane.models.finite[:] = lane.models.finite[0]  # not all threads need have been there
            if not lane.models.finite[0].any():
                return
            portion = whole._replace(first=first, last=last)

            def task(thread: int, team: int, portion: Portion = portion) -> None:
                lane.train(portion, self._team.crew(thread, team, everyone=team))

            # The first call is the caller's alone: it may have to compile.
            self._team.run(task, lane.packing.tasks if self._begun else 1)
            self._begun = True


class _Lane:
    """Models that some threads train update by update, beside other threads with other models."""

    def __init__(
        self, packing: Packing, data: TrainingData, models: range, augmentation: Augmentation | None = None
    ) -> None:
        self.packing, self.places = packing, slice(models.start, models.stop)
        rows, work = rows_of(data, packing.dtype, augmentation), packing.workspace(trains=True)
        self.group = PackedGroup(packing.network(), rows, work, packing.models())

    @property
    def models(self) -> Models:
        """What training changes, packed."""
        return self.group.models

    def begin(self, state: State) -> None:
        """Take what `state` knows of the models."""
        models, places = self.models, self.places
        self.packing.pack(state.parameters[places], models.parameters)
        for slot in range(self.packing.slots):
            self.packing.pack(state.slots[places, slot], models.slots[:, slot])
        models.updates[:], models.finite[:] = state.updates[places], state.finite[places]
        models.sums[:], models.penalties[:] = 0, 0

    def train(self, portion: Portion, crew: Crew) -> None:
        """Do the updates of a portion."""
        names = ("numbers", "divisors", "penalties", "decays", "shares")
        own = {name: getattr(portion, name)[self.places] for name in names}
        passes.train(self.group, portion._replace(**own), crew)

    def end(self, state: State) -> None:
        """Write what has become of the models."""
        models, places = self.models, self.places
        self.packing.unpack(models.parameters, state.parameters[places])
        for slot in range(self.packing.slots):
            self.packing.unpack(models.slots[:, slot], state.slots[places, slot])
        state.updates[places], state.finite[places] = models.updates, models.finite[0]
        models.sums[0] += models.penalties.sum(axis=1)


class _Forward:
    """Forward passes of m models over the rows of some data sets, in chunks that threads share out."""

    def __init__(
        self, objective: Objective, dtype: np.dtype[Any], sets: Sequence[TrainingData], team: Team
    ) -> None:
        self.sets, sets = sets, [readable(data, dtype) for data in sets]
        most = max((data.n for data in sets), default=1)
        self.packing = packing = Packing(objective, dtype, min(most, _EVALUATION_ROWS))
        self.team, self.pace, self.rows = team, Pace(), [rows_of(data, dtype) for data in sets]
        self.chunks = [chunks_of(data, packing.capacity, 1, dtype) for data in sets]
        self.workspaces = [packing.workspace(trains=False) for _ in range(team.size)]
        self.network, self.models = packing.network(), packing.models()

    def evaluate(self, parameters: Array, with_scores: bool = False) -> list[Evaluation]:
        """Return what every model comes to on each of the data sets."""
        costs, found = penalty(self.packing.objective, parameters), []
        for place, chunks in enumerate(self.chunks):
            judged, scores = self.judge(place, parameters, with_scores)
            found.append(_evaluation(judged, chunks.places.size, costs, scores if with_scores else None))
        return found

    def judge(self, place: int, parameters: Array, with_scores: bool = False) -> tuple[Array, Array]:
        """Return losses and hits of every chunk of a data set, (2, m, chunks), and its scores or none."""
        judged = np.zeros((2, len(parameters), self.chunks[place].last))
        return judged, self._over(place, parameters, judged, with_scores)

    def scores(self, parameters: Array) -> Array:
        """Return the scores on the first data set, (m, n, k)."""
        return self._over(0, parameters, np.empty((0, 0, 0)), True)

    def _over(self, place: int, parameters: Array, judged: Array, with_scores: bool) -> Array:
        self.sets[place].require_whole()
        chunks, k = self.chunks[place], self.packing.objective.layers.sizes[-1]
        scores = np.empty((len(parameters), chunks.places.size if with_scores else 0, k), parameters.dtype)
        self.packing.pack(parameters, self.models.parameters)
        for first, last in self.pace.portions(chunks.last):
            portion = chunks._replace(first=first, last=last)

            def task(thread: int, team: int, portion: Portion = portion) -> None:
                group = PackedGroup(self.network, self.rows[place], self.workspaces[thread], self.models)
                passes.evaluate(group, portion, judged, scores, self.team.crew(thread, team, everyone=team))

            self.team.run(task, last - first)
        return scores


def _evaluation(judged: Array, n: int, penalties: Array, scores: Array | None = None) -> Evaluation:
    """Add up losses and hits (2, m, chunks) of n rows."""
    loss, hits = judged.sum(axis=2) / n
    return Evaluation(loss, loss + penalties, hits, scores)


class Pace:
    """Cuts work into portions that take about _SECONDS each, and remembers how long they should be."""

    size: int

    def __init__(self) -> None:
        self.size = 1

    def portions(self, total: int) -> Iterator[tuple[int, int]]:
        """Cut ``range(total)``; what the caller does between two portions is timed."""
        first = 0
        while first < total:
            last, start = min(first + self.size, total), time.perf_counter()
            yield first, last
            seconds = max(time.perf_counter() - start, 1e-9)
            # From the portion's own length: the last of a range may be a short one.
            size = (last - first) * min(8.0, _SECONDS / seconds)
            first, self.size = last, max(1, int(size))
