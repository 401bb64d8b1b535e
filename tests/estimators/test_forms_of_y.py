"""Every function that takes labels or targets reads every form of them as `fit` does."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas
import pytest
from sklearn.datasets import make_blobs, make_regression
from sklearn.exceptions import DataConversionWarning

import gradstep as gs
import makers
from gradstep.errors import InvalidDataError

X, Y = make_blobs(n_samples=36, centers=3, n_features=3, cluster_std=3.0, random_state=1)
NAMES = np.array(["cat", "dog", "owl"])[Y]
VALUES = make_regression(36, 3, noise=5.0, random_state=0)[1]

# The same labels in other forms: numbers, names and truth values.
LABELS: dict[str, tuple[Any, Any]] = {
    "array": (Y, Y),
    "list": (Y, Y.tolist()),
    "small ints": (Y, Y.astype(np.int8)),
    "whole floats": (Y, Y.astype(np.float32)),
    "column": (Y, Y[:, None]),
    "lists of one": (Y, Y[:, None].tolist()),
    "objects": (Y, Y.astype(object)),
    "series": (Y, pandas.Series(Y)),
    "series of another index": (Y, pandas.Series(Y, index=np.arange(36)[::-1])),
    "nullable": (Y, pandas.Series(Y, dtype="Int64")),
    "categories of ints": (Y, pandas.Series(Y).astype("category")),
    "table": (Y, pandas.DataFrame({"y": Y})),
    "table of nullable": (Y, pandas.DataFrame({"y": pandas.array(Y, dtype="Int64")})),
    "index": (Y, pandas.Index(Y)),
    "names": (NAMES, NAMES),
    "list of names": (NAMES, NAMES.tolist()),
    "objects of names": (NAMES, NAMES.astype(object)),
    "series of names": (NAMES, pandas.Series(NAMES)),
    "categories": (NAMES, pandas.Categorical(NAMES)),
    "series of categories": (NAMES, pandas.Series(NAMES, dtype="category")),
    "table of categories": (NAMES, pandas.DataFrame({"y": pandas.Categorical(NAMES)})),
    "column of names": (NAMES, NAMES[:, None]),
    "booleans": (Y > 0, (Y > 0)),
    "nullable booleans": (Y > 0, pandas.Series(Y > 0, dtype="boolean")),
    "objects of booleans": (Y > 0, (Y > 0).astype(object)),
}
if hasattr(np.dtypes, "StringDType"):  # since NumPy 2
    of_variable_length = np.array(NAMES.tolist(), dtype=np.dtypes.StringDType())
    LABELS["names of variable length"] = (NAMES, of_variable_length)

REALS: dict[str, Any] = {
    "list": VALUES.tolist(),
    "column": VALUES[:, None],
    "objects": VALUES.astype(object),
    "tuple": tuple(VALUES.tolist()),
    "series": pandas.Series(VALUES, index=np.arange(36)[::-1]),
    "nullable": pandas.Series(VALUES, dtype="Float64"),
    "table": pandas.DataFrame({"y": VALUES}),
}


def model(y: Any, **parameters: Any) -> gs.Trainer:
    return makers.trainer(epochs=2, **parameters).fit(X, y)


def _sweep(y: Any) -> Any:
    trainer = makers.trainer(epochs=2)
    return (
        gs.Sweep(trainer, {"l2": [0.0, 0.1]}, random_state=0).fit(X, y).results_["validation_loss"].tolist()
    )


def _fused(y: Any) -> Any:
    search = gs.FusedSearchCV(makers.trainer(epochs=2), {"l2": [0.0, 0.1]}, cv=2).fit(X, y)
    return [*search.cv_results_["mean_test_score"].tolist(), search.score(X, y)]


def _rounds(y: Any) -> Any:
    space, rounds = {"l2": gs.LogUniform(1e-3, 1e-1)}, [(2, 1.0)]
    trainer = makers.trainer(epochs=2)
    found = gs.coarse_to_fine(trainer, space, X, y, rounds=rounds, random_state=0)
    return found.results_["validation_loss"].tolist()


def _bars(y: Any, known: gs.Trainer) -> Any:
    axes = gs.plots.probability_histograms(known, X, y).axes[0]
    return [patch.get_path().vertices.tolist() for patch in axes.patches]  # type: ignore[attr-defined]


def _cells(y: Any, known: gs.Trainer) -> Any:
    return [text.get_text() for text in gs.plots.confusion_matrix(known, X, y).axes[0].texts]


# What is told by y alone, as a function of y and of the labels in plain form.
FUNCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "fit": lambda y, plain: [W.tolist() for W in model(y).coefs_],
    "evaluate": lambda y, plain: dict(model(plain).evaluate(X, y)),
    "score": lambda y, plain: model(plain).score(X, y),
    "eval_set": lambda y, plain: (
        makers.trainer(epochs=2).fit(X, plain, eval_set=(X, y)).history_["validation_loss"].tolist()
    ),
    "y_val": lambda y, plain: (
        makers.trainer(epochs=2).fit(X, plain, X_val=X, y_val=y).history_["validation_loss"].tolist()
    ),
    "ensemble table": lambda y, plain: (
        gs.VotingEnsemble([model(plain), model(plain, l2=0.1)]).table(X, y)["accuracy"].tolist()
    ),
    "ensemble score": lambda y, plain: gs.VotingEnsemble([model(plain)]).score(X, y),
    "repeat": lambda y, plain: gs.repeat(makers.trainer(epochs=2), X, y, seeds=2, test_set=(X, y))[
        "test_loss"
    ].tolist(),
    "gradient_check": lambda y, plain: gs.gradient_check(makers.trainer(), X, y, entries=5).passed(),
    "gradient_check of a model": lambda y, plain: gs.gradient_check(model(plain), X, y, entries=5).passed(),
    "gradient": lambda y, plain: [dW.tolist() for dW, _ in gs.gradient(model(plain), X, y)],
    "confusion matrix": lambda y, plain: _cells(y, model(plain)),
    "range test": lambda y, plain: gs.learning_rate_range_test(makers.trainer(), X, y).loss.tolist(),
    "histograms": lambda y, plain: _bars(y, model(plain)),
    "Sweep": lambda y, plain: _sweep(y),
    "FusedSearchCV": lambda y, plain: _fused(y),
    "coarse_to_fine": lambda y, plain: _rounds(y),
}


@pytest.fixture(autouse=True)
def _columns_may_warn() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataConversionWarning)
        yield


@pytest.fixture(scope="module")
def right() -> dict[tuple[str, str], Any]:
    """What was found for labels in plain form, by function and labels."""
    return {}


@pytest.mark.parametrize("form", LABELS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_labels_in_every_form(name: str, form: str, right: dict[tuple[str, str], Any]) -> None:
    plain, given = LABELS[form]
    key = (name, str(plain.tolist()))
    if key not in right:
        right[key] = FUNCTIONS[name](plain, plain)
    assert FUNCTIONS[name](given, plain) == right[key]


@pytest.mark.parametrize("form", LABELS)
def test_answers_are_labels_of_their_kind(form: str) -> None:
    plain, given = LABELS[form]
    learned = model(given)
    assert learned.classes_.tolist() == sorted(set(plain.tolist()))
    assert learned.predict(X).tolist() == model(plain).predict(X).tolist()
    assert type(learned.classes_.tolist()[0]) is type(learned.predict(X).tolist()[0])


REAL_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "fit": lambda y: [W.tolist() for W in makers.regressor().fit(X, y).coefs_],
    "evaluate": lambda y: dict(makers.regressor().fit(X, VALUES).evaluate(X, y)),
    "score": lambda y: makers.regressor().fit(X, VALUES).score(X, y),
    "eval_set": lambda y: (
        makers.regressor().fit(X, VALUES, eval_set=(X, y)).history_["validation_r2"].tolist()
    ),
    "repeat": lambda y: gs.repeat(makers.regressor(), X, y, seeds=2, test_set=(X, y))["test_r2"].tolist(),
    "range test": lambda y: gs.learning_rate_range_test(makers.regressor(), X, y).loss.tolist(),
    "predictions": lambda y: (
        gs.plots.predictions(makers.regressor().fit(X, VALUES), X, y).axes[0].lines[1].get_xdata().tolist()
    ),
    "Sweep": lambda y: (
        gs.Sweep(makers.regressor(), {"l2": [0.0]}, random_state=0)
        .fit(X, y)
        .results_["validation_r2"]
        .tolist()
    ),
}


@pytest.mark.parametrize("form", REALS)
@pytest.mark.parametrize("name", REAL_FUNCTIONS)
def test_real_values_in_every_form(name: str, form: str) -> None:
    assert REAL_FUNCTIONS[name](REALS[form]) == REAL_FUNCTIONS[name](VALUES)


def test_a_column_of_labels_warns_as_scikit_learns_classifiers_do() -> None:
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        makers.trainer().fit(X, Y[:, None])
    known = model(Y)
    with pytest.warns(DataConversionWarning):
        known.evaluate(X, Y[:, None])


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "coarse_to_fine"])
def test_one_hot_labels_are_told_what_to_do(name: str) -> None:
    with pytest.raises((InvalidDataError, ValueError), match=r"y\.argmax\(axis=1\) is its labels"):
        FUNCTIONS[name](np.eye(3)[Y], Y)


@pytest.mark.parametrize("missing", [np.nan, None, pandas.NA])
@pytest.mark.parametrize(
    "name", ["fit", "evaluate", "score", "eval_set", "histograms", "Sweep", "FusedSearchCV", "ensemble table"]
)
def test_a_missing_label_is_named_by_its_row(name: str, missing: Any) -> None:
    given = Y.astype(object)
    given[5] = missing
    with pytest.raises(InvalidDataError, match=r"must have a label in every row .* in row 5"):
        FUNCTIONS[name](given, Y)
