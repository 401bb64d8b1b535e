"""Pictures of learning rates: every update has the rate that training gives it."""

from __future__ import annotations

import numpy as np
import pytest

import gradstep as gs
from gradstep import plots
from gradstep.diagnostics.lr_range import RangeTest
from gradstep.errors import InvalidParameterError
from gradstep.nn.schedules import CyclicTriangular, Linear, ReduceOnPlateau, StepDecay
from gradstep.plots import style
from gradstep.training.history import History


def fitted(n: int = 40, **parameters: object) -> gs.Trainer:
    X = np.random.default_rng(0).normal(size=(n, 3))
    return gs.Trainer(**{"backend": "numpy", "random_state": 0, **parameters}).fit(X, np.arange(n) % 2)


class TestLearningRate:
    def test_a_fitted_trainer_shows_the_rates_of_its_updates(self) -> None:
        # 40 rows in batches of 10, so 4 updates an epoch: the rate is halved after every second.
        trainer = fitted(learning_rate=StepDecay(0.08, 0.5, 2), batch_size=10, epochs=5, evaluate_every=1)
        (axes,) = plots.learning_rate(trainer).axes
        (line,) = axes.lines
        np.testing.assert_array_equal(line.get_xdata(), np.arange(20))
        np.testing.assert_array_equal(line.get_ydata(), trainer.history_["learning_rate"])
        assert line.get_ydata().tolist() == [0.08] * 8 + [0.04] * 8 + [0.02] * 4
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("update", "learning rate")
        assert axes.get_ylim()[0] == 0

    def test_a_training_that_stopped_early_shows_what_was_done_of_the_plan(self) -> None:
        trainer = fitted(
            learning_rate=Linear(0.4, 0.0),
            batch_size=10,
            epochs=5,
            callbacks=[lambda _, row: row["epoch"] >= 2],
        )
        (line,) = plots.learning_rate(trainer).axes[0].lines
        np.testing.assert_allclose(line.get_ydata(), 0.4 * (1 - np.arange(8) / 20))

    def test_a_regressor_shows_its_rates_too(self) -> None:
        X = np.random.default_rng(0).normal(size=(45, 3))
        schedule = StepDecay(0.08, 0.5, 1)
        regressor = gs.Regressor(learning_rate=schedule, batch_size=10, epochs=3, backend="numpy")
        # Of 45 rows the last batch of an epoch is short: 5 updates.
        (line,) = plots.learning_rate(regressor.fit(X, X[:, 0])).axes[0].lines
        assert line.get_ydata().tolist() == [0.08] * 5 + [0.04] * 5 + [0.02] * 5

    def test_rates_that_fell_while_training_are_those_of_the_history(self) -> None:
        rule = ReduceOnPlateau(0.1, factor=0.5, patience=1, monitor="train_loss", min_delta=10.0)
        trainer = fitted(learning_rate=rule, batch_size=10, epochs=4)
        (line,) = plots.learning_rate(trainer).axes[0].lines
        assert line.get_ydata().tolist() == np.repeat(trainer.history_["learning_rate"], 4).tolist()
        assert len(set(line.get_ydata())) > 1

    def test_a_trainer_to_come_needs_the_updates_of_an_epoch(self) -> None:
        trainer = gs.Trainer(learning_rate=StepDecay(0.08, 0.5, 2), epochs=3)
        (line,) = plots.learning_rate(trainer, updates_per_epoch=2).axes[0].lines
        assert line.get_ydata().tolist() == [0.08] * 4 + [0.04] * 2
        assert not hasattr(trainer, "classes_")

    def test_several_in_one_figure(self) -> None:
        history = History(columns={name: np.arange(1.0, 4.0) for name in dict(History())})
        runs = {"cyclic": CyclicTriangular(0.1, 0.5, 2), "falling": lambda t: 1 / (1 + t), "flat": 0.3}
        figure = plots.learning_rate(runs | {"seen": history}, updates=5, updates_per_epoch=5, title="All")
        (axes,) = figure.axes
        rates = [line.get_ydata().tolist() for line in axes.lines]
        np.testing.assert_allclose(rates[0], [0.1, 0.3, 0.5, 0.3, 0.1])
        assert rates[1:] == [[1, 1 / 2, 1 / 3, 1 / 4, 1 / 5], [0.3] * 5, [1, 2, 3]]
        # Update numbers begin at 0; a row of the history tells of the last update before it.
        assert axes.lines[3].get_xdata().tolist() == [0, 1, 2]
        assert [line.get_color() for line in axes.lines] == list(style.PALETTE[:4])
        assert [text.get_text().strip() for text in figure.legends[0].get_texts()] == [*runs, "seen"]
        assert figure.get_suptitle() == "All"
        figure.draw_without_rendering()
        assert not figure.legends[0].get_window_extent().overlaps(axes.get_tightbbox())

    def test_a_logarithmic_axis(self) -> None:
        decay = StepDecay(0.1, 0.1, 1)
        assert (
            plots.learning_rate(decay, updates=3, updates_per_epoch=1, log=True).axes[0].get_yscale() == "log"
        )
        with pytest.raises(InvalidParameterError, match=r"`log` of learning_rate needs a rate above 0"):
            plots.learning_rate(lambda t: 0.0, updates=3, updates_per_epoch=1, log=True)

    @pytest.mark.parametrize(
        ("run", "options", "message"),
        [
            ({}, {}, r"learning_rate needs at least one run"),
            (
                "fast",
                {},
                r"the run of learning_rate must be a Trainer or Regressor, a History, .*, got 'fast'",
            ),
            (
                {"x": None},
                {},
                r"run 'x' of learning_rate must be a Trainer or Regressor, a History, .*, got None",
            ),
            (History(), {}, r"the run of learning_rate must have at least one row"),
            (gs.Trainer(), {}, r"the run of learning_rate needs `updates_per_epoch`, got None"),
            ({"x": 0.1}, {"updates_per_epoch": 1}, r"run 'x' of learning_rate needs `updates`, got None"),
            (0.1, {"updates_per_epoch": 0}, r"`updates_per_epoch` of learning_rate must be >= 1, got 0"),
            (-0.1, {"updates": 3, "updates_per_epoch": 1}, r"must give finite rates >= 0, got -0.1"),
        ],
        ids=str,
    )
    def test_what_cannot_be_drawn_is_refused(
        self, run: object, options: dict[str, int], message: str
    ) -> None:
        with pytest.raises(InvalidParameterError, match=message):
            plots.learning_rate(run, **options)


