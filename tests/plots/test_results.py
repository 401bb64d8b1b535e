"""Pictures of result tables: dots, means and cells are the metrics of the table."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradstep import plots
from gradstep.errors import InvalidParameterError
from gradstep.plots import heat_maps, results, style
from gradstep.search.cv_results import tabulate
from gradstep.utils import text

TABLE = {
    "l2": [1e-2, 0.0, 1e-4, 1e-3],
    "train_accuracy": [0.45, 0.5, 0.48, 0.46],
    "validation_accuracy": [0.38, 0.36, 0.39, 0.41],
    "validation_loss": [1.8, 1.9, 1.75, 1.7],
}


def grid(**columns: object) -> dict[str, object]:
    rows = list(itertools.product([0.0, 0.1], [10, 50, 100], ["softmax", "sigmoid"]))
    l2, batch_size, loss = zip(*rows, strict=True)
    accuracy = np.linspace(0.30, 0.41, 12)
    return {"l2": l2, "batch_size": batch_size, "loss": loss, "test_accuracy": accuracy, **columns}


def tick_names(axes: object) -> list[str]:
    return [label.get_text() for label in axes.get_xticklabels()]


class TestOverParameter:
    def test_dots_and_line_are_the_columns_in_order_and_zero_stands_apart(self) -> None:
        (axes,) = plots.over_parameter(TABLE).axes
        dots, line, ring = axes.lines
        assert sorted(dots.get_ydata()) == sorted(TABLE["validation_accuracy"])
        np.testing.assert_array_equal(line.get_xdata(), [1e-4, 1e-3, 1e-2])
        np.testing.assert_array_equal(line.get_ydata(), [0.39, 0.41, 0.38])
        assert axes.get_xscale() == "log"
        zero = dots.get_xdata()[1]
        assert 0 < zero <= 1e-4 / 10**0.5
        assert tick_names(axes) == ["0", "1e-4", "1e-3", "1e-2"]
        np.testing.assert_allclose(axes.get_xticks(), [zero, 1e-4, 1e-3, 1e-2])
        assert [text.get_text() for text in axes.texts] == ["//"]
        assert zero < axes.texts[0].get_position()[0] < 1e-4
        assert (ring.get_xdata().tolist(), ring.get_ydata().tolist()) == ([1e-3], [0.41])

    def test_labels_have_units_and_the_best_is_written(self) -> None:
        figure = plots.over_parameter(TABLE, title="$\\oops{$")
        (axes,) = figure.axes
        assert axes.get_title(loc="left") == "Validation accuracy"
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("L2 strength λ", "validation accuracy (%)")
        assert figure.get_supxlabel() == "best validation accuracy: 41.00% at 1e-3"
        assert figure.get_suptitle() == "$\\oops{$"
        figure.draw_without_rendering()
        shown = [float(label.get_text()) for label in axes.get_yticklabels()]
        np.testing.assert_allclose(shown, 100 * axes.get_yticks(), atol=1e-9)

    def test_the_best_loss_is_the_lowest(self) -> None:
        figure = plots.over_parameter(TABLE, metric="validation_loss")
        assert figure.axes[0].get_ylabel() == "validation loss"
        assert figure.get_supxlabel() == "best validation loss: 1.7000 at 1e-3"

    @pytest.mark.parametrize(
        ("metric", "label", "note"),
        [
            ("test_r2", "test R2", "best test R2: 0.7000 at 0.2"),
            ("validation_mean_absolute_error", "validation mean absolute error", "0.3000 at 0.1"),
            ("validation_subset_accuracy", "validation subset accuracy (%)", "70.00% at 0.2"),
            ("best_validation_f1", "best validation f1 (%)", "70.00% at 0.2"),
        ],
    )
    def test_direction_name_and_format_are_those_of_the_metric(
        self, metric: str, label: str, note: str
    ) -> None:
        figure = plots.over_parameter({"l2": [0.1, 0.2], metric: [0.3, 0.7]}, "l2", metric)
        assert figure.axes[0].get_ylabel() == label
        assert note in figure.get_supxlabel()

    def test_quantities_are_not_mixed_up_by_their_last_word(self) -> None:
        names = ["validation_accuracy", "validation_subset_accuracy"]
        table = {"l2": [0.1], **{name: [0.5] for name in names}}
        with pytest.raises(InvalidParameterError, match="several of one quantity"):
            plots.over_parameter(table, "l2", names)
        both = {"l2": [0.1], "train_subset_accuracy": [0.5], "test_subset_accuracy": [0.4]}
        figure = plots.over_parameter(both, "l2", ["train_subset_accuracy", "test_subset_accuracy"])
        assert figure.axes[0].get_ylabel() == "subset accuracy (%)"

    def test_several_metrics_have_colours_and_a_legend_that_covers_nothing(self) -> None:
        figure = plots.over_parameter(TABLE, metric=["train_accuracy", "validation_accuracy"])
        (axes,) = figure.axes
        assert axes.get_ylabel() == "accuracy (%)"
        assert {line.get_color() for line in axes.lines} == set(style.PALETTE[:2])
        legend = figure.legends[0]
        assert [text.get_text().strip() for text in legend.get_texts()] == [
            "train accuracy",
            "validation accuracy",
        ]
        assert "best train accuracy: 50.00% at 0" in legend.get_title().get_text()
        figure.draw_without_rendering()
        assert not legend.get_window_extent().overlaps(axes.get_tightbbox())

    def test_repeated_values_are_joined_by_their_means_and_missing_ones_counted(self) -> None:
        table = {"l2": [0.1, 0.2, 0.1, 0.2], "test_accuracy": [0.5, 0.7, 0.6, np.nan]}
        figure = plots.over_parameter(table, metric="test_accuracy")
        dots, line, bars, _ = figure.axes[0].lines
        assert dots.get_alpha() < 1
        for means in (line, bars):
            np.testing.assert_array_equal(means.get_xdata(), [0.1, 0.2])
            np.testing.assert_allclose(means.get_ydata(), [0.55, 0.7])
        assert figure.get_supxlabel().replace("\n", " ") == (
            "best mean test accuracy: 70.00% at 0.2; dots: single trainings, bars: their means; "
            "1 of 4 without a result"
        )

    @pytest.mark.parametrize(
        ("values", "scale"),
        [
            ([1e-3, 1e-2, 1.1e-2], "log"),
            ([1e-3, 1e-2], "linear"),
            ([10, 20, 50], "linear"),
            ([-1.0, 1.0, 100.0], "linear"),
            ([0.0, 1.0, 2.0], "linear"),
            ([0.0, 0.01], "linear"),
            ([0.0, 0.01, 0.5], "log"),
            ([5.0], "linear"),
        ],
        ids=str,
    )
    def test_the_axis_is_logarithmic_where_that_makes_sense(self, values: list[float], scale: str) -> None:
        figure = plots.over_parameter({"x": values, "y": values}, "x", "y")
        figure.draw_without_rendering()
        assert figure.axes[0].get_xscale() == scale
        assert figure.get_supxlabel() == ""

    def test_names_are_spaced_evenly_and_not_joined(self) -> None:
        table = {"hidden": [(50,), (), (50, 30)], "test_loss": [1.0, 2.0, 1.5]}
        (axes,) = plots.over_parameter(table, "hidden", "test_loss").axes
        assert tick_names(axes) == ["none", "50", "50-30"]
        assert [line.get_linestyle() for line in axes.lines] == ["None"] * 2
        np.testing.assert_array_equal(axes.lines[0].get_xdata(), [1, 0, 2])

    def test_a_data_frame_is_a_table(self) -> None:
        (ours,), (theirs,) = (
            plots.over_parameter(TABLE).axes,
            plots.over_parameter(pandas.DataFrame(TABLE)).axes,
        )
        for line, other in zip(ours.lines, theirs.lines, strict=True):
            np.testing.assert_array_equal(line.get_xydata(), other.get_xydata())

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((3,), r"`table` of over_parameter must map column names to columns, got 3"),
            ((SimpleNamespace(results_=TABLE),), r"got namespace\(.*; give its results_$"),
            (({},), r"`parameter` of over_parameter must be a column .*got 'l2'; there are none"),
            ((TABLE, "lambda"), r"got 'lambda'; there are l2, train_accuracy, validation_accuracy, valid"),
            (
                (TABLE, "l2", "test_accuracy"),
                r"`metric` of over_parameter must be a column .*'test_accuracy'",
            ),
            ((TABLE, "l2", [None]), r"`metric` of over_parameter must be a column of the table, got None"),
            ((TABLE, "l2", ()), r"`metric` of over_parameter must be a column, or several of one quantity"),
            (
                (TABLE, "l2", ("train_accuracy", "validation_loss")),
                r"several of one quantity, got \['train_a",
            ),
            (({"l2": [], "y": []}, "l2", "y"), r"must have at least one row, got none"),
            (({"l2": [1], "y": [1, 2]}, "l2", "y"), r"columns of one length, got {'l2': 1, 'y': 2}"),
            (({"l2": [1], "y": [np.nan]}, "l2", "y"), r"must be a column of numbers, one of them finite"),
            (({"l2": [1], "y": ["high"]}, "l2", "y"), r"must be a column of numbers.* got 'y'"),
        ],
    )
    def test_what_cannot_be_drawn_is_refused(self, arguments: tuple[object, ...], message: str) -> None:
        with pytest.raises(InvalidParameterError, match=message):
            plots.over_parameter(*arguments)


class TestHeatMap:
    def test_cells_are_the_metrics(self) -> None:
        table = grid()
        softmax = [place for place in range(12) if table["loss"][place] == "softmax"][::-1]
        table = {name: [values[place] for place in softmax] for name, values in table.items()}
        figure = plots.heat_map(table, "l2", "batch_size", "test_accuracy", title="Grid")
        axes, scale = figure.axes
        np.testing.assert_allclose(
            axes.images[0].get_array(), np.reshape(table["test_accuracy"][::-1], (2, 3)), rtol=1e-12
        )
        assert [text.get_text() for text in axes.texts] == ["30.0", "32.0", "34.0", "36.0", "38.0", "40.0"]
        assert tick_names(axes) == ["10", "50", "100"]
        assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "0.1"]
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("batch size (rows)", "L2 strength λ")
        assert scale.get_ylabel() == "test accuracy (%)"
        assert axes.get_title(loc="left") == "Test accuracy"
        assert figure.get_supxlabel() == "framed: best, 40.00%"
        assert figure.get_suptitle() == "Grid"

    def test_a_third_parameter_gives_panels_of_one_scale_and_one_best_cell(self) -> None:
        figure = plots.heat_map(grid(), "l2", "batch_size", "test_accuracy", panels="loss")
        softmax, sigmoid, _ = figure.axes
        assert softmax.get_title(loc="left") == "Loss = softmax"
        assert sigmoid.get_title(loc="left") == "Loss = sigmoid"
        assert softmax.images[0].get_clim() == sigmoid.images[0].get_clim() == (0.30, 0.41)
        assert [text.get_text() for text in sigmoid.texts][:2] == ["31.0", "33.0"]
        assert len(softmax.patches) == 0
        (frame,) = sigmoid.patches
        assert frame.get_xy() == pytest.approx((2 - 0.47, 1 - 0.46))
        assert [text.get_text() for text in sigmoid.texts if text.get_weight() == "bold"] == ["41.0"]

    def test_rows_of_a_cell_are_averaged_and_empty_cells_have_a_dash(self) -> None:
        table = {"a": [1, 1, 2, 2], "b": [1, 1, 2, 1], "test_loss": [1.0, 2.0, np.nan, 0.5]}
        figure = plots.heat_map(table, "a", "b", "test_loss")
        assert [text.get_text() for text in figure.axes[0].texts] == ["1.50", "\u2013", "0.500", "\u2013"]
        assert figure.get_supxlabel().replace("\n", " ") == (
            "framed: best, 0.5000; cells: means of several trainings; 1 of 4 without a result"
        )
        # The lighter, the better: of a loss the lowest.
        rgb = [figure.axes[0].images[0].to_rgba(np.array([value]))[0, :3].sum() for value in (0.5, 1.5)]
        assert rgb[0] > rgb[1]

    @given(value=st.floats(0, 1), name=st.sampled_from(["cividis", "cividis_r"]))
    def test_numbers_can_be_read_on_every_colour(self, value: float, name: str) -> None:
        colour = heat_maps.colormaps[name](value)
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
        background = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        text = {"black": 0.0, "white": 1.0}[style.readable_on(colour)]
        # 4.5 is what WCAG asks of text of any size.
        assert (max(background, text) + 0.05) / (min(background, text) + 0.05) >= 4.5

    def test_cells_of_a_metric_that_is_no_share_are_numbers(self) -> None:
        table = {"a": [1, 2], "b": [1, 1], "test_r2": [0.5, -1.25], "test_mean_absolute_error": [40.5, 3e5]}
        r2 = plots.heat_map(table, "a", "b", "test_r2")
        assert [cell.get_text() for cell in r2.axes[0].texts] == ["0.500", "-1.25"]
        assert r2.get_supxlabel() == "framed: best, 0.5000"
        error = plots.heat_map(table, "a", "b", "test_mean_absolute_error")
        assert [cell.get_text() for cell in error.axes[0].texts] == ["40.5", "3.00e+05"]
        assert error.get_supxlabel() == "framed: best, 40.5000"

    def test_metrics_that_are_all_alike_can_be_drawn(self) -> None:
        plots.heat_map({"a": [1, 2], "b": [1, 2], "c": [0, 0]}, "a", "b", "c").draw_without_rendering()

    def test_a_search_that_was_no_grid_is_refused(self) -> None:
        table = {"a": np.arange(41), "b": np.zeros(41), "test_loss": np.ones(41)}
        with pytest.raises(
            InvalidParameterError, match=r"`rows` .* at most 40 different values, got 41 in 'a'"
        ):
            plots.heat_map(table, "a", "b", "test_loss")
        with pytest.raises(InvalidParameterError, match=r"`panels` .* at most 12 different values, got 41"):
            plots.heat_map(table, "b", "b", "test_loss", panels="a")

    def test_unknown_columns_are_refused(self) -> None:
        for role in ("rows", "columns", "metric", "panels"):
            arguments = {"rows": "l2", "columns": "loss", "metric": "test_accuracy", role: "depth"}
            message = (
                rf"`{role}` of heat_map must be a column .*got 'depth'; there are l2, batch_size, loss, test"
            )
            with pytest.raises(InvalidParameterError, match=message):
                plots.heat_map(grid(), **arguments)

    def test_four_panels_make_a_square(self) -> None:
        table = {"l2": [0, 1] * 4, "b": [1] * 8, "c": [1, 1, 2, 2, 3, 3, 4, 4], "test_loss": range(8)}
        figure = plots.heat_map(table, "l2", "b", "test_loss", panels="c")
        assert figure.axes[0].get_gridspec().get_geometry() == (2, 2)

    def test_nothing_is_cut_off_or_covered(self) -> None:
        figure = plots.heat_map(grid(), "l2", "batch_size", "test_accuracy", panels="loss")
        figure.draw_without_rendering()
        for axes in figure.axes:
            box = axes.get_tightbbox()
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.x1 + 1
        for written in figure.axes[0].texts:
            # A cell is 72 pixels wide at least, at 100 pixels per inch.
            assert written.get_window_extent().width < 60


def test_scores_of_searches_over_folds_are_tables_too() -> None:
    settings = [{"l2": 0.1, "hidden": (4,)}, {"l2": 0.01}, {"l2": 0.001}, {"l2": 1.0, "hidden": (4,)}]
    scores = np.array([[0.5, 0.7], [0.8, 1.0], [0.3, 0.3], [0.2, 0.4]])
    found = tabulate(settings, {"fit_time": scores}, {"score": scores})
    figure = plots.over_parameter(found, "param_l2", "mean_test_score")
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("L2 strength λ", "mean test score")
    assert figure.get_supxlabel() == "best mean test score: 0.9000 at 0.01"
    # Who does not name a parameter has none.
    (axes,) = plots.over_parameter(found, "param_hidden", "mean_test_score").axes
    assert tick_names(axes) == ["4", "None"]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1e-3, "0.001"),
        (3.2e-4, "3.2e-4"),
        (0.0123456, "0.01235"),
        (True, "True"),
        (np.float32(0.5), "0.5"),
        (np.nan, "\u2013"),
        (2.5e7, "2.5e7"),
        (-0.001, "-0.001"),
        (np.int64(7), "7"),
    ],
)
def test_values_are_written_short(value: object, written: str) -> None:
    assert text.short(value) == written


@pytest.mark.parametrize(
    ("values", "names", "places"),
    [
        ([(10,), (30, 20), (), (9, 80), (10,)], ["none", "10", "9-80", "30-20"], [1, 3, 0, 2, 1]),
        ([[100], (20,), []], ["none", "20", "100"], [2, 1, 0]),
        ([3, 1, 3.0], ["1", "3"], [1, 0, 1]),
        (["b", "a", "b"], ["b", "a"], [0, 1, 0]),
        ([(10,), None, ()], ["10", "None", "none"], [0, 1, 2]),
        ([("b",), ("a",)], ["b", "a"], [0, 1]),
    ],
    ids=str,
)
def test_numbers_and_layer_sizes_ascend_and_others_stay_as_they_come(
    values: list[object], names: list[str], places: list[int]
) -> None:
    found = results.levels(values)
    assert (found.names, found.places.tolist()) == (names, places)
