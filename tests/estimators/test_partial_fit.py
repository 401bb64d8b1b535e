"""`partial_fit`: passes over rows as they come, one state through all of them."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.neural_network import MLPClassifier

import gradstep as gs
from gradstep import optimizers, schedules
from gradstep.errors import DivergedError, InvalidDataError, InvalidParameterError
from makers import HERE, regressor, trainer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 5)) * [1, 4, 0.3, 1, 1] + 1
LOGITS = X @ RNG.normal(size=(5, 3)) + RNG.normal(size=(120, 3))
Y = np.array(["ash", "elm", "oak"])[LOGITS.argmax(axis=1)]
MANY = (LOGITS > 0).astype(int)
VALUES = LOGITS[:, :2]
CLASSES = ["ash", "elm", "oak"]
PARTS = [slice(0, 50), slice(50, 51), slice(51, 90), slice(90, 120)]
names = pytest.mark.parametrize("name", HERE)
OPTIMIZERS = ["sgd", optimizers.SGD(momentum=0.9), "adam", "adagrad"]


def same(first, second):
    for mine, other in zip(first.coefs_ + first.intercepts_, second.coefs_ + second.intercepts_, strict=True):
        np.testing.assert_array_equal(mine, other)


def stream(model, parts=PARTS, y=Y, **given):
    for part in parts:
        model.partial_fit(X[part], y[part], **given)
    return model


@names
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_passes_over_the_same_rows_are_a_fit(name, optimizer):
    given = {"backend": name, "optimizer": optimizer, "hidden": (4,), "learning_rate": 0.02}
    whole = trainer(epochs=5, evaluate_every="running", **given).fit(X, Y)
    passes = stream(trainer(**given), [slice(0, 120)] * 5, classes=CLASSES)
    same(whole, passes)
    for column in ("update", "epoch", "learning_rate", "running_loss", "running_accuracy"):
        np.testing.assert_array_equal(whole.history_[column], passes.history_[column], column)
    assert whole.n_iter_ == passes.n_iter_ == 5


@names
@pytest.mark.parametrize(
    "rate",
    [
        schedules.StepDecay(0.1, factor=0.5, every=2),
        schedules.CyclicTriangular(0.01, 0.1, step_size=20),
        schedules.Linear(0.1, 0.01, epochs=4),
        lambda update: 0.1 / (1 + update),
        lambda epoch: 0.1 / (1 + epoch),
    ],
    ids=["step", "cyclic", "linear", "update", "epoch"],
)
def test_the_schedule_goes_on(name, rate):
    whole = trainer(epochs=5, backend=name, learning_rate=rate, evaluate_every="running").fit(X, Y)
    passes = stream(trainer(backend=name, learning_rate=rate), [slice(0, 120)] * 5, classes=CLASSES)
    same(whole, passes)
    np.testing.assert_array_equal(whole.history_["learning_rate"], passes.history_["learning_rate"])


@names
def test_augmentations_go_on(name):
    flip = gs.augment.HorizontalFlip(p=0.5, image_shape=(1, 1, 5))
    given = {"backend": name, "augment": flip, "standardize": False, "learning_rate": 0.01}
    whole = trainer(epochs=4, **given).fit(X, Y)
    same(whole, stream(trainer(**given), [slice(0, 120)] * 4, classes=CLASSES))


@names
def test_dropout_goes_on(name):
    given = {"backend": name, "dropout": 0.4, "hidden": (6,)}
    whole = trainer(epochs=4, **given).fit(X, Y)
    same(whole, stream(trainer(**given), [slice(0, 120)] * 4, classes=CLASSES))


@names
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_parts_of_any_length_against_loops_in_float64(name, optimizer):
    """Without shuffling, by NumPy's rules over batches that are cut here."""
    own = optimizers.Optimizer.resolve(optimizer)
    given = {"backend": name, "optimizer": own, "shuffle": False, "precision": "float64", "l2": 0.01}
    model = stream(trainer(learning_rate=0.05, batch_size=16, **given), classes=CLASSES)
    start = trainer(learning_rate=1e-300, batch_size=16, **given).partial_fit(X[:50], Y[:50], CLASSES)
    scale = start.standardization_
    np.testing.assert_allclose(scale.mean, X[:50].mean(axis=0))
    first = trainer(random_state=0, epochs=1, learning_rate=1e-300, precision="float64").fit(X[:50], Y[:50])
    W, b = first.coefs_[0].copy(), first.intercepts_[0].copy()
    slots = [[np.zeros_like(part) for _ in range(own.rule.slots)] for part in (W, b)]
    t = 0
    for part in PARTS:
        rows, labels = (X[part] - scale.mean) / scale.scale, np.searchsorted(CLASSES, Y[part])
        for begin in range(0, len(rows), 16):
            a, k = rows[begin : begin + 16], labels[begin : begin + 16]
            p = np.exp(a @ W + b)
            p /= p.sum(axis=1, keepdims=True)
            p[np.arange(len(k)), k] -= 1
            numbers = optimizers.table(own, np.array([t]), np.array([[0.05]]), np.array([[0.01]]))[0, 0]
            for which, (block, gradient) in enumerate(((W, a.T @ p / len(a)), (b, p.mean(axis=0)))):
                block[...], slots[which] = own.rule.step(
                    block, gradient, tuple(slots[which]), tuple(numbers[which])
                )
            t += 1
    np.testing.assert_allclose(model.coefs_[0], W, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.intercepts_[0], b, rtol=1e-9, atol=1e-12)
    assert model.history_["update"].tolist() == [4, 5, 8, 10]
    assert t == 10