class TestRangeTest:
    def test_the_line_is_the_loss_over_the_rate(self) -> None:
        result = RangeTest(np.array([0.01, 0.1, 1.0]), np.array([2.0, 1.0, 1.5]))
        (axes,) = gs.plots.range_test(result).axes
        (line,) = axes.lines
        np.testing.assert_array_equal(line.get_xdata(), result.learning_rate)
        np.testing.assert_array_equal(line.get_ydata(), result.loss)
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("learning rate", "running loss")
        assert line.get_marker() == "o"

    def test_a_lost_network_does_not_flatten_the_rest(self) -> None:
        rates = np.geomspace(1e-5, 1.0, 10)
        lost = RangeTest(rates, np.r_[np.linspace(2.3, 1.7, 9), 1e9])
        axes = gs.plots.range_test(lost).axes[0]
        np.testing.assert_allclose(axes.get_ylim(), (1.7 - 0.04 * 0.8, 2.3 + 0.2))
        flat = gs.plots.range_test(RangeTest(rates, np.r_[np.full(9, 2.0), 1e9])).axes[0]
        assert flat.get_ylim()[1] == pytest.approx(2.0 * 4 / 3)
        assert gs.plots.range_test(RangeTest(rates, np.full(10, 2.0))).axes[0].get_ylim()[1] < 2.5

    def test_title(self) -> None:
        result = RangeTest(np.array([0.1]), np.array([1.0]))
        assert gs.plots.range_test(result).get_suptitle() == ""
        assert gs.plots.range_test(result, title="$\\oops{$").get_suptitle() == "$\\oops{$"

    @pytest.mark.parametrize("bad", [3, None, History(), gs.Trainer()], ids=lambda bad: type(bad).__name__)
    def test_what_is_no_range_test_is_refused(self, bad: object) -> None:
        with pytest.raises(InvalidParameterError, match=r"`result` of range_test must be a RangeTest, got"):
            gs.plots.range_test(bad)

    def test_no_point_is_no_picture(self) -> None:
        with pytest.raises(InvalidParameterError, match="must have at least one point"):
            gs.plots.range_test(RangeTest(np.empty(0), np.empty(0)))
