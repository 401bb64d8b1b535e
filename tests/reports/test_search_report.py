"""The page of a search says what its table says."""

from __future__ import annotations

import re

import numpy as np
import pytest

import gradstep as gs
from gradstep import plots
from gradstep.errors import InvalidParameterError
from gradstep.utils import text
from html_pages import Page
from sweep_cases import HELD_OUT, X, Y, trainer


def search(space, n_trials=None, *, base=None, eval_set=HELD_OUT, **options):
    return gs.Sweep(base or trainer(), space, n_trials, 0, **options).fit(X, Y, eval_set=eval_set)


@pytest.fixture(scope="module")
def wide():
    """Draw three parameters, prune models on the way, and let some diverge."""
    space = {"l2": gs.LogUniform(1e-5, 1e-1), "learning_rate": [0.1, 1e20], "hidden": [(), (4,)]}
    return search(space, 9, pruner=gs.SuccessiveHalving(2))


@pytest.fixture(scope="module")
def halved():
    """Try a grid of which all but two of twelve models are pruned after an epoch or two."""
    space = {"l2": [0.0, 1e-3, 0.1], "learning_rate": [1e-4, 1e-3, 0.01, 0.1]}
    return search(space, pruner=gs.SuccessiveHalving(3))


def words(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.source))


def labels(page):
    return [label for label in page.values("aria-label") if "accuracy" in label.lower() or "over" in label]


def test_every_trial_has_its_row_best_first(wide, tmp_path):
    page = Page(gs.report(wide, tmp_path / "search.html", title="A <search>"))
    head, *rows = page.rows["Trials"]
    assert head[:6] == [
        "Trial",
        "validation loss",
        "L2 strength λ",
        "learning rate",
        "hidden units",
        "status",
    ]
    assert [row[0] for row in rows] == [f"trial {trial}" for trial in wide.results_.ranking()]
    best = wide.results_["trial"].tolist().index(wide.best_index_)
    assert wide.results_["status"][best] == "completed"
    by_name = {row[0]: row for row in rows}
    row = by_name[f"trial {wide.best_index_}"]
    assert (row[1], row[5]) == (f"{wide.best_score_:.4f}", "completed")
    for trial, status in enumerate(wide.results_["status"]):
        assert by_name[f"trial {trial}"][5] == status
    assert {"diverged", "pruned"} <= {row[5] for row in rows}
    assert page.source.count('<td class="win">') == 1
    assert "A &lt;search&gt;" in page.source


def test_ids_of_all_pictures_differ_and_nothing_is_loaded(wide, tmp_path):
    page = Page(gs.report(wide, tmp_path / "search.html"))
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert all(link.startswith(("#", "data:")) for link in page.values("href") + page.values("src"))
    found = labels(page)
    assert [f"validation accuracy over {name}" in found for name in ("L2 strength λ", "hidden units")] == [
        True
    ] * 2
    assert "validation accuracy by all parameters" in found
    assert f"trial {wide.best_index_}: validation" in page.source
    assert "all others" in page.source


def test_groups_and_the_best_model_are_told(wide, tmp_path):
    metrics = wide.best_trainer_.evaluate(*HELD_OUT)
    page = Page(gs.report(wide, tmp_path / "search.html", tests=metrics))
    groups = page.rows["Groups"][1:]
    assert [int(row[1]) for row in groups] == [len(group.models) for group in wide.groups_]
    assert [row[3] for row in groups] == [group.reason for group in wide.groups_]
    assert [row[0] for row in page.rows["Results"][2:]] == [f"trial {wide.best_index_}"]
    settings = {row[0]: row[1] for row in page.rows["Settings"]}
    assert settings["hidden"].strip("[]") == text.setting(wide.best_params_["hidden"])


def test_a_grid_of_two_parameters_is_a_heat_map(tmp_path):
    grid = search({"l2": [0.0, 0.1], "learning_rate": [0.01, 0.1, 0.5]})
    page = Page(gs.report(grid, tmp_path / "grid.html"))
    assert "framed: best" in page.source
    drawn = search({"l2": gs.Uniform(0, 1), "learning_rate": gs.Uniform(0, 1)}, 5)
    page = Page(gs.report(drawn, tmp_path / "drawn.html"))
    assert "orange: the best" in page.source


def test_pictures_tell_what_was_not_trained_to_its_end(halved, tmp_path):
    assert halved.results_["status"].tolist().count("pruned") > 8
    page = Page(gs.report(halved, tmp_path / "halved.html"))
    assert words(page).count("hollow: not trained to the end") == 2
    # A heat map of the few that are left would be all but empty.
    assert "dashed: not trained to the end" in words(page)
    assert "framed: best" not in page.source
    assert "Trials trained to their own ends stand first" in words(page)


def test_of_equally_accurate_trials_the_pictures_take_the_one_that_scored_best(halved, tmp_path, monkeypatch):
    drawn, over_parameter = [], plots.over_parameter

    def spy(table, *arguments, **more):
        drawn.append(table)
        return over_parameter(table, *arguments, **more)

    monkeypatch.setattr(plots, "over_parameter", spy)
    gs.report(halved, tmp_path / "halved.html")
    found = halved.results_
    order = found.ranking()
    assert order.tolist() != sorted(order.tolist())
    for name in ("l2", "learning_rate", "status", "validation_accuracy"):
        np.testing.assert_array_equal(drawn[0][name], found[name][order])


def test_the_heading(halved, tmp_path):
    headings = {"Search report": {}, "Training report": {"title": "Training report"}, "": {"title": ""}}
    for heading, given in headings.items():
        page = Page(gs.report(halved, tmp_path / "page.html", **given))
        assert f"<h1>{heading}</h1>" in page.source
    page = Page(gs.report(halved.best_trainer_, tmp_path / "page.html"))
    assert "<h1>Training report</h1>" in page.source


