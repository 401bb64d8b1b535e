"""Running figures: what they are on every backend, and that evaluating less costs nothing more."""

from __future__ import annotations

import sys
from itertools import chain, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_blobs

import gradstep as gs
import oracle
from cases import CASES, Case, batches_of, data_of, network_of, only, train
from gradstep import backends
from gradstep.backends import Backend, Running
from gradstep.errors import DivergedError, InvalidParameterError
from gradstep.nn import initializers
from gradstep.plan.plan import Layers, Plan, RowOrder, State

HERE = [name for name, reason in backends.availability().items() if reason is None]
EMPTY = tuple(f"{part}_{figure}" for part in ("train", "validation") for figure in gs.Metrics._fields)

# Every one has a short last batch.
SMALL = (
    Case("softmax", n=11, d=3, batch_size=4, epochs=2),
    Case("weighted", n=10, d=3, hidden=(5,), batch_size=4, epochs=2, weighted=True),
    Case("uint8", n=7, d=4, hidden=(3, 2), batch_size=3, epochs=2, dtype="uint8", row_gap=2),
    Case("batch-above-n", n=5, d=3, batch_size=9, epochs=3, weighted=True),
    Case("sigmoid", n=10, d=3, hidden=(5,), batch_size=4, epochs=2, weighted=True, loss="sigmoid"),
)
small = pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
NAMES = ("weighted", "uint8-gap", "many-rows", "images-hidden", "sigmoid-many-classes")
large = pytest.mark.parametrize(
    "case", [case for case in CASES if case.name in NAMES], ids=lambda case: case.name
)

X, Y = make_blobs(n_samples=130, centers=4, n_features=3, cluster_std=1.5, random_state=3)


def trainer(**parameters: Any) -> gs.Trainer:
    """Make a Trainer that is quick and the same every time."""
    given = {"backend": "numpy", "random_state": 0, "epochs": 4, "learning_rate": 0.1, "batch_size": 26}
    return gs.Trainer(**given | parameters)


def seen(
    network: oracle.Network,
    X: oracle.Matrix,
    y: list[int],
    weight: list[float],
    l2: float,
    batches: list[tuple[list[int], float]],
    kind: str = "softmax",
) -> npt.NDArray[np.float64]:
    """Return for every batch the sums of losses, of correct weight and of rows, before its update: (t, 3)."""
    sums = []
    for rows, rate in batches:
        batch = [X[i] for i in rows], [y[i] for i in rows], [weight[i] for i in rows]
        means = oracle.loss(network, *batch, kind), oracle.accuracy(network, *batch)
        sums.append((means[0] * len(rows), means[1] * len(rows), len(rows)))
        network = oracle.sgd(network, X, y, weight, l2, [(rows, rate)], kind)
    return np.array(sums)


