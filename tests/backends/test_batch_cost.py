"""Batches whose cost is not the mean over their rows: every backend against plain loops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from cases import Case, case_id, relative_error, train
from gradstep.backends import Backend, Running
from gradstep.nn.averaging import EMA, LastEpochs
from gradstep.nn.optimizers import SGD, Adam
from gradstep.plan.batch_cost import BatchCost
from gradstep.plan.plan import Plan, State
from gradstep.plan.rows import TrainingData
from makers import THREADS
from oracle_forms import (
    average_of,
    batches_of,
    block_of,
    data_of,
    limits_of,
    network_of,
    objective_of,
    optimizer_of,
)

# The last batch is short; several panels, blocks and column groups; rows of bytes that are read unscaled.
CASES = (
    Case("plain", n=29, weighted=True),
    Case("momentum", n=29, hidden=(9, 5), optimizer=SGD(momentum=0.9, nesterov=True), weighted_apart=True),
    Case("adam", n=29, hidden=(6,), optimizer=Adam(), rate=0.02, weighted_apart=True, loss="squared"),
    Case("bytes", n=21, d=400, k=3, dtype="uint8", rate=0.01, loss="multilabel", weighted=True),
    Case("bytes-adam", n=21, d=400, k=3, dtype="uint8", rate=0.002, optimizer=Adam(), weighted=True),
    Case("wide", n=21, d=70, k=11, hidden=(70,), rate=0.05, weighted_apart=True),
    Case("unweighted", n=29, hidden=(4,), loss="poisson"),
    Case("clipped", n=29, hidden=(9,), weighted_apart=True, clips=True, average=EMA(decay=0.8)),
    Case("last", n=24, weighted=True, clips=True, optimizer=SGD(momentum=0.9), average=LastEpochs(2)),
)
OPTIONS = (
    {"factor": 3.0},
    {"shares_l2": True},
    {"counts_l2": True},
    {"by_weight": True},
    {"by_weight": True, "factor": 3.0, "shares_l2": True, "counts_l2": True},
)
cases = pytest.mark.parametrize("case", CASES, ids=case_id)
options = pytest.mark.parametrize("options", range(len(OPTIONS)), ids=map("-".join, OPTIONS))
ALL = OPTIONS[-1]


def cost_of(case: Case, data: TrainingData, *, by_weight: bool = False, **options: Any) -> BatchCost:
    """Return a batch cost, by the weights of the rows where it is asked for and there are any."""
    return BatchCost(data.weight if by_weight else None, **options)


def with_light_batches(plan: Plan, data: TrainingData) -> TrainingData:
    """Return the data with batches that weigh nothing: the second of all epochs' rows for the first model."""
    if data.weight is None:
        return data
    weight = data.weight.copy()
    weight[(0,) * (weight.ndim - 1)][plan.order.epoch(0)[plan.batch_size : 2 * plan.batch_size]] = 0
    return replace(data, weight=weight)


