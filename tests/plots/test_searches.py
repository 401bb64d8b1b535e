"""Pictures of searches: which trainings count, lines through parameters, the best before many others."""

from __future__ import annotations

import re

import numpy as np
import pytest

import gradstep as gs
from gradstep import plots
from gradstep.errors import InvalidParameterError
from gradstep.plots import style

TABLE = {
    "l2": [0.0, 1e-4, 1e-2, 1e-2],
    "batch_size": [10, 20, 30, 10],
    "loss": ["softmax", "sigmoid", "softmax", "sigmoid"],
    "validation_accuracy": [0.2, 0.4, np.nan, 0.3],
    "validation_loss": [3.0, 1.0, np.inf, 2.0],
}
NAMES = ["l2", "batch_size", "loss"]

# Only the first two came to their own end; the last three were better on their way, or worse.
HALVED = {
    "l2": [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e-3],
    "batch_size": [10, 20, 10, 20, 10, 20],
    "status": ["completed", "early_stopped", "pruned", "diverged", "interrupted", "running"],
    "validation_accuracy": [0.3, 0.4, 0.5, np.nan, 0.45, 0.1],
}
NONE_ENDED = HALVED | {"status": ["pruned", "waiting", "pruned", "diverged", "interrupted", "running"]}


def history(epochs: int, **columns: float) -> gs.History:
    found = gs.History()
    for epoch in range(1, epochs + 1):
        found.append(**(dict.fromkeys(found.keys(), 1 / epoch) | {"epoch": epoch, "update": epoch} | columns))
    return found


def notes(figure: object) -> str:
    return figure.get_supxlabel().replace("\n", " ")


