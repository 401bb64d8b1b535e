"""How `FusedSearchCV` scores: what fails, what is interrupted, and what is kept of it."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning

import gradstep as gs
from gradstep.errors import InvalidParameterError, NoModelError
from sweep_cases import X, Y, trainer

pytestmark = pytest.mark.usefixtures("python_own_handler")


def fails_on_30_rows(model, rows, labels):
    """Score by the last row, unless it has few neighbours."""
    if len(rows) < 34:
        raise ZeroDivisionError("too few rows")
    return float(model.predict(rows[-1:])[0] == labels[-1])


@pytest.mark.parametrize("several", [False, True])
def test_a_scorer_that_fails_costs_its_scores_and_no_more(several):
    cv = [(np.arange(40), np.arange(30, 67)), (np.arange(40), np.arange(40, 67))]
    scoring = {"odd": fails_on_30_rows, "accuracy": "accuracy"} if several else fails_on_30_rows
    search = gs.FusedSearchCV(
        trainer(),
        {"l2": [0.0, 0.1]},
        cv=cv,
        scoring=scoring,
        refit="odd" if several else True,
        error_score=0.25,
    )
    with pytest.warns(UserWarning, match="scoring failed 2 times, first with ZeroDivisionError.*are 0.25"):
        search.fit(X, Y)
    name = "odd" if several else "score"
    assert set(search.cv_results_[f"split0_test_{name}"]) <= {0.0, 1.0}
    np.testing.assert_array_equal(search.cv_results_[f"split1_test_{name}"], 0.25)
    assert search.predict(X).shape == Y.shape
    if several:
        assert np.isfinite(search.cv_results_["mean_test_accuracy"]).all()
    with pytest.raises(ZeroDivisionError, match="too few rows"):
        clone(search).set_params(error_score="raise").fit(X, Y)


def test_ctrl_c_while_models_are_scored_keeps_what_was_scored():
    calls = []

    def scorer(model, rows, labels):
        calls.append(len(rows))
        if len(calls) == 4:
            signal.raise_signal(signal.SIGINT)
        return model.score(rows, labels)

    search = gs.FusedSearchCV(trainer(), {"l2": [0.0, 1.0]}, cv=3, scoring=scorer, return_train_score=True)
    with pytest.warns(RuntimeWarning, match="search interrupted while its models were scored"):
        search.fit(X, Y)
    found = search.cv_results_
    whole = clone(search).set_params(scoring=None).fit(X, Y).cv_results_
    # One of them is before the work.
    assert len(calls) == 4
    assert search.interrupted_
    for column in ("split0_test_score", "split1_test_score"):
        known = np.isfinite(found[column])
        np.testing.assert_array_equal(found[column][known], whole[column][known])
    assert np.isnan(found["split1_test_score"]).tolist() == [False, True]
    assert np.isnan(found["split2_test_score"]).all()
    assert np.isnan(found["mean_train_score"]).all()
    assert not hasattr(search, "best_params_")
    with pytest.raises(NoModelError, match="the search was interrupted"):
        search.predict(X)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError("4 GB")])
@pytest.mark.parametrize("several", [False, True])
def test_what_a_scorer_must_not_be_blamed_for_is_raised(error, several):
    calls = []

    def scorer(model, rows, labels):
        calls.append(model)
        if len(calls) > 3:
            raise error
        return 0.5

    scoring = {"own": scorer, "accuracy": "accuracy"} if several else scorer
    search = gs.FusedSearchCV(trainer(), {"l2": [0.0, 1.0]}, cv=3, scoring=scoring, refit=False)
    with pytest.raises(error if isinstance(error, type) else MemoryError):
        search.fit(X, Y)
    name = "own" if several else "score"
    assert search.cv_results_[f"split0_test_{name}"].tolist() == [0.5, 0.5]
    assert np.isnan(search.cv_results_[f"mean_test_{name}"]).all()


def test_scores_that_are_all_nan_choose_nothing():
    search = gs.FusedSearchCV(trainer(), {"l2": [0.0, 1.0]}, cv=3, scoring=lambda model, rows, labels: np.nan)
    with pytest.raises(NoModelError, match="no setting of FusedSearchCV has a score in every fold that is a"):
        search.fit(X, Y)
    assert np.isnan(search.cv_results_["mean_test_score"]).all()
    assert not hasattr(search, "best_params_")


def test_ctrl_c_while_the_best_is_trained_leaves_no_model():
    pressed = []

    def press(model, row):
        if search.trials_[0].status.is_complete and not pressed:
            pressed.append(row)
            signal.raise_signal(signal.SIGINT)

    search = gs.FusedSearchCV(trainer(callbacks=(press,)), {"l2": [0.0]}, cv=2)
    with pytest.warns(RuntimeWarning, match="training interrupted"):
        search.fit(X, Y)
    assert search.interrupted_
    assert search.best_params_ == {"l2": 0.0}
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert not hasattr(search, "best_estimator_")


def fails(model, rows, labels):
    """Fail as a scorer does that is not for these models."""
    raise LookupError("no such thing")


@pytest.mark.parametrize("scoring", [fails, {"own": fails, "accuracy": "accuracy"}])
def test_a_scorer_that_fails_in_every_fold_is_told_before_the_work(scoring):
    seen = []
    base = trainer(callbacks=(lambda model, row: seen.append(row),))
    search = gs.FusedSearchCV(base, {"l2": [0.0, 1.0]}, cv=3, scoring=scoring, refit=False)
    with pytest.raises(InvalidParameterError, match="tells nothing in any fold: LookupError: no such thing"):
        search.fit(X, Y)
    assert not seen
    assert not hasattr(search, "trials_")


def test_what_cannot_be_tried_is_searched_all_the_same():
    rates = {"learning_rate": [1e38, 0.1]}
    search = gs.FusedSearchCV(trainer(standardize=False, hidden=(3,)), rates, cv=3, scoring=fails)
    failed = pytest.warns(UserWarning, match="scoring failed 3 times")
    with pytest.warns(FitFailedWarning), failed, pytest.raises(NoModelError):
        search.fit(X, Y)
    assert search.trials_[1].status.is_complete
