"""Running metrics: what they are on every backend, and that evaluating less costs nothing more."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from itertools import chain, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_blobs

import gradstep as gs
import makers
import oracle
from cases import Case, case_id, find, train
from gradstep import backends
from gradstep.backends import Backend, Running
from gradstep.plan.build import draw
from gradstep.plan.network import Layers
from gradstep.plan.order import RowOrder
from gradstep.plan.plan import Plan
from makers import COMPILED_HERE, HERE
from members import LOSSES, OPTIMIZERS
from oracle_forms import batches_of, data_of, network_of, objective_of, optimizer_of

EMPTY = tuple(f"{split}_{name}" for split in ("train", "validation") for name in ("loss", "cost", "accuracy"))

# Every one has a short last batch.
SMALL = (
    Case("softmax", n=11, d=3, batch_size=4, epochs=2),
    Case("weighted", n=10, d=3, hidden=(5,), batch_size=4, epochs=2, weighted=True),
    Case("uint8", n=7, d=4, hidden=(3, 2), batch_size=3, epochs=2, dtype="uint8", row_gap=2),
    Case("batch-above-n", n=5, d=3, batch_size=9, epochs=3, weighted=True),
    Case("sigmoid", n=10, d=3, hidden=(5,), batch_size=4, epochs=2, weighted=True, loss="sigmoid"),
    *(
        Case(f"{each!r}", n=7, d=3, hidden=(3,), batch_size=3, loss=each, rate=0.02, apart=True)
        for each in LOSSES
    ),
    *(Case(f"{each!r}", n=7, d=3, k=2, batch_size=3, optimizer=each, rate=0.02) for each in OPTIMIZERS),
)
small = pytest.mark.parametrize("case", SMALL, ids=case_id)
large = pytest.mark.parametrize(
    "case",
    find(
        "weighted",
        "uint8-gap",
        "many-rows",
        "images-hidden",
        "sigmoid-many-classes",
        "Multilabel()-weighted",
        "Squared()-apart",
        "mixed",
    ),
    ids=case_id,
)

X, Y = make_blobs(n_samples=130, centers=4, n_features=3, cluster_std=1.5, random_state=3)


def trainer(**parameters: Any) -> gs.Trainer:
    """Make a Trainer that is quick and the same every time."""
    return makers.trainer(**{"batch_size": 26} | parameters)


def seen(
    network: oracle.Network,
    data: oracle.Data,
    objective: oracle.Objective,
    batches: list[tuple[list[int], float]],
    optimizer: Callable[[], oracle.Step] = lambda: oracle.sgd(momentum=0.0, nesterov=False),
) -> npt.NDArray[np.float64]:
    """Return for every batch the sums of losses, of weight of hits and of rows, before its update: (t, 3)."""
    sums = []
    networks = oracle.trajectory(network, data, objective, optimizer, batches)
    for (rows, _), before in zip(batches, networks, strict=False):
        batch = data.rows(rows)
        means = oracle.loss(before, batch, objective), oracle.hits(before, batch, objective)
        sums.append((means[0] * len(rows), means[1] * len(rows), len(rows)))
    return np.array(sums)


def means(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return loss and share of hits, (2,), of some batches of `seen`."""
    loss, hits, rows = sums.sum(axis=0)
    return np.array([loss / rows, hits / rows])


def rows_of(plan: Plan, t0: int, t1: int) -> int:
    """Return how many rows the updates take."""
    return sum(len(updates.row_indices) for updates in plan.ranges(t0, t1))


# --- What a session returns ---


@cache
def seen_by_loops(case: Case, precision: str, model: int) -> npt.NDArray[np.float64]:
    """Return what the loops see of a model that starts with weights of a precision, found once for all."""
    block = case.parameters(precision)[model].astype(np.float64)
    return seen(
        network_of(case.layers, block),
        data_of(case.data(precision=precision), model),
        objective_of(case.objective, model),
        batches_of(case.plan(), model),
        optimizer_of(case.plan(), model),
    )