@names
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("through", ["pickle", "copy", "file"])
def test_copies_pickles_and_files_go_on(name, optimizer, through, tmp_path):
    given = {"backend": name, "optimizer": optimizer, "hidden": (4,)}
    whole = stream(trainer(**given), classes=CLASSES)
    half = stream(trainer(**given), PARTS[:2], classes=CLASSES)
    if through == "file":
        half.save(tmp_path / "half.model", resumable=True)
        half = gs.load_model(tmp_path / "half.model")
    else:
        half = pickle.loads(pickle.dumps(half)) if through == "pickle" else copy.deepcopy(half)
    same(whole, stream(half, PARTS[2:]))


@names
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_no_bit_depends_on_the_threads(name, n_threads):
    given = {"backend": name, "optimizer": "adam", "hidden": (30,)}
    one = stream(trainer(n_threads=1, **given), classes=CLASSES)
    same(one, stream(trainer(n_threads=n_threads, **given), classes=CLASSES))


@names
def test_several_labels_and_real_values(name):
    many = stream(trainer(backend=name, loss="multilabel"), y=MANY)
    assert many.predict(X).shape == MANY.shape
    for y in (VALUES, VALUES[:, 0]):
        model = stream(regressor(backend=name), y=y)
        assert model.predict(X).shape == y.shape
        whole = regressor(backend=name, epochs=3).fit(X, y)
        same(whole, stream(regressor(backend=name), [slice(0, 120)] * 3, y=y))
        same(model, stream(clone(model), y=y))


def test_scale_and_classes_are_those_of_the_first_call():
    model = trainer().partial_fit(X[:30], Y[:30], CLASSES)
    first = model.standardization_
    np.testing.assert_allclose(first.mean, X[:30].mean(axis=0))
    model.partial_fit(1000 * X[30:60], Y[30:60])
    assert (model.standardization_.mean == first.mean).all()
    ones = trainer().partial_fit(X[Y == "oak"], Y[Y == "oak"], CLASSES)
    assert ones.classes_.tolist() == CLASSES
    assert set(ones.predict(X)) <= set(CLASSES)
    of_values = regressor().partial_fit(X[:30], VALUES[:30])
    assert of_values.result().fitted.targets.mean == pytest.approx(VALUES[:30].mean(axis=0))


def test_it_learns_as_scikit_learn_does():
    ours = trainer(hidden=(20,), optimizer="adam", learning_rate=0.01, batch_size=20)
    theirs = MLPClassifier((20,), learning_rate_init=0.01, batch_size=20, random_state=0)
    rows = (X - X.mean(axis=0)) / X.std(axis=0)
    for _ in range(40):
        ours.partial_fit(rows, Y, CLASSES)
        theirs.partial_fit(rows, Y, classes=CLASSES)
    assert ours.score(rows, Y) >= theirs.score(rows, Y) - 0.05


@names
def test_weights_count_between_calls_too(name):
    """Two rows alike weigh as one of weight 2, whatever the others of the call weigh."""
    given = {"backend": name, "precision": "float64", "batch_size": 1000, "standardize": False}
    twice = trainer(learning_rate=0.05, **given).partial_fit(X[:1], Y[:1], CLASSES, [2.0])
    once = trainer(learning_rate=0.1, **given).partial_fit(X[:1], Y[:1], CLASSES)
    np.testing.assert_allclose(twice.coefs_[0], once.coefs_[0], rtol=1e-12)
    ones = trainer(**given).partial_fit(X[:30], Y[:30], CLASSES, np.ones(30))
    same(ones, trainer(**given).partial_fit(X[:30], Y[:30], CLASSES))
    weights = np.where(Y == "oak", 3.0, 1.0)
    weighed = stream(trainer(class_weight={"oak": 3}, **given), classes=CLASSES)
    explicit = trainer(**given)
    for part in PARTS:
        explicit.partial_fit(X[part], Y[part], CLASSES, weights[part])
    same(weighed, explicit)


@names
def test_it_goes_on_after_a_fit(name):
    given = {"backend": name, "optimizer": "adam", "learning_rate": 0.01}
    whole = trainer(epochs=5, **given).fit(X, Y)
    same(whole, stream(trainer(epochs=3, **given).fit(X, Y), [slice(0, 120)] * 2))


