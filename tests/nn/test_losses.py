"""The losses themselves: on scores of any size, against scikit-learn, and as Trainer shows them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

import gradstep as gs
import oracle
from gradstep import cli
from gradstep.backends import Backend
from gradstep.errors import InvalidParameterError
from gradstep.plan.plan import LOSSES, Layers, Objective
from gradstep.plan.rows import Problem, Standardization, prepare

losses = pytest.mark.parametrize("loss", LOSSES)


def given_scores(
    loss: str, scores: npt.NDArray[Any], label: int
) -> tuple[Objective, Problem, npt.NDArray[Any]]:
    """Return a model that gives these scores, exactly, to the one row of a problem: as weights of a 1."""
    k = len(scores)
    block = np.concatenate([scores, np.zeros_like(scores)])[None]
    row = prepare(np.ones((1, 1)), np.array([label]), None, Standardization.identity(1))
    return Objective(Layers((1, k)), loss, np.zeros(1)), row, block


@losses
@given(data=st.data())
def test_scores_of_any_size_have_a_loss_and_a_gradient(
    backend: Backend, precision: str, loss: str, data: st.DataObject
) -> None:
    single, most = precision == "float32", 1e4 if precision == "float32" else 1e300
    sizes = st.floats(-most, most, width=32 if single else 64) | st.floats(-40, 40, width=32)
    scores = np.array(data.draw(st.lists(sizes, min_size=2, max_size=20), label="scores"), dtype=precision)
    label = data.draw(st.integers(0, len(scores) - 1), label="label")
    figures, gradient = backend.loss_and_gradient(*given_scores(loss, scores, label))
    expected = oracle.row_loss(scores.tolist(), label, loss)
    unit = float(np.finfo(precision).eps)
    # Softmax adds 1 to its smallest loss before it takes the logarithm; sigmoid loses no digit.
    least = 20 * unit if loss == "softmax" else 40 * float(np.finfo(precision).tiny)
    assert figures.loss[0] == pytest.approx(expected, rel=20 * unit, abs=least)
    slopes = np.array(oracle.probabilities(scores.tolist(), loss)) - (np.arange(len(scores)) == label)
    slopes /= len(scores) if loss == "sigmoid" else 1
    np.testing.assert_allclose(gradient[0], np.tile(slopes, 2), rtol=0, atol=20 * unit)
    first = scores.tolist().index(max(scores.tolist()))
    assert figures.accuracy[0] == (first == label)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1, 16])
def test_scores_that_are_not_finite_have_no_finite_sigmoid_loss(
    backend: Backend, precision: str, bad: float, place: int
) -> None:
    scores = np.linspace(-1, 1, 17).astype(precision)
    model = given_scores("sigmoid", scores, label=1)
    assert np.isfinite(backend.evaluate(*model).loss[0])
    scores[place] = bad
    assert not np.isfinite(backend.evaluate(*given_scores("sigmoid", scores, label=1)).loss[0])


def test_sigmoid_regression_is_a_logistic_regression_per_class(backend: Backend) -> None:
    X, y = load_iris(return_X_y=True)
    l2, n, k = 0.01, len(y), 3
    trainer = gs.Trainer(
        loss="sigmoid",
        l2=l2,
        learning_rate=3.0,
        batch_size=n,
        epochs=800,
        evaluate_every=None,
        precision="float64",
        backend=backend.name,
        random_state=0,
    ).fit(X, y)
    standardized = (X - trainer.standardization_.mean) / trainer.standardization_.scale
    peers = OneVsRestClassifier(LogisticRegression(C=1 / (2 * n * k * l2), tol=1e-12, max_iter=1000))
    peers.fit(standardized, y)
    expected = np.stack([peer.coef_[0] for peer in peers.estimators_], axis=1)
    np.testing.assert_allclose(trainer.coefs_[0], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        trainer.intercepts_[0], [peer.intercept_[0] for peer in peers.estimators_], atol=1e-6
    )
    p = np.stack([peer.predict_proba(standardized)[:, 1] for peer in peers.estimators_], axis=1)
    np.testing.assert_allclose(trainer.predict_proba(X), p, atol=1e-6)


@losses
@pytest.mark.parametrize("size", [1.0, 1e4])
def test_probabilities_are_those_of_the_scores(loss: str, size: float) -> None:
    X, y = load_iris(return_X_y=True)
    trainer = gs.Trainer(loss=loss, backend="numpy", random_state=0, epochs=3).fit(X, y)
    trainer.coefs_[0] *= np.float32(size)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        p, scores = trainer.predict_proba(X), trainer.decision_function(X)
    expected = [oracle.probabilities(row, loss) for row in scores.tolist()]
    np.testing.assert_allclose(p, expected, rtol=1e-12)
    np.testing.assert_array_equal(trainer.predict(X), trainer.classes_[scores.argmax(axis=1)])
    assert np.allclose(p.sum(axis=1), 1) == (loss == "softmax")


def test_sigmoids_of_two_classes_are_two_probabilities() -> None:
    X, y = load_iris(return_X_y=True)
    X, y = X[y > 0], y[y > 0]
    trainer = gs.Trainer(loss="sigmoid", backend="numpy", random_state=0).fit(X, y)
    p, difference = trainer.predict_proba(X), trainer.decision_function(X)
    assert p.shape == (100, 2)
    odds = np.log(p / (1 - p))
    np.testing.assert_allclose(difference, odds[:, 1] - odds[:, 0], rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(trainer.predict(X), np.where(difference > 0, 2, 1))
    assert trainer.score(X, y) > 0.85


def test_a_loss_set_after_fit_is_checked(numpy_backend: None) -> None:
    X, y = load_iris(return_X_y=True)
    trainer = gs.Trainer(random_state=0, epochs=1).fit(X, y)
    before = trainer.evaluate(X, y)
    as_sigmoid = trainer.set_params(loss="sigmoid").evaluate(X, y)
    assert as_sigmoid.accuracy == before.accuracy
    assert as_sigmoid.loss != before.loss
    with pytest.raises(InvalidParameterError, match=r"`loss` of Trainer must be one of .*, got 'hinge'"):
        trainer.set_params(loss="hinge").evaluate(X, y)


def test_train_and_report_name_the_loss(
    numpy_backend: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    words = ["--loss", "sigmoid", "--epochs", "2", "--random-state", "0", "--report", str(page)]
    assert cli.main(["train", "--data", "digits", *words]) == 0
    assert "digits: sigmoid regression 64-10, 2 epochs in" in capsys.readouterr().out
    source = page.read_text(encoding="utf-8")
    assert "sigmoid" in source
    assert "softmax layer" not in source


def test_a_report_compares_no_unlike_losses(tmp_path: Path) -> None:
    X, y = load_iris(return_X_y=True)
    trainers = {
        loss: gs.Trainer(loss=loss, backend="numpy", random_state=0, epochs=3).fit(X, y, eval_set=(X, y))
        for loss in LOSSES
    }
    page = gs.report(trainers, tmp_path / "page.html").read_text(encoding="utf-8")
    best = max(LOSSES, key=lambda loss: max(trainers[loss].history_["validation_accuracy"]))
    assert f"<span>Lowest validation loss ({best})</span>" in page
    lowest = min(trainers[best].history_["validation_loss"])
    assert f"<b>{lowest:.4f}</b>" in page
    winners = re.findall(r'<td class="[^"]*win[^"]*">([^<]*)', page)
    assert winners
    assert all("%" in cell for cell in winners)
    alone = gs.report(trainers["sigmoid"], tmp_path / "alone.html").read_text(encoding="utf-8")
    assert "<span>Lowest validation loss</span>" in alone
    assert "sigmoid layer" in alone
