"""`validation_fraction`: rows held out of what `fit` is given, in every way that leads to a fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline

import gradstep as gs
import makers
from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.utils.hold_out import hold_out_rows

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 4))
Y = np.array(["cat", "dog", "owl"])[np.digitize(X[:, 0] + 0.5 * RNG.normal(size=150), [-0.5, 0.7])]
VALUES = X @ [1.0, 2.0, 0.0, -1.0] + RNG.normal(size=150)
WEIGHT = RNG.uniform(0.1, 2, size=150)
STOP = gs.EarlyStopping(patience=2)


def parts(y: Any, share: float = 0.2, seed: int = 0) -> tuple[Any, Any]:
    labels = None if y is VALUES else y
    return hold_out_rows(len(y), labels, share, seed, "rows")


def assert_same_fit(found: Any, expected: Any) -> None:
    np.testing.assert_array_equal(found.coefs_[-1], expected.coefs_[-1])
    np.testing.assert_array_equal(found.standardization_.mean, expected.standardization_.mean)
    for name in found.history_.keys():  # noqa: SIM118
        if name != "seconds":
            np.testing.assert_array_equal(found.history_[name], expected.history_[name])


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize(("kind", "y"), [("trainer", Y), ("regressor", VALUES)])
def test_it_is_the_fit_of_the_rows_taken_apart(kind: str, y: Any, weight: Any) -> None:
    make = getattr(makers, kind)
    found = make(validation_fraction=0.2, early_stopping=STOP, epochs=30).fit(X, y, weight)
    train, held_out = parts(y)
    assert (len(train), len(held_out)) == (120, 30)
    of_train = None if weight is None else weight[train]
    eval_set = (X[held_out], y[held_out], None if weight is None else weight[held_out])
    expected = make(early_stopping=STOP, epochs=30).fit(X[train], y[train], of_train, eval_set=eval_set)
    assert_same_fit(found, expected)
    assert found.evaluate(*eval_set).loss == np.nanmin(found.history_["validation_loss"])
    answers = found.predict(X[held_out])
    np.testing.assert_array_equal(answers, expected.predict(X[held_out]))
    assert answers.shape == (30,)


def test_indicators_are_drawn_without_a_look() -> None:
    indicators = (X[:, :2] > 0).astype(int)
    found = makers.trainer(loss="multilabel", validation_fraction=0.3).fit(X, indicators)
    train, held_out = hold_out_rows(150, None, 0.3, 0, "rows")
    eval_set = (X[held_out], indicators[held_out])
    expected = makers.trainer(loss="multilabel").fit(X[train], indicators[train], eval_set=eval_set)
    assert_same_fit(found, expected)


def test_labels_are_held_out_in_their_shares_and_a_single_row_is_trained_on() -> None:
    y = np.array(["a"] * 100 + ["b"] * 49 + ["c"])
    _, held_out = parts(y)
    assert [(y[held_out] == label).sum() for label in "abc"] == [20, 10, 0]
    model = makers.trainer(validation_fraction=0.2, early_stopping=STOP).fit(X, y)
    assert model.classes_.tolist() == ["a", "b", "c"]


def test_what_is_held_out_is_seen_by_nothing() -> None:
    """Held-out rows of any values change neither the model nor mean and scale."""
    _, held_out = parts(Y)
    other = X.copy()
    other[held_out] = 1e6
    first, second = (makers.trainer(validation_fraction=0.2).fit(rows, Y) for rows in (X, other))
    np.testing.assert_array_equal(first.coefs_[0], second.coefs_[0])
    np.testing.assert_array_equal(first.standardization_.scale, second.standardization_.scale)
    assert first.history_["validation_loss"][-1] != second.history_["validation_loss"][-1]


def test_the_rows_follow_from_random_state() -> None:
    losses = [
        makers.trainer(validation_fraction=0.2, random_state=state).fit(X, Y).history_["validation_loss"][-1]
        for state in (0, 0, 1, np.random.RandomState(0), np.random.RandomState(0))
    ]
    assert losses[0] == losses[1] != losses[2]
    assert losses[3] == losses[4]
    drawn = makers.trainer(validation_fraction=0.2, random_state=None).fit(X, Y)
    assert np.isfinite(drawn.history_["validation_loss"]).all()


def test_rows_are_not_copied(tmp_path: Any) -> None:
    path = tmp_path / "rows.npy"
    np.save(path, X.astype(np.float32))
    mapped = np.load(path, mmap_mode="r")
    found = makers.trainer(validation_fraction=0.2).fit(mapped, Y)
    assert_same_fit(found, makers.trainer(validation_fraction=0.2).fit(X.astype(np.float32), Y))


@pytest.mark.parametrize("backend", makers.HERE)
def test_every_backend_reads_them_by_number(backend: str) -> None:
    parameters: dict[str, Any] = {"backend": backend, "hidden": (3,), "precision": "float64"}
    found = makers.trainer(validation_fraction=0.2, **parameters).fit(X, Y)
    train, held_out = parts(Y)
    expected = makers.trainer(**parameters).fit(X[train], Y[train], eval_set=(X[held_out], Y[held_out]))
    assert_same_fit(found, expected)


def test_early_stopping_in_cross_validation_and_pipelines() -> None:
    trainer = makers.trainer(validation_fraction=0.2, early_stopping=STOP, epochs=30)
    folds = StratifiedKFold(3)
    scores = cross_val_score(
        make_pipeline(PCA(3, random_state=0), trainer), X, Y, cv=folds, error_score="raise"
    )
    expected = []
    for train, test in folds.split(X, Y):
        pca = PCA(3, random_state=0).fit(X[train])
        model = clone(trainer).fit(pca.transform(X[train]), Y[train])
        expected.append(model.score(pca.transform(X[test]), Y[test]))
    assert scores.tolist() == expected


def test_a_fused_search_is_a_grid_search() -> None:
    trainer = makers.trainer(validation_fraction=0.25, early_stopping=STOP, epochs=30, batch_size="auto")
    grid = {"l2": [0.0, 0.1], "batch_size": ["auto", 16]}
    found = gs.FusedSearchCV(trainer, grid, cv=3).fit(X, Y)
    expected = GridSearchCV(trainer, grid, cv=3).fit(X, Y)
    np.testing.assert_array_equal(
        found.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"]
    )
    assert_same_fit(found.best_estimator_, expected.best_estimator_)


def test_a_fused_search_of_pipelines_is_a_grid_search() -> None:
    net = makers.trainer(validation_fraction=0.25, early_stopping=STOP, epochs=30)
    pipeline = Pipeline([("pca", PCA(random_state=0)), ("net", net)])
    grid = {"pca__n_components": [2, 3], "net__l2": [0.0, 0.1]}
    found = gs.FusedSearchCV(pipeline, grid, cv=3).fit(X, Y)
    expected = GridSearchCV(pipeline, grid, cv=3).fit(X, Y)
    np.testing.assert_array_equal(
        found.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"]
    )


@pytest.mark.parametrize(("kind", "y"), [("trainer", Y), ("regressor", VALUES)])
def test_trials_of_a_sweep_are_fits_alone(kind: str, y: Any) -> None:
    base = getattr(makers, kind)(validation_fraction=0.2, early_stopping=STOP, epochs=30, batch_size="auto")
    space: dict[str, Any] = {"l2": [0.0, 0.1], "batch_size": ["auto", 3]}
    sweep = gs.Sweep(base, space, keep_trainers=True, random_state=5).fit(X, y, WEIGHT)
    for params, model in zip(sweep.results_["batch_size"], sweep.trainers_, strict=True):
        alone = clone(base).set_params(batch_size=params, l2=model.l2).fit(X, y, WEIGHT)
        assert_same_fit(model, alone)
        assert model.history_.weighted == ("train", "running", "validation")
    assert sweep.best_score_ == np.nanmin(sweep.results_["score"])


def test_shares_may_be_searched() -> None:
    sweep = gs.Sweep(makers.trainer(), {"validation_fraction": [0.1, 0.3]}, keep_trainers=True).fit(X, Y)
    assert len(sweep.groups_) == 2
    for share, model in zip((0.1, 0.3), sweep.trainers_, strict=True):
        assert_same_fit(model, makers.trainer(validation_fraction=share).fit(X, Y))


def test_rows_that_a_sweep_holds_out_are_weighted_as_those_trained_on() -> None:
    sweep = gs.Sweep(makers.trainer(), {"l2": [0.0]}, random_state=0).fit(X, Y, WEIGHT)
    assert sweep.best_trainer_.history_.weighted == ("train", "running", "validation")
    folded = gs.Sweep(makers.trainer(), {"l2": [0.0]}, folds=[(np.arange(100), np.arange(100, 150))])
    folded.fit(X, Y, WEIGHT)
    eval_set = (X[100:], Y[100:], WEIGHT[100:])
    alone = makers.trainer().fit(X[:100], Y[:100], WEIGHT[:100], eval_set=eval_set)
    assert folded.results_["score"][0] == alone.history_["validation_loss"][-1]


def test_a_saved_model_keeps_it(tmp_path: Any) -> None:
    makers.trainer(validation_fraction=0.2).fit(X, Y).save(tmp_path / "model")
    assert gs.Trainer.load(tmp_path / "model").validation_fraction == 0.2


def test_checks_of_gradients_and_rates_take_all_rows() -> None:
    plain, holding = makers.trainer(), makers.trainer(validation_fraction=0.5)
    ranges = [gs.learning_rate_range_test(trainer, X, Y).loss for trainer in (plain, holding)]
    np.testing.assert_array_equal(*ranges)
    checks = [gs.gradient_check(trainer, X[:20], Y[:20], entries=5) for trainer in (plain, holding)]
    np.testing.assert_array_equal(*(check.by("central")["norm_ratio"] for check in checks))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1, True, "0.2", np.nan])
def test_what_is_no_share(share: Any) -> None:
    with pytest.raises(InvalidParameterError, match="`validation_fraction` of Trainer must be"):
        makers.trainer(validation_fraction=share).fit(X, Y)


@pytest.mark.parametrize(
    ("given", "other"), [({"eval_set": (X, Y)}, "eval_set"), ({"X_val": X, "y_val": Y}, "X_val")]
)
def test_other_validation_rows_are_one_too_many(given: dict[str, Any], other: str) -> None:
    message = (
        f"`validation_fraction` of Trainer must be None where {other} gives the validation rows, got 0.2"
    )
    with pytest.raises(InvalidParameterError, match=message):
        makers.trainer(validation_fraction=0.2).fit(X, Y, **given)


def test_searches_hold_out_once() -> None:
    base = makers.trainer(validation_fraction=0.2)
    with pytest.raises(InvalidParameterError, match="must be None where eval_set gives the validation rows"):
        gs.Sweep(base, {"l2": [0.0]}).fit(X, Y, eval_set=(X, Y))
    with pytest.raises(
        InvalidParameterError, match="must be None where `folds` of Sweep gives the validation"
    ):
        gs.Sweep(base, {"l2": [0.0]}, folds=3).fit(X, Y)
    with pytest.raises(InvalidParameterError, match=r"in every trial of Sweep or in none.*got it in 1 of 2"):
        gs.Sweep(makers.trainer(), {"validation_fraction": [None, 0.2]}).fit(X, Y)


def test_too_few_rows() -> None:
    with pytest.raises(
        InvalidDataError, match=r"`validation_fraction` of Trainer, 0\.9, must leave one row of each"
    ):
        makers.trainer(validation_fraction=0.9).fit(X[:9], Y[:9])
    light = np.zeros(150)
    light[parts(Y)[0]] = 1
    with pytest.raises(
        InvalidDataError, match="must hold out a row of sample weight > 0, but holds out none"
    ):
        makers.trainer(validation_fraction=0.2).fit(X, Y, light)
    with pytest.raises(
        InvalidDataError, match="must leave two classes or more of sample weight > 0 to train on"
    ):
        makers.trainer(validation_fraction=0.2).fit(X, Y, np.where(Y == "cat", 1.0, 1 - light))


def test_repeats_tell_of_what_each_seed_has_held_out() -> None:
    found = gs.repeat(makers.trainer(validation_fraction=0.2), X, Y, seeds=[0, 3], sample_weight=WEIGHT)
    for place, seed in enumerate((0, 3)):
        alone = makers.trainer(validation_fraction=0.2, random_state=seed).fit(X, Y, WEIGHT)
        for column in ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy"):
            assert found[column][place] == alone.history_[column][-1]
    quiet = makers.trainer(validation_fraction=0.2, evaluate_every=None)
    other = gs.repeat(quiet, X, Y, seeds=[0, 3], sample_weight=WEIGHT)
    assert other["validation_loss"].tolist() == found["validation_loss"].tolist()
