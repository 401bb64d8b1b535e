"""`resume` goes on where a training was left: the bits of one long run."""

from __future__ import annotations

import copy
import io
import pickle

import joblib
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import gradstep as gs
from gradstep import optimizers, schedules
from gradstep.errors import InvalidDataError
from makers import HERE, regressor, trainer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 6)) * [1, 5, 0.3, 1, 1, 2] + 1
LOGITS = X @ RNG.normal(size=(6, 3)) + RNG.normal(size=(90, 3))
Y = np.array(["ash", "elm", "oak"])[LOGITS.argmax(axis=1)]
VALUES = LOGITS[:, :2]
HELD = (X[:40] + 0.3 * RNG.normal(size=(40, 6)), Y[:40])
WEIGHT = RNG.random(90)
names = pytest.mark.parametrize("name", HERE)

OPTIMIZERS = [
    "sgd",
    optimizers.SGD(momentum=0.9, nesterov=True),
    "adam",
    optimizers.AdamW(weight_decay=0.1),
    "rmsprop",
    "adagrad",
]

# None of them depends on how many epochs are planned.
RATES = [
    0.01,
    schedules.StepDecay(0.02, factor=0.5, every=2),
    schedules.CyclicTriangular(1e-3, 1e-2, step_size=17),
    schedules.Cosine(0.02, period=2, factor=2),
    schedules.Linear(0.02, 0.001, epochs=5),
    lambda update: 0.01 / (1 + update),
    schedules.ReduceOnPlateau(0.05, factor=0.5, patience=1, monitor="train_accuracy", min_rate=0.01),
]


def same(first, second, history=True):
    """Assert that two models have the same weights and histories; times are no part of it."""
    for mine, other in zip(first.coefs_ + first.intercepts_, second.coefs_ + second.intercepts_, strict=True):
        np.testing.assert_array_equal(mine, other)
    np.testing.assert_array_equal(first.standardization_.mean, second.standardization_.mean)
    if history:
        for column in set(first.history_.keys()) - {"seconds"}:
            np.testing.assert_array_equal(first.history_[column], second.history_[column], column)
        assert (np.diff(second.history_["seconds"]) >= 0).all()
        assert first.history_.weighted == second.history_.weighted
        assert (first.n_iter_, first.status_) == (second.n_iter_, second.status_)


@names
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_whatever_the_optimizer_is(name, optimizer, precision):
    given = {"backend": name, "optimizer": optimizer, "precision": precision, "learning_rate": 0.01}
    whole = trainer(epochs=7, hidden=(5,), l2=0.01, **given).fit(X, Y)
    parts = trainer(epochs=2, hidden=(5,), l2=0.01, **given).fit(X, Y)
    same(whole, parts.resume(X, Y, epochs=4).resume(X, Y, epochs=1))


@names
@pytest.mark.parametrize("rate", RATES, ids=lambda rate: getattr(rate, "name", type(rate).__name__))
def test_whatever_the_schedule_is(name, rate):
    given = {"backend": name, "learning_rate": rate, "optimizer": "adam"}
    whole = trainer(epochs=9, **given).fit(X, Y)
    same(whole, trainer(epochs=4, **given).fit(X, Y).resume(X, Y, epochs=5))


@names
@pytest.mark.parametrize("restore_best", [True, False])
@pytest.mark.parametrize("epochs", [1, 2, 5, 9])
def test_early_stopping_goes_on(name, restore_best, epochs):
    stop = gs.EarlyStopping("validation_loss", patience=4, min_delta=1e-3, restore_best=restore_best)
    given = {"backend": name, "early_stopping": stop, "learning_rate": 0.3, "hidden": (20,)}
    whole = trainer(epochs=40, **given).fit(X, Y, eval_set=HELD)
    assert whole.status_ == "early_stopped"
    assert len(whole.history_) > 9
    parts = trainer(epochs=epochs, **given).fit(X, Y, eval_set=HELD)
    same(whole, parts.resume(X, Y, eval_set=HELD, epochs=40 - epochs))


@names
@pytest.mark.parametrize(
    "given",
    [
        {"class_weight": "balanced"},
        {"shuffle": False},
        {"standardize": False, "learning_rate": 0.001},
        {"validation_fraction": 0.3},
        {"evaluate_every": "running", "metrics": ("roc_auc_ovr",)},
        {"evaluate_every": 6},
        {"evaluate_untrained": True},
        {"batch_size": "auto", "activation": "tanh", "hidden": (4, 3)},
        {"dropout": 0.3, "input_dropout": 0.1, "hidden": (6, 4)},
        {"loss": "sigmoid", "init": gs.Normal(0.1)},
        {"augment": gs.augment.HorizontalFlip(p=0.5, image_shape=(1, 2, 3)), "standardize": False},
    ],
    ids=lambda given: next(iter(given)),
)
def test_whatever_else_is_asked_for(name, given):
    own = {"backend": name, "optimizer": "adam", "learning_rate": 0.01} | given
    whole = trainer(epochs=6, **own).fit(X, Y, WEIGHT)
    parts = trainer(epochs=3, **own).fit(X, Y, WEIGHT).resume(X, Y, WEIGHT, epochs=3)
    same(whole, parts)