class TestNotTrainedToTheEnd:
    def test_their_dots_are_hollow_and_neither_joined_nor_the_best(self) -> None:
        figure = plots.over_parameter(HALVED)
        hollow, dots, line, ring = figure.axes[0].lines
        assert (hollow.get_markerfacecolor(), hollow.get_linestyle()) == ("none", "None")
        np.testing.assert_array_equal(hollow.get_xdata(), [1e-2, 1e-1, 1.0, 1e-3])
        np.testing.assert_array_equal(hollow.get_ydata(), [0.5, np.nan, 0.45, 0.1])
        assert dots.get_markerfacecolor() == dots.get_color() == hollow.get_markeredgecolor()
        for drawn in (dots, line):
            np.testing.assert_array_equal(drawn.get_xydata(), [[1e-4, 0.3], [1e-3, 0.4]])
        np.testing.assert_array_equal(ring.get_xydata(), [[1e-3, 0.4]])
        assert notes(figure) == (
            "best validation accuracy: 40.00% at 1e-3; hollow: not trained to the end; "
            "1 of 6 without a result"
        )

    def test_they_are_in_no_mean(self) -> None:
        figure = plots.over_parameter(HALVED, "batch_size")
        assert "means" not in notes(figure)
        table = {"l2": [0.1, 0.1, 0.1, 0.2], "test_accuracy": [0.3, 0.5, 0.9, 0.45]}
        table["status"] = ["completed", "completed", "pruned", "early_stopped"]
        figure = plots.over_parameter(table, metric="test_accuracy")
        _, _, line, bars, ring = figure.axes[0].lines
        for means in (line, bars):
            np.testing.assert_allclose(means.get_ydata(), [0.4, 0.45])
        np.testing.assert_array_equal(ring.get_xydata(), [[0.2, 0.45]])
        assert "dots: single trainings, bars: their means; hollow: not" in notes(figure)

    def test_their_lines_are_thin_and_dashed_and_neither_good_nor_the_best(self) -> None:
        figure = plots.parallel_coordinates(HALVED, ["l2", "batch_size"])
        *rest, other, best = figure.axes[0].lines[3:]
        # Half of what came to its end would be more than a quarter.
        assert (best.get_color(), other.get_color()) == (style.PALETTE[1], style.MUTED)
        assert (best.get_linestyle(), other.get_linestyle()) == ("-", "-")
        np.testing.assert_allclose([best.get_ydata()[-1], other.get_ydata()[-1]], [0.75, 0.5])
        assert [line.get_linestyle() for line in rest] == ["--"] * 3
        for line in rest:
            assert line.get_color() == style.MUTED
            assert line.get_linewidth() < other.get_linewidth()
            assert line.get_alpha() < other.get_alpha()
        assert sorted(line.get_ydata()[-1] for line in rest) == pytest.approx([0, 0.875, 1])
        assert notes(figure) == (
            "orange: the best, 40.00%; dashed: not trained to the end; 1 of 6 without a result"
        )

    def test_the_best_quarter_is_one_of_what_came_to_its_end(self) -> None:
        table = {"l2": [0.1] * 16, "status": ["completed"] * 8 + ["pruned"] * 8}
        figure = plots.parallel_coordinates(
            table | {"test_accuracy": np.linspace(0, 1, 16)}, ["l2"], "test_accuracy"
        )
        colours = [line.get_color() for line in figure.axes[0].lines[2:]]
        assert colours == [style.MUTED] * 14 + [style.PALETTE[0], style.PALETTE[1]]
        assert "blue: the rest of the best quarter" in notes(figure)

    def test_cells_leave_them_out_and_count_them(self) -> None:
        figure = plots.heat_map(HALVED, "batch_size", "l2")
        axes = figure.axes[0]
        assert [text.get_text() for text in axes.texts] == ["30.0", *["\u2013"] * 5, "40.0", *["\u2013"] * 3]
        assert axes.images[0].get_clim() == (0.3, 0.4)
        (frame,) = axes.patches
        assert frame.get_xy() == pytest.approx((1 - 0.47, 1 - 0.46))
        assert notes(figure) == (
            "framed: best, 40.00%; 3 of 6 left out: not trained to the end; 1 of 6 without a result"
        )

    def test_where_none_came_to_its_end_there_is_no_best(self) -> None:
        over = plots.over_parameter(NONE_ENDED)
        hollow, *rest = over.axes[0].lines
        assert (hollow.get_markerfacecolor(), len(hollow.get_xdata())) == ("none", 6)
        assert all(len(line.get_xdata()) == 0 for line in rest)
        assert notes(over) == "hollow: not trained to the end; 1 of 6 without a result"
        parallel = plots.parallel_coordinates(NONE_ENDED, ["l2"])
        assert {line.get_linestyle() for line in parallel.axes[0].lines[2:]} == {"--"}
        assert notes(parallel) == "dashed: not trained to the end; 1 of 6 without a result"
        cells = plots.heat_map(NONE_ENDED, "batch_size", "l2")
        assert [text.get_text() for text in cells.axes[0].texts if text.get_text() != "\u2013"] == [
            *("30.0", "50.0", "45.0", "25.0"),
        ]
        assert len(cells.axes[0].patches) == 0
        assert notes(cells) == (
            "cells: means of several trainings; none was trained to the end; 1 of 6 without a result"
        )
        for figure in (over, parallel, cells):
            figure.draw_without_rendering()

    def test_nothing_is_said_where_all_that_is_drawn_came_to_its_end(self) -> None:
        status = ["completed", "early_stopped", "diverged", "completed"]
        for draw in (
            lambda table: plots.over_parameter(table, "batch_size"),
            lambda table: plots.parallel_coordinates(table, NAMES),
            lambda table: plots.heat_map(table, "l2", "batch_size"),
        ):
            with_status, without = draw(TABLE | {"status": status}), draw(TABLE)
            assert notes(with_status) == notes(without)
            looks = [
                [(line.get_color(), line.get_alpha(), line.get_linestyle()) for line in figure.axes[0].lines]
                for figure in (with_status, without)
            ]
            assert looks[0][-3:] == looks[1][-3:]

    def test_statuses_may_be_the_enum_or_its_text(self) -> None:
        texts = HALVED["status"]
        figures = [
            plots.over_parameter(HALVED | {"status": statuses})
            for statuses in (texts, [gs.Status(status) for status in texts])
        ]
        assert notes(figures[0]) == notes(figures[1])
        assert "hollow" in notes(figures[0])

    def test_other_words_are_no_statuses(self) -> None:
        with pytest.raises(
            InvalidParameterError, match=r"'status' of heat_map must have waiting, .* alone, got 'finished'"
        ):
            plots.heat_map(HALVED | {"status": ["finished"] * 6}, "l2", "batch_size")

    def test_the_column_must_be_as_long_as_the_others(self) -> None:
        with pytest.raises(InvalidParameterError, match=r"columns of one length, got .*'status': 1"):
            plots.over_parameter(TABLE | {"status": ["completed"]})


