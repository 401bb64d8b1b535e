"""Reports about regressors, about several labels a row, and about models of different kinds."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradstep as gs
from gradstep.errors import InvalidParameterError
from gradstep.training.history import History
from gradstep.training.status import Status
from html_pages import Page

X = np.random.default_rng(0).normal(size=(80, 64))
TRUE = X @ np.random.default_rng(1).normal(size=(64, 3))
HELD_OUT = slice(60, 80)
GIVEN = {"epochs": 4, "backend": "numpy", "random_state": 0}


def fit(estimator: gs.Trainer | gs.Regressor, y: np.ndarray) -> gs.Trainer | gs.Regressor:
    return estimator.fit(X[:60], y[:60], eval_set=(X[HELD_OUT], y[HELD_OUT]))


@pytest.fixture(scope="module")
def regressor() -> gs.Regressor:
    return fit(gs.Regressor(hidden=(5,), learning_rate=0.05, **GIVEN), 100 + 10 * TRUE)


@pytest.fixture(scope="module")
def labels() -> gs.Trainer:
    trainer = gs.Trainer(loss="multilabel", metrics=["f1"], learning_rate=0.1, **GIVEN)
    return fit(trainer, (TRUE > 0).astype(int))


@pytest.fixture(scope="module")
def classifier() -> gs.Trainer:
    return fit(gs.Trainer(**GIVEN), TRUE.argmax(axis=1))


Show = Callable[..., Page]


@pytest.fixture
def show(tmp_path: Path) -> Show:
    return lambda runs, **given: Page(gs.report(runs, tmp_path / "page.html", **given))


def cards(page: Page) -> list[str]:
    items = page.source.split('<ul class="cards">')[1].split("</ul>")[0].split("<li>")[1:]
    return [item.replace("<span>", "").split("</span>")[0] for item in items]


def table(page: Page, name: str) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in page.rows[name]}


def values(trainer: gs.Trainer | gs.Regressor, *columns: str) -> list[float]:
    return [trainer.history_[column][-1] for column in columns]


def shown(cells: list[str]) -> list[float]:
    return [float(cell.partition("[")[0].replace("%", "")) for cell in cells]


def test_a_regressor_is_told_by_its_own_metrics(regressor: gs.Regressor, show: Show) -> None:
    tested = regressor.evaluate(X[HELD_OUT], 100 + 10 * TRUE[HELD_OUT])
    page = show(regressor, tests=tested)
    assert cards(page) == ["Best test R2", "Lowest validation loss", "Time to train", "Parameters"]
    groups, names, row = page.rows["Results"]
    assert groups == ["Run", "Test", "Validation", "Train"]
    assert names == ["loss", "cost", "R2", "mean absolute error"] * 3
    columns = [
        f"{split}_{name}"
        for split in ("validation", "train")
        for name in ("loss", "cost", "r2", "mean_absolute_error")
    ]
    np.testing.assert_allclose(shown(row[5:]), values(regressor, *columns), rtol=1e-3)
    np.testing.assert_allclose(shown(row[1:5]), list(tested.values()), rtol=1e-3)
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    assert labels == [f"{title} over epochs" for title in ("Loss = cost", "R2", "Mean absolute error")]
    assert '<div class="panels">' in page.source
    assert "standardised targets" in page.source


def test_a_regressor_has_no_images(regressor: gs.Regressor, show: Show) -> None:
    page = show(regressor, image_shape=(8, 8))
    assert "What the first layer looks at" not in page.source
    assert "<img" not in page.source


def test_settings_of_a_regressor_are_held_against_its_own_defaults(
    regressor: gs.Regressor, show: Show
) -> None:
    settings = table(show(regressor), "Settings")
    assert settings["loss"] == ["squared", "squared"]
    assert settings["hidden"] == ["[(5,)]", "()"]
    assert set(settings) == {"Parameter", *regressor.get_params(deep=False)}


def test_the_best_on_the_way_is_best_in_the_metrics_own_direction(
    regressor: gs.Regressor, show: Show
) -> None:
    columns = dict(regressor.history_)
    columns["validation_r2"] = np.array([0.1, 0.75, 0.3, 0.2])
    columns["validation_mean_absolute_error"] = np.array([9.0, 7.0, 6.0, 8.0])
    history = History(regressor.history_.metrics, columns)
    changed = gs.Regressor(**GIVEN)
    changed.publish(replace(regressor.result(), history=history))
    row = show(changed).rows["Results"][2]
    assert row[3:5] == ["0.2000[0.7500 at\u00a02]", "8.0000[6.0000 at\u00a03]"]


def test_labels_are_told_by_their_own_metrics_and_have_an_image_each(labels: gs.Trainer, show: Show) -> None:
    page = show(labels, class_names=["ant", "bee", "cat"])
    assert cards(page)[0] == "Best validation subset accuracy"
    _, names, row = page.rows["Results"]
    assert names == ["loss", "cost", "subset accuracy", "F1"] * 2
    expected = values(labels, "train_subset_accuracy", "train_f1")
    np.testing.assert_allclose(shown(row[7:9]), np.multiply(100, expected), atol=0.006)
    assert page.source.count("<img") == 3
    assert "Weights of bee" in page.values("alt")


def test_models_of_different_kinds_have_the_union_of_their_columns(
    regressor: gs.Regressor, labels: gs.Trainer, classifier: gs.Trainer, show: Show
) -> None:
    runs = {"classifier": classifier, "regressor": regressor, "labels": labels}
    page = show(runs)
    _, names, *rows = page.rows["Results"]
    wanted = ["loss", "cost", "accuracy", "R2", "mean absolute error", "subset accuracy", "F1"]
    assert names == wanted * 2
    measured = [[place for place, cell in enumerate(row[1:8]) if cell != "\u2013"] for row in rows]
    assert measured == [[0, 1, 2], [0, 1, 3, 4], [0, 1, 5, 6]]
    # Losses of unlike kinds cannot be compared, and a metric that one alone has has no winner.
    assert "win" not in page.source.split('aria-label="Results"')[1].split("</table>")[0]
    assert cards(page)[:2] == ["Best validation accuracy", "Lowest validation loss (softmax)"]
    settings = table(page, "Settings")
    assert settings["loss"] == ["softmax", "squared", "[multilabel]", "softmax or squared"]
    assert settings["standardize_targets"] == ["\u2013", "True", "\u2013", "True"]
    # Three images of the classes, three of the labels.
    assert page.source.count("<img") == 6


def test_regressors_are_compared_by_what_can_be(regressor: gs.Regressor, show: Show) -> None:
    other = fit(gs.Regressor(standardize_targets=False, learning_rate=1e-4, **GIVEN), 100 + 10 * TRUE)
    page = show({"a": regressor, "b": other})
    body = page.source.split('aria-label="Results"')[1].split("</table>")[0]
    # R2 and the mean absolute error of the validation rows, and no loss.
    assert body.count("win") == 2
    alike = fit(gs.Regressor(learning_rate=0.01, **GIVEN), 100 + 10 * TRUE)
    body = show({"a": regressor, "b": alike}).source.split('aria-label="Results"')[1].split("</table>")[0]
    assert body.count("win") == 3


@pytest.mark.parametrize("status", list(Status))
def test_what_did_not_come_to_its_own_end_says_so(status: Status, classifier: gs.Trainer, show: Show) -> None:
    changed = gs.Trainer(**GIVEN)
    changed.publish(replace(classifier.result(), status=status))
    (name,) = [row[0] for row in show(changed).rows["Training"][1:]]
    assert name == "softmax layer" + ("" if status.is_complete else status)


def test_the_threads_are_those_that_were_used(classifier: gs.Trainer, show: Show) -> None:
    changed = gs.Trainer(n_threads=7, **GIVEN)
    changed.publish(replace(classifier.result(), n_threads=3))
    foot = show(changed).source.split("<footer>")[1]
    assert " · 3 threads · " in foot


@pytest.mark.parametrize(("names", "said"), [(["a"], "1"), (["a"] * 4, "4"), ("abc", "'abc'"), (3, "3")])
def test_names_of_other_classes_are_refused_whatever_is_drawn(tmp_path: Path, names: Any, said: str) -> None:
    trainer = gs.Trainer(epochs=1, random_state=0).fit(X[:30, :2], np.arange(30) % 3)
    message = f"`class_names` of report must have 3 names, one per class, got {said}"
    with pytest.raises(InvalidParameterError, match=re.escape(message) + "$"):
        gs.report(trainer, tmp_path / "r.html", class_names=names)
    assert not list(tmp_path.iterdir())
