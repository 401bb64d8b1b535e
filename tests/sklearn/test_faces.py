"""What the faces promise beside scikit-learn's results: state, warnings, interrupts, further parameters."""

from __future__ import annotations

import os
import pickle
import signal
import warnings
from collections.abc import Callable
from io import BytesIO
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse
import sklearn.neural_network
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from gradstep.errors import BusyError
from gradstep.sklearn import MLPClassifier, MLPRegressor
from makers import HERE

Array = npt.NDArray[Any]

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4))
THREE = (X @ RNG.normal(size=(4, 3))).argmax(axis=1)
TWO = np.where(X[:, 0] > 0, "b", "a")
VALUES = X[:, 0] * X[:, 1]
LABELS = (X[:, :3] > 0.2).astype(int)


def quick(kind: Any = MLPClassifier, **parameters: Any) -> Any:
    given = {"hidden_layer_sizes": (6,), "random_state": 0, "max_iter": 5, "batch_size": 20}
    return kind(**given | parameters)


def fitted(estimator: Any, *rows: Any, **more: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(*rows, **more)


def same(first: Any, second: Any) -> bool:
    parts = zip(first.coefs_ + first.intercepts_, second.coefs_ + second.intercepts_, strict=True)
    return all((own == other).all() for own, other in parts)


def test_they_are_scikit_learns() -> None:
    assert issubclass(MLPClassifier, sklearn.neural_network.MLPClassifier)
    assert issubclass(MLPRegressor, sklearn.neural_network.MLPRegressor)
    assert is_classifier(MLPClassifier())
    assert is_regressor(MLPRegressor())
    theirs = sklearn.neural_network.MLPRegressor("poisson", (3,), "tanh")
    assert theirs.get_params().items() <= MLPRegressor("poisson", (3,), "tanh").get_params().items()
    theirs = sklearn.neural_network.MLPClassifier((3,), "tanh")
    assert theirs.get_params().items() <= MLPClassifier((3,), "tanh").get_params().items()


@pytest.mark.parametrize(
    "copied",
    [
        pytest.param(lambda model: pickle.loads(pickle.dumps(model)), id="pickle"),
        pytest.param(lambda model: _through_joblib(model), id="joblib"),
    ],
)
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_what_was_pickled_goes_on_as_the_original(copied: Callable[[Any], Any], solver: str) -> None:
    model = quick(solver=solver).partial_fit(X, THREE, classes=[0, 1, 2])
    again = copied(model)
    assert same(model, again)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert same(model.partial_fit(X, THREE), again.partial_fit(X, THREE))
    assert again.loss_curve_ == model.loss_curve_


def _through_joblib(model: Any) -> Any:
    file = BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


def test_a_pickle_has_every_weight_once() -> None:
    model = fitted(quick(hidden_layer_sizes=(5000,), solver="lbfgs", max_iter=1), X, THREE)
    assert len(pickle.dumps(model)) < 1.2 * 8 * sum(W.size for W in model.coefs_ + model.intercepts_)


def test_a_clone_knows_nothing() -> None:
    model = fitted(quick(precision="float32", n_threads=2), X, THREE)
    again = clone(model)
    assert again.get_params() == model.get_params()
    assert not hasattr(again, "coefs_")


@pytest.mark.parametrize("backend", HERE)
def test_weights_may_be_put_in_place(backend: str) -> None:
    model = fitted(quick(backend=backend), X, THREE)
    other = fitted(quick(backend=backend, random_state=1), X, THREE)
    model.coefs_[0] = other.coefs_[0]
    model.coefs_[1] = other.coefs_[1].copy()
    model.intercepts_ = [b.copy() for b in other.intercepts_]
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))