class TestEqualMetrics:
    """Of equal metrics, all pictures take that which comes first in the table for the best."""

    TABLE = {  # noqa: RUF012
        "l2": [0.1, 0.3, 0.2, 0.1],
        "batch_size": [10, 30, 20, 30],
        "status": ["pruned", "completed", "completed", "completed"],
        "validation_accuracy": [0.4] * 4,
        "validation_loss": [2.0] * 4,
    }

    @pytest.mark.parametrize("metric", ["validation_accuracy", "validation_loss"])
    def test_all_pictures_agree(self, metric: str) -> None:
        over = plots.over_parameter(self.TABLE, "l2", metric)
        assert over.axes[0].lines[-1].get_xdata().tolist() == [0.3]
        best = plots.parallel_coordinates(self.TABLE, ["l2", "batch_size"], metric).axes[0].lines[-1]
        assert (best.get_color(), best.get_ydata()[:2].tolist()) == (style.PALETTE[1], [1, 1])
        (frame,) = plots.heat_map(self.TABLE, "l2", "batch_size", metric).axes[0].patches
        assert frame.get_xy() == pytest.approx((2 - 0.47, 2 - 0.46))

    def test_of_means_that_whose_first_row_comes_first(self) -> None:
        table = {"l2": [0.2, 0.1, 0.1, 0.2], "test_accuracy": [0.25, 0.5, 0.5, 0.75]}
        ring = plots.over_parameter(table, "l2", "test_accuracy").axes[0].lines[-1]
        np.testing.assert_array_equal(ring.get_xydata(), [[0.2, 0.5]])


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
        assert best.get_color() == style.PALETTE[1]
        assert [line.get_color() for line in figure.axes[0].lines[4:6]] == [style.MUTED] * 2
        assert figure.get_supxlabel() == "orange: the best, 40.00%; 1 of 4 without a result"
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
        assert colours == [style.MUTED] * 9 + [style.PALETTE[0]] * 2 + [style.PALETTE[1]]
        assert {line.get_ydata()[0] for line in axes.lines[2:]} == {0.5}

    @pytest.mark.parametrize(
        ("names", "metric", "words"),
        [
            ([], "validation_accuracy", "must name one column or more, got []"),
            (["l3"], "validation_accuracy", "`parameters` of parallel_coordinates must be a column"),
            (["l2"], "loss", "`metric` of parallel_coordinates must be a column of numbers"),
        ],
    )
    def test_errors(self, names: list[str], metric: str, words: str) -> None:
        with pytest.raises(InvalidParameterError, match=words.replace("[", "\\[")):
            plots.parallel_coordinates(TABLE, names, metric)


class TestBestOfManyCurves:
    RUNS = {"a": history(4), "b": history(4), "c": history(1)}  # noqa: RUF012

    def test_the_others_are_one_grey_line_each(self) -> None:
        figure = plots.curves(self.RUNS, best="b")
        for axes in figure.axes:
            grey, dot, *best = axes.lines
            assert {grey.get_color(), dot.get_color()} == {style.MUTED}
            assert (grey.get_marker(), dot.get_marker()) == ("", ".")
            assert [line.get_color() for line in best] == list(style.PALETTE[:2])
        texts = [text.get_text().strip() for text in figure.legends[0].get_texts()]
        assert texts == ["b: train", "b: validation", "all others"]

    def test_several_best_are_told_apart_by_their_colours(self) -> None:
        figure = plots.curves(self.RUNS, best=["a", "b"])
        colours = [line.get_color() for line in figure.axes[0].lines]
        assert colours == [style.MUTED, *[style.PALETTE[0]] * 2, *[style.PALETTE[1]] * 2]

    def test_none_of_them_may_be_best(self) -> None:
        figure = plots.curves(self.RUNS, best=())
        assert {line.get_color() for line in figure.axes[0].lines} == {style.MUTED}
        assert [text.get_text() for text in figure.legends[0].get_texts()] == [" all runs"]

    @pytest.mark.parametrize("high", [1e30, np.inf])
    def test_what_is_far_above_the_best_is_cut_off(self, high: float) -> None:
        figure = plots.curves({"good": history(4), "bad": history(4, validation_loss=high)}, best="good")
        low, top = figure.axes[0].get_ylim()
        assert (top, low < 0.25) == (10, True)
        assert plots.curves(self.RUNS, best="b").axes[0].get_ylim()[1] < 2

    @pytest.mark.parametrize("bad", ["d", "ab", 0, True, ["a", "d"], ["a", 3], [["a"]]], ids=str)
    def test_what_is_no_name(self, bad: object) -> None:
        words = f"`best` of curves must be a name, or several, of the runs ['a', 'b', 'c'], got {bad!r}"
        with pytest.raises(InvalidParameterError, match=f"^{re.escape(words)}$"):
            plots.curves(self.RUNS, best=bad)


def test_dots_may_be_left_alone() -> None:
    joined, alone = (plots.over_parameter(TABLE, "batch_size", join=join).axes[0] for join in (True, False))
    assert len(joined.lines) == len(alone.lines) + 1
    assert all(line.get_linestyle() == "None" or line.get_marker() == "o" for line in alone.lines)
