"""Searches that are kept in a folder, one for each thing that must go on."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone

import gradstep as gs
from killed import OFTEN
from sweep_cases import HELD_OUT, X, Y, assert_same_model, trainer

STOP = gs.EarlyStopping("validation_loss", patience=2, restore_best=True)
PLATEAU = gs.schedules.ReduceOnPlateau(0.5, factor=0.3, patience=1, monitor="running_loss", min_delta=0.05)
MOMENTUM = gs.optimizers.SGD(momentum=0.9)

# Parameters of a Sweep, by what it has that must go on.
CASES: dict[str, dict[str, Any]] = {
    "groups": {
        "trainer": trainer(hidden=(4,), optimizer=MOMENTUM, dropout=0.2),
        "space": {"l2": [0.0, 0.1], "hidden": [(), (3,)], "learning_rate": [0.1, 1e30]},
    },
    "halving": {
        "trainer": trainer(epochs=9, learning_rate=0.3),
        "space": {"l2": gs.LogUniform(1e-4, 1), "batch_size": [8, 16]},
        "n_trials": 9,
        "pruner": gs.SuccessiveHalving(2),
        "keep_trainers": True,
    },
    "rules": {
        "trainer": trainer(epochs=8, optimizer="adam", learning_rate=0.3),
        "space": [
            {"early_stopping": [STOP, None], "learning_rate": [0.3]},
            {"early_stopping": [None], "learning_rate": [PLATEAU]},
        ],
        "keep_trainers": True,
    },
    "folds": {
        "trainer": trainer(epochs=3, learning_rate=0.5),
        "space": {"l2": [0.0, 0.3], "learning_rate": [0.5, 1e30]},
        "folds": 3,
    },
    "lbfgs": {
        "trainer": trainer(optimizer="lbfgs", learning_rate="auto", batch_size="auto", epochs=9),
        "space": {"l2": [1.0, 1e-6, 1e-3]},
        "keep_trainers": True,
    },
}


def sweep_of(case, backend="numpy", folder=None, every=OFTEN, **more):
    parameters = {"random_state": 0} | CASES[case] | more
    base = clone(parameters.pop("trainer")).set_params(backend=backend)
    checkpoint = None if folder is None else gs.Checkpoint(folder, every)
    return gs.Sweep(base, **parameters, checkpoint=checkpoint)


def fit(sweep, **more):
    held_out = {} if sweep.folds else {"eval_set": HELD_OUT}
    return sweep.fit(X, Y, **held_out, **more)


def assert_same_search(found, expected, same_groups=True):
    for name, column in dict(expected.results_).items():
        if name != "seconds":
            np.testing.assert_array_equal(found.results_[name], column, err_msg=name)
    assert [trial.status for trial in found.trials_] == [trial.status for trial in expected.trials_]
    if same_groups:
        assert [group.models for group in found.groups_] == [group.models for group in expected.groups_]
    for trial, other in zip(found.trials_, expected.trials_, strict=True):
        for history, there in zip(trial.histories, other.histories, strict=True):
            for column in set(there.keys()) - {"seconds"}:
                np.testing.assert_array_equal(history[column], there[column])
    assert found.best_index_ == expected.best_index_
    assert_same_model(found.best_trainer_, expected.best_trainer_)
    assert found.best_trainer_.checkpoint is None
    for model, other in zip(_models(found), _models(expected), strict=True):
        assert hasattr(model, "coefs_") == hasattr(other, "coefs_")
        if hasattr(other, "coefs_"):
            assert_same_model(model, other)


def _models(sweep):
    """Return the models of all trials, and of all their folds, where they are kept."""
    found = sweep.trainers_ if sweep.keep_trainers else []
    return [model for own in found for model in (own if isinstance(own, list) else [own])]
