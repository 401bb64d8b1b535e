"""Validation rows in every way of giving them, and what their weights mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.decomposition import PCA
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

import gradstep as gs
import makers
from gradstep.datasets.sets import Rows
from gradstep.errors import InvalidDataError

RNG = np.random.default_rng(0)
Y = (RNG.random(120) < 0.2).astype(int)
X = RNG.normal(size=(120, 4))
X[:, 0] += 1.5 * Y
WEIGHT = np.where(Y == 1, 4.0, 1.0)
A, B = slice(0, 80), slice(80, 120)


@pytest.fixture
def weighted() -> gs.Trainer:
    model = makers.trainer(precision="float64", metrics=["f1"])
    return model.fit(X[A], Y[A], sample_weight=WEIGHT[A], eval_set=(X[B], Y[B], WEIGHT[B]))


def test_train_and_validation_columns_mean_the_same(weighted: gs.Trainer) -> None:
    for split, rows in (("train", A), ("validation", B)):
        weight = WEIGHT[rows]
        p = weighted.predict_proba(X[rows])
        loss = log_loss(Y[rows], p, sample_weight=weight)
        share = accuracy_score(Y[rows], weighted.predict(X[rows]), sample_weight=weight)
        assert weighted.history_[f"{split}_loss"][-1] == pytest.approx(loss, rel=1e-12)
        assert weighted.history_[f"{split}_accuracy"][-1] == pytest.approx(share, rel=1e-12)
        metrics = weighted.evaluate(X[rows], Y[rows], weight)
        for name in ("loss", "cost", "accuracy", "f1"):
            assert metrics[name] == weighted.history_[f"{split}_{name}"][-1]
    plain = weighted.evaluate(X[B], Y[B])
    assert plain.loss == pytest.approx(log_loss(Y[B], weighted.predict_proba(X[B])), rel=1e-12)
    assert weighted.score(X[B], Y[B], WEIGHT[B]) == weighted.evaluate(X[B], Y[B], WEIGHT[B]).accuracy


def test_the_history_says_which_splits_are_weighted(weighted: gs.Trainer, tmp_path: Any) -> None:
    assert weighted.history_.weighted == ("train", "running", "validation")
    weighted.save(tmp_path / "model")
    assert gs.Trainer.load(tmp_path / "model").history_.weighted == ("train", "running", "validation")
    assert weighted.snapshot().history_.weighted == ("train", "running", "validation")
    validation_alone = makers.trainer().fit(X[A], Y[A], eval_set=(X[B], Y[B], WEIGHT[B]))
    assert validation_alone.history_.weighted == ("validation",)
    alike = makers.trainer().fit(X[A], Y[A], 2 * np.ones(80), eval_set=(X[B], Y[B], np.ones(40)))
    assert alike.history_.weighted == ()


def test_weights_of_a_regressor() -> None:
    y = X @ [1.0, 2.0, 0.0, 0.0] + RNG.normal(size=120)
    model = makers.regressor(precision="float64").fit(X[A], y[A], eval_set=(X[B], y[B], WEIGHT[B]))
    right = r2_score(y[B], model.predict(X[B]), sample_weight=WEIGHT[B])
    assert model.history_["validation_r2"][-1] == pytest.approx(right, rel=1e-12)
    assert model.evaluate(X[B], y[B], WEIGHT[B]).r2 == pytest.approx(right, rel=1e-12)


def test_the_scale_of_weights_does_not_count(weighted: gs.Trainer) -> None:
    assert weighted.evaluate(X[B], Y[B], 8 * WEIGHT[B]).loss == weighted.evaluate(X[B], Y[B], WEIGHT[B]).loss


@pytest.mark.parametrize(
    "given",
    [
        {"eval_set": [X[B], Y[B]]},
        {"eval_set": [(X[B], Y[B])]},
        {"eval_set": ((X[B], Y[B]),)},
        {"eval_set": Rows(X[B], Y[B])},
        {"eval_set": [Rows(X[B], Y[B])]},
        {"eval_set": (X[B], Y[B], None)},
        {"eval_set": (X[B], Y[B], np.ones(40))},
        {"X_val": X[B], "y_val": Y[B]},
        {"X_val": X[B].tolist(), "y_val": Y[B].tolist(), "sample_weight_val": [3] * 40},
    ],
    ids=[
        "list",
        "list of pair",
        "pair in tuple",
        "Rows",
        "list of Rows",
        "None",
        "ones",
        "X_val",
        "all three",
    ],
)
def test_all_ways_of_giving_them_are_one(given: dict[str, Any]) -> None:
    plain = makers.trainer().fit(X[A], Y[A], eval_set=(X[B], Y[B]))
    other = makers.trainer().fit(X[A], Y[A], **given)
    np.testing.assert_array_equal(other.history_["validation_loss"], plain.history_["validation_loss"])


def test_weights_by_name_are_those_of_a_triple() -> None:
    triple = makers.trainer().fit(X[A], Y[A], eval_set=(X[B], Y[B], WEIGHT[B]))
    apart = makers.trainer().fit(X[A], Y[A], X_val=X[B], y_val=Y[B], sample_weight_val=WEIGHT[B])
    np.testing.assert_array_equal(apart.history_["validation_loss"], triple.history_["validation_loss"])


def test_rows_of_a_data_set_unpack() -> None:
    train = Rows(X[A], Y[A])
    features, labels = train
    assert (features is train.X, labels is train.y, len(train)) == (True, True, 80)
    unpacked = makers.trainer().fit(*train)
    np.testing.assert_array_equal(unpacked.coefs_[0], makers.trainer().fit(X[A], Y[A]).coefs_[0])
    assert unpacked.evaluate(*train).loss == unpacked.history_["train_loss"][-1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"eval_set": (X, Y), "X_val": X}, "takes eval_set or X_val and y_val, got eval_set and X_val"),
        ({"X_val": X}, "Trainer.fit needs X_val and y_val together, got X_val"),
        ({"sample_weight_val": WEIGHT}, "Trainer.fit needs X_val and y_val together, got sample_weight_val"),
        (
            {"X_val": X, "y_val": Y[:5]},
            "y_val of Trainer.fit must have one target per row of X_val: X_val has 120",
        ),
        (
            {"X_val": X, "y_val": Y + 7},
            r"y_val of Trainer.fit must have only labels .* got \[7, 8\]; seen: \[0, 1",
        ),
        ({"X_val": X[:, :1], "y_val": Y}, "Trainer.fit: X has 1 features, but Trainer is expecting 4"),
        (
            {"X_val": X, "y_val": Y, "sample_weight_val": -WEIGHT},
            r"sample_weight_val of Trainer.fit must be finite and >= 0, got -\d.0 in row 0",
        ),
        (
            {"eval_set": (X, Y, WEIGHT[:4])},
            r"sample_weight of eval_set of Trainer.fit must have shape \(120,\)",
        ),
    ],
)
def test_what_is_refused_is_named_as_it_was_given(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidDataError, match=message):
        makers.trainer().fit(X[A], Y[A], **given)


def test_validation_rows_pass_through_the_steps_before() -> None:
    rule = gs.EarlyStopping(patience=2)
    net = makers.trainer(early_stopping=rule, epochs=30)
    with sklearn.config_context(enable_metadata_routing=True):
        net.set_fit_request(X_val=True, y_val=True)
        steps = [("scale", StandardScaler()), ("pca", PCA(2, random_state=0)), ("net", net)]
        pipeline = Pipeline(steps, transform_input=["X_val"])
        pipeline.fit(X[A], Y[A], X_val=X[B], y_val=Y[B])
    before = Pipeline(steps[:2]).fit(X[A])
    by_hand = makers.trainer(early_stopping=rule, epochs=30)
    by_hand.fit(before.transform(X[A]), Y[A], eval_set=(before.transform(X[B]), Y[B]))
    learned = pipeline[-1]
    np.testing.assert_array_equal(learned.coefs_[0], by_hand.coefs_[0])
    np.testing.assert_array_equal(learned.history_["validation_loss"], by_hand.history_["validation_loss"])


def test_searches_take_every_form() -> None:
    space: dict[str, Any] = {"l2": [0.0, 0.1]}
    plain = gs.Sweep(makers.trainer(), space).fit(X[A], Y[A], eval_set=(X[B], Y[B]))
    rows = gs.Sweep(makers.trainer(), space).fit(X[A], Y[A], eval_set=Rows(X[B], Y[B]))
    assert rows.results_["score"].tolist() == plain.results_["score"].tolist()
    triple = gs.Sweep(makers.trainer(), space).fit(X[A], Y[A], eval_set=(X[B], Y[B], WEIGHT[B]))
    alone = makers.trainer().fit(X[A], Y[A], eval_set=(X[B], Y[B], WEIGHT[B]))
    assert triple.results_["score"][0] == alone.history_["validation_loss"][-1]


def test_repeated_metrics_are_weighted_as_those_of_the_history() -> None:
    sets = (X[B], Y[B], WEIGHT[B])
    found = gs.repeat(
        makers.trainer(), X[A], Y[A], seeds=[0], sample_weight=WEIGHT[A], eval_set=sets, test_set=sets
    )
    alone = makers.trainer().fit(X[A], Y[A], WEIGHT[A], eval_set=sets)
    assert found["train_loss"][0] == alone.history_["train_loss"][-1]
    assert found["validation_loss"][0] == found["test_loss"][0] == alone.history_["validation_loss"][-1]


def test_early_stopping_without_validation_rows_holds_out_a_tenth() -> None:
    stop = gs.EarlyStopping(patience=2)
    found = makers.trainer(early_stopping=stop).fit(X, Y)
    expected = makers.trainer(early_stopping=stop, validation_fraction=0.1).fit(X, Y)
    assert found.history_["validation_loss"].tolist() == expected.history_["validation_loss"].tolist()
    assert np.isfinite(found.history_["validation_loss"]).all()


def test_early_stopping_on_train_rows_holds_out_nothing() -> None:
    trainer = makers.trainer(early_stopping=gs.EarlyStopping("train_loss", 2)).fit(X, Y)
    assert np.isnan(trainer.history_["validation_loss"]).all()
