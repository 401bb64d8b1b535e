"""Predicted over true values: every dot is a row."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.text import Text
from sklearn.metrics import r2_score

import gradstep as gs
from gradstep import plots
from gradstep.errors import InvalidDataError, InvalidParameterError


def make_rows(outputs: int, n: int = 50) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(outputs)
    X = rng.normal(size=(n, 4))
    return X, 100 + 10 * X @ rng.normal(size=(4, outputs)) + rng.normal(size=(n, outputs))


def make_regressor(X: np.ndarray, y: np.ndarray) -> gs.Regressor:
    return gs.Regressor(epochs=3, learning_rate=0.1, backend="numpy", random_state=0).fit(X, y)


def test_dots_are_the_rows_and_the_diagonal_is_right() -> None:
    X, y = make_rows(1)
    regressor = make_regressor(X, y[:, 0])
    figure = plots.predictions(regressor, X, y[:, 0], title="$\\oops{$")
    (axes,) = figure.axes
    diagonal, dots = axes.lines
    np.testing.assert_array_equal(dots.get_xdata(), y[:, 0])
    np.testing.assert_array_equal(dots.get_ydata(), regressor.predict(X))
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert axes.get_xlim() == axes.get_ylim() == tuple(diagonal.get_xdata())
    assert min(y.min(), regressor.predict(X).min()) > axes.get_xlim()[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("true value", "predicted value")
    r2 = r2_score(y[:, 0], regressor.predict(X))
    assert axes.get_title(loc="left") == f"R2 {r2:.4f}"
    assert figure.get_suptitle() == "$\\oops{$"
    figure.draw_without_rendering()


@pytest.mark.parametrize(("outputs", "panels"), [(2, 2), (4, 4), (6, 4)])
def test_an_output_is_a_panel_up_to_four(outputs: int, panels: int) -> None:
    X, y = make_rows(outputs)
    regressor = make_regressor(X, y)
    figure = plots.predictions(regressor, X, y)
    assert len(figure.axes) == panels
    for output, axes in enumerate(figure.axes):
        dots = axes.lines[1]
        np.testing.assert_array_equal(dots.get_xdata(), y[:, output])
        np.testing.assert_array_equal(dots.get_ydata(), regressor.predict(X)[:, output])
        r2 = r2_score(y[:, output], regressor.predict(X)[:, output])
        assert axes.get_title(loc="left") == f"Output {output}: R2 {r2:.4f}"
    assert figure.get_supxlabel() == ("the first 4 of 6 outputs" if outputs > 4 else "")
    figure.draw_without_rendering()


def test_a_title_is_larger_than_those_of_panels_and_apart_from_them() -> None:
    X, y = make_rows(2)
    figure = plots.predictions(make_regressor(X, y), X, y, title="Both")
    figure.draw_without_rendering()
    found = {text.get_text()[:6]: text for text in figure.findobj(Text)}
    assert found["Both"].get_size() > found["Output"].get_size()
    gap = found["Both"].get_window_extent().y0 - found["Output"].get_window_extent().y1
    assert gap > 0.08 * figure.dpi  # inches


def test_lists_one_row_and_values_that_are_all_alike_can_be_drawn() -> None:
    X, y = make_rows(1)
    regressor = make_regressor(X, y[:, 0])
    (axes,) = plots.predictions(regressor, X[:1].tolist(), [3.0]).axes
    assert axes.get_title(loc="left") == "R2 \u2013"
    constant = make_regressor(X, np.zeros(50))
    plots.predictions(constant, X, np.zeros(50)).draw_without_rendering()


def test_many_rows_are_small_and_pale() -> None:
    X, y = make_rows(1, n=1500)
    regressor = make_regressor(X, y[:, 0])
    few, many = (plots.predictions(regressor, X[:n], y[:n, 0]).axes[0].lines[1] for n in (50, 1500))
    assert many.get_markersize() < few.get_markersize()
    assert many.get_alpha() < few.get_alpha()


def test_what_cannot_be_drawn_is_refused() -> None:
    X, y = make_rows(2)
    regressor = make_regressor(X, y)
    classifier = gs.Trainer(epochs=1, backend="numpy").fit(X, y[:, 0] > 100)
    for bad in (gs.Regressor(), classifier, 3, None):
        with pytest.raises(
            InvalidParameterError, match=r"`regressor` of predictions must be a fitted Regressor, got"
        ):
            plots.predictions(bad, X, y)
    with pytest.raises(InvalidDataError):
        plots.predictions(regressor, X, y[:, 0])
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples|per row of X"):
        plots.predictions(regressor, X, y[:5])