@small
@pytest.mark.parametrize("piece", [1, 2, 100])
def test_a_session_returns_the_means_of_a_loop_over_batches(
    backend: Backend, precision: str, case: Case, piece: int
) -> None:
    cuts = [*range(0, case.updates, piece), case.updates]
    wanted = [
        [means(seen_by_loops(case, precision, model)[t0:t1]) for model in range(case.m)]
        for t0, t1 in pairwise(cuts)
    ]
    tolerance = 1e-10 if precision == "float64" else 1e-4
    for threads in (1, *makers.THREADS):
        session = backend.session(case.plan(), case.data(precision=precision), n_threads=threads)
        state = case.state(precision)
        found = np.array([session.train(state, *cut) for cut in pairwise(cuts)])
        assert found.shape == (len(cuts) - 1, 2, case.m)
        np.testing.assert_allclose(found, np.swapaxes(wanted, 1, 2), rtol=tolerance, atol=1e-12)


@large
def test_their_bits_depend_neither_on_threads_nor_on_the_group(
    backend: Backend, precision: str, case: Case
) -> None:
    data, everyone, start = case.data(precision=precision), case.plan(), case.state(precision)
    alone = train(backend, everyone, data, start.copy(), 0, case.updates)
    for n_threads in makers.THREADS:
        threaded = train(backend, everyone, data, start.copy(), 0, case.updates, n_threads=n_threads)
        np.testing.assert_array_equal(threaded, alone, err_msg=f"{n_threads} threads")
    some, seen_rows = start.select([2, 0]), data.select([2, 0])
    some = train(backend, everyone.select([2, 0]), seen_rows, some, 0, case.updates)
    np.testing.assert_array_equal(some, np.array(alone)[:, [2, 0]])


@large
@settings(max_examples=6)
@given(data=st.data())
def test_consecutive_pieces_combine_to_the_whole(backend: Backend, case: Case, data: st.DataObject) -> None:
    plan, rows_seen = case.plan(), case.data()
    whole = train(backend, plan, rows_seen, case.state("float64"), 0, case.updates)
    places = data.draw(st.sets(st.integers(1, case.updates - 1), max_size=4), label="cuts")
    cuts = [0, *sorted(places), case.updates]
    session, state = backend.session(plan, rows_seen), case.state("float64")
    pieces = [np.array(session.train(state, *cut)) for cut in pairwise(cuts)]
    rows = [rows_of(plan, *cut) for cut in pairwise(cuts)]
    np.testing.assert_allclose(np.average(pieces, axis=0, weights=rows), whole, rtol=1e-12)


@large
def test_a_stopped_call_returns_the_means_of_what_it_did(backend: Backend, case: Case) -> None:
    asked: list[None] = []

    def should_stop() -> bool:
        asked.append(None)
        return len(asked) > 2

    plan, data, state = case.plan(), case.data(), case.state("float64")
    stopped = train(backend, plan, data, state, 0, case.updates, should_stop=should_stop)
    done = int(state.updates[0])
    wanted = train(backend, plan, data, case.state("float64"), 0, done)
    np.testing.assert_array_equal(stopped, wanted)
    nothing = train(backend, plan, data, state, done, case.updates, should_stop=lambda: True)
    np.testing.assert_array_equal(nothing, np.full((2, 3), np.nan))


def test_a_model_that_diverges_has_the_means_of_the_updates_it_took(backend: Backend) -> None:
    case = Case("diverging", hidden=(4,), l2=(0.01, 0.02))
    plan, state = case.plan(), case.state("float64")
    plan.learning_rate[1, 5:] = 1e300
    found = train(backend, plan, case.data(), state, 0, case.updates)
    assert state.finite.tolist() == [True, False]
    until = int(state.updates[1])
    wanted = train(backend, plan, case.data(), case.state("float64"), 0, until)
    assert np.isfinite(wanted.loss).all()
    np.testing.assert_array_equal(np.array(found)[:, 1], np.array(wanted)[:, 1])


def test_a_session_evaluates_what_it_was_given_and_nothing_else(backend: Backend) -> None:
    case = Case("any", hidden=(4,))
    plan, block, other = case.plan(), case.parameters("float64"), case.data(seed=5)
    assert backend.session(plan, case.data()).evaluate(block) == []
    (evaluation,) = backend.session(plan, case.data(), [other]).evaluate(block)
    np.testing.assert_array_equal(evaluation[:3], backend.evaluate(plan.objective, other, block)[:3])


