"""Regressor: answers in the units of y, of one or several outputs, and what it shares with Trainer."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import gradstep as gs
from gradstep.errors import DivergedError, InvalidDataError, InvalidParameterError
from gradstep.nn.losses import Loss
from gradstep.nn.optimizers import Optimizer
from gradstep.training.status import Status
from makers import HERE, regressor
from members import LOSSES, OPTIMIZERS, concept_id

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4)) * [1, 10, 100, 0.1] + 5
CLEAN = (X - 5) / [1, 10, 100, 0.1] @ RNG.normal(size=(4, 3))
# In units far from mean 0 and scale 1, another for each output.
Y = CLEAN * [1, 1000, 0.001] + [0, 1e5, -3]
names = pytest.mark.parametrize("name", HERE)


@names
@pytest.mark.parametrize("hidden", [(), (16,), (8, 8)], ids=str)
def test_it_learns_what_is_linear(name: str, hidden: tuple[int, ...]) -> None:
    model = regressor(backend=name, hidden=hidden, activation="identity", epochs=40, batch_size=16).fit(X, Y)
    assert model.score(X, Y) > 0.99
    assert model.predict(X).shape == Y.shape
    assert model.coefs_[-1].shape[1] == 3
    assert model.backend_ == name
    assert not hasattr(model, "classes_")
    assert not hasattr(model, "predict_proba")


@names
def test_one_output_has_the_shape_of_y(name: str) -> None:
    one = regressor(backend=name).fit(X, Y[:, 1])
    column = regressor(backend=name).fit(X, Y[:, 1:2])
    assert one.predict(X).shape == (120,)
    assert column.predict(X).shape == (120, 1)
    np.testing.assert_array_equal(column.predict(X)[:, 0], one.predict(X))
    np.testing.assert_array_equal(one.coefs_[0], column.coefs_[0])


@names
def test_the_optimum_is_that_of_ridge_on_standardised_numbers(name: str) -> None:
    l2, n, k = 0.05, len(X), 3
    y = Y + RNG.normal(size=Y.shape) * [1, 1000, 0.001]
    model = regressor(
        backend=name, l2=l2, batch_size=n, epochs=400, learning_rate=0.5, precision="float64"
    ).fit(X, y)
    inputs = (X - X.mean(axis=0)) / X.std(axis=0)
    # sum((s - y)**2) / (2 n k) + l2 sum(W**2) is Ridge's sum((s - y)**2) + alpha sum(W**2), scaled.
    peer = Ridge(alpha=2 * n * k * l2).fit(inputs, (y - y.mean(axis=0)) / y.std(axis=0))
    np.testing.assert_allclose(model.coefs_[0], peer.coef_.T, rtol=1e-8, atol=1e-10)


def test_units_of_y_change_nothing_but_units() -> None:
    base = regressor(precision="float64", hidden=(5,)).fit(X, CLEAN)
    moved = regressor(precision="float64", hidden=(5,)).fit(X, 4 * CLEAN + 8)
    np.testing.assert_allclose(moved.predict(X), 4 * base.predict(X) + 8, rtol=1e-9)
    assert moved.evaluate(X, 4 * CLEAN + 8).loss == pytest.approx(base.evaluate(X, CLEAN).loss, rel=1e-9)
    found, expected = moved.evaluate(X, 4 * CLEAN + 8), base.evaluate(X, CLEAN)
    assert found.mean_absolute_error == pytest.approx(4 * expected.mean_absolute_error, rel=1e-9)
    assert found.r2 == pytest.approx(expected.r2, rel=1e-9)


def test_metrics_are_those_of_scikit_learn() -> None:
    model = regressor(precision="float64", l2=0.01).fit(X, Y)
    found, answers = model.evaluate(X, Y), model.predict(X)
    assert found.r2 == pytest.approx(r2_score(Y, answers), rel=1e-12)
    assert found.r2 == pytest.approx(model.score(X, Y), rel=1e-12)
    assert found.mean_absolute_error == pytest.approx(mean_absolute_error(Y, answers), rel=1e-12)
    targets = (Y - Y.mean(axis=0)) / Y.std(axis=0)
    scores = (answers - Y.mean(axis=0)) / Y.std(axis=0)
    assert found.loss == pytest.approx(((scores - targets) ** 2).mean() / 2, rel=1e-9)
    assert found.cost == pytest.approx(found.loss + 0.01 * (model.coefs_[0] ** 2).sum(), rel=1e-12)


@names
def test_the_history_tells_of_the_model(name: str) -> None:
    parts = {"X": X[:90], "y": Y[:90], "eval_set": (X[90:], Y[90:])}
    model = regressor(backend=name, precision="float64").fit(**parts)
    assert model.history_.keys()[4:8] == ("train_loss", "train_cost", "train_r2", "train_mean_absolute_error")
    assert "running_r2" not in model.history_
    last = model.history_.rows[-1]
    for split, part in (("train", slice(90)), ("validation", slice(90, None))):
        for metric, value in model.evaluate(X[part], Y[part]).items():
            assert last[f"{split}_{metric}"] == pytest.approx(value, rel=1e-9)


@pytest.mark.parametrize("standardize_targets", [True, False])
def test_standardize_targets(standardize_targets: bool) -> None:
    y = CLEAN + 2
    model = regressor(standardize_targets=standardize_targets, precision="float64", epochs=60).fit(X, y)
    targets = model.result().fitted.targets
    np.testing.assert_allclose(targets.mean, y.mean(axis=0) if standardize_targets else 0, rtol=1e-14)
    np.testing.assert_allclose(targets.scale, y.std(axis=0) if standardize_targets else 1)
    assert model.score(X, y) > 0.99
    if not standardize_targets:
        inputs = (X - X.mean(axis=0)) / X.std(axis=0)
        np.testing.assert_allclose(model.predict(X), inputs @ model.coefs_[0] + model.intercepts_[0])


@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss.takes == "values"], ids=concept_id)
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=concept_id)
def test_every_loss_falls_by_every_optimizer(loss: Loss, optimizer: Optimizer) -> None:
    y = np.exp(CLEAN / 4)
    model = regressor(loss=loss, optimizer=optimizer, hidden=(6,), activation="tanh", learning_rate=0.02)
    history = model.set_params(epochs=15).fit(X, y).history_
    assert history["train_loss"][-1] < 0.8 * history["train_loss"][0]
    assert model.score(X, y) > 0


def test_counts_have_means_above_0() -> None:
    counts = RNG.poisson(np.exp(0.3 * CLEAN[:, 0]))
    model = regressor(loss="poisson", epochs=20).fit(X, counts)
    assert (model.predict(X) > 0).all()
    assert model.predict(X).mean() == pytest.approx(counts.mean(), rel=0.1)
    with pytest.raises(InvalidDataError, match=r"y of Regressor.fit must be >= 0, got -1.0 in row 0"):
        regressor(loss="poisson").fit(X, -np.ones(120))


def test_sample_weights_count() -> None:
    weight = np.where(np.arange(120) < 60, 1.0, 0.0)
    settings = {"precision": "float64", "batch_size": 1000, "epochs": 20}
    weighted = regressor(**settings).fit(X, Y, sample_weight=weight)
    alone = regressor(**settings).fit(X[:60], Y[:60])
    np.testing.assert_allclose(weighted.coefs_[0], alone.coefs_[0], rtol=1e-9)
    np.testing.assert_allclose(weighted.predict(X), alone.predict(X), rtol=1e-9)


@names
def test_no_bit_depends_on_threads(name: str) -> None:
    one, three = (
        regressor(backend=name, hidden=(20,), optimizer="adam", n_threads=count).fit(X, Y) for count in (1, 3)
    )
    np.testing.assert_array_equal(one.coefs_[0], three.coefs_[0])
    np.testing.assert_array_equal(one.predict(X), three.predict(X))
    np.testing.assert_array_equal(one.history_["train_r2"], three.history_["train_r2"])


def test_early_stopping_on_r2() -> None:
    rule = gs.EarlyStopping("validation_r2", patience=2)
    model = regressor(early_stopping=rule, epochs=200).fit(X[:90], Y[:90], eval_set=(X[90:], Y[90:]))
    column = model.history_["validation_r2"]
    assert model.status_ is Status.EARLY_STOPPED
    assert len(column) == column.argmax() + 3
    assert model.evaluate(X[90:], Y[90:]).r2 == pytest.approx(column.max(), rel=1e-5)


def test_divergence_keeps_the_last_finite_model() -> None:
    model = regressor(learning_rate=lambda t: 0.1 if t < 20 else 1e30, hidden=(5,), batch_size=12)
    with pytest.raises(DivergedError, match="no longer finite"):
        model.fit(X, Y)
    assert model.status_ is Status.DIVERGED
    assert np.isfinite(model.predict(X)).all()
    assert model.history_["update"].tolist() == [10, 20]


def test_tools_of_scikit_learn_take_it() -> None:
    X, y = load_diabetes(return_X_y=True)
    model = regressor(hidden=(10,), optimizer="adam", learning_rate=0.01, epochs=20)
    assert cross_val_score(model, X, y, cv=KFold(3)).mean() > 0.4
    pipeline = make_pipeline(
        MinMaxScaler(), TransformedTargetRegressor(model, func=np.sqrt, inverse_func=np.square)
    )
    assert pipeline.fit(X, y).score(X, y) > 0.4
    grid = {"l2": [0.0, 10.0], "optimizer__beta1": [0.5, 0.9]}
    found = GridSearchCV(model, grid, cv=3).fit(X, y)
    assert found.best_params_["l2"] == 0.0
    copy = pickle.loads(pickle.dumps(model.fit(X, y)))
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))
    assert clone(model).get_params(deep=False) == model.get_params(deep=False)


BAD: list[tuple[Any, type[Exception], str]] = [
    (
        Y[:-1],
        InvalidDataError,
        "must have one target per row of X: X has 120 rows, y has 119",
    ),
    (None, InvalidDataError, "requires y to be passed"),
    (np.where(Y > 0, Y, np.nan), InvalidDataError, "must be finite and contain no NaN, got nan in row"),
    (np.full(120, "a"), InvalidDataError, "must be real numbers"),
    (Y * 1j, InvalidDataError, "must be real numbers"),
    (np.zeros((120, 2, 2)), InvalidDataError, r"must have shape \(n,\) or \(n, k\), got \(120, 2, 2\)"),
    (np.zeros((120, 0)), InvalidDataError, r"must have shape \(n,\) or \(n, k\), got \(120, 0\)"),
    ([[1.0]] * 119 + [[1.0, 2.0]], InvalidDataError, "must be real numbers"),
]


@pytest.mark.parametrize(("y", "kind", "message"), BAD)
def test_bad_y(y: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        regressor().fit(X, y)


def test_bad_rows_for_validation_and_evaluation() -> None:
    with pytest.raises(InvalidDataError, match=r"eval_set of Regressor.fit must have 3 columns, .* got 1"):
        regressor().fit(X, Y, eval_set=(X, Y[:, 0]))
    model = regressor().fit(X, Y)
    with pytest.raises(InvalidDataError, match=r"y of Regressor.evaluate must have 3 columns, .* got 2"):
        model.evaluate(X, Y[:, :2])
    with pytest.raises(InvalidDataError, match=r"y of Regressor.evaluate must have one column, .* got 2"):
        regressor().fit(X, Y[:, 0]).evaluate(X, Y[:, :2])
    with pytest.raises(InvalidDataError, match=r"y of Regressor.score must have one target per row of X"):
        model.score(X, Y[:5])
    with pytest.raises(InvalidParameterError, match="`loss` of Regressor must take values, got 'softmax'"):
        regressor(loss="softmax").fit(X, Y)


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_predictions_beyond_floats_are_refused(backend: str, precision: str) -> None:
    counts = RNG.poisson(np.exp(0.3 * CLEAN[:, 0]))
    model = regressor(loss="poisson", epochs=5, backend=backend, precision=precision).fit(X, counts)
    rows = X[:3].copy()
    # exp of scores along the steepest direction, a hundred and a hundred thousand steps away.
    rows[1] += 1e2 * np.sign(model.coefs_[0][:, 0]) / np.abs(model.coefs_[0][:, 0]).sum()
    np.testing.assert_array_less(0, model.predict(rows))
    rows[1] += 1e5 * np.sign(model.coefs_[0][:, 0]) / np.abs(model.coefs_[0][:, 0]).sum()
    with pytest.raises(InvalidDataError, match="row 1 of X is too large for this model: its prediction is"):
        model.predict(rows)
    with pytest.raises(InvalidDataError, match="row 1 of X is too large for this model: its prediction is"):
        model.score(rows, counts[:3])
