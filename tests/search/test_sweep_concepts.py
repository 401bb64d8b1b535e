"""Searches over optimizers, losses and activations, of labels, indicators and real values."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import is_classifier, is_regressor
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

import gradstep as gs
from gradstep.errors import InvalidDataError, InvalidParameterError, NoModelError
from gradstep.search.groups import Sizes, model_bytes
from sweep_cases import (
    HELD_OUT,
    HELD_OUT_VALUES,
    HERE,
    INDICATORS,
    VALUES,
    X,
    Y,
    alone,
    assert_as_alone,
    assert_same_model,
    regressor,
    trainer,
)

OPTIMIZERS = gs.optimizers
ROWS = (X - 50) / 10


def fitted(base, space, *given, **more):
    sweep = gs.Sweep(base, space, keep_trainers=True, random_state=0)
    return sweep.fit(*(given or (X, Y)), **({} if given else {"eval_set": HELD_OUT}) | more)


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_adams_whose_numbers_differ_are_one_group_and_those_alone(name, precision):
    base = trainer(backend=name, precision=precision, hidden=(5,), optimizer="adam", learning_rate=0.01)
    space = {"optimizer__beta1": [0.0, 0.5, 0.9], "optimizer__beta2": [0.9, 0.999], "l2": [0.0, 0.1]}
    sweep = fitted(base, space)
    assert [len(group.models) for group in sweep.groups_] == [12]
    assert len({model.coefs_[0].tobytes() for model in sweep.trainers_}) == 12
    assert_as_alone(sweep, X, Y, eval_set=HELD_OUT)


@pytest.mark.parametrize("name", HERE)
def test_optimizers_of_one_rule_are_one_group(name):
    kinds = [OPTIMIZERS.Adam(), OPTIMIZERS.AdamW(weight_decay=0.1), "rmsprop", "adagrad"]
    kinds += [OPTIMIZERS.SGD(momentum=0.5), OPTIMIZERS.SGD(0.9, nesterov=True), "sgd"]
    sweep = fitted(trainer(backend=name, hidden=(3,), learning_rate=0.01), {"optimizer": kinds})
    assert [len(group.models) for group in sweep.groups_] == [4, 2, 1]
    assert [group.reason for group in sweep.groups_] == [
        "optimizer='adam'", "optimizer='momentum'", "optimizer='descent'",
    ]  # fmt: skip
    assert_as_alone(sweep, X, Y, eval_set=HELD_OUT)


@pytest.mark.parametrize("name", HERE)
def test_numbers_of_losses_and_activations_may_differ_within_a_group(name):
    slopes = [gs.activations.LeakyRelu(slope) for slope in (0.0, 0.1, 0.5)]
    base = trainer(backend=name, hidden=(4, 3))
    sweep = fitted(base, {"activation": slopes, "loss__label_smoothing": [0.0, 0.1, 0.3]})
    assert [len(group.models) for group in sweep.groups_] == [9]
    assert len({model.coefs_[0].tobytes() for model in sweep.trainers_}) == 9
    assert sweep.results_["loss__label_smoothing"].tolist() == [0.0, 0.1, 0.3] * 3
    assert_as_alone(sweep, X, Y, eval_set=HELD_OUT)


def test_networks_and_what_follows_their_layers_are_told_apart():
    sweep = fitted(trainer(), {"hidden": [(), (3,), (3, 3)], "activation": ["relu", "tanh"]})
    assert [group.reason for group in sweep.groups_] == [
        "hidden=()",
        "activation='relu', hidden=(3,)",
        "activation='tanh', hidden=(3,)",
        "activation='relu', hidden=(3, 3)",
        "activation='tanh', hidden=(3, 3)",
    ]
    assert [len(group.models) for group in sweep.groups_] == [2, 1, 1, 1, 1]
    deep = fitted(trainer(), {"hidden": [(3,), (3, 3)]})
    assert [group.reason for group in deep.groups_] == ["hidden=(3,)", "hidden=(3, 3)"]
    assert_as_alone(sweep, X, Y, eval_set=HELD_OUT)


def test_the_bytes_of_a_model_grow_with_its_slots():
    sizes = Sizes(67, 5, 3)
    of_sgd, of_momentum, of_adam = (
        model_bytes(trainer(optimizer=kind).settings(), sizes)
        for kind in ("sgd", OPTIMIZERS.SGD(momentum=0.9), "adam")
    )
    # 18 parameters of 4 bytes: one block more for each slot, in the state and in its packed copy.
    assert (of_momentum - of_sgd, of_adam - of_sgd) == (2 * 18 * 4, 4 * 18 * 4)


def test_a_search_draws_numbers_of_an_optimizer_that_is_a_short_name():
    space = {"optimizer__beta1": gs.Uniform(0.5, 0.95), "loss__label_smoothing": gs.Uniform(0, 0.2)}
    base = trainer(optimizer="adam", learning_rate=0.01)
    sweep = gs.Sweep(base, space, 5, random_state=0, metric="validation_accuracy").fit(X, Y)
    best = sweep.best_trainer_
    assert best.optimizer == OPTIMIZERS.Adam(beta1=sweep.best_params_["optimizer__beta1"])
    assert best.loss == gs.losses.Softmax(sweep.best_params_["loss__label_smoothing"])
    assert base.optimizer == "adam"
    found = gs.coarse_to_fine(base, space, X, Y, rounds=[(3, 1.0), (2, 0.2)], random_state=0)
    assert found.results_["optimizer__beta1"].shape == (5,)
    search = gs.FusedSearchCV(base, {"optimizer__beta1": [0.5, 0.9]}, cv=3).fit(X, Y)
    assert [len(group.models) for group in search.groups_] == [2] * 3
    assert search.best_estimator_.optimizer.beta1 == search.best_params_["optimizer__beta1"]


@pytest.mark.parametrize(
    "space, message",
    [
        ({"optimizer__beta3": [0.1]}, r"trial 0 of Sweep has optimizer__beta3=0.1: .*did you mean beta"),
        ({"optimizer__beta1": [0.9, 1.5]}, r"trial 1 of Sweep has optimizer__beta1=1.5: .* must be < 1"),
        ({"loss": ["squared"]}, r"trial 0 of Sweep has loss='squared': .* it is for Regressor"),
        ({"activation": ["rleu"]}, r"trial 0 of Sweep has activation='rleu': .*did you mean"),
    ],
)
def test_bad_parts(space, message):
    with pytest.raises(InvalidParameterError, match=message):
        fitted(trainer(optimizer="adam"), space)


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("y", [VALUES, VALUES[:, 0]], ids=["two outputs", "one output"])
def test_regressors_of_a_group_are_those_alone(name, y):
    weight = np.linspace(0.5, 2, len(Y))
    held_out = (HELD_OUT_VALUES[0], HELD_OUT_VALUES[1] if y.ndim == 2 else HELD_OUT_VALUES[1][:, 0])
    base = regressor(backend=name, hidden=(4,))
    space = {"l2": [0.0, 0.1], "learning_rate": [0.05, 1e30]}
    sweep = fitted(base, space, X, y, eval_set=held_out, sample_weight=weight)
    assert [len(group.models) for group in sweep.groups_] == [4]
    assert_as_alone(sweep, X, y, eval_set=held_out, sample_weight=weight)
    assert sweep.results_["status"].tolist() == ["completed", "diverged"] * 2
    assert sweep.best_trainer_.predict(X).shape == y.shape


@pytest.mark.parametrize("name", HERE)
def test_losses_that_read_targets_in_other_ways_share_the_rows(name):
    base = regressor(backend=name)
    space = {
        "loss": ["squared", "poisson"],
        "standardize_targets": [True, False],
        "standardize": [True, False],
        "precision": ["float32", "float64"],
    }
    learning_rate = {"learning_rate": [1e-4]}
    sweep = fitted(base, space | learning_rate, X, VALUES, eval_set=HELD_OUT_VALUES)
    assert len(sweep.groups_) == 16
    assert_as_alone(sweep, X, VALUES, eval_set=HELD_OUT_VALUES)


def test_a_table_of_regressors_has_their_metrics():
    sweep = gs.Sweep(regressor(), {"l2": [0.0, 5.0]}, random_state=0, metric="validation_r2").fit(X, VALUES)
    table = sweep.results_
    names = ("loss", "cost", "r2", "mean_absolute_error")
    expected = ["trial", "l2", "status", "score", "best_epoch"]
    expected += [f"best_validation_{name}" for name in names]
    expected += ["epoch", *(f"train_{name}" for name in names), "running_loss"]
    expected += [*(f"validation_{name}" for name in names), "updates", "last_rate", "seconds"]
    assert list(table) == expected
    assert table["score"].tolist() == table["validation_r2"].tolist()
    assert sweep.best_index_ == table["score"].argmax()
    assert sweep.best_score_ == sweep.histories_[sweep.best_index_]["validation_r2"][-1]
    assert "validation_mean_absolute_error" in str(table)
    # Two columns of targets are split as they are, without a look at their values.
    assert sweep.histories_[0]["update"][0] == -(-53 // 8)


def test_a_table_of_models_with_unlike_metrics_has_those_of_all():
    space = {"metrics": [(), ("f1",)]}
    sweep = fitted(trainer(), space)
    assert np.isnan(sweep.results_["validation_f1"]).tolist() == [True, False]
    assert np.isfinite(sweep.results_["validation_accuracy"]).all()
    with pytest.raises(InvalidParameterError, match="`metric` of Sweep is by validation_f1, which needs"):
        gs.Sweep(trainer(), space, metric="validation_f1").fit(X, Y)
    best = gs.Sweep(trainer(), {"l2": [0.0, 1.0], "metrics": [("f1",)]}, metric="validation_f1")
    best.fit(X, Y, eval_set=HELD_OUT)
    predictions = best.best_trainer_.predict(HELD_OUT[0])
    assert best.best_score_ == pytest.approx(f1_score(HELD_OUT[1], predictions, average="macro"))


def test_folds_of_regressors():
    sweep = gs.Sweep(regressor(), {"l2": [0.0, 0.1]}, folds=3, keep_trainers=True).fit(X, VALUES)
    assert [len(group.models) for group in sweep.groups_] == [2] * 3
    for fold, (_, held) in enumerate(KFold(3).split(X)):
        model = sweep.trainers_[1][fold]
        assert model.evaluate(X[held], VALUES[held]).r2 == pytest.approx(
            model.history_["validation_r2"][-1], rel=1e-5
        )
    assert_same_model(sweep.best_trainer_, alone(regressor(), sweep.best_params_, X, VALUES))
    nothing = [(np.arange(0), np.arange(67))]
    with pytest.raises(InvalidDataError, match="fold 0 of the search must leave one row or more to train on"):
        gs.Sweep(regressor(), {"l2": [0.0]}, folds=nothing).fit(X, VALUES)


def test_pruners_and_rounds_of_regressors():
    space = {"l2": gs.LogUniform(1e-4, 10)}
    options = {"metric": "validation_r2", "pruner": gs.SuccessiveHalving(2, 1, "validation_r2")}
    found = gs.coarse_to_fine(
        regressor(), space, X, VALUES[:, 0], rounds=[(4, 1.0), (3, 0.2)], random_state=0, **options
    )
    assert found.results_["round"].tolist() == [1] * 4 + [2] * 3
    assert {"completed", "pruned"} == set(found.results_["status"])
    complete = found.results_["status"] == "completed"
    assert found.best_score_ == found.results_["score"][complete].max()
    assert isinstance(found.best_trainer_, gs.Regressor)


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("scoring", [None, "neg_mean_absolute_error", ["r2", "explained_variance"]])
def test_a_fused_search_over_regressors_equals_grid_search(name, scoring):
    y = VALUES if scoring != ["r2", "explained_variance"] else VALUES[:, 1]
    base = regressor(backend=name, learning_rate=0.001)
    grid = {"l2": [0.0, 0.1], "hidden": [(), (4,)]}
    given = {"scoring": scoring, "cv": 4, "refit": "r2" if isinstance(scoring, list) else True}
    expected = GridSearchCV(base, grid, return_train_score=True, **given).fit(ROWS, y)
    found = gs.FusedSearchCV(base, grid, return_train_score=True, **given).fit(ROWS, y)
    assert list(found.cv_results_) == list(expected.cv_results_)
    for column in expected.cv_results_:
        if "test" in column or "train_" in column:
            np.testing.assert_array_equal(
                found.cv_results_[column], expected.cv_results_[column], err_msg=column
            )
    assert found.best_params_ == expected.best_params_
    assert_same_model(found.best_estimator_, expected.best_estimator_)
    assert found.score(ROWS, y) == pytest.approx(expected.score(ROWS, y))
    np.testing.assert_array_equal(found.predict(ROWS), expected.predict(ROWS))
    assert [len(group.models) for group in found.groups_] == [2] * 8


def test_what_a_search_is_follows_from_its_estimator():
    of_values = gs.FusedSearchCV(regressor(), {"l2": [0.0, 0.1]}, cv=3)
    of_labels = gs.FusedSearchCV(trainer(), {"l2": [0.0, 0.1]}, cv=3)
    assert is_regressor(of_values)
    assert not is_classifier(of_values)
    assert is_classifier(of_labels)
    for method in ("predict_proba", "decision_function"):
        assert not hasattr(of_values, method)
        assert hasattr(of_labels, method)
    of_values.fit(X, VALUES[:, 0])
    assert hasattr(of_labels.fit(X, Y), "classes_")
    assert not hasattr(of_values, "classes_")
    assert of_values.score(X, VALUES[:, 0]) == of_values.best_estimator_.score(X, VALUES[:, 0])
    assert cross_val_score(of_values, X, VALUES[:, 0], cv=2).shape == (2,)


@pytest.mark.parametrize("name", HERE)
def test_indicators(name):
    base = trainer(backend=name, loss="multilabel", hidden=(3,))
    held_out = (X[50:], INDICATORS[50:])
    sweep = fitted(base, {"l2": [0.0, 0.1], "learning_rate": [0.1, 0.3]}, X, INDICATORS, eval_set=held_out)
    assert_as_alone(sweep, X, INDICATORS, eval_set=held_out)
    assert np.isfinite(sweep.results_["validation_subset_accuracy"]).all()
    split = gs.Sweep(base, {"l2": [0.0, 0.1]}, random_state=1, metric="validation_f1").fit(X, INDICATORS)
    assert split.histories_[0]["update"][0] == -(-53 // 8)
    folds = gs.Sweep(base, {"l2": [0.0, 0.1]}, folds=3).fit(X, INDICATORS)
    assert folds.best_trainer_.predict(X).shape == INDICATORS.shape
    search = gs.FusedSearchCV(base, {"l2": [0.0, 0.1]}, cv=3, scoring="f1_macro").fit(X, INDICATORS)
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()


def test_all_regressors_diverge():
    sweep = gs.Sweep(regressor(hidden=(3,)), {"learning_rate": [1e30, 1e35]}).fit(X, VALUES)
    with pytest.raises(NoModelError, match=r"no trial .* came to its end .2 diverged.* no longer finite"):
        _ = sweep.best_trainer_


def test_bad_targets():
    with pytest.raises(InvalidDataError, match=r"y of Sweep.fit must be class labels: .* for Regressor"):
        gs.Sweep(trainer(), {"l2": [0.0]}).fit(X, VALUES[:, 0])
    with pytest.raises(InvalidDataError, match=r"an indicator matrix .* loss='multilabel' takes those"):
        gs.Sweep(trainer(), {"l2": [0.0]}).fit(X, INDICATORS)
    with pytest.raises(InvalidDataError, match=r"y of Sweep.fit must be >= 0"):
        gs.Sweep(regressor(loss="poisson"), {"l2": [0.0]}).fit(X, -VALUES)
    with pytest.raises(InvalidDataError, match=r"y of Sweep.fit must be >= 0"):
        gs.Sweep(regressor(), {"loss": ["squared", "poisson"]}).fit(X, -VALUES)
    with pytest.raises(InvalidDataError, match=r"y of Sweep.fit must be real numbers"):
        gs.Sweep(regressor(), {"l2": [0.0]}, validation_share=None, metric="train_loss").fit(X, ["a"] * 67)