class Oracle:
    """A model of a plan with a batch cost, in loops."""

    def __init__(self, case: Case, plan: Plan, data: TrainingData, model: int) -> None:
        self.plan, self.model = plan, model
        self.data = data_of(data, model)
        self.objective = objective_of(plan.objective, model)
        divisor = plan.batch_cost.divisor
        self.sizes = None if divisor is None else np.broadcast_to(divisor, (case.m, data.n))[model].tolist()
        self.network = network_of(case.layers, case.parameters("float64")[model])
        optimizer = optimizer_of(plan, model)
        self.steps = [
            ([[optimizer() for _ in row] for row in W], [optimizer() for _ in b]) for W, b in self.network
        ]
        self.losses: list[tuple[float, int]] = []
        self.blocks: list[oracle.Vector] = []

    def train(self) -> None:
        """Do all updates."""
        for rows, rate in batches_of(self.plan, self.model):
            self._update(rows, rate)
            self.blocks.append(block_of(self.network).tolist())

    def _update(self, rows: list[int], rate: float) -> None:
        cost = self.plan.batch_cost
        size = float(len(rows)) if self.sizes is None else sum(self.sizes[row] for row in rows)
        if size == 0:
            return
        l2 = self.objective.l2 / (size if cost.shares_l2 else 1.0)
        batch, objective = self.data.rows(rows), self.objective._replace(l2=l2)
        # The oracle's losses are means over the rows.
        batch = batch._replace(weight=[w * cost.factor * len(rows) / size for w in batch.weight])
        found = (oracle.cost if cost.counts_l2 else oracle.loss)(self.network, batch, objective)
        self.losses.append((found, len(rows)))
        gradient = oracle.clipped(
            oracle.gradient(self.network, batch, objective), *limits_of(self.plan, self.model)
        )
        self.network = list(self._stepped(gradient, rate))

    def _stepped(self, gradient: oracle.Network, rate: float) -> Iterator[tuple[Any, Any]]:
        for (step_W, step_b), (W, b), (dW, db) in zip(self.steps, self.network, gradient, strict=True):
            yield (
                [
                    [step(w, dw, rate, True) for step, w, dw in zip(*of_row, strict=True)]
                    for of_row in zip(step_W, W, dW, strict=True)
                ],
                [step(w, dw, rate, False) for step, w, dw in zip(step_b, b, db, strict=True)],
            )

    @property
    def average(self) -> npt.NDArray[np.float64]:
        """What the training has come to, (1, P): the average of the parameters, or the last."""
        if self.plan.averages is None:
            return block_of(self.network)[None]
        return np.array([average_of(self.plan, self.model)(self.blocks, self.plan.updates_per_epoch)])

    @property
    def running(self) -> float:
        """Mean over the rows of the batches that were not passed over."""
        return sum(loss * rows for loss, rows in self.losses) / sum(rows for _, rows in self.losses)


def trained(
    backend: Backend, case: Case, plan: Plan, data: TrainingData, **more: Any
) -> tuple[State, Running]:
    state = case.state("float64")
    return state, train(backend, plan, data, state, 0, case.updates, **more)


@cache
def judge_of(case: Case, options: int, model: int) -> Oracle:
    """Return what the loops come to, found once for all backends."""
    data = case.data()
    plan = replace(case.plan(), batch_cost=cost_of(case, data, **OPTIONS[options]))
    judge = Oracle(case, plan, data, model)
    judge.train()
    return judge


@cases
@options
def test_every_backend_does_what_the_loops_do(backend: Backend, case: Case, options: int) -> None:
    data = case.data()
    plan = replace(case.plan(), batch_cost=cost_of(case, data, **OPTIONS[options]))
    state, running = trained(backend, case, plan, data)
    for model in (0, case.m - 1):
        judge = judge_of(case, options, model)
        expected = block_of(judge.network)[None]
        assert relative_error(case.layers, state.parameters[model : model + 1], expected) < 1e-10
        assert relative_error(case.layers, plan.described(state)[model : model + 1], judge.average) < 1e-10
        assert running.loss[model] == pytest.approx(judge.running, rel=1e-11)


@cases
def test_a_batch_that_weighs_nothing_is_passed_over(backend: Backend, case: Case) -> None:
    case = replace(case, epochs=1, optimizer="sgd" if case.optimizer == Adam() else case.optimizer)
    data = with_light_batches(case.plan(), case.data())
    plan = replace(case.plan(), batch_cost=cost_of(case, data, **ALL))
    state, running = trained(backend, case, plan, data)
    assert state.updates.tolist() == [case.updates] * case.m
    assert state.finite.all()
    judge = Oracle(case, plan, data, 0)
    judge.train()
    assert len(judge.losses) == case.updates - (data.weight is not None)
    assert relative_error(case.layers, state.parameters[:1], block_of(judge.network)[None]) < 1e-10
    assert relative_error(case.layers, plan.described(state)[:1], judge.average) < 1e-10
    assert running.loss[0] == pytest.approx(judge.running, rel=1e-11)


