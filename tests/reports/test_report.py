"""The report: whole, self-contained, escaped, and true to the runs."""

from __future__ import annotations

import base64
import errno
import io
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread
from sklearn.base import clone
from sklearn.datasets import load_digits

import gradstep as gs
from gradstep.errors import InvalidParameterError
from gradstep.plots import style
from gradstep.training.status import Status
from gradstep.utils import text
from html_pages import Page

EVIL = '<script>alert("x")</script>&'


@pytest.fixture(scope="module")
def runs() -> dict[str, gs.Trainer]:
    X, y = load_digits(return_X_y=True)
    settings = {
        "softmax layer": {"learning_rate": gs.schedules.StepDecay(0.05)},
        "two layers": {"hidden": (60,), "l2": 0.001, "batch_size": 40, "random_state": 7},
    }
    return {
        name: gs.Trainer(**{"epochs": 6, "backend": "numpy", "random_state": 0, **given}).fit(
            X[:300], y[:300], eval_set=(X[300:500], y[300:500])
        )
        for name, given in settings.items()
    }


@pytest.fixture(scope="module")
def tests() -> dict[str, gs.Metrics]:
    return {"softmax layer": metrics(0.4321, 0.4567, 0.8765), "two layers": metrics(0.5, 0.6, 0.8)}


def metrics(loss: float, cost: float, accuracy: float) -> gs.Metrics:
    return gs.Metrics({"loss": loss, "cost": cost, "accuracy": accuracy})


@pytest.fixture(scope="module")
def page(
    runs: dict[str, gs.Trainer], tests: dict[str, gs.Metrics], tmp_path_factory: pytest.TempPathFactory
) -> Page:
    path = tmp_path_factory.mktemp("report") / "digits.html"
    written = gs.report(runs, str(path), title="Digits", tests=tests, notes="First.\n\nSecond < third.")
    assert written == path
    assert [entry.name for entry in path.parent.iterdir()] == ["digits.html"]
    return Page(path)


def without_time(path: Path) -> str:
    return re.sub(r"<time.*?</time>", "", path.read_text(encoding="utf-8"))


def test_nothing_is_asked_of_the_network(page: Page) -> None:
    for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
        assert all(value.startswith(("data:", "#")) for value in page.values(name))
    assert not re.search(r"<script|@import|url\((?!#)", page.source)
    assert "default-src 'none'" in page.source


def test_ids_are_unique_and_all_references_lead_somewhere(page: Page) -> None:
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    used = re.findall(r"url\(#([^)]+)\)", page.source)
    used += [value[1:] for name in ("href", "xlink:href") for value in page.values(name) if value[0] == "#"]
    assert used
    assert set(used) <= set(ids)


def test_results_are_those_of_the_histories(page: Page, runs: dict[str, gs.Trainer]) -> None:
    groups, names, *rows = page.rows["Results"]
    assert groups == ["Run", "Test", "Validation", "Train"]
    assert names == ["loss", "cost", "accuracy"] * 3
    assert [row[0] for row in rows] == list(runs)
    for row, trainer in zip(rows, runs.values(), strict=True):
        last = list(trainer.history_)[-1]
        shown = [re.sub(r"\[.*", "", cell).replace("%", "") for cell in row[4:]]
        names = ("loss", "cost", "accuracy")
        expected = [last[f"{s}_{name}"] for s in ("validation", "train") for name in names]
        expected = [value * (100 if i % 3 == 2 else 1) for i, value in enumerate(expected)]
        np.testing.assert_allclose([float(value) for value in shown], expected, atol=0.006)
    assert rows[0][1:4] == ["0.4321", "0.4567", "87.65%"]


def test_the_best_value_is_told_where_it_was_not_the_last(
    runs: dict[str, gs.Trainer], tmp_path: Path
) -> None:
    columns = dict(runs["two layers"].history_)
    columns["validation_loss"] = np.array([0.9, 0.7, 0.6, 0.8, 0.85, 0.9])
    columns["validation_accuracy"] = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    trainer = clone(runs["two layers"])
    trainer.publish(replace(runs["two layers"].result(), history=gs.History(columns=columns)))
    row = Page(gs.report(trainer, tmp_path / "r.html")).rows["Results"][2]
    assert row[1] == "0.9000[0.6000 at\u00a03]"
    assert row[3] == "60.00%"


