"""Mistakes and what is said of them: what, whose, in the words of what the user called, in one short line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import gradstep as gs
import makers
from gradstep.errors import GradstepError

X = np.random.default_rng(0).random((20, 3))
Y = np.arange(20) % 2
ONE_HOT = np.eye(2, dtype=int)[Y]
HOLE = X.copy()
HOLE[3, 1] = np.nan
WORDS = pd.DataFrame({"plan": ["a", "b"] * 10, "age": np.arange(20)}).to_numpy()
SPACE = {"l2": gs.Uniform(0, 1)}


def trainer(**parameters: Any) -> gs.Trainer:
    return makers.trainer(**{"epochs": 1} | parameters)


FITTED = trainer().fit(X, Y)

# How rows reach the package, and what the user calls it.
CALLS: dict[str, Callable[..., Any]] = {
    "Trainer.fit": lambda X, y: trainer().fit(X, y),
    "Sweep.fit": lambda X, y: gs.Sweep(trainer(), {"l2": [0, 1]}).fit(X, y),
    "FusedSearchCV.fit": lambda X, y: gs.FusedSearchCV(trainer(), {"l2": [0, 1]}, cv=2).fit(X, y),
    "coarse_to_fine": lambda X, y: gs.coarse_to_fine(trainer(), SPACE, X, y, rounds=[(2, 1.0)]),
    "repeat": lambda X, y: gs.repeat(trainer(), X, y, seeds=2),
    "gradient_check": lambda X, y: gs.gradient_check(trainer(), X, y),
    "learning_rate_range_test": lambda X, y: gs.learning_rate_range_test(trainer(), X, y),
    "gradient": lambda X, y: gs.gradient(FITTED, X, y),
}


@pytest.mark.parametrize(
    "rows, said",
    [
        (
            (X[0], Y),
            "X of {}: Expected 2D array, got 1D array of shape (3,). Reshape your data: X.reshape(1",
        ),
        (
            (np.zeros((20, 4, 4)), Y),
            "X of {}: Expected 2D array, Found array with dim 3, of shape (20, 4, 4). Reshape",
        ),
        ((HOLE, Y), "X of {}: Input X contains NaN. The first is in row 3, column 1."),
        ((X * 1j, Y), "X of {}: Complex data not supported"),
        ((WORDS, Y), "X of {}: could not convert string to float: 'a'"),
        ((X.astype(str), Y), "X of {}: dtype='numeric' is not compatible with arrays of bytes/strings"),
        (
            (X, ONE_HOT),
            "y of {} must be one label a row, got an indicator matrix of shape (20, 2): y.argmax(",
        ),
        ((X, Y[:5]), "y of {} must have one target per row of X: X has 20 rows, y has 5"),
    ],
    ids=["one row", "images", "NaN", "complex", "words", "strings", "one-hot", "lengths"],
)
@pytest.mark.parametrize("name", CALLS)
def test_rows_that_cannot_be_used(name: str, rows: tuple[Any, Any], said: str) -> None:
    with pytest.raises(GradstepError) as caught:
        CALLS[name](*rows)
    message = str(caught.value)
    assert said.format(name) in message
    assert len(message) < 250
    assert "\n" not in message


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
@pytest.mark.parametrize("row", [X[0], X[0].tolist(), pd.Series(X[0])], ids=["array", "list", "series"])
def test_a_row_alone_is_not_printed(method: str, row: Any) -> None:
    with pytest.raises(GradstepError) as caught:
        getattr(FITTED, method)(row)
    assert "X of Trainer: Expected 2D array, got 1D array of shape (3,)" in str(caught.value)
    assert not any(str(value)[:6] in str(caught.value) for value in X[0])


MISTAKES: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: trainer().fit(X, Y, validation_data=(X, Y)),
        "Trainer.fit has no parameter 'validation_data'; did",
    ),
    (
        lambda: trainer().fit(X, Y, epochs=3),
        "Trainer.fit has no parameter 'epochs'; it is one of Trainer itself",
    ),
    (lambda: trainer().fit(X, Y, sample_weights=Y), "did you mean sample_weight?"),
    (
        lambda: gs.Sweep(trainer(), {"l2": [0]}).fit(X, Y, evalset=(X, Y)),
        "Sweep.fit has no parameter 'evalset'",
    ),
    (lambda: gs.plots.curves(FITTED, bests=2), "curves has no parameter 'bests'; did you mean best?"),
    (lambda: gs.plots.range_test(found=1), "range_test has no parameter 'found'; it has "),
    (lambda: gs.repeat(trainer(), X, Y, n_seeds=3), "repeat has no parameter 'n_seeds'; did you mean seeds?"),
    (
        lambda: gs.gradient_check(trainer(), X, Y, entry=3),
        "gradient_check has no parameter 'entry'; did you mean",
    ),
    (
        lambda: gs.datasets.load_csv("a.csv", sep=";"),
        "load_csv has no parameter 'sep'; did you mean delimiter?",
    ),
    (
        lambda: gs.coarse_to_fine(trainer(), SPACE, X, Y, figure="validation_loss"),
        "coarse_to_fine has no parameter 'figure'; did you mean metric?",
    ),
    (
        lambda: gs.FusedSearchCV(trainer(), {"alpha": [0]}).fit(X, Y),
        "trial 0 of FusedSearchCV has alpha=0: Trainer has no parameter 'alpha'; did you mean l2?",
    ),
    (
        lambda: gs.Sweep(trainer(), {"lr": [0]}).fit(X, Y),
        "`space` of Sweep: Trainer has no parameter 'lr'; did you",
    ),
    (
        lambda: gs.FusedSearchCV(trainer(), {"l2": [0]}, scoring="acuracy").fit(X, Y),
        "`scoring` of FusedSearchCV must be a scorer of scikit-learn or a callable, got 'acuracy'; did",
    ),
    (
        lambda: gs.FusedSearchCV(trainer(), {"l2": [0]}, scoring={"a": "f1_makro"}).fit(X, Y),
        "got 'f1_makro'; did you mean f1_macro?",
    ),
    (
        lambda: gs.gradient_check(trainer(), X, Y, sample_weight=[10**400] * 20),
        "sample_weight of gradient_check must be numbers, got [an int of about 400 digits",
    ),
    (
        lambda: gs.Trainer().fit([[10**400]] * 20, Y),
        "X of Trainer.fit: X must hold real numbers, got dtype object",
    ),
    (
        lambda: gs.Trainer().fit(np.array([[10**400]] * 20, dtype=object), Y),
        "X of Trainer.fit has a number beyond floats, which end at 1.8e308",
    ),
    (
        lambda: gs.Regressor().fit(X, [10**400] * 20),
        "y of Regressor.fit must be real numbers, got [an int of about",
    ),
]


@pytest.mark.parametrize("make, said", MISTAKES, ids=[said[:60] for _, said in MISTAKES])
def test_mistakes(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(GradstepError) as caught:
        make()
    assert said in str(caught.value)


def test_an_unknown_name_in_a_call_stays_a_type_error_and_signatures_stay() -> None:
    with pytest.raises(
        TypeError, match=r"Trainer.fit has no parameter 'foo'; it has X, y, sample_weight, eval"
    ):
        trainer().fit(X, Y, foo=1)  # type: ignore[call-arg]
    assert [*inspect.signature(gs.Trainer.fit).parameters][:4] == ["self", "X", "y", "sample_weight"]
    assert [*inspect.signature(gs.repeat).parameters][:3] == ["trainer", "X", "y"]
    assert gs.repeat.__doc__.startswith("Train one setting with several seeds")


def test_warnings_point_at_the_line_that_called() -> None:
    model = makers.trainer(learning_rate=lambda update: 0.1 * 0.01**update, epochs=9)
    for call in (
        lambda: model.fit(X, Y),
        lambda: gs.repeat(model, X, Y, seeds=1),
        lambda: gs.Sweep(model, {"l2": [0.0]}).fit(X, Y),
    ):
        with pytest.warns(RuntimeWarning, match="nothing is learned from there on") as caught:
            call()
        assert {warning.filename for warning in caught} == {__file__}