@names
def test_rows_of_every_type(name):
    for rows in (X.astype(np.float32), (10 * X - (10 * X).min()).astype(np.uint8), X.tolist()):
        whole = trainer(epochs=5, backend=name).fit(rows, Y)
        same(whole, trainer(epochs=2, backend=name).fit(rows, Y).resume(rows, Y, epochs=3))


@names
@pytest.mark.parametrize("form", [scipy.sparse.csr_array, scipy.sparse.csc_matrix])
def test_sparse_rows(name, form):
    rows = np.where(RNG.random(X.shape) < 0.3, X, 0)
    given = {"backend": name, "hidden": (4,), "optimizer": "adam", "class_weight": "balanced"}
    whole = trainer(epochs=5, **given).fit(form(rows), Y)
    parts = trainer(epochs=2, **given).fit(form(rows), Y).resume(form(rows), Y, epochs=3)
    same(whole, parts)
    np.testing.assert_array_equal(whole.transform(form(rows)), parts.transform(form(rows)))
    with pytest.raises(InvalidDataError, match=r"rows of Trainer\.resume must be those of fit"):
        parts.resume(form(rows * (1 + 1e-6)), Y, epochs=1)
    streamed = trainer(**given | {"class_weight": None}).partial_fit(form(rows), Y, ["ash", "elm", "oak"])
    assert streamed.partial_fit(form(rows[:30]), Y[:30]).n_iter_ == 2


@names
@pytest.mark.parametrize("targets", [VALUES, VALUES[:, 0]], ids=["two", "one"])
def test_a_regressor(name, targets):
    given = {"backend": name, "optimizer": "adam", "learning_rate": 0.01, "hidden": (4,)}
    whole = regressor(epochs=6, **given).fit(X, targets)
    parts = regressor(epochs=3, **given).fit(X, targets).resume(X, targets, epochs=3)
    same(whole, parts)
    np.testing.assert_array_equal(whole.predict(X), parts.predict(X))


@names
@pytest.mark.parametrize("threads", [(1, 2), (3, 1), (2, 2)], ids=str)
def test_with_any_number_of_threads(name, threads):
    given = {"backend": name, "hidden": (40,), "batch_size": 30, "optimizer": "adam"}
    whole = trainer(epochs=5, **given).fit(X, Y)
    parts = trainer(epochs=2, n_threads=threads[0], **given).fit(X, Y)
    same(whole, parts.set_params(n_threads=threads[1]).resume(X, Y, epochs=3))


@pytest.mark.parametrize("state", [None, np.random.RandomState(3)], ids=["None", "RandomState"])
def test_draws_that_nobody_could_repeat_go_on(state):
    parts = trainer(epochs=3, random_state=state).fit(X, Y)
    seed = parts.result().checkpoint.run.seed
    same(trainer(epochs=6, random_state=seed).fit(X, Y), parts.resume(X, Y, epochs=3))


@names
@settings(deadline=None, max_examples=10)
@given(
    cuts=st.lists(st.integers(1, 3), min_size=1, max_size=4), n=st.integers(20, 90), batch=st.integers(1, 40)
)
def test_however_it_is_cut(name, cuts, n, batch):
    given = {"backend": name, "batch_size": batch, "optimizer": "adam", "learning_rate": 0.01}
    whole = trainer(epochs=1 + sum(cuts), **given).fit(X[:n], Y[:n])
    parts = trainer(epochs=1, **given).fit(X[:n], Y[:n])
    for epochs in cuts:
        parts.resume(X[:n], Y[:n], epochs=epochs)
    same(whole, parts)


@names
@pytest.mark.parametrize("rate", ["auto", schedules.OneCycle(0.1), 0.05], ids=str)
def test_a_training_that_was_stopped_goes_on_to_what_was_planned(name, rate):
    """Schedules over the whole run, too, for its length is the same."""
    given = {"backend": name, "learning_rate": rate, "optimizer": "adam"}
    whole = trainer(epochs=7, **given).fit(X, Y)
    stopped = trainer(epochs=7, callbacks=[lambda model, row: row["epoch"] == 3], **given).fit(X, Y)
    assert (stopped.n_iter_, stopped.status_) == (3, "early_stopped")
    same(whole, stopped.set_params(callbacks=()).resume(X, Y))