def means(sums: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return loss and accuracy, (2,), of some batches of `seen`."""
    loss, correct, rows = sums.sum(axis=0)
    return np.array([loss / rows, correct / rows])


def rows_of(plan: Plan, t0: int, t1: int) -> int:
    """Return how many rows the updates take."""
    return sum(len(stretch.rows) for stretch in plan.stretches(t0, t1))


# --- What a session returns ---


@small
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("piece", [1, 2, 100])
def test_a_session_returns_the_means_of_a_loop_over_batches(
    backend: Backend, precision: str, case: Case, threads: int, piece: int
) -> None:
    plan, problem, block = case.plan(), case.problem(), case.parameters(precision)
    session, state = backend.session(plan, problem, n_threads=threads), State.start(block.copy())
    cuts = [*range(0, case.updates, piece), case.updates]
    found = np.array([session.train(state, *cut) for cut in pairwise(cuts)])
    assert found.shape == (len(cuts) - 1, 2, len(case.l2))
    tolerance = 1e-10 if precision == "float64" else 1e-4
    for model, l2 in enumerate(case.l2):
        network = network_of(case.layers, block[model].astype(np.float64))
        sums = seen(network, *data_of(problem, model), l2, batches_of(plan, model), case.loss)
        wanted = [means(sums[t0:t1]) for t0, t1 in pairwise(cuts)]
        np.testing.assert_allclose(found[:, :, model], wanted, rtol=tolerance, atol=1e-12)


@large
def test_their_bits_depend_neither_on_threads_nor_on_the_group(
    backend: Backend, precision: str, case: Case, n_threads: int
) -> None:
    problem, everyone, block = case.problem(), case.plan(), case.parameters(precision)
    alone = train(backend, everyone, problem, State.start(block.copy()), 0, case.updates)
    threaded = train(
        backend, everyone, problem, State.start(block.copy()), 0, case.updates, n_threads=n_threads
    )
    np.testing.assert_array_equal(threaded, alone)
    some = train(backend, only(everyone, [2, 0]), problem, State.start(block[[2, 0]]), 0, case.updates)
    np.testing.assert_array_equal(some, np.array(alone)[:, [2, 0]])


@large
@settings(max_examples=6)
@given(data=st.data())
def test_consecutive_pieces_combine_to_the_whole(backend: Backend, case: Case, data: st.DataObject) -> None:
    plan, problem, block = case.plan(), case.problem(), case.parameters("float64")
    whole = train(backend, plan, problem, State.start(block.copy()), 0, case.updates)
    places = data.draw(st.sets(st.integers(1, case.updates - 1), max_size=4), label="cuts")
    cuts = [0, *sorted(places), case.updates]
    session, state = backend.session(plan, problem), State.start(block.copy())
    pieces = [np.array(session.train(state, *cut)) for cut in pairwise(cuts)]
    rows = [rows_of(plan, *cut) for cut in pairwise(cuts)]
    np.testing.assert_allclose(np.average(pieces, axis=0, weights=rows), whole, rtol=1e-12)


@large
def test_a_stopped_call_returns_the_means_of_what_it_did(backend: Backend, case: Case) -> None:
    asked: list[None] = []

    def should_stop() -> bool:
        asked.append(None)
        return len(asked) > 2

    plan, problem, block = case.plan(), case.problem(), case.parameters("float64")
    state = State.start(block.copy())
    stopped = train(backend, plan, problem, state, 0, case.updates, should_stop=should_stop)
    done = int(state.updates[0])
    wanted = train(backend, plan, problem, State.start(block.copy()), 0, done)
    np.testing.assert_array_equal(stopped, wanted)
    nothing = train(backend, plan, problem, state, done, case.updates, should_stop=lambda: True)
    np.testing.assert_array_equal(nothing, np.full((2, 3), np.nan))


def test_a_model_that_diverges_has_the_means_of_the_updates_it_took(backend: Backend) -> None:
    case = Case("diverging", hidden=(4,), l2=(0.01, 0.02))
    plan, block = case.plan(), case.parameters("float64")
    plan.learning_rate[1, 5:] = 1e300
    state = State.start(block.copy())
    found = train(backend, plan, case.problem(), state, 0, case.updates)
    assert state.finite.tolist() == [True, False]
    until = int(state.updates[1])
    wanted = train(backend, plan, case.problem(), State.start(block.copy()), 0, until)
    assert np.isfinite(wanted.loss).all()
    np.testing.assert_array_equal(np.array(found)[:, 1], np.array(wanted)[:, 1])


def test_a_session_evaluates_what_it_was_given_and_nothing_else(backend: Backend) -> None:
    case = Case("any", hidden=(4,))
    plan, block, other = case.plan(), case.parameters("float64"), case.problem(seed=5)
    assert backend.session(plan, case.problem()).evaluate(block) == []
    (figures,) = backend.session(plan, case.problem(), [other]).evaluate(block)
    np.testing.assert_array_equal(figures, backend.evaluate(plan.objective, other, block))


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
    network = network_of(layers, initializers.draw(layers, gs.Normal(0.5), generator, "float64"))
    order = RowOrder(23, True, int(order_seed))
    batches = chain(*(np.split(order.epoch(epoch), [7, 14, 21]) for epoch in range(3)))
    share = weight / weight.mean()
    mean = (share @ rows) / 23
    scale = np.sqrt(share @ (rows - mean) ** 2 / 23)
    inputs = oracle.standardized(rows.tolist(), mean, scale)
    sums = seen(network, inputs, labels.tolist(), share.tolist(), 0.03, [(batch, 0.1) for batch in batches])

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
    assert model.evaluate(*parts["eval_set"]) == tuple(last[column] for column in EMPTY[3:])


def test_running_without_an_eval_set_has_running_figures_alone():
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
        self.sums_of_bytes = self.inner.sums_of_bytes
        self.evaluated: list[Any] = []
        self.calls = {"train": 0, "evaluate": 0, "backend": 0}
        self.python_calls = 0

    def session(self, plan, problem, evaluated, *, n_threads):
        self.trained, self.evaluated = problem, list(evaluated)
        session = self.inner.session(plan, problem, evaluated, n_threads=n_threads)
        train, evaluate = session.train, session.evaluate

        def counted_train(*arguments: Any, **options: Any) -> Running:
            self.calls["train"] += 1
            before = sys.getprofile()
            sys.setprofile(self._profile)
            try:
                return train(*arguments, **options)
            finally:
                sys.setprofile(before)

        def counted_evaluate(parameters: Any) -> Any:
            self.calls["evaluate"] += 1
            return evaluate(parameters)

        session.train, session.evaluate = counted_train, counted_evaluate
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
    assert all(problem.n == 30 and np.shares_memory(problem.X, held_out) for problem in spy.evaluated)
    assert spy.trained.n == 100


@pytest.mark.parametrize("evaluate_every, calls", [("epoch", 4), ("running", 4), (26, 20), (None, 1)])
def test_an_evaluation_is_one_call_of_each_kind(spy, evaluate_every, calls):
    model = trainer(batch_size=1, evaluate_every=evaluate_every).fit(X, Y, eval_set=(X, Y))
    assert len(model.history_) == calls
    assert spy.calls == {"train": calls, "evaluate": calls if evaluate_every else 0, "backend": 0}


@pytest.mark.parametrize("spy", [name for name in HERE if name != "numpy"], indirect=True)
@pytest.mark.parametrize("evaluate_every", ["epoch", "running", None])
def test_compiled_updates_call_no_python(spy, evaluate_every):
    model = trainer(batch_size=1, evaluate_every=evaluate_every).fit(X, Y)  # compiles
    spy.python_calls = 0
    rows, labels = np.tile(X, (30, 1)), np.tile(Y, 30)
    model.fit(rows, labels)
    # Some calls per epoch and per look for Ctrl-C, none per update.
    assert 0 < spy.python_calls < model.history_["update"][-1] / 10


# --- Divergence ---


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("evaluate_every, updates", [("running", [5]), (None, [])])
def test_divergence_keeps_the_history(name, evaluate_every, updates):
    def rate(update):
        return 0.1 if update < 8 else 1e300

    settings = {"backend": name, "hidden": (6,), "precision": "float64"}
    model = trainer(learning_rate=rate, evaluate_every=evaluate_every, **settings)
    with pytest.raises(DivergedError) as caught:
        model.fit(X, Y)
    assert (caught.value.update, caught.value.learning_rate) == (9, 1e300)
    assert model.history_["update"].tolist() == updates
    assert np.isfinite(model.history_["running_loss"]).all()
    assert model.n_iter_ == len(updates)
    # The first weights, where there was no row before.
    kept = trainer(epochs=1, **settings, learning_rate=0.1 if updates else lambda update: 0.0).fit(X, Y)
    np.testing.assert_array_equal(model.coefs_[0], kept.coefs_[0])


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("evaluate_every", ["running", None])
def test_parameters_that_the_last_update_made_infinite_are_divergence(name, evaluate_every):
    model = trainer(backend=name, learning_rate=1e38, epochs=1, batch_size=1000, standardize=False)
    with pytest.raises(DivergedError) as caught:
        model.set_params(evaluate_every=evaluate_every).fit(50 + 10 * X, Y)
    assert (caught.value.update, caught.value.learning_rate) == (1, 1e38)
    assert len(model.history_) == 0
    assert all(np.isfinite(W).all() for W in model.coefs_)


# --- Early stopping ---


@pytest.mark.parametrize("evaluate_every", ["epoch", "running", 3])
@pytest.mark.parametrize("monitor", ["running_loss", "running_accuracy"])
def test_running_figures_can_be_watched(evaluate_every, monitor):
    rule = gs.EarlyStopping(monitor, patience=3)
    model = trainer(evaluate_every=evaluate_every, early_stopping=rule, epochs=60)
    model.set_params(learning_rate=lambda t: 0.5 if t < 30 else 1000.0).fit(X, Y)
    column = model.history_[monitor]
    best = int(column.argmax() if monitor == "running_accuracy" else column.argmin())
    assert len(column) == best + 4
    assert model.n_iter_ == np.ceil(model.history_["epoch"][best])


@pytest.mark.parametrize(
    "monitor, evaluate_every, eval_set, needs",
    [
        ("train_cost", "running", None, "the train rows evaluated, got evaluate_every='running'"),
        ("train_accuracy", "running", (X, Y), "the train rows evaluated, got evaluate_every='running'"),
        ("validation_loss", "running", None, "an eval_set of validation rows, got none"),
        ("validation_loss", None, (X, Y), "figures while training, got evaluate_every=None"),
        ("train_loss", None, None, "figures while training, got evaluate_every=None"),
        ("running_loss", None, None, "figures while training, got evaluate_every=None"),
    ],
)
def test_a_column_that_would_be_empty_cannot_be_watched(monitor, evaluate_every, eval_set, needs):
    model = trainer(early_stopping=gs.EarlyStopping(monitor), evaluate_every=evaluate_every)
    with pytest.raises(InvalidParameterError) as caught:
        model.fit(X, Y, eval_set=eval_set)
    assert str(caught.value) == f"`early_stopping` of Trainer monitors {monitor}, which needs {needs}"


def test_a_running_cost_is_not_a_column():
    with pytest.raises(InvalidParameterError, match="`monitor` of EarlyStopping must be one of"):
        gs.EarlyStopping("running_cost")
