"""Scorers of scikit-learn and functions of one's own as metrics of a training."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import check_scoring, fbeta_score, get_scorer, make_scorer, max_error

import gradstep as gs
import makers
from gradstep.errors import InvalidParameterError
from gradstep.nn.schedules import ReduceOnPlateau

RNG = np.random.default_rng(0)
X = RNG.normal(size=(140, 4))
TWO = (X[:, 0] + RNG.normal(size=140) > 0).astype(int)
THREE = np.array(["cat", "dog", "owl"])[np.digitize(X[:, 0] + 0.5 * RNG.normal(size=140), [-0.5, 0.7])]
MANY = (X[:, :2] + RNG.normal(size=(140, 2)) > 0).astype(int)
REAL = X @ [1.0, 2.0, 0.0, -1.0] + RNG.normal(size=140)
WEIGHT = RNG.uniform(0.1, 2, size=140)
A, B = slice(0, 100), slice(100, 140)

f2 = gs.Scorer(make_scorer(fbeta_score, beta=2), name="f2")


def first_rows_right(estimator: Any, rows: Any, y: Any) -> float:
    """A score of its own, which asks for the answers to some of the rows."""
    return float((estimator.predict(rows[:20]) == y[:20]).mean())


def fitted(y: Any, metrics: Any, **parameters: Any) -> Any:
    kind = makers.regressor if y is REAL else makers.trainer
    loss = {"loss": "multilabel"} if y is MANY else {}
    model = kind(metrics=metrics, precision="float64", **loss | parameters)
    return model.fit(X[A], y[A], eval_set=(X[B], y[B]))


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (TWO, ["roc_auc", "neg_log_loss", "average_precision", "balanced_accuracy", "neg_brier_score"]),
        (THREE, ["roc_auc_ovr", "roc_auc_ovo_weighted", "neg_log_loss", "f1_macro", "top_k_accuracy"]),
        (MANY, ["f1_weighted", "jaccard_macro"]),
        (REAL, ["neg_root_mean_squared_error", "explained_variance", "neg_max_error"]),
    ],
    ids=["two classes", "three classes", "labels", "values"],
)
def test_columns_are_what_scikit_learn_says_of_the_estimator(y: Any, names: list[str]) -> None:
    model = fitted(y, names)
    for name in names:
        scorer = get_scorer(name)
        for split, rows in (("train", A), ("validation", B)):
            expected = scorer(model, X[rows], y[rows])
            assert model.history_[f"{split}_{name}"][-1] == pytest.approx(expected, rel=1e-9), name
            assert model.evaluate(X[rows], y[rows])[name] == pytest.approx(expected, rel=1e-9)
        assert len(model.history_[f"validation_{name}"]) == 4
    assert not [name for name in model.history_.keys() if name == f"running_{names[0]}"]  # noqa: SIM118


def test_probabilities_of_two_labels_are_both_scored() -> None:
    model = fitted(MANY, ["roc_auc"])
    each = [get_scorer("roc_auc")._score_func(MANY[B, k], model.predict_proba(X[B])[:, k]) for k in (0, 1)]
    assert model.history_["validation_roc_auc"][-1] == pytest.approx(np.mean(each))


def test_functions_and_scorers_with_parameters() -> None:
    model = fitted(TWO, [first_rows_right, f2])
    assert model.history_["validation_first_rows_right"][-1] == first_rows_right(model, X[B], TWO[B])
    expected = fbeta_score(TWO[B], model.predict(X[B]), beta=2)
    assert model.history_["validation_f2"][-1] == pytest.approx(expected)


def test_weights_count_where_a_scorer_takes_them() -> None:
    model = makers.trainer(metrics=["roc_auc"]).fit(
        X[A], TWO[A], WEIGHT[A], eval_set=(X[B], TWO[B], WEIGHT[B])
    )
    scorer = check_scoring(model, "roc_auc")
    for split, rows in (("train", A), ("validation", B)):
        expected = scorer(model, X[rows], TWO[rows], sample_weight=WEIGHT[rows])
        assert model.history_[f"{split}_roc_auc"][-1] == pytest.approx(expected)
    own = makers.trainer(metrics=[first_rows_right])
    with pytest.raises(
        InvalidParameterError, match=r"'first_rows_right' cannot be told .* takes no sample_weight"
    ):
        own.fit(X[A], TWO[A], WEIGHT[A])


def test_a_function_may_take_weights() -> None:
    def share_right(estimator: Any, rows: Any, y: Any, sample_weight: Any = None) -> float:
        return float(np.average(estimator.predict(rows) == y, weights=sample_weight))

    model = makers.trainer(metrics=[share_right], evaluate_every="epoch").fit(X, TWO, WEIGHT)
    np.testing.assert_allclose(model.history_["train_share_right"], model.history_["train_accuracy"])


def test_early_stopping_keeps_the_highest_score() -> None:
    rule = gs.EarlyStopping("validation_roc_auc", patience=3)
    model = fitted(TWO, ["roc_auc"], early_stopping=rule, epochs=60)
    column = model.history_["validation_roc_auc"]
    best = int(column.argmax())
    assert len(column) == best + 4 < 60
    assert get_scorer("roc_auc")(model, X[B], TWO[B]) == pytest.approx(column[best])


def test_early_stopping_by_a_function() -> None:
    def hundredth(estimator: Any, rows: Any, y: Any) -> float:
        return len(seen) if seen.append(0) or len(seen) < 8 else 0.0  # type: ignore[func-returns-value]

    seen: list[int] = []
    rule = gs.EarlyStopping("validation_hundredth", patience=2)
    model = fitted(TWO, [hundredth], early_stopping=rule, epochs=60, evaluate_every="running")
    assert model.history_["validation_hundredth"].tolist() == [1, 2, 3, 4, 5, 6, 7, 0, 0]
    assert model.n_iter_ == 7


def test_what_is_no_number_is_never_best() -> None:
    def late(estimator: Any, rows: Any, y: Any) -> float:
        return np.nan if len(seen) < 3 and not seen.append(0) else 1.0  # type: ignore[func-returns-value]

    seen: list[int] = []
    model = fitted(TWO, [late], early_stopping=gs.EarlyStopping("validation_late", patience=4), epochs=60)
    assert model.n_iter_ == len(model.history_) - 4


def test_plateaus_and_pruners_go_by_scores() -> None:
    rate = ReduceOnPlateau(0.1, monitor="validation_roc_auc", patience=1)
    model = fitted(TWO, ["roc_auc"], learning_rate=rate, epochs=30)
    assert model.history_["learning_rate"][-1] < 0.1
    pruner = gs.SuccessiveHalving(metric="validation_roc_auc", factor=2)
    sweep = gs.Sweep(makers.trainer(metrics=["roc_auc"]), {"l2": [0.0, 10.0]}, pruner=pruner, random_state=0)
    assert sweep.fit(X, TWO).results_["status"].tolist() == ["completed", "pruned"]


def test_a_sweep_ranks_by_the_highest_score_in_one_group() -> None:
    metrics = ["roc_auc", first_rows_right, make_scorer(max_error, greater_is_better=False)]
    base = makers.trainer(metrics=metrics)
    sweep = gs.Sweep(base, {"l2": [0.0, 0.01, 1.0]}, metric="validation_roc_auc", keep_trainers=True)
    sweep.fit(X[A], TWO[A], eval_set=(X[B], TWO[B]))
    assert len(sweep.groups_) == 1
    scores = [get_scorer("roc_auc")(model, X[B], TWO[B]) for model in sweep.trainers_]
    np.testing.assert_allclose(sweep.results_["score"], scores)
    assert sweep.best_index_ == int(np.argmax(scores))
    alone = clone(base).set_params(l2=0.01, random_state=0).fit(X[A], TWO[A], eval_set=(X[B], TWO[B]))
    column = sweep.trainers_[1].history_["validation_first_rows_right"]
    np.testing.assert_array_equal(column, alone.history_["validation_first_rows_right"])


def test_a_saved_model_keeps_the_columns_and_what_has_a_name(tmp_path: Any) -> None:
    model = fitted(TWO, ["roc_auc", first_rows_right, f2])
    model.save(tmp_path / "model")
    copy = gs.Trainer.load(tmp_path / "model")
    assert copy.metrics == ("roc_auc",)
    for name in ("roc_auc", "first_rows_right", "f2"):
        column = f"validation_{name}"
        np.testing.assert_array_equal(copy.history_[column], model.history_[column])
    assert list(copy.evaluate(X[B], TWO[B])) == ["loss", "cost", "accuracy", "roc_auc"]
    assert copy.evaluate(X[B], TWO[B]).roc_auc == model.evaluate(X[B], TWO[B]).roc_auc


def test_a_fitted_model_with_scorers_can_be_pickled() -> None:
    model = pickle.loads(pickle.dumps(fitted(TWO, ["roc_auc", f2, first_rows_right])))
    assert model.evaluate(X[B], TWO[B]).f2 == pytest.approx(model.history_["validation_f2"][-1])


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (["roc_auk"], r"`metrics` of Trainer must be .*the name of a scorer .*did you mean 'roc_auc'\?"),
        ([3], "`metrics` of Trainer must be"),
        ([make_scorer(fbeta_score, beta=1), make_scorer(fbeta_score, beta=2)], "got 'fbeta_score' twice"),
        ([lambda estimator, X, y: 1.0], "`name` of Scorer must be an identifier .*'<lambda>'"),
        (
            [fbeta_score],
            r"\(estimator\), got <function fbeta_score> with .*\(y_true, y_pred.*make_scorer",
        ),
    ],
)
def test_what_is_no_metric(metrics: Any, message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        makers.trainer(metrics=metrics).fit(X, TWO)


def test_a_scorer_that_does_not_fit_the_task_says_so_and_leaves_the_old_model() -> None:
    model = makers.trainer().fit(X, THREE)
    before = model.predict(X)
    with pytest.raises(InvalidParameterError, match=r"'roc_auc' cannot be told of this model .*multi_class"):
        model.set_params(metrics=["roc_auc"], l2=5.0).fit(X, THREE)
    np.testing.assert_array_equal(model.predict(X), before)


def test_a_column_that_nobody_tells_is_asked_about() -> None:
    model = makers.trainer(metrics=["roc_auc"], early_stopping=gs.EarlyStopping("train_roc_acu"))
    with pytest.raises(
        InvalidParameterError, match=r"monitors train_roc_acu, .*did you mean train_roc_auc\?"
    ):
        model.fit(X, TWO)
    sweep = gs.Sweep(makers.trainer(), {"l2": [0.0]}, metric="validation_acuracy")
    with pytest.raises(InvalidParameterError, match=r"did you mean validation_accuracy\?"):
        sweep.fit(X, TWO)


@pytest.mark.parametrize("name", ["accuracy", "a b", "2f"])
def test_names_of_scorers(name: str) -> None:
    with pytest.raises(InvalidParameterError, match="`name` of Scorer must be an identifier that no metric"):
        gs.Scorer(first_rows_right, name=name)


def test_loss_and_cost_are_told_of_every_model_anyway() -> None:
    wished = fitted(TWO, ["cost", "roc_auc", "loss"])
    plain = fitted(TWO, ["roc_auc"])
    assert list(wished.evaluate(X, TWO)) == ["loss", "cost", "accuracy", "roc_auc"]
    assert wished.history_["train_cost"].tolist() == plain.history_["train_cost"].tolist()
