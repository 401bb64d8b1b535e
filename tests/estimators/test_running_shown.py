"""Running metrics where people see them: curves, report, lines of `verbose` and of the command line."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_blobs

import gradstep as gs
import makers
from gradstep import cli
from gradstep.errors import InvalidParameterError
from gradstep.plots import style
from gradstep.plots.histories import DASHES
from gradstep.training.history import History, available_splits
from html_pages import Page

COLUMNS = History().keys()
X, Y = make_blobs(n_samples=130, centers=4, n_features=3, cluster_std=1.5, random_state=3)
EVAL_SET = (X[90:], Y[90:])


def trainer(**parameters: Any) -> gs.Trainer:
    given = {"learning_rate": 0.01, "batch_size": "auto", "evaluate_every": "running"}
    return makers.trainer(**given | parameters)


def texts(figure: Any) -> list[str]:
    return [text.get_text().strip() for text in figure.legends[0].get_texts()]


@pytest.fixture(scope="module")
def runs() -> dict[str, gs.Trainer]:
    return {
        "full": trainer(evaluate_every="epoch").fit(X, Y, eval_set=EVAL_SET),
        "running": trainer().fit(X, Y, eval_set=EVAL_SET),
        "alone": trainer().fit(X, Y),
        "never": trainer(evaluate_every=None).fit(X, Y, eval_set=EVAL_SET),
    }


def test_running_metrics_stand_in_where_the_train_rows_were_not_evaluated(runs):
    parts = {"full": ["train", "validation"], "running": ["running", "validation"]}
    parts |= {"alone": ["running"], "never": ["running"]}
    for name, run in runs.items():
        assert available_splits(run.history_) == parts[name]
        assert all(available_splits(row) == parts[name] for row in run.history_)
    assert available_splits(History()) == []


def test_curves_draw_them(runs):
    for name in ("running", "alone", "never"):
        history = runs[name].history_
        figure = gs.plots.curves(history)
        figure.savefig(io.BytesIO())
        with_cost = name == "running"
        assert [axes.get_title("left") for axes in figure.axes] == ["Loss = cost", "Accuracy"]
        for axes, quantity in ((figure.axes[0], "loss"), (figure.axes[-1], "accuracy")):
            np.testing.assert_array_equal(axes.lines[0].get_ydata(), history[f"running_{quantity}"])
            assert len(axes.lines) == 1 + with_cost
        assert all(np.isfinite(line.get_ydata()).all() for axes in figure.axes for line in axes.lines)
        assert texts(figure) == ["train (running)", "validation"][: 1 + with_cost]
    (cost,) = gs.plots.curves(runs["running"], panels=["accuracy", "cost"]).axes[1].lines
    np.testing.assert_array_equal(cost.get_ydata(), runs["running"].history_["validation_cost"])
    assert cost.get_color() == style.PALETTE[1]


def test_curves_tell_them_from_metrics_of_an_evaluation(runs):
    figure = gs.plots.curves(runs)
    assert texts(figure) == [*runs, "train", "train (running)", "validation"]
    assert [len(axes.lines) for axes in figure.axes] == [6, 6]
    assert len({str(dash) for dash in DASHES.values()}) == len(DASHES) == 3


def test_a_history_without_any_metric_cannot_be_drawn():
    columns = dict.fromkeys(COLUMNS, (np.nan,))
    with pytest.raises(InvalidParameterError, match="the run of curves must have at least one evaluation"):
        gs.plots.curves(History(columns=columns | {"update": [3]}))


def cells(page: Page, row: int) -> list[str]:
    return [re.sub(r"\[.*", "", cell).replace("%", "") for cell in page.rows["Results"][row][1:]]


def test_the_report_of_running_metrics(runs: dict[str, gs.Trainer], tmp_path: Path) -> None:
    page = Page(gs.report(runs["running"], tmp_path / "r.html"))
    assert page.rows["Results"][0] == ["Run", "Validation", "Train (running)"]
    assert page.rows["Results"][1] == ["loss", "cost", "accuracy", "loss", "accuracy"]
    last = runs["running"].history_.rows[-1]
    wanted = [last["running_loss"], 100 * last["running_accuracy"], last["validation_loss"]]
    np.testing.assert_allclose(
        [float(cell) for cell in [*cells(page, 2)[3:], cells(page, 2)[0]]], wanted, atol=0.006
    )
    assert "Running: means over batches as they were trained on" in page.source
    assert page.source.count('aria-label="Loss = cost over epochs') == 1


@pytest.mark.parametrize("name", ["alone", "never"])
def test_the_report_without_any_evaluation(name: str, runs: dict[str, gs.Trainer], tmp_path: Path) -> None:
    page = Page(gs.report(runs[name], tmp_path / "r.html"))
    assert page.rows["Results"][:2] == [["Run", "Train (running)"], ["loss", "accuracy"]]
    history = runs[name].history_
    lowest, best = history["running_loss"].min(), history["running_accuracy"].max()
    assert f"<span>Lowest train (running) loss</span><b>{lowest:.4f}</b>" in page.source
    assert f"<span>Best train (running) accuracy</span><b>{best:.2%}".replace("%", "") in page.source
    panels = re.split('<div class="panels[^"]*">', page.source)[1].split("</section>")[0]
    assert panels.count("<svg") == 2


def test_the_report_of_unlike_runs(runs: dict[str, gs.Trainer], tmp_path: Path) -> None:
    page = Page(gs.report(runs, tmp_path / "r.html"))
    assert page.rows["Results"][0] == ["Run", "Validation", "Train", "Train (running)"]
    nothing = {"full": [], "running": [3, 4, 5], "alone": [0, 1, 2, 3, 4, 5]}
    nothing["never"] = nothing["alone"]
    for row, name in enumerate(runs, start=2):
        assert [place for place, cell in enumerate(cells(page, row)) if cell == "\u2013"] == nothing[name]
    assert "Running: means" not in Page(gs.report(runs["full"], tmp_path / "f.html")).source


def test_verbose_names_them(capsys):
    model = trainer(verbose=1).fit(X, Y, eval_set=EVAL_SET)
    lines = capsys.readouterr().out.splitlines()
    row = model.history_.rows[1]
    assert len(lines) == 4
    running, validation = row["running_loss"], row["validation_loss"]
    assert (
        f"  loss train (running) {running:.4f}, validation {validation:.4f}  accuracy train (run" in lines[1]
    )
    trainer(verbose=1, evaluate_every=None).fit(X, Y)
    (line,) = capsys.readouterr().out.splitlines()
    told = r"loss train \(running\) \d\.\d{4}  accuracy train \(running\) \d\d\.\d\d%"
    assert re.fullmatch(rf"epoch 4/4  {told}  [\d.]+ s", line)


@pytest.mark.usefixtures("numpy_backend")
@pytest.mark.parametrize("every, rows", [("running", 3), ("none", 1)])
def test_the_command_line_names_them_and_ends_with_full_metrics(every, rows, capsys, tmp_path):
    words = ["train", "--data", "digits", "--random-state", "0", "--epochs", "3", "--evaluate-every", every]
    report = tmp_path / "report.html"
    assert cli.main([*words, "--json", "--report", str(report)]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert found["settings"]["evaluate_every"] == (None if every == "none" else every)
    history = found["history"]
    assert history["train_cost"] == [None] * rows
    assert None not in history["running_loss"]
    told = [line for line in err.splitlines() if line.startswith("training  epoch")]
    assert len(told) == rows
    loss, share = history["running_loss"][-1], history["running_accuracy"][-1]
    losses, shares = f"loss train (running) {loss:.4f}", f"accuracy train (running) {100 * share:.2f}%"
    if every == "running":
        losses += f", validation {history['validation_loss'][-1]:.4f}"
        shares += f", validation {100 * history['validation_accuracy'][-1]:.2f}%"
    shown = f"epoch 3/3  {losses}  {shares}"
    assert f"{shown}  " in told[-1]
    assert set(found["metrics"]) == {"train", "validation", "test"}
    assert all(value is not None for value in found["metrics"]["train"].values())
    assert "Train (running)" in report.read_text("utf-8")


def test_a_table_of_pandas_has_them(runs):
    frame = runs["running"].history_.to_pandas()
    assert tuple(frame.columns) == COLUMNS
    assert frame["train_loss"].isna().all()
    assert frame["running_accuracy"].between(0, 1).all()
