"""Figures show themselves in notebooks, and say what to do elsewhere."""

from __future__ import annotations

import io
import sys
import types
import warnings

import numpy as np
import pytest
from matplotlib.image import imread

from gradstep import plots
from gradstep.plots.figure import Figure


class Handle:
    """What IPython gives to change what was displayed."""

    def __init__(self, shown: list[object]) -> None:
        self.shown = shown

    def update(self, value: object, raw: bool = False) -> None:
        self.shown.append(value)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A kernel, by the names that gradstep asks for; what it displays."""
    shown: list[object] = []

    def display(value: object, raw: bool = False, display_id: bool = False) -> Handle:
        shown.append(value)
        return Handle(shown)

    ipython, module = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    module.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return shown


def test_every_figure_is_a_picture_in_a_notebook() -> None:
    figure = plots.learning_rate(0.1, updates=10, updates_per_epoch=5, figsize=(5, 3))
    assert isinstance(figure, Figure)
    content, metadata = figure._repr_png_()
    assert imread(io.BytesIO(content)).shape == (480, 800, 4)
    assert metadata == {"width": 400, "height": 240}


def test_show_displays_it_there(notebook: list[object]) -> None:
    figure = plots.learning_rate(0.1, updates=10, updates_per_epoch=5)
    figure.show()
    assert notebook == [figure]


def test_show_says_what_to_do_without_a_window() -> None:
    figure = plots.learning_rate(0.1, updates=10, updates_per_epoch=5)
    with pytest.warns(UserWarning, match=r"write it to a file, as by savefig\(\"figure.png\"\)"):
        figure.show()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.show(warn=False)
    figure.savefig(io.BytesIO())


def test_show_opens_a_window_where_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib import pyplot
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    shown = []
    monkeypatch.setattr(FigureCanvasAgg, "required_interactive_framework", "qt")
    monkeypatch.setattr(pyplot, "show", lambda: shown.extend(m.canvas.figure for m in managers()))

    def managers() -> list[object]:
        return [pyplot._pylab_helpers.Gcf.figs[number] for number in pyplot.get_fignums()]

    figure = plots.learning_rate(0.1, updates=10, updates_per_epoch=5)
    try:
        figure.show()
    finally:
        pyplot.close("all")
    assert shown == [figure]


def test_completion_shows_what_is_public() -> None:
    assert dir(plots) == sorted(plots.__all__)
    assert all(callable(getattr(plots, name)) for name in plots.__all__)


@pytest.mark.parametrize("figsize", [3, (3,), "ab", (0, 1), (1, np.nan), (1, 2, 3)])
def test_a_size_is_two_positive_numbers(figsize: object) -> None:
    with pytest.raises(plots.runs.InvalidParameterError, match="`figsize` of learning_rate must be"):
        plots.learning_rate(0.1, updates=10, updates_per_epoch=5, figsize=figsize)
