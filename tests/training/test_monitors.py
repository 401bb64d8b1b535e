"""What early stopping watches beside columns: scorers by their names, and functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import f1_score, fbeta_score, get_scorer, make_scorer, r2_score

import gradstep as gs
import makers
from gradstep.errors import InvalidParameterError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(140, 4))
Y = np.array(["no", "yes"])[(X[:, 0] + RNG.normal(size=140) > 0).astype(int)]
A, B = slice(0, 100), slice(100, 140)


def own_f1(estimator: Any, rows: Any, y: Any) -> float:
    return float(f1_score(y, estimator.predict(rows), pos_label="yes"))


def stopped(monitor: Any, **parameters: Any) -> Any:
    rule = gs.EarlyStopping(monitor, patience=3)
    model = makers.trainer(early_stopping=rule, epochs=60, **parameters)
    return model.fit(X[A], Y[A], eval_set=(X[B], Y[B]))


@pytest.mark.parametrize(
    ("monitor", "score"),
    [
        ("roc_auc", get_scorer("roc_auc")),
        ("f1", lambda model, X, y: f1_score(y, model.predict(X), average="macro")),
        (own_f1, own_f1),
        (make_scorer(fbeta_score, beta=2, pos_label="yes"),) * 2,
        (lambda estimator, X, y: estimator.score(X, y), lambda model, X, y: model.score(X, y)),
    ],
    ids=["a scorer's name", "a metric's name", "a function", "a scorer", "a function without a name"],
)
def test_the_best_of_the_validation_rows_is_kept(monitor: Any, score: Any) -> None:
    model = stopped(monitor)
    column = model.history_[model.early_stopping.column]
    best = int(column.argmax())
    assert len(column) == best + 4 < 60
    assert score(model, X[B], Y[B]) == pytest.approx(column[best])


@pytest.mark.parametrize("monitor", ["roc_auc", own_f1])
def test_it_is_as_if_metrics_had_it(monitor: Any) -> None:
    name = monitor if isinstance(monitor, str) else "own_f1"
    watched, told = stopped(monitor), stopped(f"validation_{name}", metrics=[monitor])
    both = stopped(monitor, metrics=[monitor])
    for other in (told, both):
        assert watched.history_.keys() == other.history_.keys()
        np.testing.assert_array_equal(watched.history_[f"train_{name}"], other.history_[f"train_{name}"])
        np.testing.assert_array_equal(watched.coefs_[0], other.coefs_[0])


@pytest.mark.parametrize("evaluate_every", ["epoch", "running", 5])
def test_a_function_of_the_estimator_has_rows_of_its_own(evaluate_every: Any) -> None:
    def on_mine(estimator: Any) -> float:
        return own_f1(estimator, X[B], Y[B])

    rule = gs.EarlyStopping(on_mine, patience=3)
    model = makers.trainer(early_stopping=rule, epochs=60, evaluate_every=evaluate_every).fit(X[A], Y[A])
    column = model.history_["validation_on_mine"]
    best = int(column.argmax())
    assert len(column) == best + 4 < 60
    assert column[best] == on_mine(model)
    # Nothing was held out for it, and nothing else is told of such rows.
    assert np.isnan(model.history_["validation_loss"]).all()
    assert np.isnan(model.history_["train_on_mine"]).all()
    plain = makers.trainer(epochs=60, evaluate_every=evaluate_every).fit(X[A], Y[A])
    count = len(model.history_)
    np.testing.assert_array_equal(model.history_["running_loss"], plain.history_["running_loss"][:count])
    assert "on_mine" not in model.evaluate(X, Y)


def test_among_metrics_it_is_told_as_well() -> None:
    def on_mine(estimator: Any) -> float:
        return float(estimator.score(X[B], Y[B]))

    model = makers.trainer(metrics=[on_mine], evaluate_every=5).fit(X[A], Y[A])
    assert model.history_["validation_on_mine"][-1] == model.score(X[B], Y[B])
    rule = gs.EarlyStopping("train_on_mine")
    with pytest.raises(InvalidParameterError, match=r"monitors train_on_mine, .*validation_on_mine"):
        makers.trainer(metrics=[on_mine], early_stopping=rule).fit(X, Y)


def test_of_a_regressor() -> None:
    y = X @ [1.0, 2.0, 0.0, -1.0] + RNG.normal(size=140)
    rule = gs.EarlyStopping(lambda model: r2_score(y[B], model.predict(X[B])), patience=2)
    model = makers.regressor(early_stopping=rule, epochs=60).fit(X[A], y[A])
    assert model.history_["validation_monitored"].max() == pytest.approx(model.score(X[B], y[B]))


def test_in_a_sweep_each_model_is_what_it_is_alone() -> None:
    base = makers.trainer(epochs=30, early_stopping=gs.EarlyStopping("roc_auc", patience=2))
    sweep = gs.Sweep(base, {"l2": [0.0, 0.1]}, metric="validation_roc_auc", keep_trainers=True)
    sweep.fit(X[A], Y[A], eval_set=(X[B], Y[B]))
    assert len(sweep.groups_) == 1
    for l2, model in zip((0.0, 0.1), sweep.trainers_, strict=True):
        alone = clone(base).set_params(l2=l2).fit(X[A], Y[A], eval_set=(X[B], Y[B]))
        np.testing.assert_array_equal(model.coefs_[0], alone.coefs_[0])


def test_what_a_file_keeps(tmp_path: Any) -> None:
    for monitor, kept in (("roc_auc", "roc_auc"), (own_f1, "validation_own_f1")):
        model = stopped(monitor)
        model.save(tmp_path / "model")
        copy = gs.Trainer.load(tmp_path / "model")
        assert copy.early_stopping == gs.EarlyStopping(kept, patience=3)
        column = model.early_stopping.column
        np.testing.assert_array_equal(copy.history_[column], model.history_[column])
        np.testing.assert_array_equal(copy.predict(X), model.predict(X))
    with pytest.raises(InvalidParameterError, match=r"monitors validation_own_f1, which needs .*`metrics`"):
        copy.fit(X[A], Y[A], eval_set=(X[B], Y[B]))


@pytest.mark.parametrize(
    ("monitor", "message"),
    [
        ("roc_auk", r"`monitor` of EarlyStopping must be a column .*did you mean 'roc_auc'\?"),
        (3, "`monitor` of EarlyStopping must be a column of the history, .* or a callable"),
        (lambda y_true, y_pred: 1.0, r"`scorer` of Scorer must be a callable \(estimator, X, y\)"),
    ],
)
def test_what_cannot_be_watched(monitor: Any, message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        gs.EarlyStopping(monitor)


def test_a_metric_of_other_targets_is_the_monitors_fault() -> None:
    with pytest.raises(InvalidParameterError, match=r"`monitor` of EarlyStopping must be for labels, .*'r2'"):
        makers.trainer(early_stopping=gs.EarlyStopping("r2")).fit(X, Y)


def test_what_a_function_raises_is_told() -> None:
    rule = gs.EarlyStopping(lambda estimator: estimator.nothing)
    with pytest.raises(InvalidParameterError, match=r"'monitored' cannot be told .*no attribute 'nothing'"):
        makers.trainer(early_stopping=rule).fit(X, Y)