@names
def test_a_training_within_an_epoch_goes_on(name):
    given = {"backend": name, "optimizer": "adam", "learning_rate": 0.01, "evaluate_every": 5}
    whole = trainer(epochs=4, **given).fit(X, Y)
    stopped = trainer(epochs=4, callbacks=[lambda model, row: row["update"] == 20], **given).fit(X, Y)
    assert stopped.history_["epoch"][-1] == 20 / 12
    same(whole, stopped.set_params(callbacks=()).resume(X, Y))
    again = trainer(epochs=4, callbacks=[lambda model, row: row["update"] == 20], **given).fit(X, Y)
    assert again.set_params(callbacks=()).resume(X, Y, epochs=1).n_iter_ == 3


@names
def test_rates_over_the_whole_run_are_those_of_all_epochs(name):
    given = {"backend": name, "learning_rate": schedules.Linear(0.1, 0.0)}
    parts = trainer(epochs=4, **given).fit(X, Y).resume(X, Y, epochs=4)
    whole = trainer(epochs=8, **given).fit(X, Y)
    np.testing.assert_array_equal(parts.history_["learning_rate"][4:], whole.history_["learning_rate"][4:])
    assert parts.history_["learning_rate"][3] < whole.history_["learning_rate"][3]


def test_early_stopping_that_ended_it_has_its_patience_again():
    stop = gs.EarlyStopping("train_loss", patience=2, min_delta=10.0)
    model = trainer(epochs=20, early_stopping=stop).fit(X, Y)
    assert (model.status_, model.n_iter_) == ("early_stopped", 1)
    model.resume(X, Y, epochs=6)
    assert model.history_["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert (model.status_, model.n_iter_) == ("early_stopped", 1)
    model.set_params(early_stopping=None).resume(X, Y, epochs=2)
    assert (model.status_, model.n_iter_, len(model.history_)) == ("completed", 7, 7)


def copied(model):
    return copy.deepcopy(model)


def pickled(model):
    return pickle.loads(pickle.dumps(model))


def by_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


@names
@pytest.mark.parametrize("through", [copied, pickled, by_joblib, "file"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_copies_pickles_and_files_go_on(name, through, optimizer, tmp_path):
    stop = gs.EarlyStopping("train_accuracy", patience=9)
    rate = schedules.ReduceOnPlateau(0.05, patience=1, factor=0.5, monitor="train_accuracy")
    given = {"backend": name, "optimizer": optimizer, "early_stopping": stop, "learning_rate": rate}
    whole = trainer(epochs=9, **given).fit(X, Y)
    model = trainer(epochs=5, **given).fit(X, Y)
    if through == "file":
        model.save(tmp_path / "a.model", resumable=True)
        model = gs.load_model(tmp_path / "a.model")
        model.save(tmp_path / "b.model", resumable=True)
        assert (tmp_path / "a.model").read_bytes() == (tmp_path / "b.model").read_bytes()
        model = gs.Trainer.load(tmp_path / "b.model")
    else:
        model = through(model)
    same(whole, model.resume(X, Y, epochs=4))


@names
def test_what_a_callback_saved_goes_on(name, tmp_path):
    """As after the process was killed."""
    path = tmp_path / "last.model"
    given = {"backend": name, "optimizer": "adam", "learning_rate": "auto"}
    given["early_stopping"] = gs.EarlyStopping("train_loss", patience=5)

    def keep(model, row):
        if row["epoch"] == 3:
            model.save(path, resumable=True)

    whole = trainer(epochs=6, callbacks=[keep], **given).fit(X, Y)
    same(whole, gs.load_model(path).resume(X, Y))


def test_a_file_has_the_state_only_where_it_is_asked_for(tmp_path):
    model = trainer(optimizer="adam", hidden=(50,)).fit(X, Y)
    sizes = []
    for resumable in (False, True):
        model.save(tmp_path / "one.model", resumable=resumable)
        sizes.append((tmp_path / "one.model").stat().st_size)
    slots = 2 * 4 * sum(part.size for part in model.coefs_ + model.intercepts_)
    assert slots < sizes[1] - sizes[0] < slots + 2000


def test_schema_and_names_stay():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X, columns=list("abcdef"))
    model = trainer().fit(table, Y).resume(table, Y, epochs=1)
    assert model.feature_names_in_.tolist() == list("abcdef")


def test_a_learning_rate_may_be_another():
    model = trainer(epochs=3, learning_rate=0.1).fit(X, Y)
    model.set_params(learning_rate=0.01).resume(X, Y, epochs=2)
    assert model.history_["learning_rate"].tolist() == [0.1] * 3 + [0.01] * 2


def test_a_backend_may_be_another():
    given = {"precision": "float64", "optimizer": "adam"}
    wholes = [trainer(epochs=6, backend=name, **given).fit(X, Y) for name in HERE]
    model = trainer(epochs=3, backend=HERE[0], **given).fit(X, Y)
    model.set_params(backend=HERE[-1]).resume(X, Y, epochs=3)
    for whole in wholes:
        np.testing.assert_allclose(model.coefs_[0], whole.coefs_[0], rtol=1e-8)
