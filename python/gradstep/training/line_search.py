"""Minimisations by L-BFGS of models that share their passes over all rows.

Each model has its own directions, line searches and end; what they share is that the evaluations of all
that wait for one are done in one pass, of which none has other numbers than it would have alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from gradstep.backends.protocol import Backend, Evaluation, FullBatch, Running, Session, never, running
from gradstep.nn.lbfgs import Ending, Minimizer, MinimizerLimits, MinimizerState
from gradstep.nn.optimizers import LBFGS, Optimizer
from gradstep.plan.network import Objective
from gradstep.plan.plan import Plan, State
from gradstep.plan.rows import TrainingData
from gradstep.training.status import Status

Array = npt.NDArray[Any]
Vector = npt.NDArray[np.float64]


class At(NamedTuple):
    """What a model comes to on all rows, at the point where its minimisation is."""

    loss: float
    cost: float
    hits: float


class SharedPasses:
    """m minimisers, and the batch that tells them what their functions are.

    Parameters
    ----------
    batch : FullBatch
        Of m models.
    dtype : dtype
        In which they are computed; a minimiser's points are rounded to it.
    factor : ndarray of shape (m,), float64
        What is minimised is so many times the cost.
    """

    batch: FullBatch
    dtype: np.dtype[Any]
    factor: Vector

    def __init__(self, batch: FullBatch, dtype: npt.DTypeLike, factor: Vector) -> None:
        self.batch, self.dtype, self.factor = batch, np.dtype(dtype), factor

    def tell(
        self, minimizers: Sequence[Minimizer], waiting: npt.NDArray[np.bool_]
    ) -> tuple[Evaluation, list[int]]:
        """Evaluate the points of all that wait, in one pass, and tell them.

        Returns
        -------
        Evaluation
            At their points.
        list of int
            Those of which this ended an iteration: they went on to the point.
        """
        places: list[int] = np.flatnonzero(waiting).tolist()
        points = np.zeros((len(minimizers), minimizers[0].x.size), dtype=self.dtype)
        for place in places:
            points[place] = minimizers[place].point
        evaluation, gradient = self.batch.loss_and_gradient(points, waiting)
        done = []
        with np.errstate(over="ignore", invalid="ignore"):
            for place in places:
                f = float(self.factor[place] * evaluation.cost[place])
                g = self.factor[place] * gradient[place].astype(np.float64)
                if minimizers[place].tell(f, g):
                    done.append(place)
        return evaluation, done


@dataclass
class SearchState(State):
    """The state of models that minimise by line searches.

    Attributes
    ----------
    minimizers : list of m Minimizer
    at : list of m At, or None for one that has not begun
    """

    minimizers: list[Minimizer] = field(default_factory=list)
    at: list[At | None] = field(default_factory=list)

    @classmethod
    def begin(cls, state: State, optimizers: Sequence[Optimizer]) -> Self:
        """Begin at the parameters of a state in which no update is done."""
        minimizers = []
        for block, optimizer in zip(state.parameters, optimizers, strict=True):
            assert isinstance(optimizer, LBFGS)
            minimizers.append(Minimizer(block.astype(np.float64), int(optimizer.history), optimizer.limits))
        plain = {name: getattr(state, name) for name in ("parameters", "slots", "updates", "finite")}
        return cls(**plain, minimizers=minimizers, at=[None] * len(minimizers))

    def select(self, models: Sequence[int]) -> SearchState:
        """Return the state of some models of the group, in the order given; minimisers are shared."""
        plain = super().select(models)
        return SearchState(
            plain.parameters,
            plain.slots,
            plain.updates,
            plain.finite,
            [self.minimizers[model] for model in models],
            [self.at[model] for model in models],
        )


def begin(plan: Plan, start: Array | State) -> State:
    """Return the state that training begins with, as the plan's optimizers need it.

    `start` are initial parameters (m, P), or what an earlier training has come to.
    """
    state = start if isinstance(start, State) else State.start(start, plan.slots)
    if not plan.takes_all_rows or isinstance(state, SearchState):
        return state
    return SearchState.begin(state, plan.optimizers)


def go_on(
    state: State,
    optimizers: Sequence[Optimizer],
    minimizers: Sequence[MinimizerState],
    at: Sequence[At | None],
) -> State:
    """Return a state of models that go on from where their minimisations were."""
    found = [_minimizer(own, optimizer) for own, optimizer in zip(minimizers, optimizers, strict=True)]
    return SearchState(
        state.parameters, state.slots, state.updates, state.finite, minimizers=found, at=list(at)
    )


def _minimizer(state: MinimizerState, optimizer: Optimizer) -> Minimizer:
    assert isinstance(optimizer, LBFGS)
    return Minimizer.of(state, int(optimizer.history), optimizer.limits)


def status_of(state: State, model: int) -> Status | None:
    """Return what a training ended with by itself, None where it goes on as long as it is let."""
    ending = state.minimizers[model].ending if isinstance(state, SearchState) else None
    if ending is None or ending is Ending.NOT_FINITE:
        return None
    return Status.EARLY_STOPPED if ending.is_limit else Status.CONVERGED


class LineSearchSession(Session):
    """A plan whose updates are iterations over all rows.

    Parameters
    ----------
    backend : Backend
    plan : Plan
    train : TrainingData
    evaluated : sequence of TrainingData
    n_threads : int
    """

    def __init__(
        self,
        backend: Backend,
        plan: Plan,
        train: TrainingData,
        evaluated: Sequence[TrainingData],
        n_threads: int,
    ) -> None:
        self._train, self._evaluated = train, list(evaluated)
        self._is_plain = plan.batch_cost.is_plain
        self._factor, objective = _scaled(plan, train.n)
        self._batch = backend.full_batch(objective, train, n_threads=n_threads)
        self._inner: Session = backend.session(plan, train, evaluated, n_threads=n_threads)
        self._of_others: Session = backend.session(plan, train, self._others, n_threads=n_threads)
        self._at: list[At | None] = []

    @property
    def _others(self) -> list[TrainingData]:
        return [data for data in self._evaluated if data is not self._train]

    def train(self, state: State, t0: int, t1: int, *, should_stop: Callable[[], bool] = never) -> Running:
        """Do the iterations ``t0 <= t < t1`` of every model that has not come to its end.

        The running loss is that of the points that iterations begin at.
        """
        assert isinstance(state, SearchState)
        passes = SharedPasses(self._batch, state.parameters.dtype, self._factor)
        sums = np.zeros((3, len(state.minimizers)))
        while (waiting := self._waiting(state, t1)).any() and not should_stop():
            evaluation, done = passes.tell(state.minimizers, waiting)
            for place in np.flatnonzero(waiting).tolist():
                here = At(*(float(of_models[place]) for of_models in evaluation[:3]))
                before, state.at[place] = state.at[place], here if place in done else state.at[place] or here
                if place in done and before is not None:
                    sums[:, place] += before.loss, before.hits, 1
                elif state.minimizers[place].ending and not state.minimizers[place].n_iter:
                    sums[:, place] = here.loss, here.hits, 1
                _note(state, place)
        self._at = state.at
        return running(sums)

    @staticmethod
    def _waiting(state: SearchState, t1: int) -> npt.NDArray[np.bool_]:
        goes_on = [own.ending is None for own in state.minimizers]
        return np.array(goes_on) & (state.updates < t1)

    def evaluate(self, parameters: Array, *, with_scores: bool = False) -> list[Evaluation]:
        """Return what every model comes to on each of the data sets to be evaluated.

        What the train rows come to is known, but for scores.
        """
        known = [at for at in self._at if at is not None]
        if with_scores or not self._is_plain or len(known) < len(parameters):
            return self._inner.evaluate(parameters, with_scores=with_scores)
        others = iter(self._of_others.evaluate(parameters) if self._others else ())
        of_train = Evaluation(*np.array(known).T.copy())
        return [of_train if data is self._train else next(others) for data in self._evaluated]


def _scaled(plan: Plan, n: int) -> tuple[Vector, Objective]:
    """Return how many times a plain objective the plan's batch cost over all rows is, (m,), and that one."""
    l2, cost = plan.objective.l2, plan.batch_cost
    if cost.is_plain:
        return np.ones(len(l2)), plan.objective
    sizes = cost.sizes(np.arange(n, dtype=np.int32), np.array([0, n]))
    factor = n / cost.divisors(sizes, len(l2))[:, 0]
    return factor, replace(plan.objective, l2=cost.l2(l2, sizes)[:, 0] / factor)


