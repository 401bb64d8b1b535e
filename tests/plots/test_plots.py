"""Curves and weight images: what is drawn is what was measured and learned."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradstep as gs
from gradstep.errors import InvalidParameterError
from gradstep.nn.metrics import F1, R2, Accuracy, MeanAbsoluteError, Metric, SubsetAccuracy
from gradstep.plots import images, style
from gradstep.plots.histories import line_colours
from gradstep.training.history import History, metric_columns

LABELS = ["loss", "cost", "accuracy (%)"]


def make_history(
    rows: int = 12,
    *,
    seed: int = 0,
    validation: bool = True,
    metrics: tuple[Metric, ...] = (Accuracy(),),
    **columns: object,
) -> History:
    empty = History(metrics)
    names = list(dict(empty))
    values = {
        name: np.random.default_rng([seed, place]).uniform(0.5, 2.0, rows) for place, name in enumerate(names)
    }
    values["epoch"] = np.arange(1, rows + 1)
    values |= {} if validation else dict.fromkeys(metric_columns(empty, "validation"), np.full(rows, np.nan))
    return History(metrics, {**values, **columns})


def make_trainer(d: int, *, hidden: tuple[int, ...] = (), k: int = 3, seed: int = 0) -> gs.Trainer:
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(30, d)), np.arange(30) % k
    trainer = gs.Trainer(hidden=hidden, epochs=1, backend="numpy", random_state=seed)
    return trainer.fit(X, np.array(["ant", "bee", "cat", "dog"])[y])


def texts(figure: matplotlib.figure.Figure) -> list[str]:
    return [text.get_text().strip() for text in figure.legends[0].get_texts()]


class TestCurves:
    def test_lines_are_the_columns_of_the_history(self) -> None:
        history = make_history()
        figure = gs.plots.curves(history)
        assert [axes.get_ylabel() for axes in figure.axes] == LABELS
        assert [axes.get_xlabel() for axes in figure.axes] == ["epoch"] * 3
        for axes, quantity in zip(figure.axes, ("loss", "cost", "accuracy"), strict=True):
            train, validation = axes.lines
            np.testing.assert_array_equal(train.get_xdata(), history["epoch"])
            np.testing.assert_array_equal(train.get_ydata(), history[f"train_{quantity}"])
            np.testing.assert_array_equal(validation.get_ydata(), history[f"validation_{quantity}"])
            assert train.get_linestyle() == "-"
            assert validation.get_linestyle() == "--"
        assert texts(figure) == ["train", "validation"]

    def test_runs_differ_in_colour_and_share_their_dashes(self) -> None:
        runs = {"one": make_history(seed=1), "two": make_history(seed=2, rows=5)}
        figure = gs.plots.curves(runs, title="Both")
        for axes in figure.axes:
            colours = [line.get_color() for line in axes.lines]
            assert colours == [style.PALETTE[0]] * 2 + [style.PALETTE[1]] * 2
            assert [line.get_linestyle() for line in axes.lines] == ["-", "--", "-", "--"]
        np.testing.assert_array_equal(figure.axes[1].lines[2].get_ydata(), runs["two"]["train_cost"])
        assert texts(figure) == ["one", "two", "train", "validation"]
        assert figure.get_suptitle() == "Both"

    def test_validation_that_was_not_measured_is_left_out(self) -> None:
        figure = gs.plots.curves(make_history(validation=False))
        assert [len(axes.lines) for axes in figure.axes] == [1, 1, 1]
        assert texts(figure) == ["train"]
        both = gs.plots.curves({"with": make_history(), "without": make_history(validation=False)})
        assert [len(axes.lines) for axes in both.axes] == [3, 3, 3]

    def test_a_trainer_is_drawn_by_its_history(self) -> None:
        trainer = make_trainer(4)
        (line,) = gs.plots.curves({"mine": trainer}).axes[0].lines
        np.testing.assert_array_equal(line.get_ydata(), trainer.history_["train_loss"])

    def test_a_single_evaluation_can_be_seen(self) -> None:
        line = gs.plots.curves(make_history(rows=1)).axes[0].lines[0]
        assert line.get_marker() == "o"

    @pytest.mark.parametrize(
        ("losses", "scale"),
        [
            ((2.0, 0.1), "linear"),
            ((2.0, 0.05), "log"),
            ((1e9, 1e-9), "log"),
            ((2.0, 0.0), "linear"),
            ((2.0, np.nan), "linear"),
        ],
    )
    def test_losses_of_many_sizes_get_a_logarithmic_axis(
        self, losses: tuple[float, float], scale: str
    ) -> None:
        figure = gs.plots.curves(make_history(rows=2, validation=False, train_loss=losses))
        figure.savefig(io.BytesIO())
        assert figure.axes[0].get_yscale() == scale
        assert figure.axes[2].get_yscale() == "linear"

    def test_the_cost_axis_follows_the_loss_axis_where_its_ticks_allow(self) -> None:
        for lowest, scale in ((0.3, "log"), (1.5, "linear")):
            columns = {"train_loss": (2.0, 0.05), "train_cost": (2.1, lowest)}
            figure = gs.plots.curves(make_history(rows=2, validation=False, **columns))
            assert [axes.get_yscale() for axes in figure.axes] == ["log", scale, "linear"]

    def test_accuracy_ticks_are_percent(self) -> None:
        figure = gs.plots.curves(make_history(train_accuracy=np.linspace(0.1, 0.9, 12), validation=False))
        figure.savefig(io.BytesIO())
        ticks = figure.axes[2].get_yticks()
        shown = [label.get_text() for label in figure.axes[2].get_yticklabels()]
        np.testing.assert_allclose([float(text) for text in shown], 100 * ticks, atol=1e-9)

    @pytest.mark.parametrize("runs", [2, 7, 8, 30])
    def test_every_run_has_a_colour_of_its_own(self, runs: int) -> None:
        assert len({colour for colour, _ in line_colours(runs)}) == runs

    def test_names_are_text_and_nothing_else(self) -> None:
        names = ["_hidden", "a$\\frac{$", "long " * 20]
        figure = gs.plots.curves({name: make_history() for name in names}, title="$\\oops{$")
        figure.savefig(io.BytesIO())
        assert texts(figure)[:2] == names[:2]
        assert len(texts(figure)[2]) == 40

    @pytest.mark.parametrize("runs", [1, 3, 40])
    def test_the_legend_covers_no_axes(self, runs: int) -> None:
        figure = gs.plots.curves({f"run {i}": make_history(seed=i) for i in range(runs)})
        figure.draw_without_rendering()
        legend = figure.legends[0].get_window_extent()
        assert not any(legend.overlaps(axes.get_tightbbox()) for axes in figure.axes)
        assert min(axes.get_window_extent().height for axes in figure.axes) > 200  # pixels of 1/100 inch

    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            (3, r"the run of curves must be a History, a fitted Trainer or Regressor or Repeats, got 3"),
            (
                gs.Trainer(),
                r"the run of curves must be a History, .*Regressor or Repeats, got Trainer\(\)",
            ),
            (
                {"x": None},
                r"run 'x' of curves must be a History, a fitted Trainer or Regressor or Repeats, got None",
            ),
            (History(), r"the run of curves must have at least one evaluation"),
            ({}, r"curves needs at least one run"),
        ],
    )
    def test_what_cannot_be_drawn_is_refused(self, bad: object, message: str) -> None:
        with pytest.raises(InvalidParameterError, match=message):
            gs.plots.curves(bad)

    def test_threads_draw_the_same_pictures(self) -> None:
        histories = [make_history(seed=seed) for seed in range(4)]

        def draw(history: History) -> bytes:
            buffer = io.BytesIO()
            gs.plots.curves(history).savefig(buffer, format="png", dpi=40)
            return buffer.getvalue()

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(draw, histories)) == [draw(history) for history in histories]

    def test_pyplot_is_never_loaded(self) -> None:
        program = "import sys, gradstep.plots, gradstep.reports; print('matplotlib.pyplot' in sys.modules)"
        answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert answer.stdout.strip() == "False"


class TestClassImages:
    def test_grey_images_are_the_scaled_weights(self) -> None:
        trainer = make_trainer(12)
        figure = gs.plots.class_images(trainer, image_shape=(3, 4))
        assert [axes.get_title() for axes in figure.axes] == ["ant", "bee", "cat"]
        for axes, weights in zip(figure.axes, trainer.coefs_[0].T.astype(float), strict=True):
            expected = weights.reshape(3, 4) / np.abs(weights).max()
            np.testing.assert_allclose(axes.images[0].get_array(), expected, rtol=1e-12)
            assert axes.images[0].get_clim() == (-1, 1)

    def test_colour_images_take_one_channel_after_the_other(self) -> None:
        trainer = make_trainer(3 * 8 * 8)
        figure = gs.plots.class_images(trainer, class_names=["x", "y", "z"])
        assert [axes.get_title() for axes in figure.axes] == ["x", "y", "z"]
        for axes, weights in zip(figure.axes, trainer.coefs_[0].T.astype(float), strict=True):
            image = axes.images[0].get_array()
            assert image.shape == (8, 8, 3)
            for row, column, channel in [(0, 0, 0), (1, 3, 0), (2, 1, 1), (3, 2, 2)]:
                weight = weights[64 * channel + 8 * row + column]
                expected = 0.5 + weight / (2 * np.abs(weights).max())
                np.testing.assert_allclose(image[row, column, channel], expected, rtol=1e-12)

    def test_hidden_units_come_strongest_first_and_the_rest_is_counted(self) -> None:
        trainer = make_trainer(64, hidden=(7,))
        trainer.coefs_[1][...] = np.array([1, 5, 2, 7, 3, 6, 4])[:, None]
        figure = gs.plots.class_images(trainer, max_images=4)
        assert [axes.get_title() for axes in figure.axes] == ["unit 3", "unit 5", "unit 1", "unit 6"]
        weights = trainer.coefs_[0][:, 5].astype(float)
        np.testing.assert_allclose(
            figure.axes[1].images[0].get_array(), weights.reshape(8, 8) / np.abs(weights).max(), rtol=1e-12
        )
        assert "(3 of 7 left out)" in figure.get_supxlabel()
        assert "left out" not in gs.plots.class_images(trainer).get_supxlabel()

    def test_fifty_units_are_the_most_by_default(self) -> None:
        figure = gs.plots.class_images(make_trainer(64, hidden=(53,)))
        assert len(figure.axes) == 50
        assert "(3 of 53 left out)" in figure.get_supxlabel()

    def test_no_text_is_cut_off(self) -> None:
        figure = gs.plots.class_images(make_trainer(64, hidden=(53,)))
        figure.draw_without_rendering()
        for text in (figure._supxlabel, *(axes.title for axes in figure.axes)):
            box = text.get_window_extent()
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.x1

    def test_weights_of_zero_are_the_middle(self) -> None:
        trainer = make_trainer(12)
        trainer.coefs_[0][...] = 0
        image = gs.plots.class_images(trainer, (3, 2, 2)).axes[0].images[0].get_array()
        np.testing.assert_array_equal(image, np.full((2, 2, 3), 0.5))

    @given(side=st.integers(8, 60), colour=st.booleans())
    def test_squares_are_recognised(self, side: int, colour: bool) -> None:
        d = (3 if colour else 1) * side * side
        assert images.square_image(d) == ((3, side, side) if colour else (side, side))

    @pytest.mark.parametrize("d", [1, 4, 12, 49, 147, 65])
    def test_a_row_of_few_numbers_is_no_image(self, d: int) -> None:
        assert images.square_image(d) is None
        with pytest.raises(InvalidParameterError, match="of at least 8 x 8 pixels has"):
            gs.plots.class_images(make_trainer(d))

    def test_what_is_said_to_be_an_image_is_one(self) -> None:
        figure = gs.plots.class_images(make_trainer(12), (3, 2, 2), title="Tiny", figsize=(4, 2))
        assert [axes.images[0].get_array().shape for axes in figure.axes] == [(2, 2, 3)] * 3
        assert (figure.get_suptitle(), *figure.get_size_inches()) == ("Tiny", 4, 2)

    def test_a_channel_axis_of_one_is_grey(self) -> None:
        assert gs.plots.class_images(make_trainer(12), (1, 3, 4)).axes[0].images[0].get_array().shape == (
            3,
            4,
        )

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({}, r"its product must be d = 10, and no square image"),
            (
                {"image_shape": (3, 3)},
                r"product of `image_shape` of class_images must be d = 10, got \(3, 3\)",
            ),
            ({"image_shape": (10,)}, r"must be \(height, width\) or \(3, height, width\), .*got \(10,\)"),
            ({"image_shape": (2, 5, 1)}, r"must be \(height, width\) or \(3, height, width\)"),
            ({"image_shape": (-2, -5)}, r"must be \(height, width\) or \(3, height, width\)"),
            ({"image_shape": (2, 5), "class_names": ["a"]}, r"must have 3 names, one per class, got 1"),
            ({"image_shape": (2, 5), "max_images": 0}, r"`max_images` of class_images must be >= 1, got 0"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, arguments: dict[str, object], message: str) -> None:
        with pytest.raises(InvalidParameterError, match=message):
            gs.plots.class_images(make_trainer(10), **arguments)

    def test_labels_have_an_image_each(self) -> None:
        X = np.random.default_rng(0).normal(size=(20, 64))
        labels = gs.Trainer(loss="multilabel", epochs=1, backend="numpy", random_state=0)
        figure = gs.plots.class_images(labels.fit(X, (X[:, :3] > 0).astype(int)))
        assert [axes.get_title() for axes in figure.axes] == ["0", "1", "2"]

    def test_a_regressor_has_no_classes(self) -> None:
        X = np.random.default_rng(0).normal(size=(20, 16))
        regressor = gs.Regressor(epochs=1, backend="numpy", random_state=0).fit(X, X[:, 0])
        with pytest.raises(
            InvalidParameterError, match=r"`trainer` of class_images must be a fitted Trainer, got Regressor"
        ):
            gs.plots.class_images(regressor)

    def test_an_unfitted_trainer_is_refused(self) -> None:
        with pytest.raises(InvalidParameterError, match=r"must be a fitted Trainer, got Trainer\(\)"):
            gs.plots.class_images(gs.Trainer())


class TestMetricsOfTheModel:
    """Which panels there are, and how they look, follows from the metrics of the histories."""

    REGRESSION = (R2(), MeanAbsoluteError())

    def test_a_regressor_has_panels_of_its_own_metrics(self) -> None:
        history = make_history(metrics=self.REGRESSION)
        figure = gs.plots.curves(history)
        titles = [axes.get_title(loc="left") for axes in figure.axes]
        assert titles == ["Loss", "Cost", "R2", "Mean absolute error"]
        assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "cost", "R2", "mean absolute error"]
        for axes, name in zip(figure.axes, ("loss", "cost", "r2", "mean_absolute_error"), strict=True):
            for line, split in zip(axes.lines, ("train", "validation"), strict=True):
                np.testing.assert_array_equal(line.get_ydata(), history[f"{split}_{name}"])

    def test_shares_are_percent_and_others_are_not(self) -> None:
        metrics = (SubsetAccuracy(), *self.REGRESSION)
        shares = np.linspace(0.1, 0.9, 12)
        columns = {"train_subset_accuracy": shares, "train_r2": shares}
        figure = gs.plots.curves(make_history(metrics=metrics, validation=False, **columns))
        figure.savefig(io.BytesIO())
        by_title = {axes.get_title(loc="left"): axes for axes in figure.axes}
        for title, factor in (("Subset accuracy", 100), ("R2", 1)):
            axes = by_title[title]
            shown = [float(label.get_text().replace("\u2212", "-")) for label in axes.get_yticklabels()]
            np.testing.assert_allclose(shown, factor * axes.get_yticks(), atol=1e-9)
        assert by_title["Subset accuracy"].get_ylabel() == "subset accuracy (%)"

    @pytest.mark.parametrize(("count", "grid"), [(2, (1, 3)), (3, (2, 2)), (4, (2, 3)), (5, (2, 3))])
    def test_panels_stand_in_rows_that_are_full_where_they_can_be(
        self, count: int, grid: tuple[int, int]
    ) -> None:
        metrics = (Accuracy(), F1(), SubsetAccuracy(), *self.REGRESSION)[: count - 1]
        figure = gs.plots.curves(make_history(metrics=metrics), title="All")
        assert len(figure.axes) == count + 1
        assert {axes.get_gridspec().get_geometry() for axes in figure.axes} == {grid}
        figure.draw_without_rendering()
        boxes = [axes.get_tightbbox() for axes in figure.axes]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
        assert not any(figure.legends[0].get_window_extent().overlaps(box) for box in boxes)

    def test_runs_with_other_metrics_have_lines_where_they_have_columns(self) -> None:
        runs = {"classifier": make_history(), "regressor": make_history(metrics=self.REGRESSION)}
        lines = {axes.get_title(loc="left"): len(axes.lines) for axes in gs.plots.curves(runs).axes}
        assert lines == {"Loss": 4, "Cost": 4, "Accuracy": 2, "R2": 2, "Mean absolute error": 2}

    def test_a_column_without_a_number_is_no_line(self) -> None:
        # R2 of one row alone is none.
        history = make_history(metrics=self.REGRESSION, validation_r2=np.full(12, np.nan))
        assert [len(axes.lines) for axes in gs.plots.curves(history).axes] == [2, 2, 1, 2]

    def test_running_metrics_stand_in_where_they_are_measured(self) -> None:
        empty = History(self.REGRESSION)
        nothing = {name: np.full(12, np.nan) for name in metric_columns(empty, "train")}
        figure = gs.plots.curves(make_history(metrics=self.REGRESSION, **nothing))
        assert [len(axes.lines) for axes in figure.axes] == [2, 1, 1, 1]
        assert texts(figure) == ["train (running)", "validation"]

    def test_an_error_of_many_sizes_gets_a_logarithmic_axis_and_r2_never(self) -> None:
        columns = {"train_mean_absolute_error": (2000.0, 0.5), "train_r2": (0.001, 0.9)}
        figure = gs.plots.curves(make_history(rows=2, metrics=self.REGRESSION, validation=False, **columns))
        assert [axes.get_yscale() for axes in figure.axes[2:]] == ["linear", "log"]

    def test_what_is_far_worse_than_the_best_is_cut_off_on_its_own_side(self) -> None:
        values = {"train_r2": np.linspace(0.2, 0.6, 12), "validation_r2": np.linspace(0.1, 0.5, 12)}
        good = make_history(metrics=self.REGRESSION, **values)
        bad = make_history(metrics=self.REGRESSION, validation_r2=np.linspace(-1e9, 0.3, 12))
        axes = gs.plots.curves({"good": good, "bad": bad}, best="good").axes[2]
        low, high = axes.get_ylim()
        assert low == pytest.approx(0.1 - 2 * 0.5)
        assert 0.6 < high < 0.8
        axes = gs.plots.curves({"good": good, "other": good}, best="good").axes[2]
        assert axes.get_ylim()[0] > 0

    def test_trained_models_are_drawn(self) -> None:
        rng = np.random.default_rng(0)
        X = rng.normal(size=(40, 5))
        regressor = gs.Regressor(epochs=2, backend="numpy", random_state=0).fit(X, X[:, 0])
        parameters = {"l2": 0.0, "epochs": 2, "backend": "numpy", "random_state": 0}
        labels = gs.Trainer(loss="multilabel", metrics=["f1"], **parameters)
        labels.fit(X, (X[:, :3] > 0).astype(int))
        titles = [axes.get_title(loc="left") for axes in gs.plots.curves(regressor).axes]
        assert titles == ["Loss = cost", "R2", "Mean absolute error"]
        titles = [axes.get_title(loc="left") for axes in gs.plots.curves(labels).axes]
        assert titles == ["Loss = cost", "Subset accuracy", "F1"]