def test_what_weighs_nothing_may_be_anything(backend: Backend) -> None:
    # Scores that overflow in a batch that is passed over end no training.
    case = Case("huge", n=24, hidden=(5,), shuffle=False, weighted=True, epochs=1)
    data = case.data()
    X, weight = data.X.copy(), np.ones(case.n)
    X[8:16], weight[8:16] = 1e300, 0
    data = replace(data, X=X, weight=weight)
    plan = replace(case.plan(), batch_cost=BatchCost(weight))
    state, running = trained(backend, case, plan, data)
    assert state.finite.all()
    assert state.updates.tolist() == [3] * case.m
    assert np.isfinite(running.loss).all()
    assert np.isfinite(state.parameters).all()


def everything(backend: Backend, case: Case, plan: Plan, data: TrainingData, threads: int) -> list[Any]:
    state, running = trained(backend, case, plan, data, n_threads=threads)
    return [state.parameters, state.slots, state.updates, running.loss, running.hits]


@cases
def test_bits_depend_on_neither_threads_nor_company(backend: Backend, case: Case, precision: str) -> None:
    data = with_light_batches(case.plan(), case.data(precision=precision))
    plan = replace(case.plan(), batch_cost=cost_of(case, data, **ALL))
    alone = everything(backend, case, plan, data, 1)
    for n_threads in THREADS:
        for ours, theirs in zip(everything(backend, case, plan, data, n_threads), alone, strict=True):
            np.testing.assert_array_equal(ours, theirs, err_msg=f"{n_threads} threads")
    state = case.state(precision)
    together = train(backend, plan, data, state, 0, case.updates, n_threads=2)
    for model in range(case.m):
        own = State.start(case.parameters(precision)[[model]], plan.slots)
        running = train(backend, plan.select([model]), data.select([model]), own, 0, case.updates)
        np.testing.assert_array_equal(own.parameters[0], state.parameters[model])
        np.testing.assert_array_equal(own.slots[0], state.slots[model])
        assert running.loss[0] == together.loss[model]


@cases
def test_what_is_counted_changes_no_step(backend: Backend, case: Case) -> None:
    data, found = case.data(precision="float32"), []
    for counts in (False, True):
        plan = replace(case.plan(), batch_cost=BatchCost(counts_l2=counts))
        state = case.state("float32")
        train(backend, plan, data, state, 0, case.updates, n_threads=2)
        found.append(state.parameters)
    np.testing.assert_array_equal(*found)


@settings(max_examples=15)
@given(data=st.data())
def test_any_sizes_agree(compiled_backend: Backend, reference: Backend, data: st.DataObject) -> None:
    sizes = st.integers(1, 70)
    case = Case(
        "any",
        n=data.draw(st.integers(1, 40), label="n"),
        d=data.draw(sizes | st.integers(250, 270) | st.integers(380, 390), label="d"),
        k=data.draw(st.integers(1, 40), label="k"),
        hidden=tuple(data.draw(st.lists(sizes, max_size=2), label="hidden")),
        batch_size=data.draw(st.integers(1, 40), label="batch_size"),
        epochs=1,
        l2=(0.3,) * data.draw(st.integers(1, 3), label="m"),
        weighted_apart=True,
        optimizer=data.draw(st.sampled_from(["sgd", SGD(momentum=0.5)]), label="optimizer"),
    )
    rows, found = case.data(), []
    rows = with_light_batches(case.plan(), rows)
    plan = replace(case.plan(), batch_cost=cost_of(case, rows, **ALL))
    for backend in (compiled_backend, reference):
        found.append(trained(backend, case, plan, rows, n_threads=2))
    (ours, our_running), (theirs, their_running) = found
    assert relative_error(case.layers, ours.parameters, theirs.parameters) < 1e-9
    np.testing.assert_allclose(our_running.loss, their_running.loss, rtol=1e-10)
    assert ours.updates.tolist() == theirs.updates.tolist()
