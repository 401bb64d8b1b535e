"""scikit-learn's checks of an estimator, with the settings and exceptions that it has for its own classes."""

from __future__ import annotations

from typing import Any

import pytest
import sklearn.neural_network
from sklearn.utils._test_common import instance_generator
from sklearn.utils.estimator_checks import parametrize_with_checks

from gradstep.sklearn import MLPClassifier, MLPRegressor
from makers import HERE

THEIRS = {
    MLPClassifier: sklearn.neural_network.MLPClassifier,
    MLPRegressor: sklearn.neural_network.MLPRegressor,
}


@pytest.fixture(autouse=True)
def settings_of_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some checks are meant for certain parameters."""
    for ours, theirs in THEIRS.items():
        known = instance_generator.PER_ESTIMATOR_CHECK_PARAMS
        monkeypatch.setitem(known, ours, known[theirs])


def _failures(estimator: Any) -> dict[str, str]:
    known: dict[str, str] = instance_generator.PER_ESTIMATOR_XFAIL_CHECKS.get(THEIRS[type(estimator)], {})
    return known


@parametrize_with_checks(
    [kind(max_iter=100, backend=name) for kind in THEIRS for name in HERE], expected_failed_checks=_failures
)
def test_estimator_checks(estimator: Any, check: Any) -> None:
    check(estimator)