def test_only_comparable_metrics_have_a_winner(page: Page) -> None:
    body = page.source.split('aria-label="Results"')[1].split("</table>")[0]
    winners = [re.findall(r'<td class="[^"]*win[^"]*">([^<]*)', row) for row in body.split("<tr")[3:]]
    assert winners[0][:2] == ["0.4321", "87.65%"]
    assert sum(map(len, winners)) == 4  # loss and accuracy, of validation and test


def test_settings_are_marked_where_they_are_not_the_default(page: Page) -> None:
    table = {row[0]: row[1:] for row in page.rows["Settings"]}
    assert table["Parameter"] == ["softmax layer", "two layers", "default"]
    assert table["l2"] == ["0.002", "[0.001]", "0.002"]
    assert table["hidden"] == ["()", "[(60,)]", "()"]
    assert table["learning_rate"] == ["[StepDecay(start=0.05, factor=0.1, every=10)]", "auto", "auto"]
    assert table["epochs"] == ["[6]", "[6]", "100"]
    assert table["batch_size"] == ["auto", "[40]", "auto"]
    assert set(table) == {"Parameter", *gs.Trainer().get_params()}


def test_training_tells_sizes_and_time(page: Page) -> None:
    rows = [[cell.replace("\u00a0", " ") for cell in row] for row in page.rows["Training"]]
    assert rows[1][:4] == ["softmax layer", "64 → 10", "650", "0.002"]
    assert rows[2][1:3] == ["64 → 60 → 10", f"{65 * 60 + 61 * 10:,}"]
    # "auto" is 6 of the 300 rows: 50 updates an epoch.
    assert rows[0][5:8] == ["batch", "epochs", "updates"]
    assert [row[5:8] for row in rows[1:]] == [["6", "6", "300"], ["40", "6", "48"]]


def test_cards_and_foot(page: Page) -> None:
    assert "<span>Best test accuracy</span><b>87.65%</b><span>softmax layer</span>" in page.source
    foot = page.source.split("<footer>")[1].split("</footer>")[0]
    assert foot.startswith(f"gradstep {gs.__version__} · backend numpy · float32 · 1 thread · Python ")
    assert "<p>First.</p><p>Second &lt; third.</p>" in page.source
    assert page.source.count("Digits</") == 2  # title and heading


def test_curves_are_drawn_in_the_colours_of_the_page(page: Page) -> None:
    panels = page.source.split('<div class="panels">')[1].split("</section>")[0]
    assert panels.count("<svg") == 3
    for label in ("loss", "cost", "accuracy (%)"):
        assert f">{label}</text>" in panels
    # Two runs, each with a solid and a dashed line, in three panels.
    strokes = re.findall(r'<path d="[^"]*" clip-path[^>]*style="([^"]*)"', panels)
    lines = [style for style in strokes if "--run-" in style]
    assert [sum(f"--run-{i}" in style for style in lines) for i in range(3)] == [6, 6, 0]
    assert sum("stroke-dasharray" in style for style in lines) == 6
    assert not re.search(r"#[0-9a-f]{6}\b", panels)


def test_the_style_sheet_has_the_palette_for_day_and_night(page: Page) -> None:
    light, dark = (
        dict(re.findall(r"(--run-\d): (#[0-9a-f]{6})", part))
        for part in page.source.split("prefers-color-scheme: dark")
    )
    assert light == {f"--run-{i}": colour for i, colour in enumerate(style.PALETTE)}
    assert light.keys() == dark.keys()
    assert "@media print" in page.source
    assert 'name="viewport" content="width=device-width' in page.source


def test_images_are_the_weights(page: Page, runs: dict[str, gs.Trainer]) -> None:
    images = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    assert len(images) == 10 + 50
    pixels = imread(io.BytesIO(base64.b64decode(images[4].split(",")[1])), format="png")[..., :3]
    weights = runs["softmax layer"].coefs_[0][:, 4].reshape(8, 8)
    expected = matplotlib.colormaps["RdBu_r"](0.5 + 0.5 * weights / np.abs(weights).max())[..., :3]
    np.testing.assert_allclose(pixels, expected, atol=1 / 255)
    assert "(10 of 60 left out)" in page.source