def test_what_is_no_search_yet_is_told_what_a_report_is_about(halved, tmp_path):
    space = {"learning_rate": gs.LogUniform(0.01, 0.1)}
    rounds = gs.coarse_to_fine(trainer(), space, X, Y, eval_set=HELD_OUT, rounds=[(2, 1.0)], random_state=0)
    folds = gs.FusedSearchCV(trainer(), {"l2": [0.0, 0.1]}, cv=2).fit(X, Y)
    kinds = (
        "`trainers` of report must be a fitted Trainer or Regressor, a mapping of names to these, or a fitted"
    )
    for given, end in [
        (gs.Sweep(trainer(), space, 2), r"Sweep, got Sweep\("),
        (halved.best_trainer_.history_, r"Sweep, got .*History"),
        (trainer(), r"Sweep, got Trainer\("),
        (rounds, r"Sweep \(its `best_sweep_` is one\), got Refinement\("),
        (folds, r"Sweep; its `best_estimator_` may be one, .*, got FusedSearchCV\("),
    ]:
        with pytest.raises(InvalidParameterError, match=f"^{kinds} {end}"):
            gs.report(given, tmp_path / "none.html")
    with pytest.raises(
        InvalidParameterError, match=r"^run 'a' of report must be a fitted Trainer or Regressor, got Sweep"
    ):
        gs.report({"a": halved}, tmp_path / "none.html")
    assert "Search report" in gs.report(rounds.best_sweep_, tmp_path / "best.html").read_text("utf-8")
    assert not (tmp_path / "none.html").exists()


def test_one_parameter_and_folds(tmp_path):
    folds = search({"l2": [0.0, 0.1]}, eval_set=None, folds=3)
    page = Page(gs.report(folds, tmp_path / "folds.html"))
    assert "by all parameters" not in " ".join(labels(page))
    assert "deviation" in page.rows["Trials"][0]
    assert f"trial {folds.best_index_}, fold 2" in page.source
    assert "6 models, 3 folds each" in page.source


def test_without_validation_rows_the_train_rows_are_shown(tmp_path):
    alone = search({"l2": [0.0, 0.1]}, eval_set=None, validation_share=None, metric="train_loss")
    page = Page(gs.report(alone, tmp_path / "alone.html"))
    assert "train accuracy over L2 strength λ" in labels(page)


def test_a_search_of_which_nothing_is_left_has_its_table(tmp_path):
    lost = search({"learning_rate": [1e20, 1e22]}, base=trainer(hidden=(4,)))
    assert lost.results_["status"].tolist() == ["diverged"] * 2
    page = Page(gs.report(lost, tmp_path / "lost.html"))
    assert "no trial came to its end" in page.source
    assert [row[3] for row in page.rows["Trials"][1:]] == ["diverged"] * 2
    with pytest.raises(InvalidParameterError, match="`tests` of report must be None where a search has no"):
        gs.report(lost, tmp_path / "none.html", tests=gs.Metrics({"loss": 1}))
    assert not (tmp_path / "none.html").exists()


def test_a_search_of_regressors_is_told_by_their_metrics(tmp_path):
    target = X[:, 0] - X[:, 1]
    held_out = (HELD_OUT[0], HELD_OUT[0][:, 0] - HELD_OUT[0][:, 1])
    base = gs.Regressor(epochs=3, backend="numpy", random_state=0)
    sweep = gs.Sweep(base, {"l2": [0.0, 0.1], "learning_rate": [0.001, 0.01]}, random_state=0)
    sweep.fit(X, target, eval_set=held_out)
    page = Page(gs.report(sweep, tmp_path / "search.html", tests=sweep.best_trainer_.evaluate(*held_out)))
    head, *rows = page.rows["Trials"]
    assert (head[1], *head[4:6]) == ("validation loss", "status", "best epoch")
    shown = ["validation R2", "validation mean absolute error", "train loss", "train R2"]
    assert [name for name in head if name in shown] == shown
    best = dict(zip(head, rows[0], strict=True))
    assert best["validation R2"] == f"{sweep.best_trainer_.history_['validation_r2'][-1]:.4f}"
    assert "validation R2 over L2 strength λ" in page.values("aria-label")
    assert "framed: best" in page.source
    assert page.rows["Results"][1][-2:] == ["R2", "mean absolute error"]


@pytest.mark.parametrize(
    ("metric", "shown"), [("validation_f1", "validation F1"), ("running_loss", "train (running) loss")]
)
def test_what_is_drawn_is_the_metric_that_ranks(metric, shown, tmp_path):
    base = trainer(loss="multilabel", metrics=["f1"])
    y = (X[:, :3] > X[:, :3].mean(axis=0)).astype(int)
    sweep = gs.Sweep(base, {"l2": [0.0, 0.1]}, metric=metric, random_state=0).fit(X, y)
    page = Page(gs.report(sweep, tmp_path / "search.html"))
    if metric == "running_loss":
        shown = "train (running) subset accuracy"
    assert f"{shown} over L2 strength λ" in page.values("aria-label")


def test_statuses_are_spoken(tmp_path):
    stops = trainer(early_stopping=gs.EarlyStopping(monitor="train_loss", patience=1, min_delta=100.0))
    page = Page(gs.report(search({"l2": [0.0, 0.1]}, base=stops), tmp_path / "search.html"))
    assert [row[3] for row in page.rows["Trials"][1:]] == ["early stopped"] * 2
    assert "2 early stopped" in page.source