def test_auto_is_the_rate_that_it_begins_with():
    model = stream(trainer(learning_rate="auto"), PARTS * 40, classes=CLASSES)
    assert set(model.history_["learning_rate"]) == {0.1}
    assert len(model.history_) == model.n_iter_ == 160


def test_a_model_without_a_state_goes_on_from_its_weights(tmp_path):
    model = stream(trainer(optimizer="adam"), classes=CLASSES)
    model.save(tmp_path / "a.model")
    loaded = gs.load_model(tmp_path / "a.model")
    before = loaded.coefs_[0].copy()
    loaded.partial_fit(X[:8], Y[:8])
    # Adam's first step moves a weight by its rate at most.
    assert 0 < np.abs(loaded.coefs_[0] - before).max() < 0.1001
    assert loaded.history_["update"].tolist() == [1]


def test_weights_that_were_put_in_place_count():
    model = stream(trainer(), classes=CLASSES)
    model.coefs_ = [np.zeros_like(W) for W in model.coefs_]
    model.set_params(learning_rate=1e-12).partial_fit(X[:30], Y[:30])
    assert np.abs(model.coefs_[0]).max() < 1e-9


def test_callbacks_are_called_and_may_be_changed():
    seen = []
    model = trainer(callbacks=[lambda model, row: seen.append((row["update"], model.n_iter_))])
    stream(model, classes=CLASSES)
    assert seen == [(7, 1), (8, 2), (13, 3), (17, 4)]
    model.set_params(callbacks=()).partial_fit(X, Y)
    assert len(seen) == 4


@names
def test_a_call_that_diverges_leaves_the_model_as_it_was(name):
    model = stream(trainer(backend=name, l2=0.1), classes=CLASSES)
    before = copy.deepcopy(model)
    with pytest.raises(DivergedError):
        model.set_params(learning_rate=1e30).partial_fit(X, Y)
    same(before, model)
    model.set_params(learning_rate=0.1).partial_fit(X, Y)


def refused(model, match, *given, error=InvalidDataError):
    before = copy.deepcopy(vars(model))
    with pytest.raises(error, match=match):
        model.partial_fit(*given)
    assert vars(model).keys() == before.keys()


def test_what_the_first_call_must_have():
    refused(trainer(), r"classes must be passed on the first call to Trainer\.partial_fit", X, Y)
    refused(trainer(), "two classes or more", X, Y, ["ash"])
    refused(trainer(), r"only labels that .* got \['oak'\]", X, Y, ["ash", "elm"])
    refused(trainer(), "must have shape", X, Y, CLASSES, [1.0])


def test_what_further_calls_must_have():
    model = trainer(hidden=(3,)).partial_fit(X, Y, CLASSES)
    refused(
        model, r"those of the first call, \['ash', 'elm', 'oak'\], got \['ash', 'elm'\]", X, Y, CLASSES[:2]
    )
    refused(model, "X has 3 features, but Trainer is expecting 5", X[:, :3], Y, error=ValueError)
    refused(model, "labels", X, np.where(Y == "oak", "yew", Y))
    refused(regressor().partial_fit(X, VALUES), "must have 2 columns", X, VALUES[:, 0])
    refused(trainer(loss="multilabel").partial_fit(X, MANY), "must have 3 columns", X, MANY[:, :2])


@pytest.mark.parametrize(
    ("name", "value"),
    [("hidden", (4,)), ("optimizer", "adam"), ("precision", "float64"), ("loss", "sigmoid")],
    ids=str,
)
def test_what_must_stay(name, value):
    model = trainer(hidden=(3,)).partial_fit(X, Y, CLASSES).set_params(**{name: value})
    refused(
        model, f"`{name}` of Trainer.partial_fit must be that of the calls", X, Y, error=InvalidParameterError
    )


@pytest.mark.parametrize(
    "given",
    [
        {"early_stopping": gs.EarlyStopping()},
        {"validation_fraction": 0.1},
        {"class_weight": "balanced"},
        {"learning_rate": schedules.ReduceOnPlateau(0.1, monitor="running_loss")},
        {"learning_rate": schedules.Cosine(0.1)},
        {"learning_rate": schedules.OneCycle(0.1)},
    ],
    ids=str,
)
def test_what_needs_all_rows_is_refused(given):
    match = f"`{next(iter(given))}` of Trainer.partial_fit must"
    refused(trainer(**given), match, X, Y, CLASSES, error=InvalidParameterError)


def test_tables_have_the_names_of_the_first_call():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(X, columns=list("abcde"))
    model = trainer().partial_fit(table, Y, CLASSES).partial_fit(table, Y)
    assert model.feature_names_in_.tolist() == list("abcde")
    refused(model, "feature names should match", table[list("edcba")], Y, error=ValueError)
