"""Rows to check a gradient on may lack classes that there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import gradstep as gs
from gradstep.diagnostics.gradcheck import gradient_check
from gradstep.errors import InvalidDataError, InvalidParameterError
from makers import HERE

names = pytest.mark.parametrize("name", HERE)
Rows = tuple[npt.NDArray[Any], npt.NDArray[Any]]


@pytest.fixture
def rows() -> Rows:
    """Thirty rows of four inputs and three classes with names."""
    y = np.arange(30) % 3
    return np.random.default_rng(0).normal(size=(30, 4)), np.array(["a", "b", "c"])[y]


@names
def test_rows_that_lack_classes(name: str, rows: Rows) -> None:
    X, y = rows
    some = y != "b"
    trainer = gs.Trainer(hidden=(5,), backend=name, random_state=0, epochs=2)
    assert gradient_check(trainer, X[some], y[some]).sizes == (4, 5, 2)
    check = gradient_check(trainer, X[some], y[some], classes=["c", "b", "a"])
    assert check.passed()
    assert check.sizes == (4, 5, 3)
    assert check.by("central")["checked"].tolist() == [20, 5, 15, 3]
    assert "network 4-5-3: 3 outputs" in str(check)
    fitted = gradient_check(trainer.fit(X, y), X[some], y[some])
    assert fitted.passed()
    assert fitted.sizes == (4, 5, 3)


def test_a_single_class_can_be_checked_where_all_are_named(rows: Rows) -> None:
    X, y = rows
    check = gradient_check(gs.Trainer(random_state=0), X[y == "a"], y[y == "a"], classes=np.unique(y))
    assert check.passed()
    assert check.sizes == (4, 3)


def test_classes_that_do_not_fit(rows: Rows) -> None:
    X, y = rows
    with pytest.raises(
        InvalidDataError, match=r"y of gradient_check must have only labels of `classes`, got \['c'\]"
    ):
        gradient_check(gs.Trainer(), X, y, classes=["a", "b"])
    with pytest.raises(InvalidParameterError, match="`classes` of gradient_check must be None for a fitted"):
        gradient_check(gs.Trainer(epochs=1).fit(X, y), X, y, classes=["a", "b", "c"])
    with pytest.raises(
        InvalidParameterError, match="`classes` of gradient_check must be None where y is values"
    ):
        gradient_check(gs.Regressor(), X, X[:, 0], classes=[1, 2])
