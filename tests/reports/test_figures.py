"""What a report draws of test rows, and its figures and tables as files."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from sklearn.datasets import load_digits

import gradstep as gs
from gradstep import cli
from gradstep.errors import InvalidDataError, InvalidParameterError
from tests.html_pages import Page

X, Y = load_digits(return_X_y=True)
TEST = (X[400:500], Y[400:500])


def trainer(**given: object) -> gs.Trainer:
    return gs.Trainer(**{"epochs": 3, "backend": "numpy", "random_state": 0, **given})


@pytest.fixture(scope="module")
def runs() -> dict[str, gs.Trainer]:
    settings = {
        "one/layer": {"learning_rate": gs.schedules.StepDecay(0.05, every=1)},
        "two layers": {"hidden": (8,), "l2": 0.001},
    }
    return {
        name: trainer(**given).fit(X[:300], Y[:300], eval_set=(X[300:400], Y[300:400]))
        for name, given in settings.items()
    }


def labels(page: Page) -> list[str]:
    return [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]


def test_answers_on_test_rows_and_changing_rates_are_drawn(
    runs: dict[str, gs.Trainer], tmp_path: Path
) -> None:
    page = Page(gs.report(runs, tmp_path / "r.html", test_set=TEST))
    assert "Learning rate over updates" in labels(page)
    assert "Classes taken for others, one/layer" in labels(page)
    assert "Classes taken for others, two layers" in labels(page)
    assert "Probability of the true class, one/layer" in labels(page)
    assert "Probability of the true class, two layers" in labels(page)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    # The metrics of these rows are measured where nobody gives them.
    cells = [row[3] for row in page.rows["Results"][2:]]
    assert cells == [f"{100 * run.score(*TEST):.2f}%" for run in runs.values()]


def test_without_them_there_is_neither(tmp_path: Path) -> None:
    plain = trainer(learning_rate=0.1).fit(X[:300], Y[:300])
    page = Page(gs.report(plain, tmp_path / "r.html"))
    assert [label for label in labels(page) if "epochs" not in label] == []
    assert "Answers on the test rows" not in page.source
    assert "Learning rates" not in page.source


def test_a_regressor_predicts(tmp_path: Path) -> None:
    regressor = gs.Regressor(epochs=2, backend="numpy", random_state=0).fit(X[:300], X[:300, 20])
    page = Page(gs.report(regressor, tmp_path / "r.html", test_set=(X[300:], X[300:, 20])))
    assert "Predicted over true values" in labels(page)


def test_figures_and_tables_are_files(runs: dict[str, gs.Trainer], tmp_path: Path) -> None:
    gs.report(runs, tmp_path / "r.html", test_set=TEST, figures=tmp_path / "out")
    found = {path.name for path in (tmp_path / "out").iterdir()}
    figures, kinds = ["curves", "learning-rate"], ("confusion", "probabilities", "weights")
    figures += [f"{kind}-{name}" for kind in kinds for name in ("one-layer", "two-layers")]
    tables = ["results", "history-one-layer", "history-two-layers"]
    expected = {f"{name}.png" for name in figures}
    expected |= {f"{name}.{ending}" for name in tables for ending in ("csv", "md", "tex")}
    assert found == expected
    for name in figures:
        picture = imread(tmp_path / "out" / f"{name}.png")
        assert picture[0, 0, :3].tolist() == [1, 1, 1]
        assert picture[..., :3].std() > 0.01
    with (tmp_path / "out" / "history-one-layer.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    history = runs["one/layer"].history_
    assert [float(row["train_loss"]) for row in rows] == history["train_loss"].tolist()
    with (tmp_path / "out" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == list(runs)
    assert [float(row["test_accuracy"]) for row in rows] == [run.score(*TEST) for run in runs.values()]


@pytest.mark.parametrize(("form", "begins"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_figures_are_of_the_format_asked_for_and_the_same_each_time(
    form: str, begins: bytes, runs: dict[str, gs.Trainer], tmp_path: Path
) -> None:
    for folder in ("a", "b"):
        path = tmp_path / f"{folder}.html"
        gs.report(runs["two layers"], path, figures=tmp_path / folder, figure_format=form)
    first, again = ((tmp_path / folder / f"curves.{form}").read_bytes() for folder in ("a", "b"))
    assert first.startswith(begins)
    assert first == again


def test_a_search_has_files_and_a_map_of_three_parameters(tmp_path: Path) -> None:
    space = {"l2": [0.0, 0.01, 0.1], "learning_rate": [0.01, 0.1], "hidden": [(), (4,)]}
    sweep = gs.Sweep(trainer(), space, metric="validation_accuracy").fit(
        X[:300], Y[:300], eval_set=(X[300:400], Y[300:400])
    )
    page = Page(gs.report(sweep, tmp_path / "s.html", test_set=TEST, figures=str(tmp_path / "out")))
    assert "framed: best" in page.source
    assert "Learning rate = 0.01" in page.source
    found = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"heat-map.png", "curves.png", "over-l2.png", "over-hidden.png", "trials.tex"} <= found
    with (tmp_path / "out" / "trials.csv").open(newline="") as file:
        assert [float(row["score"]) for row in csv.DictReader(file)] == sweep.results_["score"].tolist()


def test_what_cannot_be_written_to_is_refused_before_the_page(
    runs: dict[str, gs.Trainer], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for given, message in (
        ({"figures": tmp_path / "file"}, "`figures` of report must be a folder, got the file"),
        ({"figures": tmp_path / "no" / "out"}, "`figures` of report must lie in a folder that exists"),
        ({"figures": 3}, "`figures` of report must be a folder, got 3"),
        ({"figure_format": "gif"}, "`figure_format` of report must be"),
    ):
        with pytest.raises(InvalidParameterError, match=message):
            gs.report(runs, tmp_path / "r.html", **given)
    with pytest.raises(InvalidDataError, match="test_set of report must be a pair"):
        gs.report(runs, tmp_path / "r.html", test_set=X)
    assert not (tmp_path / "r.html").exists()


def test_the_command_line_writes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--data", "digits", "--epochs", "2", "--backend", "numpy", "--quiet"]
    assert cli.main(["train", *words, "--figures", "one", "--figure-format", "pdf"]) == 0
    assert {"report.html", "curves.pdf", "confusion.pdf", "results.tex"} <= {
        path.name for path in Path("one").iterdir()
    }
    search = ["--param", "l2=0,0.1", "--figures", "two", "--report", "search.html"]
    assert cli.main(["sweep", *words, *search]) == 0
    assert {"over-l2.png", "trials.md"} <= {path.name for path in Path("two").iterdir()}
    assert not Path("two", "report.html").exists()
    assert cli.main(["train", *words, "--figures", "no/where"]) == 2


def test_weighted_metrics_say_so(tmp_path: Path) -> None:
    weight = np.linspace(0.1, 1, 300)
    weighted = trainer().fit(X[:300], Y[:300], sample_weight=weight)
    assert "Weighted by sample weights: train" in gs.report(weighted, tmp_path / "r.html").read_text("utf-8")
    told = gs.plots.curves(weighted).legends[0].get_title().get_text()
    assert told.startswith("weighted by sample weights: train")
