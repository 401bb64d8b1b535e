"""Trainer: what it learns, what it records, and what it hands to the backend."""

from __future__ import annotations

import threading
from itertools import chain
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_blobs

import gradstep as gs
import makers
import oracle
from gradstep import backends
from gradstep.plan.build import draw
from gradstep.plan.network import Layers
from gradstep.plan.order import RowOrder
from gradstep.training.status import Status
from makers import HERE

# Four groups of points around well separated centres, in units far from mean 0 and scale 1.
X, Y = make_blobs(n_samples=130, centers=4, n_features=3, cluster_std=1.5, random_state=3)
X = 50 + 10 * X


def trainer(**parameters: Any) -> gs.Trainer:
    """Make a Trainer that is quick and the same every time."""
    return makers.trainer(**{"epochs": 10, "batch_size": "auto"} | parameters)


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("hidden", [(), (16,), [8, 8]])
def test_learns_separated_groups(name, hidden):
    model = trainer(hidden=hidden, backend=name, batch_size=16, epochs=30).fit(X, Y)
    assert model.score(X, Y) > 0.95
    assert [W.shape for W in model.coefs_] == list(zip((3, *hidden), (*hidden, 4), strict=True))
    assert [b.shape for b in model.intercepts_] == [(units,) for units in (*hidden, 4)]
    assert model.backend_ == name