def _note(state: SearchState, place: int) -> None:
    """Write what has become of a model to the arrays."""
    own = state.minimizers[place]
    state.finite[place] = own.ending is not Ending.NOT_FINITE
    # One that ends where it began has been looked at once: its history has a row.
    seen = 1 if own.ending is not None and own.ending is not Ending.NOT_FINITE else 0
    state.updates[place] = max(own.n_iter, seen)
    state.parameters[place] = own.x


class Minimum(NamedTuple):
    """What a minimisation came to.

    Attributes
    ----------
    parameters : ndarray of shape (P,), float64
    value : float
        Of what was minimised.
    n_iter : int
    n_fun : int
        Evaluations.
    ending : Ending
        Why it ended; `is_converged` and `is_limit` of it say what scipy's status 0 and 1 do, neither is 2.
    """

    parameters: Vector
    value: float
    n_iter: int
    n_fun: int
    ending: Ending


def minimize(
    batch: FullBatch,
    parameters: Array,
    limits: MinimizerLimits,
    *,
    memory: int = 10,
    factor: npt.ArrayLike = 1.0,
    on_iteration: Callable[[int, Minimizer], object] | None = None,
) -> list[Minimum]:
    """Minimise the costs of m models over all rows, to the ends that `limits` say.

    With ``MinimizerLimits(gradient=tol, iterations=max_iter, evaluations=max_fun)`` it is what
    ``scipy.optimize.minimize(method="L-BFGS-B", options={"gtol": tol, "maxiter": max_iter, "maxfun":
    max_fun})`` does.

    Parameters
    ----------
    batch : FullBatch
        Of m models.
    parameters : ndarray of shape (m, P), float32 or float64
        Where to begin; the type is that of the evaluations, all else is float64.
    limits : MinimizerLimits
    memory : int, default=10
        Pairs that every model remembers.
    factor : float or array-like of shape (m,), default=1.0
        What is minimised is so many times the cost of the batch's objective.
    on_iteration : callable, optional
        Called as ``on_iteration(model, minimizer)`` after every iteration. What it raises ends them all.

    Returns
    -------
    list of m Minimum
    """
    m = len(parameters)
    passes = SharedPasses(
        batch, parameters.dtype, np.broadcast_to(np.asarray(factor, dtype=np.float64), (m,))
    )
    minimizers = [Minimizer(block.astype(np.float64), memory, limits) for block in parameters]
    while (waiting := np.array([own.ending is None for own in minimizers])).any():
        _, done = passes.tell(minimizers, waiting)
        for model in done if on_iteration else ():
            on_iteration(model, minimizers[model])  # type: ignore[misc]
    return [Minimum(own.x, own.f, own.n_iter, own.n_fun, own.ending or Ending.STUCK) for own in minimizers]
