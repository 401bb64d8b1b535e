"""What the tests of searches share: rows, quick estimators, and what it means to be the same model."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.datasets import make_blobs

import gradstep as gs
from gradstep.errors import DivergedError
from gradstep.estimators.base import BaseTrainer
from makers import HERE as HERE
from makers import regressor as regressor
from makers import trainer as trainer

# Three overlapping groups of points, off mean 0 and scale 1; 67 rows to train on, 30 to validate.
POINTS, LABELS = make_blobs(n_samples=97, centers=3, n_features=5, cluster_std=4.0, random_state=1)
X, Y = 50 + 10 * POINTS[:67], LABELS[:67]
HELD_OUT = 50 + 10 * POINTS[67:], LABELS[67:]

# Two real targets >= 0 of the same points, of unlike sizes; and two indicators of each.
TARGETS = np.stack([np.abs(POINTS[:, 0] * POINTS[:, 1]), 100 + np.exp(POINTS[:, 2] / 5)], axis=1)
VALUES, HELD_OUT_VALUES = TARGETS[:67], (HELD_OUT[0], TARGETS[67:])
INDICATORS = (POINTS[:67, :2] > 0).astype(np.int64)

TIMES = {f"{kind}_{what}_time" for kind in ("mean", "std") for what in ("fit", "score")}


def assert_same_model(found: BaseTrainer, expected: BaseTrainer) -> None:
    """Hold two estimators to the same bits in all that they learned, but for the time it took."""
    for name in ("coefs_", "intercepts_"):
        for block, other in zip(getattr(found, name), getattr(expected, name), strict=True):
            assert block.dtype == other.dtype
            np.testing.assert_array_equal(block, other)
    for column in set(expected.history_.keys()) - {"seconds"}:
        np.testing.assert_array_equal(found.history_[column], expected.history_[column], err_msg=column)
    assert found.history_.keys() == expected.history_.keys()
    learned = ("n_iter_", "n_features_in_", "batch_size_", "backend_", "updates_per_epoch_", "interrupted_")
    assert [getattr(found, name) for name in learned] == [getattr(expected, name) for name in learned]
    assert type(found) is type(expected)
    if isinstance(expected, gs.Trainer):
        assert found.classes_.tolist() == expected.classes_.tolist()
    np.testing.assert_array_equal(found.standardization_.mean, expected.standardization_.mean)
    np.testing.assert_array_equal(found.standardization_.scale, expected.standardization_.scale)


def alone(base: BaseTrainer, params: dict[str, Any], *data: Any, **more: Any) -> Any:
    """Train one setting without any others; one that diverges keeps its error in `error`."""
    model = clone(base).set_params(**params)
    model.error = None
    try:
        model.fit(*data, **more)
    except DivergedError as error:
        model.error = error
    return model


def assert_as_alone(sweep: gs.Sweep, *data: Any, **more: Any) -> None:
    """Hold every trial of a search with `keep_trainers` to what it would be without the others."""
    for trial, model in zip(sweep.trials_, sweep.trainers_, strict=True):
        expected = alone(sweep.trainer, trial.params, *data, **more)
        assert_same_model(model, expected)
        assert model.status_ == expected.status_
        assert (trial.status == "diverged") == (expected.error is not None)
        if expected.error is not None:
            number = trial.number
            assert sweep.results_["updates"][number] == expected.error.update
            assert sweep.results_["last_rate"][number] == expected.error.learning_rate


def assert_same_tables(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Hold a table to scikit-learn's, its scores to the same bits."""
    assert list(found) == list(expected)
    for name in expected.keys() - TIMES - {"params"}:
        assert found[name].dtype == expected[name].dtype, name
        assert type(found[name]) is type(expected[name]), name
        if name.startswith("param_"):
            assert found[name].tolist() == expected[name].tolist()
            assert np.ma.getmaskarray(found[name]).tolist() == np.ma.getmaskarray(expected[name]).tolist()
        else:
            np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    for name in TIMES:
        assert found[name].dtype == expected[name].dtype
        assert found[name].shape == expected[name].shape
        assert (found[name] >= 0).all()
    assert found["params"] == expected["params"]