@pytest.mark.parametrize(
    "targets", [TWO, THREE, LABELS, np.full(50, 7)], ids=["two", "three", "labels", "one"]
)
def test_scores_are_those_of_the_probabilities(targets: Array) -> None:
    model = fitted(quick(), X, targets)
    scores, probabilities = model.decision_function(X), model.predict_proba(X)
    if scores.ndim == 1:
        np.testing.assert_allclose(np.log(probabilities[:, 1] / probabilities[:, 0]), scores)
    elif targets.ndim == 2:
        np.testing.assert_allclose(np.log(probabilities / (1 - probabilities)), scores)
    else:
        np.testing.assert_array_equal(model.classes_[scores.argmax(axis=1)], model.predict(X))
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), probabilities)


def test_logarithms_are_finite() -> None:
    model = fitted(quick(), X, TWO)
    model.coefs_[1] = model.coefs_[1] * 1e6
    assert not model.predict_proba(X).all()
    assert np.isfinite(model.predict_log_proba(X)).all()


def test_sparse_labels_are_answered_by_sparse_ones() -> None:
    model = fitted(quick(), X, scipy.sparse.csr_matrix(LABELS))
    dense = fitted(quick(), X, LABELS)
    answers = model.predict(X)
    assert scipy.sparse.issparse(answers)
    np.testing.assert_array_equal(answers.toarray(), dense.predict(X))


@pytest.mark.parametrize("backend", HERE)
def test_a_batch_of_no_weight_is_passed_over(backend: str) -> None:
    weight = np.ones(50)
    weight[20:40] = 0
    model = fitted(quick(backend=backend, shuffle=False, solver="sgd"), X, THREE, sample_weight=weight)
    kept = np.r_[:20, 40:50]
    # Two batches are left, of 20 and of 10 rows.
    other = fitted(quick(backend=backend, shuffle=False, solver="sgd"), X[kept], THREE[kept])
    for own, known in zip(model.coefs_, other.coefs_, strict=True):
        np.testing.assert_allclose(own, known, rtol=1e-9)


@pytest.mark.parametrize("backend", HERE)
def test_units_are_dropped_in_training_alone(backend: str) -> None:
    model = fitted(quick(backend=backend, dropout=0.5, input_dropout=0.2, random_state=1), X, THREE)
    kept = fitted(quick(backend=backend, random_state=1), X, THREE)
    again = fitted(quick(backend=backend, dropout=(0.5,), input_dropout=0.2, random_state=1), X, THREE)
    assert same(model, again)
    assert not same(model, kept)
    np.testing.assert_array_equal(model.predict_proba(X), model.predict_proba(X))
    kept.coefs_, kept.intercepts_ = model.coefs_, model.intercepts_
    np.testing.assert_array_equal(model.predict_proba(X), kept.predict_proba(X))


def test_parts_drop_what_a_whole_does() -> None:
    """The updates of all calls are counted: else every call would drop the same."""
    given = {"dropout": 0.5, "batch_size": 50, "shuffle": False, "random_state": 4}
    whole = fitted(quick(**given, max_iter=3), X, THREE)
    parts = quick(**given)
    for _ in range(3):
        parts.partial_fit(X, THREE, classes=[0, 1, 2])
    assert same(whole, parts)


def test_class_weights_are_sample_weights() -> None:
    for given in ("balanced", {0: 2.0, 1: 0.5, 2: 1.0}):
        model = fitted(quick(class_weight=given), X, THREE)
        other = fitted(quick(), X, THREE, sample_weight=compute_sample_weight(given, THREE))
        assert same(model, other)
    weight = RNG.uniform(0.5, 2, 50)
    model = fitted(quick(class_weight={"a": 3.0}), X, TWO, sample_weight=weight)
    other = fitted(quick(), X, TWO, sample_weight=weight * np.where(TWO == "a", 3.0, 1.0))
    assert same(model, other)