def test_all_text_is_escaped(tmp_path: Path) -> None:
    X, y = np.random.default_rng(0).normal(size=(20, 64)), np.array([EVIL, "b"] * 10)
    trainer = gs.Trainer(epochs=1, backend="numpy", random_state=0).fit(X, y)
    trainer.random_state = EVIL
    path = gs.report({EVIL: trainer, "b": trainer}, tmp_path / "r.html", title=EVIL, notes=EVIL)
    page = Page(path)
    assert "script" not in {tag for tag, _, _ in page.attributes}
    assert "<script" not in page.source
    assert f"Weights of {EVIL}" in page.values("alt")
    assert page.rows["Results"][2][0] == EVIL
    named = gs.report(trainer, tmp_path / "n.html", class_names=["x", EVIL])
    assert f"Weights of {EVIL}" in Page(named).values("alt")


@pytest.mark.parametrize(("d", "images"), [(4, 0), (49, 0), (63, 0), (64, 2), (192, 2), (147, 0)])
def test_tables_are_not_taken_for_pictures(d: int, images: int, tmp_path: Path) -> None:
    X, y = np.random.default_rng(0).normal(size=(20, d)), np.arange(20) % 2
    trainer = gs.Trainer(epochs=1, backend="numpy").fit(X, y)
    assert gs.report(trainer, tmp_path / "r.html").read_text("utf-8").count("<img") == images
    shaped = gs.report(trainer, tmp_path / "s.html", image_shape=(1, d))
    assert shaped.read_text("utf-8").count("<img") == 2


def test_a_run_without_validation_and_with_one_evaluation(tmp_path: Path) -> None:
    X, y = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 2
    trainer = gs.Trainer(epochs=3, evaluate_every=1000, backend="numpy", precision="float64").fit(X, y)
    page = Page(gs.report(trainer, tmp_path / "r.html", tests=metrics(1.0, 1.0, 0.25)))
    assert page.rows["Results"][0] == ["Run", "Test", "Train"]
    assert page.rows["Results"][2][0] == "softmax layer"
    assert page.rows["Results"][2][3] == "25.00%"


def test_stopping_early_and_ctrl_c_are_told(runs: dict[str, gs.Trainer], tmp_path: Path) -> None:
    X, y = load_digits(return_X_y=True)
    rule = gs.EarlyStopping(monitor="train_loss", patience=2, min_delta=10.0)
    trainer = gs.Trainer(epochs=9, early_stopping=rule, backend="numpy").fit(X[:200], y[:200])
    trainer.publish(replace(trainer.result(), status=Status.INTERRUPTED))
    page = Page(gs.report(trainer, tmp_path / "r.html"))
    assert page.rows["Training"][1][0] == "softmax layerinterrupted"
    assert page.rows["Training"][1][6] == "3[of 9][kept: 1]"
    assert "parameters that early stopping kept" in page.source


def test_many_runs_have_colours_of_their_own(runs: dict[str, gs.Trainer], tmp_path: Path) -> None:
    many = {f"run {i}": runs["softmax layer"] for i in range(9)}
    source = gs.report(many, tmp_path / "r.html").read_text("utf-8")
    results = source.split('aria-label="Results"')[1].split("</table>")[0]
    assert len(set(re.findall(r"background:(#[0-9a-f]{6})", results))) == 9