# --- What the history of a Trainer holds ---


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    "evaluate_every, updates",
    [("running", [4, 8, 12]), ("epoch", [4, 8, 12]), (5, [5, 10, 12]), (None, [12])],
)
def test_running_columns_are_means_over_the_updates_since_the_row_before(
    name, threads, evaluate_every, updates
):
    rows, labels, weight = X[:23], Y[:23], np.linspace(0.2, 3.0, 23)
    model = trainer(
        hidden=(4,), l2=0.03, batch_size=7, epochs=3, precision="float64", init=gs.Normal(0.5),
        backend=name, n_threads=threads, evaluate_every=evaluate_every,
    ).fit(rows, labels, sample_weight=weight)  # fmt: skip
    order_seed, init_seed = np.random.RandomState(0).randint(2**31 - 1, size=2)
    layers, generator = Layers((3, 4, 4)), np.random.default_rng(init_seed)
    network = network_of(layers, draw(layers, gs.Normal(0.5), generator, "float64"))
    order = RowOrder(23, True, int(order_seed))
    batches = chain(*(np.split(order.epoch(epoch), [7, 14, 21]) for epoch in range(3)))
    share = weight / weight.mean()
    mean = (share @ rows) / 23
    scale = np.sqrt(share @ (rows - mean) ** 2 / 23)
    inputs = oracle.standardized(rows.tolist(), mean, scale)
    data = oracle.Data(inputs, labels.tolist(), share.tolist())
    objective = oracle.Objective(oracle.Softmax(), [oracle.relu()], 0.03)
    sums = seen(network, data, objective, [(batch, 0.1) for batch in batches])

    history = model.history_
    assert history["update"].tolist() == updates
    found = np.column_stack([history["running_loss"], history["running_accuracy"]])
    wanted = [means(sums[first:last]) for first, last in pairwise([0, *updates])]
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


@pytest.mark.parametrize("name", HERE)
def test_running_evaluates_the_validation_rows_in_full(name):
    parts = {"X": X[:90], "y": Y[:90], "eval_set": (X[90:], Y[90:])}
    model = trainer(backend=name, hidden=(5,), evaluate_every="running").fit(**parts)
    full = trainer(backend=name, hidden=(5,)).fit(**parts)
    for column in ("update", "epoch", "learning_rate", "running_loss", "running_accuracy", *EMPTY[3:]):
        np.testing.assert_array_equal(model.history_[column], full.history_[column])
        assert np.isfinite(model.history_[column]).all()
    for column in EMPTY[:3]:
        np.testing.assert_array_equal(model.history_[column], [np.nan] * 4)
    np.testing.assert_array_equal(model.coefs_[0], full.coefs_[0])
    last = model.history_.rows[-1]
    found = model.evaluate(*parts["eval_set"])
    assert list(found.values()) == [last[column] for column in EMPTY[3:]]


def test_running_without_an_eval_set_has_running_metrics_alone():
    history = trainer(evaluate_every="running").fit(X, Y).history_
    assert len(history) == 4
    assert np.isfinite(history["running_loss"]).all()
    assert np.isnan([history[column] for column in EMPTY]).all()


@pytest.mark.parametrize("name", HERE)
def test_never_leaves_one_row_at_the_end(name):
    calls = []
    model = trainer(backend=name, evaluate_every=None, callbacks=(lambda _, row: calls.append(row),))
    model.fit(X, Y, eval_set=(X, Y))
    (row,) = model.history_
    assert calls == [row]
    assert (row["update"], row["epoch"], row["learning_rate"], model.n_iter_) == (20, 4.0, 0.1, 4)
    assert row["seconds"] > 0
    assert np.isnan([row[column] for column in EMPTY]).all()
    epochs = trainer(backend=name).fit(X, Y)
    assert row["running_loss"] == pytest.approx(epochs.history_["running_loss"].mean(), rel=1e-12)
    np.testing.assert_array_equal(model.coefs_[0], epochs.coefs_[0])


# --- What it costs: passes over rows, calls from Python ---