@pytest.mark.parametrize("name", HERE)
def test_walks_the_trajectory_of_the_definition(name):
    # Every setting that enters an update at once, against plain loops over rows and units.
    rows, labels = X[:23], Y[:23]
    weight = np.linspace(0.2, 3.0, 23)
    settings = {"hidden": (4,), "l2": 0.03, "batch_size": 7, "epochs": 3, "precision": "float64"}
    schedule = gs.schedules.CyclicTriangular(0.01, 0.5, step_size=5)
    model = trainer(**settings, backend=name, learning_rate=schedule, init=gs.Normal(0.5))
    model.fit(rows, labels, sample_weight=weight)

    share = weight / weight.mean()
    mean = (share @ rows) / 23
    scale = np.sqrt(share @ (rows - mean) ** 2 / 23)
    order_seed, init_seed = np.random.RandomState(0).randint(2**31 - 1, size=2)
    block = draw(Layers((3, 4, 4)), gs.Normal(0.5), np.random.default_rng(init_seed), "float64")
    cuts = np.split(block, np.cumsum([12, 4, 16]))
    start = [
        (cuts[0].reshape(3, 4).tolist(), cuts[1].tolist()),
        (cuts[2].reshape(4, 4).tolist(), cuts[3].tolist()),
    ]
    order = RowOrder(23, True, int(order_seed))
    batches = [np.split(order.epoch(epoch), [7, 14, 21]) for epoch in range(3)]
    steps = [(batch, schedule(t, 4)) for t, batch in enumerate(chain(*batches))]
    inputs = oracle.standardized(rows.tolist(), mean, scale)
    data = oracle.Data(inputs, labels.tolist(), share.tolist())
    objective = oracle.Objective(oracle.Softmax(), [oracle.relu()], 0.03)
    network = oracle.train(start, data, objective, lambda: oracle.sgd(momentum=0.0, nesterov=False), steps)

    for (W, b), coef, intercept in zip(network, model.coefs_, model.intercepts_, strict=True):
        np.testing.assert_allclose(coef, W, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(intercept, b, rtol=1e-10, atol=1e-12)
    last = model.history_.rows[-1]
    assert last["train_loss"] == pytest.approx(oracle.loss(network, data, objective), rel=1e-10)
    assert last["train_cost"] == pytest.approx(oracle.cost(network, data, objective), rel=1e-10)
    assert last["train_accuracy"] == pytest.approx(oracle.hits(network, data, objective))
    assert model.history_["learning_rate"].tolist() == [schedule(t, 4) for t in (3, 7, 11)]


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["ape", "bee", "cat", "dog"])[Y],
        np.array(["ape", "bee", "cat", "dog"], dtype=object)[Y],
        Y * 100 - 7,
        Y.astype(np.float64),
        Y > 1,
    ],
    ids=["strings", "objects", "gaps", "whole floats", "booleans"],
)
def test_labels_of_every_kind(labels):
    model = trainer(batch_size=10).fit(X, labels, eval_set=(X, labels))
    assert model.classes_.tolist() == np.unique(labels).tolist()
    assert model.predict(X).dtype == labels.dtype
    assert model.score(X, labels) > 0.9
    assert model.evaluate(X, labels).accuracy == pytest.approx(model.score(X, labels))


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("n, batch_size", [(5, 100), (100, 100), (101, 25), (13, 1)])
def test_any_number_of_rows_and_batch_size(name, n, batch_size):
    model = trainer(backend=name, batch_size=batch_size, epochs=2).fit(X[:n], Y[:n])
    assert model.history_["update"].tolist() == [-(-n // batch_size), 2 * -(-n // batch_size)]


@pytest.mark.parametrize("n, batch_size", [(5, 1), (99, 1), (100, 2), (130, 2)])
def test_rows_of_an_update_by_default(n, batch_size):
    automatic = trainer().fit(X[:n], Y[:n])
    assert automatic.batch_size == "auto"
    assert automatic.batch_size_ == batch_size
    assert automatic.history_["update"][0] == -(-n // batch_size)
    told = trainer(batch_size=batch_size).fit(X[:n], Y[:n])
    np.testing.assert_array_equal(automatic.coefs_[0], told.coefs_[0])


def test_an_explicit_batch_size_is_clipped_to_the_rows():
    assert [trainer(batch_size=b).fit(X, Y).batch_size_ for b in (1, 129, 130, 131)] == [1, 129, 130, 130]


@pytest.mark.parametrize("name", HERE)
def test_one_column_and_constant_columns(name):
    one = X[:, :1]
    constant = np.column_stack([np.full(len(X), 3.3), one[:, 0], np.zeros(len(X))])
    model = trainer(backend=name).fit(constant, Y)
    assert model.standardization_.scale[[0, 2]].tolist() == [1.0, 1.0]
    assert model.history_["train_loss"][-1] < np.log(4)
    assert trainer(backend=name).fit(one, Y).predict(one).shape == Y.shape


@pytest.mark.parametrize("name", HERE)
def test_a_class_may_be_missing_from_a_batch(name):
    order = np.argsort(Y, kind="stable")
    model = trainer(backend=name, shuffle=False, batch_size=20, epochs=30).fit(X[order], Y[order])
    assert model.score(X, Y) > 0.8


def test_two_classes_decide_by_the_sign():
    labels = np.array(["no", "yes"])[(Y > 1).astype(int)]
    model = trainer().fit(X, labels)
    decision, probability = model.decision_function(X), model.predict_proba(X)
    assert decision.shape == (len(X),)
    np.testing.assert_array_equal(model.predict(X), np.where(decision > 0, "yes", "no"))
    np.testing.assert_allclose(probability[:, 1], 1 / (1 + np.exp(-decision)))


def test_probabilities_are_the_softmax_of_the_scores():
    model = trainer().fit(X, Y)
    scores, probability = model.decision_function(X), model.predict_proba(X)
    assert scores.shape == probability.shape == (len(X), 4)
    np.testing.assert_allclose(np.log(probability[:, 1] / probability[:, 0]), scores[:, 1] - scores[:, 0])
    np.testing.assert_allclose(probability.sum(axis=1), 1)


def test_history_of_epochs_ends_with_the_model():
    model = trainer(l2=0.01, batch_size=50, epochs=4).fit(X[:90], Y[:90], eval_set=(X[90:], Y[90:]))
    history = model.history_
    assert tuple(history.keys()) == gs.History().keys()
    assert history["update"].tolist() == [2, 4, 6, 8]
    assert history["epoch"].tolist() == [1, 2, 3, 4]
    assert (np.diff(history["seconds"]) > 0).all()
    last = history.rows[-1]
    for rows, part in (("train", slice(90)), ("validation", slice(90, None))):
        metrics = {name: last[f"{rows}_{name}"] for name in ("loss", "cost", "accuracy")}
        assert dict(model.evaluate(X[part], Y[part])) == metrics
    assert last["train_cost"] > last["train_loss"]
    assert model.n_iter_ == 4


def test_history_without_an_eval_set_has_no_validation_metrics():
    assert np.isnan(trainer().fit(X, Y).history_["validation_loss"]).all()


@pytest.mark.parametrize(
    "every, updates",
    [
        (3, [3, 6, 9, 12]),
        (5, [5, 10, 12]),
        (100, [12]),
        (None, [12]),
        ("epoch", [4, 8, 12]),
        ("running", [4, 8, 12]),
    ],
)
def test_evaluate_every(every, updates):
    model = trainer(batch_size=10, epochs=3, evaluate_every=every).fit(X[:40], Y[:40])
    assert model.history_["update"].tolist() == updates
    assert model.history_["epoch"].tolist() == [update / 4 for update in updates]
    plain = trainer(batch_size=10, epochs=3).fit(X[:40], Y[:40])
    np.testing.assert_array_equal(plain.coefs_[0], model.coefs_[0])


def test_only_the_ratios_of_sample_weights_count():
    weight = np.linspace(0.5, 2, len(X))
    one, other = (trainer(precision="float64").fit(X, Y, sample_weight=w) for w in (weight, 1000 * weight))
    np.testing.assert_allclose(one.coefs_[0], other.coefs_[0], rtol=1e-12)
    equal = trainer().fit(X, Y, sample_weight=np.full(len(X), 3.0))
    np.testing.assert_array_equal(equal.coefs_[0], trainer().fit(X, Y).coefs_[0])


@pytest.mark.parametrize("name", HERE)
def test_in_one_batch_a_weight_is_a_repetition(name):
    repeats = np.arange(len(X)) % 3
    settings = {"precision": "float64", "batch_size": 1000, "backend": name, "hidden": (5,)}
    weighted = trainer(**settings).fit(X, Y, sample_weight=repeats)
    repeated = trainer(**settings).fit(np.repeat(X, repeats, axis=0), np.repeat(Y, repeats))
    np.testing.assert_allclose(weighted.coefs_[0], repeated.coefs_[0], rtol=1e-9)
    np.testing.assert_allclose(weighted.history_["train_loss"], repeated.history_["train_loss"], rtol=1e-9)


def _memory_mapped(array, folder):
    np.save(folder / "rows.npy", array)
    return np.load(folder / "rows.npy", mmap_mode="r")


def _read_only(array, folder):
    array = array.copy()
    array.flags.writeable = False
    return array


LAYOUTS = {
    "Fortran": lambda array, folder: np.asfortranarray(array),
    "every other row": lambda array, folder: np.repeat(array, 2, axis=0)[::2],
    "every other column": lambda array, folder: np.repeat(array, 2, axis=1)[:, ::2],
    "backwards": lambda array, folder: array[::-1, ::-1].copy()[::-1, ::-1],
    "big-endian": lambda array, folder: array.astype(array.dtype.newbyteorder(">")),
    "memory-mapped": _memory_mapped,
    "read-only": _read_only,
    "list": lambda array, folder: array.tolist() if array.dtype == np.float64 else array,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8"])
def test_the_layout_of_x_changes_no_bit(layout, dtype, tmp_path):
    plain = np.ascontiguousarray(X.clip(0, 255).astype(dtype))
    other = LAYOUTS[layout](plain, tmp_path)
    one = trainer(hidden=(5,), batch_size=20).fit(plain, Y, eval_set=(plain, Y))
    two = trainer(hidden=(5,), batch_size=20).fit(other, Y, eval_set=(other, Y))
    for a, b in zip(one.coefs_ + one.intercepts_, two.coefs_ + two.intercepts_, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one.decision_function(plain), two.decision_function(other))
    np.testing.assert_array_equal(one.history_["validation_loss"], two.history_["validation_loss"])


@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "uint16", "float16"])
def test_other_dtypes_train_like_float64(dtype):
    rows = (X > 40) if dtype == "bool" else X.round().clip(-100, 127).astype(dtype)
    one, two = (trainer().fit(array, Y) for array in (rows, rows.astype(np.float64)))
    np.testing.assert_allclose(one.coefs_[0], two.coefs_[0], rtol=1e-4, atol=1e-6)


class Spy:
    """A backend that remembers what it was given."""

    def __init__(self) -> None:
        self.inner, self.name = backends.get("numpy"), "numpy"
        self.sums_of_bytes, self.lacks = self.inner.sums_of_bytes, self.inner.lacks
        self.seen: list[Any] = []
        self.threads: set[int] = set()

    def session(self, plan, data, evaluated, *, n_threads):
        self.seen += [data, *evaluated]
        self.threads.add(n_threads)
        return self.inner.session(plan, data, evaluated)


@pytest.fixture
def spy(monkeypatch):
    spy = Spy()
    monkeypatch.setattr(backends, "get", lambda name: spy)
    return spy


@pytest.mark.parametrize("dtype", ["float32", "uint8", "float64"])
@pytest.mark.parametrize("mapped", [False, True])
def test_rows_are_read_where_they_lie(spy, dtype, mapped, tmp_path):
    rows = X.clip(0, 255).astype(dtype)
    rows = _memory_mapped(rows, tmp_path) if mapped else rows
    trainer(epochs=1).fit(rows, Y, eval_set=(rows, Y))
    assert len(spy.seen) == 3
    for data in spy.seen:
        assert np.shares_memory(data.X, rows)
        assert data.X.dtype == dtype
        assert data.targets.dtype == np.int32


def test_an_explicit_number_of_threads_is_honoured(spy):
    trainer(epochs=1, n_threads=5).fit(X, Y)
    assert spy.threads == {5}


@pytest.mark.parametrize("name", HERE)
def test_the_number_of_threads_changes_no_bit(name):
    one, three = (
        trainer(backend=name, hidden=(20,), n_threads=count, batch_size=32).fit(X, Y) for count in (1, 3)
    )
    np.testing.assert_array_equal(one.coefs_[0], three.coefs_[0])
    np.testing.assert_array_equal(one.history_["train_loss"], three.history_["train_loss"])
    np.testing.assert_array_equal(one.decision_function(X), three.decision_function(X))


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("precision, huge", [("float32", 1e38), ("float64", 1e300)])
def test_divergence_keeps_the_last_finite_model(name, precision, huge):
    def rate(update):
        return 0.1 if update < 8 else huge

    model = trainer(backend=name, learning_rate=rate, batch_size=26, hidden=(6,), precision=precision)
    with pytest.raises(gs.errors.DivergedError) as caught:
        model.fit(X, Y)
    assert (caught.value.update, caught.value.learning_rate) == (9, huge)
    assert f"no longer finite at update 9 (learning rate {huge:g})" in str(caught.value)
    assert model.history_["update"].tolist() == [5]
    assert model.evaluate(X, Y).loss == model.history_["train_loss"][-1]
    assert model.n_iter_ == 1
    assert model.status_ is Status.DIVERGED


def test_divergence_before_the_first_evaluation_keeps_the_initial_weights():
    first = trainer(evaluate_every=None, learning_rate=1e-30, epochs=1, hidden=(4,)).fit(X, Y)
    model = trainer(evaluate_every=None, learning_rate=1e30, hidden=(4,))
    with pytest.raises(gs.errors.DivergedError, match="learning rate 1e\\+30"):
        model.fit(X, Y)
    assert len(model.history_) == model.n_iter_ == 0
    np.testing.assert_array_equal(model.coefs_[0], first.coefs_[0])
    assert model.predict(X).shape == Y.shape


def test_a_float32_overflow_in_the_parameters_alone_is_divergence():
    # The only update overflows the weights; no batch loss is ever seen after it.
    model = trainer(learning_rate=1e38, epochs=1, batch_size=1000, standardize=False)
    with pytest.raises(gs.errors.DivergedError) as caught:
        model.fit(X, Y)
    assert (caught.value.update, caught.value.learning_rate) == (1, 1e38)
    assert all(np.isfinite(W).all() for W in model.coefs_)


def test_random_state_determines_everything():
    one, same, other = (trainer(random_state=seed, hidden=(4,)).fit(X, Y) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.coefs_[0], same.coefs_[0])
    assert (one.coefs_[0] != other.coefs_[0]).any()
    # Of a generator one number is taken, as by a search.
    drawn = trainer(random_state=np.random.RandomState(1), hidden=(4,)).fit(X, Y)
    seed = int(np.random.RandomState(1).randint(2**31 - 1))
    np.testing.assert_array_equal(
        drawn.coefs_[0], trainer(random_state=seed, hidden=(4,)).fit(X, Y).coefs_[0]
    )


def test_fit_twice_is_fit_once():
    model = trainer(hidden=(4,))
    model.fit(X[:, :2], Y > 1)
    model.fit(X, Y)
    np.testing.assert_array_equal(model.coefs_[0], trainer(hidden=(4,)).fit(X, Y).coefs_[0])
    assert len(model.history_) == 10


def test_a_function_trains_like_the_schedule_that_it_is():
    schedule = gs.schedules.StepDecay(0.2, factor=0.5, every=2)
    function = trainer(learning_rate=lambda update: schedule(update, 2), batch_size=100).fit(X, Y)
    itself = trainer(learning_rate=schedule, batch_size=100).fit(X, Y)
    np.testing.assert_array_equal(function.coefs_[0], itself.coefs_[0])


def test_l2_shrinks_the_weights_and_not_the_biases():
    free, bound = (trainer(l2=l2, epochs=100).fit(X, Y > 0) for l2 in (0.0, 1.0))
    assert np.abs(bound.coefs_[0]).sum() < 0.3 * np.abs(free.coefs_[0]).sum()
    assert np.abs(bound.intercepts_[0]).sum() > 0.3


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_precision_is_that_of_the_parameters(precision):
    model = trainer(precision=precision, hidden=(3,)).fit(X, Y)
    assert {array.dtype.name for array in model.coefs_ + model.intercepts_} == {precision}


def test_without_standardization_features_enter_as_they_are():
    model = trainer(standardize=False, learning_rate=1e-5).fit(X, Y)
    np.testing.assert_allclose(
        model.decision_function(X), X @ model.coefs_[0] + model.intercepts_[0], rtol=1e-4, atol=1e-5
    )


def test_several_fits_at_once_in_threads():
    models = [trainer(random_state=seed, hidden=(5,)) for seed in range(4)]
    workers = [threading.Thread(target=model.fit, args=(X, Y)) for model in models]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for seed, model in enumerate(models):
        alone = trainer(random_state=seed, hidden=(5,)).fit(X, Y)
        np.testing.assert_array_equal(model.coefs_[0], alone.coefs_[0])
