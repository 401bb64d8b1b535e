"""What the tests of searches share: rows, a quick Trainer, and what it means to be the same model."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.datasets import make_blobs

import gradstep as gs
from gradstep import backends
from gradstep.errors import DivergedError

HERE = [name for name, reason in backends.availability().items() if reason is None]

# Three overlapping groups of points, off mean 0 and scale 1; 67 rows to train on, 30 to validate.
POINTS, LABELS = make_blobs(n_samples=97, centers=3, n_features=5, cluster_std=4.0, random_state=1)
X, Y = 50 + 10 * POINTS[:67], LABELS[:67]
HELD_OUT = 50 + 10 * POINTS[67:], LABELS[67:]


def trainer(**parameters: Any) -> gs.Trainer:
    """Make a Trainer that is quick and the same every time."""
    given = {"backend": "numpy", "random_state": 0, "epochs": 4, "learning_rate": 0.1, "batch_size": 8}
    return gs.Trainer(**given | parameters)


def assert_same_model(found: gs.Trainer, expected: gs.Trainer) -> None:
    """Hold two Trainers to the same bits in all that they learned, but for the time it took."""
    for name in ("coefs_", "intercepts_"):
        for block, other in zip(getattr(found, name), getattr(expected, name), strict=True):
            assert block.dtype == other.dtype
            np.testing.assert_array_equal(block, other)
    for column in set(gs.History().keys()) - {"seconds"}:
        np.testing.assert_array_equal(found.history_[column], expected.history_[column], err_msg=column)
    learned = ("n_iter_", "n_features_in_", "batch_size_", "backend_", "interrupted_")
    assert [getattr(found, name) for name in learned] == [getattr(expected, name) for name in learned]
    assert found.classes_.tolist() == expected.classes_.tolist()
    np.testing.assert_array_equal(found.standardization_.mean, expected.standardization_.mean)
    np.testing.assert_array_equal(found.standardization_.scale, expected.standardization_.scale)


def alone(base: gs.Trainer, params: dict[str, Any], *data: Any, **more: Any) -> gs.Trainer:
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
        assert (trial.status == "diverged") == (expected.error is not None)
        if expected.error is not None:
            number = trial.number
            assert sweep.results_["updates"][number] == expected.error.update
            assert sweep.results_["last_rate"][number] == expected.error.learning_rate
