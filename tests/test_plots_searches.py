"""Pictures of searches: lines through parameters, and the best runs before many others."""

from __future__ import annotations

import numpy as np
import pytest

import gradstep as gs
from gradstep import plots
from gradstep.errors import InvalidParameterError
from gradstep.history import COLUMNS

TABLE = {
    "l2": [0.0, 1e-4, 1e-2, 1e-2],
    "batch_size": [10, 20, 30, 10],
    "loss": ["softmax", "sigmoid", "softmax", "sigmoid"],
    "validation_accuracy": [0.2, 0.4, np.nan, 0.3],
    "validation_loss": [3.0, 1.0, np.inf, 2.0],
}
NAMES = ["l2", "batch_size", "loss"]


def history(epochs: int, **figures: float) -> gs.History:
    found = gs.History()
    for epoch in range(1, epochs + 1):
        found.append(**(dict.fromkeys(COLUMNS, 1 / epoch) | {"epoch": epoch, "update": epoch} | figures))
    return found


class TestParallelCoordinates:
    def test_every_line_crosses_the_axes_at_its_values(self) -> None:
        (axes,) = plots.parallel_coordinates(TABLE, NAMES).axes
        *rails, worst, middle, best = axes.lines
        assert [rail.get_xdata()[0] for rail in rails] == [0, 1, 2, 3]
        # A zero stands half a decade below 1e-4, of 2.5 decades in all; a row without a result is left out.
        np.testing.assert_allclose(worst.get_ydata(), [0, 0, 0, 0], atol=1e-12)
        np.testing.assert_allclose(middle.get_ydata(), [1, 0, 1, 0.5])
        np.testing.assert_allclose(best.get_ydata(), [0.5 / 2.5, 1, 1, 1], rtol=1e-3)

    def test_the_best_is_told_and_what_has_no_result_is_counted(self) -> None:
        figure = plots.parallel_coordinates(TABLE, NAMES, title="$\\oops{$")
        best = figure.axes[0].lines[-1]
        assert best.get_color() == plots.PALETTE[1]
        assert [line.get_color() for line in figure.axes[0].lines[4:6]] == [plots.MUTED] * 2
        assert figure.get_supxlabel() == "orange: the best, 40.00 %; 1 of 4 without a result"
        assert figure.get_suptitle() == "$\\oops{$"
        figure.draw_without_rendering()

    def test_the_lowest_loss_is_at_the_top_and_its_ticks_with_it(self) -> None:
        (axes,) = plots.parallel_coordinates(TABLE, ["l2"], "validation_loss").axes
        assert axes.lines[-1].get_ydata().tolist()[-1] == 1
        ticks = {text.get_text(): text.get_position()[1] for text in axes.texts if text.get_ha() == "left"}
        assert (ticks["1"], ticks["2"], ticks["3"]) == (1, 0.5, 0)

    def test_a_quarter_is_blue_and_one_value_stands_in_the_middle(self) -> None:
        table = {"l2": [0.1] * 12, "test_accuracy": np.linspace(0, 1, 12)}
        (axes,) = plots.parallel_coordinates(table, ["l2"], "test_accuracy").axes
        colours = [line.get_color() for line in axes.lines[2:]]
        assert colours == [plots.MUTED] * 9 + [plots.PALETTE[0]] * 2 + [plots.PALETTE[1]]
        assert {line.get_ydata()[0] for line in axes.lines[2:]} == {0.5}

    @pytest.mark.parametrize(
        ("names", "figure", "words"),
        [
            ([], "validation_accuracy", "must name one column or more, got []"),
            (["l3"], "validation_accuracy", "`parameters` of parallel_coordinates must be a column"),
            (["l2"], "loss", "`figure` of parallel_coordinates must be a column of numbers"),
        ],
    )
    def test_errors(self, names: list[str], figure: str, words: str) -> None:
        with pytest.raises(InvalidParameterError, match=words.replace("[", "\\[")):
            plots.parallel_coordinates(TABLE, names, figure)


class TestBestOfManyCurves:
    RUNS = {"a": history(4), "b": history(4), "c": history(1)}  # noqa: RUF012

    def test_the_others_are_one_grey_line_each(self) -> None:
        figure = plots.curves(self.RUNS, best="b")
        for axes in figure.axes:
            grey, dot, *best = axes.lines
            assert {grey.get_color(), dot.get_color()} == {plots.MUTED}
            assert (grey.get_marker(), dot.get_marker()) == ("", ".")
            assert [line.get_color() for line in best] == list(plots.PALETTE[:2])
        texts = [text.get_text().strip() for text in figure.legends[0].get_texts()]
        assert texts == ["b: training", "b: validation", "all others"]

    def test_several_best_are_told_apart_by_their_colours(self) -> None:
        figure = plots.curves(self.RUNS, best=["a", "b"])
        colours = [line.get_color() for line in figure.axes[0].lines]
        assert colours == [plots.MUTED, *[plots.PALETTE[0]] * 2, *[plots.PALETTE[1]] * 2]

    def test_none_of_them_may_be_best(self) -> None:
        figure = plots.curves(self.RUNS, best=())
        assert {line.get_color() for line in figure.axes[0].lines} == {plots.MUTED}
        assert [text.get_text() for text in figure.legends[0].get_texts()] == [" all runs"]

    @pytest.mark.parametrize("high", [1e30, np.inf])
    def test_what_is_far_above_the_best_is_cut_off(self, high: float) -> None:
        figure = plots.curves({"good": history(4), "bad": history(4, validation_loss=high)}, best="good")
        low, top = figure.axes[0].get_ylim()
        assert (top, low < 0.25) == (10, True)
        assert plots.curves(self.RUNS, best="b").axes[0].get_ylim()[1] < 2

    def test_unknown_name(self) -> None:
        with pytest.raises(InvalidParameterError, match=r"`best` of curves must name runs .*, got d"):
            plots.curves(self.RUNS, best="d")


def test_dots_may_be_left_alone() -> None:
    joined, alone = (plots.over_parameter(TABLE, "batch_size", join=join).axes[0] for join in (True, False))
    assert len(joined.lines) == len(alone.lines) + 1
    assert all(line.get_linestyle() == "None" or line.get_marker() == "o" for line in alone.lines)