class Spy:
    """A backend that counts what is asked of it."""

    def __init__(self, name: str) -> None:
        self.inner, self.name = backends.get(name), name
        self.sums_of_bytes, self.lacks = self.inner.sums_of_bytes, self.inner.lacks
        self.evaluated: list[Any] = []
        self.calls = {"train": 0, "evaluate": 0, "backend": 0}
        self.python_calls = 0

    def session(self, plan, data, evaluated, *, n_threads):
        self.trained, self.evaluated = data, list(evaluated)
        session = self.inner.session(plan, data, evaluated, n_threads=n_threads)
        train, evaluate = session.train_parts, session.evaluate

        def counted_train(*arguments: Any, **options: Any) -> Running:
            self.calls["train"] += 1
            before = sys.getprofile()
            sys.setprofile(self._profile)
            try:
                return train(*arguments, **options)
            finally:
                sys.setprofile(before)

        def counted_evaluate(parameters: Any, **options: Any) -> Any:
            self.calls["evaluate"] += 1
            return evaluate(parameters, **options)

        session.train_parts, session.evaluate = counted_train, counted_evaluate
        return session

    def _profile(self, frame: Any, event: str, argument: Any) -> None:
        self.python_calls += event == "call"

    def evaluate(self, *arguments: Any, **options: Any) -> Any:
        self.calls["backend"] += 1
        return self.inner.evaluate(*arguments, **options)


@pytest.fixture(params=HERE)
def spy(request, monkeypatch):
    spy = Spy(request.param)
    monkeypatch.setattr(backends, "get", lambda name: spy)
    return spy


@pytest.mark.parametrize("evaluate_every, evaluations", [("running", 4), (None, 0)])
@pytest.mark.parametrize("with_validation", [True, False])
def test_no_backend_is_asked_to_evaluate_the_train_rows(spy, evaluate_every, evaluations, with_validation):
    held_out = X[100:]
    eval_set = (held_out, Y[100:]) if with_validation else None
    trainer(evaluate_every=evaluate_every).fit(X[:100], Y[:100], eval_set=eval_set)
    expected = evaluations if with_validation else 0
    assert spy.calls == {"train": evaluations or 1, "evaluate": expected, "backend": 0}
    assert len(spy.evaluated) == (expected > 0)
    assert all(data.n == 30 and np.shares_memory(data.X, held_out) for data in spy.evaluated)
    assert spy.trained.n == 100


@pytest.mark.parametrize("evaluate_every, calls", [("epoch", 4), ("running", 4), (26, 20), (None, 1)])
def test_an_evaluation_is_one_call_of_each_kind(spy, evaluate_every, calls):
    model = trainer(batch_size=1, evaluate_every=evaluate_every).fit(X, Y, eval_set=(X, Y))
    assert len(model.history_) == calls
    assert spy.calls == {"train": calls, "evaluate": calls if evaluate_every else 0, "backend": 0}


@pytest.mark.parametrize("spy", COMPILED_HERE, indirect=True)
@pytest.mark.parametrize("evaluate_every", ["epoch", "running", None])
def test_compiled_updates_call_no_python(spy, evaluate_every):
    model = trainer(batch_size=1, evaluate_every=evaluate_every).fit(X, Y)  # compiles
    spy.python_calls = 0
    rows, labels = np.tile(X, (30, 1)), np.tile(Y, 30)
    model.fit(rows, labels)
    # Some calls per epoch and per look for Ctrl-C, none per update.
    assert 0 < spy.python_calls < model.history_["update"][-1] / 10


@pytest.mark.parametrize("evaluate_every, calls", [("epoch", 4), ("running", 4), (None, 1)])
def test_metrics_of_scores_ask_for_no_second_pass(spy, evaluate_every, calls):
    model = makers.regressor(evaluate_every=evaluate_every, batch_size=26)
    model.fit(X, X[:, 0] + Y, eval_set=(X, X[:, 0]))
    assert len(model.history_) == calls
    assert spy.calls == {"train": calls, "evaluate": calls if evaluate_every else 0, "backend": 0}
    if evaluate_every:
        assert np.isfinite(model.history_["validation_r2"]).all()
