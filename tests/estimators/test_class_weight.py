"""`class_weight` is sample weights: scikit-learn's formulas, and the bits of a fit that is given them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

import gradstep as gs
from gradstep.errors import InvalidParameterError
from gradstep.estimators.reading import read_rows
from gradstep.plan.class_weights import frozen, weights_of_rows
from gradstep.plan.targets import Labels
from makers import HERE, trainer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))
Y = np.array(["ash", "elm", "oak"])[np.searchsorted([0.6, 0.9], RNG.random(120))]
MANY = (X @ RNG.normal(size=(4, 3)) > 0.8).astype(int)
OWN = RNG.random(120)
GIVEN = [
    "balanced",
    {"ash": 1, "elm": 2.5, "oak": np.float32(7)},
    {"oak": 4},
    {},
    {"ash": 0},
]
OF_LABELS = ["balanced", [{0: 1, 1: 3}, {1: 2}, {}]]
names = pytest.mark.parametrize("name", HERE)


def same(first, second):
    assert all((a == b).all() for a, b in zip(first.coefs_, second.coefs_, strict=True))
    assert all((a == b).all() for a, b in zip(first.intercepts_, second.intercepts_, strict=True))
    assert (first.standardization_.mean == second.standardization_.mean).all()


@names
@pytest.mark.parametrize("class_weight", GIVEN, ids=str)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_it_is_a_fit_with_these_sample_weights(name, class_weight, optimizer):
    settings = {"backend": name, "optimizer": optimizer, "learning_rate": 0.01, "hidden": (5,)}
    weighed = trainer(class_weight=class_weight, **settings).fit(X, Y)
    explicit = trainer(**settings).fit(X, Y, compute_sample_weight(class_weight or None, Y))
    same(weighed, explicit)
    for column in ("train_loss", "running_loss", "train_accuracy"):
        assert (weighed.history_[column] == explicit.history_[column]).all()
    assert weighed.history_.weighted == explicit.history_.weighted


@names
@pytest.mark.parametrize("class_weight", OF_LABELS, ids=str)
def test_the_weights_of_all_labels_of_a_row_are_multiplied(name, class_weight):
    full = [{0: 1, 1: 3}, {0: 1, 1: 2}, {0: 1, 1: 1}] if class_weight != "balanced" else class_weight
    weighed = trainer(backend=name, loss="multilabel", class_weight=class_weight).fit(X, MANY)
    same(weighed, trainer(backend=name, loss="multilabel").fit(X, MANY, compute_sample_weight(full, MANY)))


def test_it_is_multiplied_with_sample_weights_by_which_balanced_counts_too():
    weights = compute_class_weight("balanced", classes=np.unique(Y), y=Y, sample_weight=OWN)
    explicit = OWN * weights[np.unique(Y, return_inverse=True)[1]]
    same(trainer(class_weight="balanced").fit(X, Y, OWN), trainer().fit(X, Y, explicit))
    times = OWN * np.where(Y == "oak", 3.0, 1.0)
    same(trainer(class_weight={"oak": 3}).fit(X, Y, OWN), trainer().fit(X, Y, times))


def test_classes_that_are_alike_weigh_the_same_as_without():
    labels = np.arange(120) % 3
    balanced = trainer(class_weight="balanced").fit(X, labels)
    same(balanced, trainer().fit(X, labels))
    assert balanced.history_.weighted == ()


def test_validation_rows_and_scores_are_not_weighed():
    model = trainer(class_weight="balanced").fit(X, Y, eval_set=(X, Y))
    assert model.history_.weighted == ("train", "running")
    assert model.history_["validation_accuracy"][-1] == model.score(X, Y) == model.evaluate(X, Y)["accuracy"]
    assert model.history_["train_loss"][-1] != model.history_["validation_loss"][-1]


def test_balanced_is_of_the_rows_that_are_trained_on():
    """What is held out counts for nothing."""
    model = trainer(class_weight="balanced", validation_fraction=0.3)
    rows = read_rows(model, model.settings(), X, Y)
    train, held_out = rows.parts(model.settings())
    weight = np.zeros(120)
    weight[train] = compute_sample_weight("balanced", Y[train])
    np.testing.assert_array_equal(rows.weights(model.settings(), train), weight[train])
    job = rows.job_rows(model.settings(), train, held_out)
    assert job.held_out.weight is None
    assert job.train.weight.mean() == pytest.approx(1)


def test_it_raises_the_recall_of_a_rare_class():
    rare = (X[:, 0] + 0.5 * RNG.normal(size=120) > 1.2).astype(int)
    settings = {"epochs": 60, "random_state": 0}
    found = [
        trainer(class_weight=class_weight, **settings).fit(X, rare).predict(X)[rare == 1].mean()
        for class_weight in (None, "balanced")
    ]
    assert found[1] > found[0]


@pytest.mark.parametrize("labels", [[False, True], [3, -1], [2.0, 5.0], ["a", "b"]], ids=str)
def test_models_are_saved_with_classes_of_any_type(labels, tmp_path):
    y = np.array(labels)[np.arange(120) % 2]
    class_weight = {labels[0]: 2, np.unique(y)[1]: 1.5}
    model = trainer(class_weight=class_weight).fit(X, y)
    model.save(tmp_path / "one.model")
    again = gs.load_model(tmp_path / "one.model")
    assert again.class_weight == class_weight
    same(again.fit(X, y), model)


@pytest.mark.parametrize("class_weight", [*OF_LABELS, None], ids=str)
def test_models_of_many_labels_are_saved(class_weight, tmp_path):
    model = trainer(loss="multilabel", class_weight=class_weight).fit(X, MANY)
    model.save(tmp_path / "one.model")
    assert gs.load_model(tmp_path / "one.model").class_weight == class_weight


@names
def test_a_search_over_class_weights_trains_what_separate_fits_do(name):
    space = {"class_weight": [None, "balanced", {"oak": 3}], "l2": [0.0, 0.01]}
    sweep = gs.Sweep(trainer(backend=name), space, keep_trainers=True).fit(X, Y, eval_set=(X, Y))
    assert len(sweep.groups_) == 3
    for trial in sweep.trials_:
        same(trial.trainer(), trainer(backend=name, **trial.params).fit(X, Y))


@pytest.mark.parametrize(
    ("class_weight", "said"),
    [
        (
            {"yew": 2},
            r"`class_weight` of Trainer must name classes of y, got \['yew'\]; the classes are \['ash'",
        ),
        ({0: 2, "oak": 1}, r"must name classes of y, got \[0\]"),
        ({"ash": -1}, "finite weight >= 0"),
        ({"ash": np.inf}, "finite weight >= 0"),
        (
            "auto",
            "'balanced', None, a dict of class to finite weight >= 0 or a list of such dicts",
        ),
        ([{"ash": 1}, {"oak": 1}], "must be one dict, got 2"),
        ({"ash": 0, "elm": 0}, r"leave two classes or more of weight > 0 to train on, got \{'ash': 0.0"),
    ],
    ids=str,
)
def test_what_it_must_not_be_is_told(class_weight, said):
    with pytest.raises(InvalidParameterError, match=said):
        trainer(class_weight=class_weight).fit(X, Y)


@pytest.mark.parametrize(
    ("class_weight", "said"),
    [
        ({0: 1, 1: 2}, "a list of 3 dicts, one for each label, got 1"),
        ([{2: 1}, {}, {}], r"must name classes of y, got \[2\]; the classes are \[0, 1\]"),
        ([{0: 0, 1: 0}, {}, {}], "must leave one row of weight > 0"),
    ],
    ids=str,
)
def test_what_it_must_not_be_of_several_labels_is_told(class_weight, said):
    with pytest.raises(InvalidParameterError, match=said):
        trainer(loss="multilabel", class_weight=class_weight).fit(X, MANY)


def test_names_of_others_lead_to_it():
    with pytest.raises(TypeError, match="did you mean class_weight"):
        gs.Trainer(class_weights="balanced")


@given(
    st.lists(st.integers(0, 4), min_size=2, max_size=40).filter(lambda labels: len(set(labels)) > 1),
    st.dictionaries(st.integers(0, 4), st.floats(0.1, 100), max_size=5),
    st.booleans(),
)
def test_the_weights_are_those_of_scikit_learn(labels, weights, is_balanced):
    y = np.array(labels)
    classes, encoded = np.unique(y, return_inverse=True)
    own = {label: weight for label, weight in weights.items() if label in classes}
    wanted = compute_sample_weight("balanced" if is_balanced else own or None, y)
    found = weights_of_rows(
        frozen("balanced" if is_balanced else own), Labels(classes), encoded.astype(np.int32), None, "Trainer"
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-15)