@pytest.mark.parametrize("kind, y", [(MLPClassifier, THREE), (MLPRegressor, VALUES)])
def test_standardised_features_are_those_of_a_scaler(kind: Any, y: Array) -> None:
    rows = X * 30 + 1000
    model = fitted(quick(kind, standardize=True), rows, y)
    pipeline = make_pipeline(StandardScaler(), quick(kind))
    fitted(pipeline, rows, y)
    np.testing.assert_allclose(model.loss_curve_, pipeline[-1].loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(model.coefs_[0], pipeline[-1].coefs_[0], rtol=1e-6)
    assert model.score(rows, y) == pytest.approx(pipeline.score(rows, y))


@pytest.mark.parametrize("kind, y", [(MLPClassifier, THREE), (MLPRegressor, VALUES)])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_precision_may_be_chosen(kind: Any, y: Array, solver: str) -> None:
    single = fitted(quick(kind, solver=solver, precision="float32"), X, y)
    assert {W.dtype for W in single.coefs_} == {np.dtype(np.float32)}
    double = fitted(quick(kind, solver=solver, precision="float64"), X.astype(np.float32), y)
    assert {W.dtype for W in double.coefs_} == {np.dtype(np.float64)}
    np.testing.assert_allclose(single.loss_curve_, double.loss_curve_, rtol=1e-4)


def test_lbfgs_keeps_the_type_too() -> None:
    model = fitted(quick(solver="lbfgs"), X.astype(np.float32), THREE)
    assert {W.dtype for W in model.coefs_} == {np.dtype(np.float32)}


@pytest.mark.parametrize("n_threads", [2, 3])
@pytest.mark.parametrize("backend", HERE)
def test_threads_change_no_bit(backend: str, n_threads: int) -> None:
    one, more = (quick(backend=backend, n_threads=count, early_stopping=True) for count in (1, n_threads))
    assert same(fitted(one, X, THREE), fitted(more, X, THREE))
    assert one.loss_curve_ == more.loss_curve_
    assert one.validation_scores_ == more.validation_scores_


def _said(act: Callable[[], Any], printed: pytest.CaptureFixture[str]) -> tuple[str, list[tuple[type, str]]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        act()
    return printed.readouterr().out, [(one.category, str(one.message)) for one in caught]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"max_iter": 30, "tol": 1.0, "n_iter_no_change": 2},
        {"early_stopping": True, "max_iter": 30, "n_iter_no_change": 2, "validation_fraction": 0.2},
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 1.0, "max_iter": 40, "n_iter_no_change": 1},
        {"solver": "sgd", "batch_size": 70},
        {"solver": "lbfgs", "max_iter": 2, "verbose": False},
        {"solver": "lbfgs", "max_fun": 3, "verbose": False},
    ],
    ids=str,
)
def test_what_is_printed_and_warned_is_theirs(
    more: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    both = [
        _said(lambda kind=kind: quick(kind, **{"verbose": True, **more}).fit(X, THREE), capsys)
        for kind in (MLPClassifier, sklearn.neural_network.MLPClassifier)
    ]
    assert both[0] == both[1]


def test_warnings_point_at_the_line_of_the_user() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        quick(batch_size=99).fit(X, THREE)
    assert [one.filename for one in caught] == [__file__] * 2


@pytest.mark.parametrize(
    "press",
    [
        pytest.param(lambda: os.kill(os.getpid(), signal.SIGINT), id="signal"),
        pytest.param(lambda: signal.raise_signal(signal.SIGINT), id="raised"),
    ],
)
def test_an_interrupted_fit_keeps_what_it_has(press: Callable[[], None]) -> None:
    def interrupts(model: Any, row: dict[str, float]) -> None:
        if row["epoch"] == 3:
            press()

    model = quick(max_iter=100, callbacks=[interrupts])
    with pytest.warns(UserWarning, match=r"^Training interrupted by user\.$"):
        model.fit(X, THREE)
    assert model.n_iter_ == len(model.loss_curve_) == 3
    assert same(model, fitted(quick(max_iter=3), X, THREE))


def test_an_interrupt_that_is_raised_counts_as_one() -> None:
    def raises(model: Any, row: dict[str, float]) -> None:
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    model = quick(max_iter=100, callbacks=[raises])
    with pytest.warns(UserWarning, match=r"^Training interrupted by user\.$"):
        model.fit(X, THREE)
    assert same(model, fitted(quick(max_iter=2), X, THREE))


def test_callbacks_see_the_model_and_stop_it() -> None:
    seen = []

    def watch(model: Any, row: dict[str, float]) -> bool:
        seen.append((row["epoch"], row["loss"], row["validation_score"], model.score(X, THREE)))
        assert len(model.loss_curve_) == row["epoch"]
        return row["epoch"] == 3

    model = quick(early_stopping=True, callbacks=[watch], max_iter=50).fit(X, THREE)
    assert [epoch for epoch, *_ in seen] == [1, 2, 3]
    assert [loss for _, loss, *_ in seen] == model.loss_curve_
    assert [score for _, _, score, _ in seen] == model.validation_scores_


def test_a_callback_must_not_train_the_same_object() -> None:
    model = quick(callbacks=[lambda model, row: model.fit(X, THREE) is None])
    with pytest.raises(BusyError):
        model.fit(X, THREE)


@pytest.mark.parametrize("backend", HERE)
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_training_that_diverges_fills_its_curves(backend: str, early_stopping: bool, solver: str) -> None:
    model = quick(
        MLPRegressor,
        backend=backend,
        solver=solver,
        activation="identity",
        learning_rate_init=1e200,
        early_stopping=early_stopping,
        max_iter=9,
    )
    if early_stopping:
        fitted(model, X, VALUES)
        assert np.isnan(model.validation_scores_[-1])
        assert all(np.isfinite(W).all() for W in model.coefs_)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
                model.fit(X, VALUES)
        assert not any(np.isfinite(W).any() for W in model.coefs_)
    assert model.n_iter_ == len(model.loss_curve_) == 9
    assert model.t_ == 9 * (45 if early_stopping else 50)
    assert np.isnan(model.loss_curve_[-1])


def test_private_names_that_others_read() -> None:
    model = fitted(quick(solver="sgd", learning_rate="invscaling"), X, TWO)
    assert model._optimizer.learning_rate == 0.001 / (5 * 50 + 1) ** 0.5
    assert model._no_improvement_count == 0
    assert isinstance(model._random_state, np.random.RandomState)
    np.testing.assert_array_equal(model._label_binarizer.transform(TWO)[:, 0], TWO == "b")
    assert not hasattr(MLPClassifier(), "_label_binarizer")


def test_long_trainings_are_cut_into_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"solver": "adam", "early_stopping": True, "max_iter": 7, "n_iter_no_change": 20}
    whole = fitted(quick(**given), X, THREE)
    monkeypatch.setattr("gradstep.sklearn.training._UPDATES_OF_PLAN", 6)
    cut = fitted(quick(**given), X, THREE)
    assert same(whole, cut)
    assert whole.loss_curve_ == cut.loss_curve_


def test_more_epochs_than_can_be_planned() -> None:
    model = quick(max_iter=10**12, tol=1.0, n_iter_no_change=2).fit(X, THREE)
    assert model.n_iter_ == 4


@pytest.mark.parametrize("kind", [float, int, str, bool])
def test_classes_of_every_type_are_known_again(kind: type) -> None:
    y = np.array([0, 1, 1, 0] * 5).astype(kind)
    rows, classes = X[: len(y)], np.unique(y)
    model = quick().partial_fit(rows, y, classes=classes).partial_fit(rows, y, classes=classes)
    assert model.classes_.tolist() == classes.tolist()
    assert model.t_ == 2 * len(y)
    with pytest.raises(ValueError, match="is not the same as on last call to partial_fit"):
        model.partial_fit(rows, y, classes=classes[:1])
