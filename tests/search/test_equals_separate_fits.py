"""A fold of a search is what a fit on its rows alone is, to the bit, whatever splits them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    LeaveOneGroupOut,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
)

import gradstep as gs
from sweep_cases import VALUES, X, Y, assert_same_tables, regressor, trainer

ROWS = (X - 50) / 10

SPLITTERS = {
    "k": KFold(3),
    "stratified": StratifiedKFold(4, shuffle=True, random_state=2),
    "groups": LeaveOneGroupOut(),
    "time": TimeSeriesSplit(3, max_train_size=20),
    "shares": ShuffleSplit(2, test_size=0.2, train_size=0.5, random_state=0),
}


@pytest.mark.filterwarnings("ignore:The scoring .* does not support sample_weight:UserWarning")
@pytest.mark.parametrize("splitter", SPLITTERS)
@pytest.mark.parametrize("parameters", [{}, {"batch_size": "auto"}, {"precision": "float64"}])
@pytest.mark.parametrize("rows", [np.float64, np.uint8])
def test_a_fold_is_what_a_fit_on_its_rows_is(splitter, parameters, rows):
    cases = X if rows is np.float64 else np.clip(X, 0, 255).astype(np.uint8)
    weight = np.linspace(0, 2, len(Y))
    groups = np.arange(len(Y)) % 3 if splitter == "groups" else None
    base, cv = trainer(hidden=(3,), **parameters), SPLITTERS[splitter]
    given = {"cv": cv, "scoring": "neg_log_loss"}
    found = gs.FusedSearchCV(base, {"l2": [0.0, 0.1]}, **given)
    found.fit(cases, Y, groups=groups, sample_weight=weight)
    for fold, (train, held) in enumerate(cv.split(cases, Y, groups)):
        for setting, l2 in enumerate((0.0, 0.1)):
            model = clone(base).set_params(l2=l2).fit(cases[train], Y[train], weight[train])
            expected = -log_loss(Y[held], model.predict_proba(cases[held]), labels=[0, 1, 2])
            assert found.cv_results_[f"split{fold}_test_score"][setting] == expected


@pytest.mark.parametrize("parameters", [{}, {"standardize_targets": False}, {"loss": "poisson"}])
def test_a_fold_of_real_values_is_what_a_fit_on_its_rows_is(parameters):
    base, cv = regressor(hidden=(3,), learning_rate=0.01, **parameters), KFold(3)
    grid = {"l2": [0.0, 0.1], "standardize": [True, False]}
    for targets in (VALUES / 100, VALUES[:, 0] / 100):
        expected = GridSearchCV(base, grid, cv=cv).fit(ROWS, targets)
        found = gs.FusedSearchCV(base, grid, cv=cv).fit(ROWS, targets)
        assert_same_tables(found.cv_results_, expected.cv_results_)
        assert found.predict(ROWS).shape == targets.shape


def test_losses_that_read_y_unlike_each_other_share_their_rows():
    grid = {"loss": ["squared", "poisson"], "l2": [0.0, 0.1]}
    expected = GridSearchCV(regressor(), grid, cv=3).fit(X, VALUES)
    found = gs.FusedSearchCV(regressor(), grid, cv=3).fit(X, VALUES)
    assert_same_tables(found.cv_results_, expected.cv_results_)
