"""Curves as people ask for them: panels, axes, bands, and runs that explode."""

from __future__ import annotations

import io

import numpy as np
import pytest

import gradstep as gs
from gradstep.errors import InvalidParameterError
from tests.plots.test_plots import make_history, texts


def test_panels_are_those_asked_for_in_their_order() -> None:
    history = make_history()
    figure = gs.plots.curves(history, panels=["accuracy", "loss"], figsize=(7, 3))
    assert [axes.get_ylabel() for axes in figure.axes] == ["accuracy (%)", "loss"]
    assert figure.get_size_inches().tolist() == [7, 3]
    (alone,) = gs.plots.curves(history, panels="cost").axes
    assert alone.get_title("left") == "Cost"
    assert gs.plots.curves(history, panels="cost").get_size_inches()[0] == 6


@pytest.mark.parametrize("panels", ["f1", ["loss", "f1"], []])
def test_panels_that_are_not_there_are_named(panels: object) -> None:
    message = r"`panels` of curves must be metrics that were measured \(loss, cost, accuracy\), got"
    with pytest.raises(InvalidParameterError, match=message):
        gs.plots.curves(make_history(), panels=panels)


def test_loss_and_cost_are_one_panel_without_an_l2_term() -> None:
    loss = {"train_loss": np.linspace(2, 1, 12), "validation_loss": np.linspace(2, 1.5, 12)}
    cost = {name.replace("loss", "cost"): values for name, values in loss.items()}
    plain = make_history(**loss, **cost)
    assert [axes.get_title("left") for axes in gs.plots.curves(plain).axes] == ["Loss = cost", "Accuracy"]
    other = make_history(**loss, **cost | {"validation_cost": np.linspace(2.1, 1.6, 12)})
    figure = gs.plots.curves({"plain": plain, "other": other})
    assert [axes.get_title("left") for axes in figure.axes] == ["Loss", "Cost", "Accuracy"]


def test_lines_over_updates() -> None:
    history = make_history(update=np.arange(10, 130, 10))
    axes = gs.plots.curves(history, x="update").axes[0]
    assert axes.get_xlabel() == "update"
    assert axes.lines[0].get_xdata().tolist() == list(range(10, 130, 10))
    with pytest.raises(InvalidParameterError, match="`x` of curves must be one of"):
        gs.plots.curves(history, x="rows")


@pytest.mark.parametrize(("log", "scale"), [(True, "log"), (False, "linear")])
def test_logarithms_where_they_are_wished(log: bool, scale: str) -> None:
    history = make_history(train_loss=np.geomspace(2, 0.05 if not log else 1.2, 12))
    figure = gs.plots.curves(history, log=log)
    figure.savefig(io.BytesIO())
    assert [axes.get_yscale() for axes in figure.axes] == [scale, scale, "linear"]
    if log:
        low, high = figure.axes[0].get_ylim()
        assert sum(low <= tick <= high for tick in figure.axes[0].get_yticks()) >= 3


def test_a_run_that_explodes_does_not_flatten_the_others() -> None:
    calm = {f"calm {i}": make_history(seed=i, train_loss=np.linspace(2, 1.6, 12)) for i in range(3)}
    wild = make_history(train_loss=np.r_[3.0, 12.0, 5.0, 7.0, np.full(8, 6.0)])
    axes = gs.plots.curves(calm | {"wild": wild}).axes[0]
    low, high = axes.get_ylim()
    of_calm = np.concatenate([line.get_ydata() for line in axes.lines[:6]])
    assert low < of_calm.min()
    assert (of_calm.max() - of_calm.min()) / (high - low) > 0.55
    assert [text.get_text() for text in axes.texts] == ["wild: up to 12 ↑"]
    whole = gs.plots.curves(calm | {"wild": wild}, log=True).axes[0]
    assert whole.get_ylim()[1] > 12
    assert not whole.texts


def test_a_run_that_learns_slowly_is_shown() -> None:
    fast = make_history(validation=False, train_loss=np.linspace(0.5, 0.1, 12))
    slow = make_history(validation=False, train_loss=np.linspace(2.3, 1.9, 12))
    axes = gs.plots.curves({"fast": fast, "also": fast, "slow": slow}).axes[0]
    assert axes.get_ylim()[1] > 2.3
    assert not axes.texts


def test_only_what_is_drawn_is_told_to_be_weighted() -> None:
    data = gs.datasets.load_digits()
    trainer = gs.Trainer(epochs=2, backend="numpy", class_weight="balanced", random_state=0)
    X, y = data.train.X[:300], data.train.y[:300]
    told = gs.plots.curves(trainer.fit(X, y, eval_set=(X[:50], y[:50]))).legends[0].get_title().get_text()
    assert told == "weighted by sample weights: train"


def repeats() -> gs.Repeats:
    data = gs.datasets.load_digits()
    trainer = gs.Trainer(epochs=3, backend="numpy", l2=1e-3)
    X, y = data.train.X[:300], data.train.y[:300]
    return gs.repeat(trainer, X, y, seeds=3, eval_set=(X[:50], y[:50]))


def test_seeds_are_drawn_by_mean_and_deviation() -> None:
    found = repeats()
    figure = gs.plots.curves(found)
    axes = figure.axes[2]
    (train, validation), (band, _) = axes.lines, axes.collections
    rows = np.array([trainer.history_["train_accuracy"] for trainer in found.trainers])
    np.testing.assert_allclose(train.get_ydata(), rows.mean(axis=0), rtol=1e-12)
    edge = band.get_paths()[0].vertices
    for place, (mean, std) in enumerate(zip(rows.mean(axis=0), rows.std(axis=0, ddof=1), strict=True)):
        heights = edge[edge[:, 0] == place + 1][:, 1]
        np.testing.assert_allclose([heights.min(), heights.max()], [mean - std, mean + std], rtol=1e-9)
    assert len(validation.get_ydata()) == 3
    assert texts(figure) == ["train", "validation"]
    assert "means of 3 seeds, bands: ± one standard deviation" in figure.legends[0].get_title().get_text()


def test_seeds_count_as_far_as_all_of_them_go() -> None:
    found = repeats()
    one = found.trainers[1]
    found.trainers[1] = gs.Trainer(epochs=2, backend="numpy", l2=1e-3, random_state=1)
    X, y = gs.datasets.load_digits().train.X[:300], gs.datasets.load_digits().train.y[:300]
    found.trainers[1].fit(X, y, eval_set=(X[:50], y[:50]))
    assert one.history_["epoch"].tolist() == [1, 2, 3]
    figure = gs.plots.curves({"setting": found, "alone": one})
    assert figure.axes[0].lines[0].get_xdata().tolist() == [1, 2]
    assert figure.axes[0].lines[2].get_xdata().tolist() == [1, 2, 3]
    assert len(figure.axes[0].collections) == 2
