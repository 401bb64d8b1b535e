"""Names that no font has letters for are drawn as escapes, in every figure and every format."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.text import Text

import gradstep as gs
import makers
from gradstep.utils.table import Table

NAMES = np.array(["a\udce9", "\x1b[31m", "b\ud800"])
SHOWN = [r"a\xe9", r"\x1b[31m", r"b\ud800"]


@pytest.fixture(scope="module")
def model():
    X = np.random.default_rng(0).normal(size=(30, 64))
    y = NAMES[np.arange(30) % 3]
    return makers.trainer(epochs=2).fit(X, y, eval_set=(X, y)), X, y


def curves(trainer, X, y):
    return gs.plots.curves(dict.fromkeys(NAMES, trainer), title=NAMES[1])


def class_images(trainer, X, y):
    return gs.plots.class_images(trainer)


def confusion_matrix(trainer, X, y):
    return gs.plots.confusion_matrix(trainer, X, y)


def learning_rate(trainer, X, y):
    return gs.plots.learning_rate(dict.fromkeys(NAMES, trainer), updates=5)


def probability_histograms(trainer, X, y):
    return gs.plots.probability_histograms(dict.fromkeys(NAMES, trainer), X, y)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
@pytest.mark.parametrize(
    "draw", [curves, class_images, confusion_matrix, learning_rate, probability_histograms]
)
def test_names_without_letters_are_drawn_as_escapes(model, draw, ending):
    figure = draw(*model)
    written = io.BytesIO()
    figure.savefig(written, format=ending)
    assert len(written.getvalue()) > 1000
    texts = [text.get_text().strip() for text in figure.findobj(Text)]
    assert {name for name in SHOWN if any(text.startswith(name) for text in texts)} == set(SHOWN)
    assert all(text.replace("\n", "").isprintable() for text in texts)


def test_a_report_and_tables_of_such_names(model, tmp_path):
    trainer = model[0]
    gs.report(dict.fromkeys(NAMES, trainer), tmp_path / "r.html", title=NAMES[0], notes=NAMES[2])
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert all(name in page for name in SHOWN)
    assert "\x1b" not in page
    table = Table({"name": NAMES.tolist()})
    assert str(table).split() == ["name", *SHOWN]
    table.to_csv(tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_bytes() == b"name\na\\udce9\n\x1b[31m\nb\\ud800\n"
