"""What every backend can do. All of them take the same plan and walk the same trajectory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from gradstep.nn.rules import Rule
from gradstep.plan.network import Objective
from gradstep.plan.plan import Plan, State
from gradstep.plan.rows import TrainingData

Vector = npt.NDArray[np.float64]


class Evaluation(NamedTuple):
    """What m models come to on the rows of a data set, each of shape (m,), float64.

    `hits` is the share of rows answered right, weighted, where a loss knows what that is, else 0;
    `scores` (m, n, k) are there where they were asked for.
    """

    loss: Vector
    cost: Vector
    hits: Vector
    scores: npt.NDArray[Any] | None = None


def never() -> bool:
    """Never ask a backend to stop."""
    return False


class Running(NamedTuple):
    """Means over the rows that m models were trained on, each row seen before its batch's update.

    Of shape (m,), or (e, m) of e parts of a training, float64; NaN where no update was done.
    """

    loss: Vector
    hits: Vector


def running(sums: Vector) -> Running:
    """Make means of the sums (3, m) or (3, e, m) of losses, of the weights of hits and of rows."""
    rows = sums[2]
    loss, hits = sums[:2] / np.where(rows > 0, rows, np.nan)
    return Running(loss, hits)


class Session(Protocol):
    """One plan being executed: whatever a backend keeps between the calls, so that none pays for it anew.

    For one thread at a time.
    """

    def train(self, state: State, t0: int, t1: int, *, should_stop: Callable[[], bool] = never) -> Running:
        """Do the updates ``t0 <= t < t1`` on `state`, in place.

        A model whose batch loss is not finite does not take that update nor any later one:
        ``state.finite`` becomes False, ``state.updates`` stays at the update's number.
        `should_stop` is asked at least every 100 ms; after a True the state is left at the
        boundary of an update, which ``state.updates`` names.
        """
        ...

    def train_parts(
        self, state: State, cuts: Sequence[int], *, should_stop: Callable[[], bool] = never
    ) -> Running:
        """Do what `train` does from every cut to the next; return the means of each part, (e, m).

        They are NaN of parts that were not come to.
        """
        means = np.full((2, len(cuts) - 1, len(state.finite)), np.nan)
        for part, (t0, t1) in enumerate(pairwise(cuts)):
            means[:, part] = self.train(state, t0, t1, should_stop=should_stop)
            if (state.updates[state.finite] < t1).any() or not state.finite.any():
                break
        return Running(*means)

    def evaluate(self, parameters: npt.NDArray[Any], *, with_scores: bool = False) -> list[Evaluation]:
        """Return what every model comes to on each of the data sets to be evaluated."""
        ...


class FullBatch(Protocol):
    """All rows of a data set as one batch, of which loss and gradient are asked again and again.

    For one thread at a time; whatever a backend keeps between the calls, none pays for anew.
    """

    def loss_and_gradient(
        self, parameters: npt.NDArray[Any], active: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Evaluation, npt.NDArray[Any]]:
        """Return what every model comes to on all rows, and the gradient of its cost.

        Parameters
        ----------
        parameters : ndarray of shape (m, P), float32 or float64
        active : ndarray of shape (m,), bool, optional
            The models that are asked for, all by default; nothing is computed of the others.

        Returns
        -------
        Evaluation
            NaN where a model is not active.
        ndarray of shape (m, P), of the parameters' type
            Likewise. Where the loss is not finite, not all of it is either.
        """
        ...


class Backend(Protocol):
    """Executes plans.

    Parameters are arrays of shape (m, P), float32 or float64, one flat block per model; that type
    is the type of the arithmetic. `n_threads` never changes a bit of any result.

    Attributes
    ----------
    name : str
    rows_together : int
        Of pieces of rows whose lengths are multiples of it, scores have the bits of the whole.
    """

    name: str
    rows_together: int

    def lacks(self, objective: Objective, rule: type[Rule] | None = None) -> list[str]:
        """Return the losses, activations and rules among these that the backend does not have."""
        ...

    def session(
        self, plan: Plan, data: TrainingData, evaluated: Sequence[TrainingData] = (), *, n_threads: int = 1
    ) -> Session:
        """Prepare to train on the rows of a data set, and to evaluate those of others."""
        ...

    def evaluate(
        self, objective: Objective, data: TrainingData, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> Evaluation:
        """Return what every model comes to over all rows (weighted, if they are)."""
        ...

    def full_batch(self, objective: Objective, data: TrainingData, *, n_threads: int = 1) -> FullBatch:
        """Prepare to take the rows of a data set, at least one, as one batch."""
        ...

    def loss_and_gradient(
        self, objective: Objective, data: TrainingData, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> tuple[Evaluation, npt.NDArray[Any]]:
        """Return what `FullBatch` does, once."""
        ...

    def scores(
        self, objective: Objective, data: TrainingData, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> npt.NDArray[Any]:
        """Return the last layer's output of every model, shape (m, n, k); targets are not looked at."""
        ...

    def sums_of_bytes(self, X: npt.NDArray[np.uint8], n_threads: int) -> npt.NDArray[Any]:
        """Return the sums of every column and of its squares, (2, d); exact."""
        ...