def test_the_same_runs_give_the_same_bytes(runs: dict[str, gs.Trainer], tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    expected = without_time(gs.report(runs, tmp_path / "a.html"))
    with ThreadPoolExecutor(3) as pool:
        paths = pool.map(lambda i: gs.report(runs, tmp_path / f"{i}.html"), range(3))
        assert all(without_time(path) == expected for path in paths)
    with matplotlib.rc_context({"lines.linewidth": 9, "axes.facecolor": "red", "svg.fonttype": "path"}):
        assert without_time(gs.report(runs, tmp_path / "c.html")) == expected
    assert dict(matplotlib.rcParams) == before


class TestArguments:
    @pytest.mark.parametrize("bad", [gs.Trainer(), None, 3])
    def test_only_fitted_trainers(self, bad: object, tmp_path: Path) -> None:
        with pytest.raises(
            InvalidParameterError, match=r"run 'x' of report must be .*a fitted Trainer.*, got"
        ):
            gs.report({"x": bad}, tmp_path / "r.html")

    def test_a_history_alone_is_not_enough(self, runs: dict[str, gs.Trainer], tmp_path: Path) -> None:
        with pytest.raises(
            InvalidParameterError, match="run 'x' of report must be a fitted Trainer or Regressor"
        ):
            gs.report({"x": runs["two layers"].history_}, tmp_path / "r.html")

    def test_at_least_one_run(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidParameterError, match="report needs at least one run"):
            gs.report({}, tmp_path / "r.html")

    def test_test_metrics_must_belong_to_a_run(self, runs: dict[str, gs.Trainer], tmp_path: Path) -> None:
        measured = metrics(1.0, 1.0, 0.5)
        with pytest.raises(InvalidParameterError, match=r"must name runs of the report .*got elsewhere"):
            gs.report(runs, tmp_path / "r.html", tests={"elsewhere": measured})
        with pytest.raises(InvalidParameterError, match="must map names of runs to Metrics"):
            gs.report(runs, tmp_path / "r.html", tests=measured)
        page = Page(gs.report(runs, tmp_path / "r.html", tests={"two layers": measured}))
        assert [row[3] for row in page.rows["Results"][2:]] == ["\u2013", "50.00%"]

    def test_image_shape_and_names_must_fit(self, runs: dict[str, gs.Trainer], tmp_path: Path) -> None:
        with pytest.raises(InvalidParameterError, match="`image_shape` of report must be d = 64"):
            gs.report(runs, tmp_path / "r.html", image_shape=(9, 9))
        with pytest.raises(InvalidParameterError, match="`class_names` of report must have 10 names"):
            gs.report(runs, tmp_path / "r.html", class_names=["a"])
        assert not list(tmp_path.iterdir())


class TestWriting:
    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("missing/r.html", r"must lie in a folder that exists, got .*missing"),
            (".", r"must be a file, got the folder"),
            ("r.pdf", r"must end in \.html or \.htm, got .*r\.pdf"),
        ],
    )
    def test_a_path_that_is_none(
        self, path: str, message: str, runs: dict[str, gs.Trainer], tmp_path: Path
    ) -> None:
        with pytest.raises(InvalidParameterError, match=message):
            gs.report(runs, tmp_path / path)

    def test_a_path_must_be_a_path(self, runs: dict[str, gs.Trainer]) -> None:
        with pytest.raises(InvalidParameterError, match="`path` of report must be a path, got 3"):
            gs.report(runs, 3)

    @pytest.mark.parametrize("step", [(os, "fsync"), (Path, "replace")], ids=["fsync", "replace"])
    def test_a_full_disk_leaves_the_old_file_whole(
        self, step: Any, runs: dict[str, gs.Trainer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "r.html"
        path.write_text("old")

        def fail(*arguments: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(*step, fail)
        with pytest.raises(OSError, match="the report cannot be written: No space left on device") as caught:
            gs.report(runs, path)
        monkeypatch.undo()
        assert caught.value.filename == str(path)
        assert [entry.name for entry in tmp_path.iterdir()] == ["r.html"]
        assert path.read_text() == "old"

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with a name are POSIX")
    def test_something_that_is_no_file_is_refused(self, runs: dict[str, gs.Trainer], tmp_path: Path) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        with pytest.raises(OSError, match="the report cannot be written: there is something that is not a"):
            gs.report(runs, pipe)
        assert [entry.name for entry in tmp_path.iterdir()] == ["pipe"]
        assert pipe.is_fifo()

    def test_a_link_keeps_leading_to_its_file(self, runs: dict[str, gs.Trainer], tmp_path: Path) -> None:
        link = tmp_path / "link.html"
        link.symlink_to(tmp_path / "real.html")
        gs.report(runs, link)
        assert link.is_symlink()
        assert (tmp_path / "real.html").stat().st_size > 1000


def named_function(update: int) -> float:
    return 0.1


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.1, "0.1"),
        (1e-05, "1e-05"),
        (np.float64(2.5), "2.5"),
        (True, "True"),
        (None, "None"),
        ("he", "he"),
        ((50,), "(50,)"),
        ([50, 20], "(50, 20)"),
        (named_function, "named_function"),
        (gs.Normal(0.01), "Normal(std=0.01, seed=None)"),
        (np.random.RandomState(0), "RandomState"),
    ],
)
def test_settings_are_shown_in_short(value: object, shown: str) -> None:
    assert text.setting(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0.00 s"),
        (9.994, "9.99 s"),
        (9.996, "10.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 0 s"),
        (3599.6, "1 h 0 min"),
        (7384, "2 h 3 min"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert text.duration(seconds) == shown
    assert text.duration(seconds, gap=text.GAP).replace("\u00a0", " ") == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1.23456, "1.2346"), (0, "0.0000"), (2e-5, "2e-05"), (123456.0, "1.23e+05"), (np.nan, "\u2013")],
)
def test_numbers(value: float, shown: str) -> None:
    assert text.decimals(value) == shown
