"""The faces walk the way of scikit-learn's classes: equal curves, weights, scores and counts in float64."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor

from gradstep.sklearn import MLPClassifier, MLPRegressor
from makers import HERE

Array = npt.NDArray[Any]

N = 61
X = np.random.default_rng(0).normal(size=(N, 5))
WEIGHT = np.random.default_rng(1).integers(0, 4, N) / 2 + (np.arange(N) % 7 == 0)


def _values(k: int) -> Array:
    values: Array = np.tanh(X @ np.random.default_rng(k).normal(size=(5, k))) + 0.1
    return values


TARGETS: dict[str, Callable[[], Array]] = {
    "two classes": lambda: np.where(_values(1)[:, 0] > 0, "yes", "no"),
    "three classes": lambda: _values(3).argmax(axis=1) * 10 - 3,
    "one class": lambda: np.full(N, "only"),
    "labels": lambda: (_values(4) > 0).astype(int),
    "values": lambda: _values(1)[:, 0],
    "several values": lambda: _values(3),
    "counts": lambda: np.random.default_rng(2).poisson(np.exp(_values(1)[:, 0])),
    "several counts": lambda: np.random.default_rng(2).poisson(np.exp(_values(2))),
}
CLASSES = ("two classes", "three classes", "one class", "labels")


@dataclass(frozen=True)
class Case:
    """A kind of targets, and parameters."""

    targets: str
    given: dict[str, Any] = field(default_factory=dict)
    weighted: bool = False

    def __str__(self) -> str:
        said = [f"{name}={value}" for name, value in self.given.items()]
        return " ".join([self.targets, *said, *(["weighted"] if self.weighted else [])])

    def both(self, **more: Any) -> tuple[Any, Any]:
        """Return our estimator and theirs, not fitted."""
        given = {"hidden_layer_sizes": (7, 4), "random_state": 5, "max_iter": 12, "alpha": 0.2}
        given |= {"batch_size": 16, "learning_rate_init": 0.02, "n_iter_no_change": 100}
        if "counts" in self.targets:
            given |= {"loss": "poisson"}
        ours, theirs = (
            (MLPClassifier, TheirClassifier) if self.targets in CLASSES else (MLPRegressor, TheirRegressor)
        )
        return ours(**given | self.given | more), theirs(**given | self.given)

    def fit(self, estimator: Any) -> Any:
        """Return the estimator, fitted."""
        y, weight = TARGETS[self.targets](), WEIGHT if self.weighted else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return estimator.fit(X, y, sample_weight=weight)

    def fitted(self) -> tuple[Any, Any]:
        """Return both, fitted."""
        ours, theirs = self.both()
        return self.fit(ours), self.fit(theirs)


SOLVERS: tuple[dict[str, Any], ...] = (
    {"solver": "adam"},
    {"solver": "adam", "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
    {"solver": "sgd"},
    {"solver": "sgd", "nesterovs_momentum": False, "momentum": 0.5},
    {"solver": "sgd", "momentum": 0.0},
    {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3, "learning_rate_init": 0.1},
)
ADAPTIVE = {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.02, "n_iter_no_change": 1, "max_iter": 20}
# Theirs is the mean over the outputs, beside the gradient of the sum; ours is the sum.
DIFFERENT_LOSS = ("several values",)
CASES = [
    *(Case(targets, solver) for targets in TARGETS for solver in SOLVERS),
    *(Case(targets, ADAPTIVE) for targets in TARGETS if targets not in DIFFERENT_LOSS),
    *(Case(targets, {"solver": "adam"}, weighted=True) for targets in TARGETS),
    *(
        Case(targets, {"solver": solver, "activation": activation, "hidden_layer_sizes": (6,)})
        for targets in ("two classes", "three classes", "values")
        for solver in ("adam", "sgd")
        for activation in ("identity", "logistic", "tanh")
    ),
    *(
        Case(targets, {"early_stopping": True, **more}, weighted)
        for targets in TARGETS
        for more in ({}, {"n_iter_no_change": 2, "validation_fraction": 0.3, "max_iter": 20})
        for weighted in (False, True)
        if targets != "one class"
    ),
    *(
        Case("three classes", more)
        for more in (
            {"hidden_layer_sizes": ()},
            {"hidden_layer_sizes": 9},
            {"batch_size": "auto"},
            {"batch_size": 1, "max_iter": 3},
            {"batch_size": 60},
            {"shuffle": False},
            {"alpha": 0.0},
            {"tol": 0.05, "n_iter_no_change": 2, "max_iter": 20},
            {"tol": 0.0, "n_iter_no_change": np.inf},
        )
    ),
]


def check(ours: Any, theirs: Any, case: Case) -> None:
    for name in ("coefs_", "intercepts_"):
        for own, other in zip(getattr(ours, name), getattr(theirs, name), strict=True):
            assert own.shape == other.shape
            assert own.dtype == other.dtype
            np.testing.assert_allclose(own, other, rtol=1e-6, atol=1e-9)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    if hasattr(theirs, "classes_"):
        np.testing.assert_array_equal(ours.classes_, theirs.classes_)
        assert ours.classes_.dtype == theirs.classes_.dtype
    if case.targets not in DIFFERENT_LOSS:
        for name in ("loss_curve_", "loss_", "best_loss_"):
            check_numbers(getattr(ours, name), getattr(theirs, name))
    for name in ("validation_scores_", "best_validation_score_"):
        check_numbers(getattr(ours, name), getattr(theirs, name))


def check_numbers(own: Any, other: Any) -> None:
    assert type(own) is type(other) or isinstance(own, float)
    if other is None:
        assert own is None
    else:
        np.testing.assert_allclose(own, other, rtol=1e-6)


def check_answers(ours: Any, theirs: Any) -> None:
    answers, known = ours.predict(X), theirs.predict(X)
    assert answers.dtype == known.dtype
    if answers.dtype.kind == "f":
        np.testing.assert_allclose(answers, known, rtol=1e-6, atol=1e-9)
        return
    np.testing.assert_array_equal(answers, known)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(ours.predict_log_proba(X), theirs.predict_log_proba(X), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_fit_is_theirs(case: Case) -> None:
    theirs = case.fit(case.both()[1])
    for backend in HERE:
        ours = case.fit(case.both(backend=backend)[0])
        check(ours, theirs, case)
        check_answers(ours, theirs)


PARTS = (X[:20], X[20:37], X[37:38], X[38:])


def _in_parts(estimator: Any, case: Case, times: int = 3) -> Any:
    y = TARGETS[case.targets]()
    more = {"classes": np.unique(y)} if case.targets in ("two classes", "three classes") else {}
    if case.targets == "labels":
        more = {"classes": range(4)}
    for _ in range(times):
        begin = 0
        for part in PARTS:
            rows = slice(begin, begin + len(part))
            weight = WEIGHT[rows] + 0.5 if case.weighted else None
            with warnings.catch_warnings():
                # One part is smaller than a batch.
                warnings.simplefilter("ignore", UserWarning)
                estimator.partial_fit(part, y[rows], sample_weight=weight, **more)
            begin, more = begin + len(part), {}
    return estimator


@pytest.mark.parametrize(
    "case",
    [
        Case(targets, solver, weighted)
        for targets in ("two classes", "three classes", "labels", "values", "several values", "counts")
        for solver in (*SOLVERS, ADAPTIVE)
        for weighted in (False, True)
        if not (targets in DIFFERENT_LOSS and solver is ADAPTIVE)
    ],
    ids=str,
)
def test_partial_fits_are_theirs(case: Case) -> None:
    """Velocities, moments, rates and counts go from call to call."""
    theirs = _in_parts(case.both()[1], case)
    for backend in HERE:
        check(_in_parts(case.both(backend=backend)[0], case), theirs, case)


@pytest.mark.parametrize(
    "more",
    [
        {"solver": "sgd"},
        {"solver": "sgd", "learning_rate": "invscaling"},
        {"solver": "adam", "tol": 0.05, "n_iter_no_change": 2},
    ],
    ids=str,
)
def test_warm_starts_are_theirs(more: dict[str, Any]) -> None:
    case = Case("three classes", {"warm_start": True, "max_iter": 5, **more})
    ours, theirs = case.both()
    y = TARGETS[case.targets]()
    for _ in range(3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            check(ours.fit(X, y), theirs.fit(X, y), case)


def test_a_warm_start_keeps_the_best_weights_where_none_are_better() -> None:
    """Theirs are trained further in place."""
    y = TARGETS["values"]()
    ours, _ = Case("values", {"early_stopping": True, "warm_start": True, "max_iter": 3}).both()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        best = [W.copy() for W in ours.fit(X, y).coefs_]
        ours.set_params(learning_rate_init=1e3).fit(X, y)
    assert ours.best_validation_score_ == max(ours.validation_scores_) == max(ours.validation_scores_[:3])
    for own, kept in zip(ours.coefs_, best, strict=True):
        np.testing.assert_array_equal(own, kept)


def test_a_partial_fit_after_a_fit_is_theirs() -> None:
    case = Case("values", {"solver": "adam", "max_iter": 4})
    ours, theirs = case.fitted()
    y = TARGETS["values"]()
    check(ours.partial_fit(X, y), theirs.partial_fit(X, y), case)


def test_a_stream_of_the_user_goes_on_as_theirs_does() -> None:
    case = Case("two classes", {"max_iter": 3, "early_stopping": True})
    ours, theirs = (np.random.RandomState(8) for _ in range(2))
    y = TARGETS["two classes"]()
    for _ in range(2):
        first, second = case.both(random_state=ours)
        second.set_params(random_state=theirs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            check(first.fit(X, y), second.fit(X, y), case)
    assert ours.randint(2**31) == theirs.randint(2**31)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("targets", TARGETS)
def test_lbfgs_is_theirs(targets: str, weighted: bool) -> None:
    case = Case(targets, {"solver": "lbfgs", "max_iter": 10, "hidden_layer_sizes": (4,)}, weighted)
    if targets in DIFFERENT_LOSS:
        pytest.skip("the mean over the outputs is another way")
    ours, theirs = case.fitted()
    for own, other in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-8)
    assert (ours.n_iter_, ours.t_) == (theirs.n_iter_, theirs.t_)
    np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=1e-8)
    assert not hasattr(ours, "loss_curve_")


def test_the_loss_of_several_outputs_is_the_sum_that_its_gradient_is_of() -> None:
    ours, theirs = Case("several values", {"solver": "adam", "alpha": 0.0}).fitted()
    np.testing.assert_allclose(np.array(ours.loss_curve_), 3 * np.array(theirs.loss_curve_), rtol=1e-9)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.uint8, np.int64, np.float16, bool])
def test_types_are_theirs(kind: type) -> None:
    case = Case("three classes", {"solver": "adam", "max_iter": 3})
    ours, theirs = case.both()
    rows, y = (X * 4 + 9).astype(kind), TARGETS["three classes"]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ours.fit(rows, y), theirs.fit(rows, y)
    for other in (np.float32, np.float64, np.uint8, np.float16):
        own, known = (model.predict_proba((X * 4 + 9).astype(other)) for model in (ours, theirs))
        assert own.dtype == known.dtype, other
        np.testing.assert_allclose(own, known, atol=2e-3)
    assert [W.dtype for W in ours.coefs_] == [W.dtype for W in theirs.coefs_]


SPARSE = np.where(np.abs(X) > 0.8, X, 0.0)


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("made", ["csr_matrix", "csr_array", "csc_matrix", "csc_array"])
@pytest.mark.parametrize(
    "more",
    [{"solver": "adam"}, {"solver": "sgd", "early_stopping": True}, {"solver": "lbfgs", "max_iter": 5}],
    ids=str,
)
def test_sparse_rows_are_theirs(more: dict[str, Any], made: str, backend: str) -> None:
    ours, theirs = Case("three classes", more).both(backend=backend)
    rows, y = getattr(scipy.sparse, made)(SPARSE), TARGETS["three classes"]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ours.fit(rows, y), theirs.fit(rows, y)
    for own, other in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-8)
    for given in (rows, SPARSE, rows.tocsc()[:7]):
        own, known = ours.predict_proba(given), theirs.predict_proba(given)
        assert own.dtype == known.dtype
        np.testing.assert_allclose(own, known, rtol=1e-5)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_sparse_rows_are_dense_rows(kind: type) -> None:
    y = TARGETS["three classes"]()
    ours, dense = (MLPClassifier((6,), random_state=0, max_iter=4, early_stopping=True) for _ in range(2))
    rows = SPARSE.astype(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        ours.fit(scipy.sparse.csr_array(rows), y), dense.fit(rows, y)
    assert {W.dtype for W in ours.coefs_} == {np.dtype(kind)}
    for own, other in zip(ours.coefs_ + ours.intercepts_, dense.coefs_ + dense.intercepts_, strict=True):
        np.testing.assert_array_equal(own, other)


def test_sparse_rows_never_become_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: object, **kwargs: object) -> None:
        raise AssertionError("rows were made dense")

    y = TARGETS["values"]()
    rows = scipy.sparse.csr_matrix(SPARSE)
    for name in ("toarray", "todense"):
        monkeypatch.setattr(scipy.sparse.csr_matrix, name, fails)
        monkeypatch.setattr(scipy.sparse.csr_array, name, fails)
    model = MLPRegressor(
        hidden_layer_sizes=(6,), random_state=0, max_iter=4, early_stopping=True, standardize=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(rows, y).set_params(early_stopping=False).partial_fit(rows, y).predict(rows)
        model.set_params(solver="lbfgs", max_iter=3).fit(rows, y).score(rows, y)
