"""Elements that are no values: masked ones, NaT, dates among numbers. None of them is ever read as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas
import pytest

import gradstep as gs
import makers
from gradstep.errors import InvalidDataError

X = np.random.default_rng(0).normal(size=(12, 3))
Y = np.arange(12) % 3
ONES = np.ones(12)


def masked(values: Any) -> Any:
    mask = np.zeros(np.shape(values), dtype=bool)
    mask[(4,) if mask.ndim == 1 else (4, 2)] = True
    return np.ma.MaskedArray(values, mask)


FITS: dict[str, tuple[Callable[[], Any], str]] = {
    "X": (lambda: makers.trainer().fit(masked(X), Y), "X of Trainer.fit .* in row 4, column 2: leave"),
    "labels": (lambda: makers.trainer().fit(X, masked(Y)), "y of Trainer.fit .* in row 4: leave"),
    "weights": (lambda: makers.trainer().fit(X, Y, masked(ONES)), "sample_weight of Trainer.fit .* row 4"),
    "values": (lambda: makers.regressor().fit(X, masked(X[:, 0])), "y of Regressor.fit .* row 4"),
    "indicators": (
        lambda: makers.trainer(loss="multilabel").fit(X, masked(np.eye(3)[Y])),
        "y of Trainer.fit .* row 4, column 2",
    ),
    "validation rows": (
        lambda: makers.trainer().fit(X, Y, eval_set=(X, masked(Y))),
        "y of eval_set of Trainer.fit .* row 4",
    ),
    "predict": (lambda: makers.trainer().fit(X, Y).predict(masked(X)), "X of Trainer .* row 4, column 2"),
    "score": (lambda: makers.trainer().fit(X, Y).score(X, masked(Y)), "y of Trainer.score .* row 4"),
    "Sweep": (lambda: gs.Sweep(makers.trainer(), {"l2": [0.0]}).fit(X, masked(Y)), "y of Sweep.fit .* row 4"),
    "FusedSearchCV": (
        lambda: gs.FusedSearchCV(makers.trainer(), {"l2": [0.0]}, cv=2).fit(masked(X), Y),
        "X of FusedSearchCV.fit .* row 4, column 2",
    ),
}


@pytest.mark.parametrize("name", FITS)
def test_masked_elements_are_refused(name: str) -> None:
    call, said = FITS[name]
    with pytest.raises(InvalidDataError, match=said):
        call()


def test_a_masked_array_without_a_masked_element_is_an_array() -> None:
    plain = makers.trainer().fit(X, Y, ONES)
    model = makers.trainer().fit(np.ma.array(X), np.ma.array(Y), np.ma.array(ONES))
    np.testing.assert_array_equal(model.coefs_[0], plain.coefs_[0])


@pytest.mark.parametrize("unit", ["M8[D]", "m8[s]"])
def test_a_missing_date_is_no_class(unit: str) -> None:
    dates = Y.astype(unit)
    assert makers.trainer().fit(X, dates).classes_.tolist() == np.unique(dates).tolist()
    dates[5] = "NaT"
    for y in (dates, pandas.Series(dates)):
        with pytest.raises(InvalidDataError, match=r"must have a label in every row .* got NaT in row 5"):
            makers.trainer().fit(X, y)


def test_a_table_of_numbers_and_dates_says_which_columns_are_dates() -> None:
    table = pandas.DataFrame(X, columns=["a", "b", "c"]).assign(when=pandas.Timestamp("2020-02-29"))
    with pytest.raises(InvalidDataError, match="must hold real numbers, got columns 'when' of datetime64"):
        makers.trainer().fit(table, Y)


@pytest.mark.parametrize("make", [makers.trainer, makers.regressor])
def test_weights_of_a_score_are_weights(make: Callable[[], Any]) -> None:
    model = make().fit(X, Y)
    assert model.score(X, Y, np.full(12, 3)) == pytest.approx(model.score(X, Y))
    for weight, said in (
        (-ONES, "got -1.0 in row 0"),
        (ONES * 1j, "be numbers"),
        (ONES[:5], r"shape \(12,\)"),
    ):
        for method in (model.score, model.evaluate):
            with pytest.raises(InvalidDataError, match=f"sample_weight of {type(model).__name__}.*{said}"):
                method(X, Y, sample_weight=weight)
