"""What scikit-learn's classes refuse, the faces refuse by the same types and in the same words."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor

from gradstep.sklearn import MLPClassifier, MLPRegressor

X = np.random.default_rng(0).normal(size=(30, 3))
Y = np.arange(30) % 3
VALUES = X[:, 0]
WRONG = X.copy()
WRONG[4, 1] = np.nan

BAD_PARAMETERS: dict[str, tuple[Any, ...]] = {
    "hidden_layer_sizes": (0, -1, (5, 0), (5, -2), "five", None, 2.5),
    "activation": ("gelu", None, 3),
    "solver": ("newton", None),
    "alpha": (-1, "1e-3", None),
    "batch_size": (0, 2.5, "full", None),
    "learning_rate": ("cosine", 0.1),
    "learning_rate_init": (0, -1.0, "fast"),
    "power_t": (-1, None),
    "max_iter": (0, 1.5, None),
    "shuffle": ("yes", 2),
    "random_state": ("seed", -1, 1.5),
    "tol": (-1e-4, "small"),
    "verbose": ("loud", -1),
    "warm_start": ("no", 2),
    "momentum": (-0.1, 1.1),
    "nesterovs_momentum": (None, 3),
    "early_stopping": ("best", 2),
    "validation_fraction": (-0.1, 1.0, None),
    "beta_1": (-0.1, 1.0),
    "beta_2": (-0.1, 1.0),
    "epsilon": (0.0, -1e-8),
    "n_iter_no_change": (0, -1, 2.5),
    "max_fun": (0, 10.5),
}


def outcome(act: Callable[[], Any]) -> tuple[type[BaseException], str] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            act()
        except Exception as error:
            # A set in a message has no order.
            return type(error), " ".join(sorted(re.split(r"[\s,{}]+", str(error))))
    return None


def check_alike(act: Callable[[Any], Any], ours: Any, theirs: Any) -> None:
    known = outcome(lambda: act(theirs))
    assert known is not None
    assert outcome(lambda: act(ours)) == known


@pytest.mark.parametrize(
    "name, value",
    [(name, value) for name, values in BAD_PARAMETERS.items() for value in values],
    ids=lambda given: repr(given),
)
def test_parameters(name: str, value: Any) -> None:
    for ours, theirs, y in (
        (MLPClassifier, TheirClassifier, Y),
        (MLPRegressor, TheirRegressor, VALUES),
    ):
        check_alike(
            lambda estimator, y=y: estimator.fit(X, y), ours(**{name: value}), theirs(**{name: value})
        )


def test_the_loss_of_a_regressor() -> None:
    check_alike(lambda model: model.fit(X, VALUES), MLPRegressor("huber"), TheirRegressor("huber"))


def _then(estimator: Any, *rows: Any, **more: Any) -> Any:
    """Fit well, then again on other rows."""
    estimator.set_params(max_iter=2).fit(X, Y)
    return estimator.set_params(**more).fit(*rows)


ACTS: dict[str, Callable[[Any], Any]] = {
    "NaN in X": lambda model: model.fit(WRONG, Y),
    "infinite X": lambda model: model.fit(np.where(np.isnan(WRONG), np.inf, WRONG), Y),
    "X with one axis": lambda model: model.fit(X[:, 0], Y),
    "X with three axes": lambda model: model.fit(X[None], Y),
    "no rows": lambda model: model.fit(X[:0], Y[:0]),
    "no columns": lambda model: model.fit(X[:, :0], Y),
    "complex X": lambda model: model.fit(X + 1j, Y),
    "words in X": lambda model: model.fit(np.full((30, 3), "a"), Y),
    "sparse X in coordinates with NaN": lambda model: model.fit(scipy.sparse.coo_matrix(WRONG), Y),
    "fewer targets": lambda model: model.fit(X, Y[1:]),
    "no targets": lambda model: model.fit(X, None),
    "NaN in y": lambda model: model.fit(X, np.where(Y == 1, np.nan, Y)),
    "y with three axes": lambda model: model.fit(X, np.zeros((30, 2, 2))),
    "fewer weights": lambda model: model.fit(X, Y, sample_weight=np.ones(29)),
    "NaN in the weights": lambda model: model.fit(X, Y, sample_weight=np.full(30, np.nan)),
    "weights with two axes": lambda model: model.fit(X, Y, sample_weight=np.ones((30, 1))),
    "weights of zero": lambda model: model.fit(X, Y, sample_weight=np.zeros(30)),
    "words as weights": lambda model: model.fit(X, Y, sample_weight=["a"] * 30),
    "predicted before": lambda model: model.predict(X),
    "scored before": lambda model: model.score(X, Y),
    "other columns": lambda model: model.set_params(max_iter=2).fit(X, Y).predict(X[:, :2]),
    "NaN to predict": lambda model: model.set_params(max_iter=2).fit(X, Y).predict(WRONG),
    "an odd axis to predict": lambda model: model.set_params(max_iter=2).fit(X, Y).predict(X[0]),
    "no row to predict": lambda model: model.set_params(max_iter=2).fit(X, Y).predict(X[:0]),
    "few rows to hold out": lambda model: model.set_params(early_stopping=True).fit(X[:8], Y[:8]),
    "all rows held out": lambda model: model.set_params(early_stopping=True).fit(X[:1], Y[:1]),
    "early stopping in parts": lambda model: model.set_params(early_stopping=True).partial_fit(
        X, Y, **({"classes": [0, 1, 2]} if hasattr(model, "predict_proba") else {})
    ),
    "numbers that are too large": lambda model: model.set_params(solver="sgd").fit(
        np.full((30, 3), 1e308), Y
    ),
    "weights that grow without end": lambda model: model.set_params(
        solver="sgd", learning_rate_init=1e30, activation="identity", max_iter=9
    ).fit(X, Y),
    "other columns in parts": lambda model: model.set_params(max_iter=2).fit(X, Y).partial_fit(X[:, :2], Y),
    "warm with other columns": lambda model: _then(model, X[:, :2], Y, warm_start=True),
}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_rows(act: str, kind: str) -> None:
    ours, theirs = (
        (MLPClassifier, TheirClassifier) if kind == "classifier" else (MLPRegressor, TheirRegressor)
    )
    check_alike(ACTS[act], ours(random_state=0), theirs(random_state=0))


OF_CLASSIFIERS: dict[str, Callable[[Any], Any]] = {
    "real targets": lambda model: model.fit(X, VALUES),
    "several classes a row": lambda model: model.fit(X, np.stack([Y, Y + 1], axis=1)),
    "labels of several types": lambda model: model.fit(X, np.array([1, "a", None] * 10, dtype=object)),
    "no classes": lambda model: model.partial_fit(X, Y),
    "other classes": lambda model: model.partial_fit(X, Y, classes=[0, 1]),
    "other classes later": lambda model: model.partial_fit(X, Y, classes=[0, 1, 2]).partial_fit(
        X, Y, classes=[0, 1, 2, 3]
    ),
    "a class that is new": lambda model: model.partial_fit(X, Y, classes=[0, 1, 2]).partial_fit(X, Y + 1),
    "labels for classes": lambda model: model.partial_fit(X, Y, classes=[0, 1, 2]).partial_fit(
        X, np.eye(3, dtype=int)[Y]
    ),
    "warm with other classes": lambda model: _then(model, X, Y + 1, warm_start=True),
    "one row of a class": lambda model: model.set_params(early_stopping=True).fit(X, np.arange(30) == 0),
    "parts by lbfgs": lambda model: model.set_params(solver="lbfgs").partial_fit(X, Y),
}


@pytest.mark.parametrize("act", OF_CLASSIFIERS)
def test_classes(act: str) -> None:
    check_alike(OF_CLASSIFIERS[act], MLPClassifier(random_state=0), TheirClassifier(random_state=0))


def test_parts_of_a_regressor_by_lbfgs() -> None:
    """Theirs shows the method, and trains by nothing."""
    model = MLPRegressor(solver="lbfgs")
    assert not hasattr(model, "partial_fit")
    assert hasattr(MLPRegressor(), "partial_fit")


@pytest.mark.parametrize("negative", [-1.0, -1e-9])
def test_negative_weights(negative: float) -> None:
    """Theirs trains away from such rows."""
    weight = np.ones(30)
    weight[7] = negative
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        MLPClassifier().fit(X, Y, sample_weight=weight)


def test_other_layers_in_a_warm_start() -> None:
    """Theirs says that arrays cannot be multiplied."""
    model = MLPClassifier((5,), max_iter=2, warm_start=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, Y)
    with pytest.raises(ValueError, match=r"layers of the last call, \(3, 5, 3\).*got \(3, 6, 3\)"):
        model.set_params(hidden_layer_sizes=(6,)).fit(X, Y)


@pytest.mark.parametrize(
    "name, value",
    [
        *(("precision", value) for value in ("float16", None)),
        *(("backend", value) for value in ("cuda", None)),
        *(("n_threads", value) for value in (0, 1.5, 2000)),
        *(("standardize", value) for value in ("yes", 3)),
        *(("callbacks", value) for value in (3, None)),
        *(("checkpoint", value) for value in ("folder", 3)),
        *(("class_weight", value) for value in ("even", 3.0)),
        *(("dropout", value) for value in (1.0, -0.1, "half")),
        *(("input_dropout", value) for value in (1.0, -0.1, None)),
    ],
)
def test_parameters_of_our_own(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"The '{name}' parameter of MLPClassifier must be .* Got "):
        MLPClassifier(**{name: value}).fit(X, Y)


@pytest.mark.parametrize("shares", [(), (0.1, 0.1), (1.0,), (-0.1,), [0.5, 0.5, 0.5]])
def test_dropout_of_other_layers(shares: Any) -> None:
    with pytest.raises(ValueError, match=r"one for each of the 1 hidden layers, got [\[(]"):
        MLPClassifier(dropout=shares).fit(X, Y)
