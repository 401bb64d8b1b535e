"""The compiled core. This file turns plans and data into the arrays that `_core` takes."""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import numpy.typing as npt

import gradstep._core as _core
from gradstep.backends.protocol import Evaluation, Running, Session, never, running
from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.nn.rules import DescentRule, Rule
from gradstep.plan.mapped import MappedRows
from gradstep.plan.network import Objective
from gradstep.plan.plan import Plan, State, UpdateRange
from gradstep.plan.rows import TrainingData, as_rows, readable, readable_pieces
from gradstep.plan.sparse import is_sparse


class CppBackend:
    """Executes plans in compiled code.

    Parameters
    ----------
    isa : str, optional
        Instruction set: "avx512vnni", "avx512", "avx2" or "baseline", on 64-bit Arm "dotprod" or
        "baseline". By default what ``GRADSTEP_ISA`` names, else the best that this machine runs.

    Attributes
    ----------
    isa : str
        The one that it uses.
    isas : tuple of str
        That and the lesser ones, which this machine runs, too.

    Raises
    ------
    InvalidParameterError
        The instruction set is not known, not in this build or not in this machine.
    """

    isa: str
    isas: tuple[str, ...]

    name = "cpp"
    rows_together: int = _core.chunk_rows

    def __init__(self, isa: str | None = None) -> None:
        usable = _core.isas()
        source = "`isa` of CppBackend"
        if isa is None and os.environ.get("GRADSTEP_ISA"):
            isa, source = os.environ["GRADSTEP_ISA"], "GRADSTEP_ISA"
        if isa is not None and isa not in usable:
            raise InvalidParameterError(
                f"{source} must be an instruction set that this build and machine have "
                f"({', '.join(usable)}), got {isa!r}"
            )
        self.isa = isa or usable[0]
        self.isas = tuple(usable[usable.index(self.isa) :])
        self._known = _core.names()
        self._scored: tuple[Objective, _core.Models] | None = None

    def lacks(self, objective: Objective, rule: type[Rule] | None = None) -> list[str]:
        """Return the losses, activations and rules among these that are not compiled."""
        if rule is None and self._scored is not None and self._scored[0] is objective:
            return []
        wanted = [("losses", objective.loss.name)]
        wanted += [("activations", activation.name) for activation in objective.activations[0]]
        wanted += [] if rule is None else [("rules", rule.name)]
        return list(dict.fromkeys(name for kind, name in wanted if name not in self._known[kind]))

    def session(
        self, plan: Plan, data: TrainingData, evaluated: Sequence[TrainingData] = (), *, n_threads: int = 1
    ) -> CppSession:
        """Prepare to train on the rows of a data set, and to evaluate those of others."""
        models = self._models(plan.objective, plan.rule, plan)
        return CppSession(models, plan, data, evaluated, n_threads)

    def evaluate(
        self, objective: Objective, data: TrainingData, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> Evaluation:
        """Return what every model comes to over all rows (weighted, if they are)."""
        models, sums, before = self._models(objective), np.zeros((2, len(parameters))), 0
        with _reading(data.mapped):
            for piece in readable_pieces(data, parameters.dtype, self.rows_together):
                rows = _rows(piece, parameters.dtype)
                values = _core.evaluate(models, rows, parameters, n_threads, sums, before)
                before += piece.n
        return Evaluation(*values)

    def full_batch(self, objective: Objective, data: TrainingData, *, n_threads: int = 1) -> CppFullBatch:
        """Prepare to take the rows of a data set, at least one, as one batch."""
        return CppFullBatch(self._models(objective), data, n_threads)

    def loss_and_gradient(
        self, objective: Objective, data: TrainingData, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> tuple[Evaluation, npt.NDArray[Any]]:
        """Return what `FullBatch` does, once."""
        return self.full_batch(objective, data, n_threads=n_threads).loss_and_gradient(parameters)

    def scores(
        self, objective: Objective, data: TrainingData, parameters: npt.NDArray[Any], *, n_threads: int = 1
    ) -> npt.NDArray[Any]:
        """Return the last layer's output of every model, shape (m, n, k); targets are not looked at."""
        last = self._scored
        if last is None or last[0] is not objective:
            # A model that is asked row by row is described to the core once.
            last = self._scored = (objective, self._models(objective))
        with _reading(data.mapped):
            return _core.scores(last[1], _rows(data, parameters.dtype), parameters, n_threads)

    def sums_of_bytes(self, X: npt.NDArray[np.uint8], n_threads: int) -> npt.NDArray[Any]:
        """Return the sums of every column and of its squares, (2, d); exact."""
        rows = as_rows(X)
        mapped = MappedRows.of(rows)
        with _reading(mapped):
            return _core.sums_of_bytes(rows, n_threads, mapped is not None)

    def measure(self, n_threads: int) -> tuple[int, float, float, float, float]:
        """Return threads used, float32 operations a second of all and of one, bytes read likewise."""
        return _core.measure(self.isa, n_threads)

    def _models(
        self, objective: Objective, rule: type[Rule] = DescentRule, plan: Plan | None = None
    ) -> _core.Models:
        return _core.Models(
            self.isa,
            sizes=np.array(objective.layers.sizes, dtype=np.int64),
            l2=np.ascontiguousarray(objective.l2, dtype=np.float64),
            loss=objective.loss.name,
            loss_numbers=objective.loss_numbers,
            activations=[activation.name for activation in objective.activations[0]],
            activation_numbers=objective.activation_numbers,
            rule=rule.name,
            **_of_training(plan) if plan else {},
        )


class CppSession(Session):
    """One plan being executed. The core's own session is opened by the first call, which tells the type."""

    def __init__(
        self,
        models: _core.Models,
        plan: Plan,
        data: TrainingData,
        evaluated: Sequence[TrainingData],
        n_threads: int,
    ) -> None:
        self._models = models
        self._plan = plan
        self._data = data
        self._evaluated = evaluated
        self._n_threads = n_threads
        self._opened: dict[np.dtype[Any], _core.Session] = {}

    def train(self, state: State, t0: int, t1: int, *, should_stop: Callable[[], bool] = never) -> Running:
        """Do the updates ``t0 <= t < t1`` on `state`, in place."""
        loss, hits = self.train_parts(state, (t0, t1), should_stop=should_stop)
        return Running(loss[0], hits[0])

    def train_parts(
        self, state: State, cuts: Sequence[int], *, should_stop: Callable[[], bool] = never
    ) -> Running:
        """Do what `train` does from every cut to the next; return the means of each part, (e, m)."""
        session, mapped = self._session(state.parameters.dtype), self._data.mapped
        sums = np.zeros((3, len(cuts) - 1, len(state.finite)))
        with _reading(mapped):
            for updates in self._plan.ranges(cuts[0], cuts[-1], _core.sort):
                # The core asks now and then within a range, and never in one that is short.
                if should_stop():
                    break
                if mapped is not None:
                    mapped.require_whole()
                first, last = bisect_right(cuts, updates.t0) - 1, bisect_left(cuts, updates.t1)
                ends = np.minimum(cuts[first + 1 : last + 1], updates.t1) - updates.t0
                sums[:, first:last] += _train(session, updates, ends, state, should_stop)
                if (state.updates[state.finite] < updates.t1).any() or not state.finite.any():
                    break
        return running(sums)

    def evaluate(self, parameters: npt.NDArray[Any], *, with_scores: bool = False) -> list[Evaluation]:
        """Return what every model comes to on each of the data sets to be evaluated."""
        with _reading(*(data.mapped for data in self._evaluated)):
            values, scores = self._session(parameters.dtype).evaluate(parameters, with_scores)
        evaluations = [Evaluation(loss, cost, hits) for loss, cost, hits in values]
        if not with_scores:
            return evaluations
        return [own._replace(scores=of_set) for own, of_set in zip(evaluations, scores, strict=True)]

    def _session(self, dtype: np.dtype[Any]) -> _core.Session:
        changes = self._plan.augmentation
        if dtype not in self._opened:
            sparse: dict[int, _core.SparseX] = {}
            self._opened[dtype] = _core.Session(
                self._models,
                _rows(self._data, dtype, sparse),
                min(self._plan.batch_size, self._data.n),
                [_rows(data, dtype, sparse) for data in self._evaluated],
                doubles=dtype == np.float64,
                n_threads=self._n_threads,
                images=None if changes is None else (*changes.image_shape, changes.edge),
            )
        return self._opened[dtype]


class CppFullBatch:
    """All rows as one batch. The core's own is made by the first call, which tells the type."""

    def __init__(self, models: _core.Models, data: TrainingData, n_threads: int) -> None:
        self._models, self._data, self._n_threads = models, data, n_threads
        self._made: dict[np.dtype[Any], _core.FullBatch] = {}

    def loss_and_gradient(
        self, parameters: npt.NDArray[Any], active: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Evaluation, npt.NDArray[Any]]:
        """Return what every model comes to on all rows, and the gradient of its cost."""
        dtype = parameters.dtype
        with _reading(self._data.mapped):
            if dtype not in self._made:
                rows, doubles = _rows(self._data, dtype), dtype == np.float64
                self._made[dtype] = _core.FullBatch(self._models, rows, doubles, self._n_threads)
            values, gradient = self._made[dtype].loss_and_gradient(parameters, active)
        return Evaluation(*values), gradient


def _reading(*sets: MappedRows | None) -> AbstractContextManager[None]:
    """Raise where the file that rows are mapped from was cut, before or while the core reads them."""
    files = [rows for rows in sets if rows is not None]
    return _watching(files) if files else nullcontext()


@contextmanager
def _watching(files: Sequence[MappedRows]) -> Iterator[None]:
    for rows in files:
        rows.require_whole()
    try:
        yield
    except _core.RowsLostError as error:
        for rows in files:
            rows.require_whole()
        # It has grown again, or cannot be read.
        raise InvalidDataError(
            "X must stay whole while it is read: a part of its file was missing"
        ) from error


def _of_training(plan: Plan) -> dict[str, Any]:
    """Return what models are told for a training alone."""
    dropout, limits = plan.dropout, plan.limits
    return {
        "dropout": None if dropout is None else (dropout.limits, dropout.scales),
        "limits": None if limits is None else np.ascontiguousarray(limits),
        "averages": plan.averages is not None,
    }


def _train(
    session: _core.Session,
    updates: UpdateRange,
    ends: npt.NDArray[np.int64],
    state: State,
    should_stop: Callable[[], bool],
) -> npt.NDArray[np.float64]:
    """Do the updates of a range; return the sums (3, e, m) of its parts, which end at `ends`."""
    return session.train(
        updates.row_indices,
        updates.starts,
        updates.numbers,
        state.parameters,
        state.slots,
        state.updates,
        state.finite,
        updates.draws,
        updates.divisors,
        updates.penalties,
        updates.decays,
        updates.shares,
        should_stop=should_stop,
        drop_keys=updates.drop_keys,
        part_ends=ends,
    ).swapaxes(1, 2)


def _rows(
    data: TrainingData, dtype: npt.DTypeLike, sparse: dict[int, _core.SparseX] | None = None
) -> _core.Rows:
    """Return rows as the core takes them; `sparse` are those known already, by the identity of X."""
    data = readable(data, dtype)
    X: Any = data.X
    known = {} if sparse is None else sparse
    if is_sparse(X):
        if id(X) not in known:
            known[id(X)] = _core.SparseX(X.data, X.indptr, X.indices, data.d)
        X = known[id(X)]
    targets = data.targets.astype(dtype, copy=False) if data.targets.ndim == 2 else data.targets
    standardization = data.standardization
    return _core.Rows(
        X,
        targets,
        data.weight,
        standardization.mean,
        standardization.inverse_scale,
        data.index,
        data.mapped is not None,
    )
