"""Confusion matrices."""

from __future__ import annotations

import io

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

import gradstep as gs
from gradstep.errors import InvalidParameterError


def rows(k: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, k, 400)
    return rng.normal(size=(400, 6)) + y[:, None] * np.linspace(-1, 1, 6), np.array([f"c{i:02}" for i in y])


def test_cells_are_counts_and_shares_of_the_true_class() -> None:
    X, y = rows(4)
    trainer = gs.Trainer(epochs=2, backend="numpy", random_state=0).fit(X, y)
    figure = gs.plots.confusion_matrix(trainer, X, y, title="$\\oops{$", figsize=(5, 4))
    figure.savefig(io.BytesIO())
    (axes,) = figure.axes
    expected = confusion_matrix(y, trainer.predict(X))
    written = np.array([int(text.get_text() or 0) for text in axes.texts]).reshape(4, 4)
    np.testing.assert_array_equal(written, expected)
    shares = expected / expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(axes.images[0].get_array().filled(0), shares)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["c00", "c01", "c02", "c03"]
    assert axes.get_title("left") == f"{100 * trainer.score(X, y):.1f}% correct"


def test_a_class_that_is_not_there_has_an_empty_row() -> None:
    X, y = rows(3)
    trainer = gs.Trainer(epochs=1, backend="numpy", random_state=0).fit(X, y)
    (axes,) = gs.plots.confusion_matrix(trainer, X[y == "c01"], y[y == "c01"], class_names="xyz").axes
    assert axes.images[0].get_array()[[0, 2]].mask.all()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["x", "y", "z"]


def test_many_classes_have_colours_alone() -> None:
    X, y = rows(30)
    trainer = gs.Trainer(epochs=1, backend="numpy", random_state=0).fit(X, y)
    figure = gs.plots.confusion_matrix(trainer, X, y)
    figure.savefig(io.BytesIO())
    assert not figure.axes[0].texts


def test_what_has_no_classes_is_refused() -> None:
    X, y = rows(3)
    trainer = gs.Trainer(epochs=1, backend="numpy", random_state=0).fit(X, y)
    with pytest.raises(InvalidParameterError, match="`class_names` of confusion_matrix must have 3 names"):
        gs.plots.confusion_matrix(trainer, X, y, class_names=["a"])
    for bad in (gs.Trainer(), gs.Regressor(epochs=1, backend="numpy").fit(X, X[:, 0]), 3):
        with pytest.raises(InvalidParameterError, match="`trainer` of confusion_matrix must be a fitted"):
            gs.plots.confusion_matrix(bad, X, y)
