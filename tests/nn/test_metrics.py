"""Metrics by scikit-learn's, and what their columns are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as peers

from gradstep.errors import InvalidParameterError
from gradstep.nn.metrics import (
    ALWAYS,
    COLUMN,
    F1,
    R2,
    Accuracy,
    BestTracker,
    MeanAbsoluteError,
    Metric,
    SubsetAccuracy,
    columns,
    metric_of,
    parse_column,
    sign,
    value_text,
)
from gradstep.nn.r2 import r2

RNG = np.random.default_rng(0)
LABELS = RNG.integers(4, size=(2, 50))
INDICATORS = RNG.integers(2, size=(2, 50, 3)).astype(float)
VALUES = RNG.normal(loc=(10, 0, -5), size=(2, 50, 3))
WEIGHT = RNG.uniform(0, 2, size=50)

JUDGED: list[tuple[Metric, Any, Callable[..., float]]] = [
    (Accuracy(), LABELS, peers.accuracy_score),
    (F1(), LABELS, lambda y, p, **more: peers.f1_score(y, p, average="macro", **more)),
    (SubsetAccuracy(), INDICATORS, peers.accuracy_score),
    (F1(), INDICATORS, lambda y, p, **more: peers.f1_score(y, p, average="macro", **more)),
    (F1(), INDICATORS[..., :1], lambda y, p, **more: peers.f1_score(y.ravel(), p.ravel(), **more)),
    (R2(), VALUES, peers.r2_score),
    (R2(), VALUES[..., :1], peers.r2_score),
    (MeanAbsoluteError(), VALUES, peers.mean_absolute_error),
]


@pytest.mark.parametrize(("metric", "data", "peer"), JUDGED, ids=lambda value: getattr(value, "name", ""))
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["alike", "weighted"])
def test_metrics_are_those_of_scikit_learn(
    metric: Metric, data: Any, peer: Callable[..., float], weight: Any
) -> None:
    predictions, targets = data
    expected = peer(targets, predictions, sample_weight=weight)
    assert metric.of(predictions, targets, weight) == pytest.approx(expected, rel=1e-12)
    assert metric.of(targets, targets, weight) == pytest.approx(0 if metric.better == "lower" else 1)


def test_every_metric_but_those_of_backends_is_judged() -> None:
    own = {member for member in Metric.members() if member.__module__ == "gradstep.nn.metrics"}
    assert own - {type(metric) for metric in ALWAYS} == {type(metric) for metric, _, _ in JUDGED}
    for member in own:
        assert member.name == member().to_dict()["metric"] or member.name.islower()
        assert Metric.resolve(member.name) == member()
        assert Metric.from_dict(member().to_dict()) == member()


def test_r2_of_what_has_none_is_no_number() -> None:
    assert np.isnan(R2().of(np.ones((1, 1)), np.ones((1, 1))))
    assert np.isnan(R2().of(np.full((3, 1), np.inf), np.ones((3, 1))))


def test_f1_of_a_class_that_is_never_right_is_0() -> None:
    assert F1().of(np.zeros(4), np.array([0, 0, 1, 1])) == pytest.approx(1 / 3)
    assert F1().of(np.zeros((4, 2)), np.ones((4, 2))) == 0


def test_columns_know_their_metrics() -> None:
    names = columns((R2(), Accuracy()))
    assert names[:4] == ("train_loss", "train_cost", "train_r2", "train_accuracy")
    assert "running_accuracy" in names
    assert "running_r2" not in names
    assert parse_column("validation_mean_absolute_error")[:2] == ("validation", MeanAbsoluteError)
    assert [sign(name) for name in ("train_r2", "validation_loss", "running_accuracy")] == [-1, 1, -1]


@pytest.mark.parametrize(
    "column",
    ["", "loss", "running_cost", "running_r2", "test_loss", "train_", "train_a b", "validation_seconds"],
)
def test_what_is_no_column(column: str) -> None:
    with pytest.raises(InvalidParameterError, match="no column of a history is"):
        parse_column(column)
    assert not COLUMN.holds(column)


def test_values_as_text() -> None:
    assert value_text("train_accuracy", 0.98765) == "98.77%"
    assert value_text("validation_subset_accuracy", 0.5) == "50.00%"
    assert value_text("f1", 0.25) == "25.00%"
    assert value_text("validation_r2", 0.98765) == "0.9877"
    assert value_text("test_mean_absolute_error", 1234.5) == "1.23e+03"
    assert value_text("train_loss", np.nan) == "\u2013"


@pytest.mark.parametrize(("column", "values"), [("train_loss", [3, 2, 2, 1]), ("train_r2", [-3, -2, -2, -1])])
def test_the_best_so_far_by_the_direction_of_the_metric(column: str, values: list[float]) -> None:
    best = BestTracker(column)
    assert [best.improves({column: value}) for value in values] == [True, True, False, True]
    lazy = BestTracker(column, min_delta=1.5)
    assert [lazy.improves({column: value}) for value in values] == [True, False, False, True]


@pytest.mark.parametrize("unit", [1e-300, 1e-170, 1.0, 1e150, 1e300])
def test_r2_is_the_same_in_any_unit(unit: float) -> None:
    rng = np.random.default_rng(0)
    targets = rng.normal([0, 30], size=(50, 2))
    predictions = targets + 0.3 * rng.normal(size=(50, 2))
    weight = rng.uniform(size=50)
    expected = peers.r2_score(targets, predictions, sample_weight=weight)
    assert r2(predictions * unit, targets * unit, weight) == pytest.approx(expected, rel=1e-12)
    one = peers.r2_score(targets[:, 0], predictions[:, 0])
    assert r2(predictions[:, 0] * unit, targets[:, 0] * unit) == pytest.approx(one, rel=1e-12)


def test_r2_of_answers_beyond_all_measure() -> None:
    assert r2(np.array([1e300, 0]), np.array([1e-170, 2e-170])) == -np.inf


@pytest.mark.parametrize(
    ("column", "direction"),
    [
        ("validation_neg_log_loss", "higher"),
        ("best_validation_roc_auc", "higher"),
        ("train_loss", "lower"),
        ("test_mean_absolute_error", "lower"),
        ("validation_own_loss", None),
        ("l2", None),
    ],
)
def test_directions_of_columns_of_tables(column: str, direction: str | None) -> None:
    metric = metric_of(column)
    assert (metric and metric.better) == direction


def test_what_is_no_number_is_not_the_best_so_far() -> None:
    best = BestTracker("validation_roc_auc")
    found = [best.improves({"validation_roc_auc": value}) for value in (np.nan, np.nan, 0.5, np.nan, 0.6)]
    assert found == [True, True, True, False, True]
