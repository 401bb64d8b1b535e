"""The losses themselves: on scores of any size, against scikit-learn, and as Trainer shows them."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.metrics import log_loss, mean_poisson_deviance
from sklearn.model_selection import cross_val_predict, cross_val_score
from sklearn.multiclass import OneVsRestClassifier

import gradstep as gs
import oracle
from gradstep import cli
from gradstep.backends import Backend
from gradstep.errors import InvalidParameterError
from gradstep.nn.losses import Loss, Multilabel, Poisson, Sigmoid, Softmax, Squared
from gradstep.plan.network import Layers, Objective
from gradstep.plan.rows import TrainingData, prepare
from gradstep.plan.standardization import Standardization
from makers import regressor, trainer
from members import LOSSES, concept_id
from oracle_forms import objective_of

losses = pytest.mark.parametrize("loss", LOSSES, ids=concept_id)
FOR_LABELS = [loss for loss in LOSSES if loss.takes == "labels"]
BINARY = [Sigmoid(), Multilabel()]


def given_scores(
    loss: Loss, scores: npt.NDArray[Any], target: Any
) -> tuple[Objective, TrainingData, npt.NDArray[Any]]:
    """Return a model that gives these scores, exactly, to the one row of a data set: as weights of a 1."""
    k = len(scores)
    block = np.concatenate([scores, np.zeros_like(scores)])[None]
    targets = np.array([target], dtype=np.int32 if np.ndim(target) == 0 else scores.dtype)
    row = prepare(np.ones((1, 1)), targets, None, Standardization.identity(1))
    return Objective.alike(Layers((1, k)), loss, (), np.zeros(1)), row, block


def draw_target(loss: Loss, k: int, data: st.DataObject) -> Any:
    """Draw what the loss takes for one row: a label, or k numbers of float32."""
    if loss.takes == "labels":
        return data.draw(st.integers(0, k - 1), label="label")
    if loss.takes == "indicators":
        values = st.sampled_from([0.0, 1.0])
    else:
        values = st.floats(max(loss.least, -100), 100, width=32) | st.just(0.0)
    return data.draw(st.lists(values, min_size=k, max_size=k), label="targets")


@losses
@given(data=st.data())
def test_scores_of_any_size_have_a_loss_and_a_gradient(
    backend: Backend, precision: str, loss: Loss, data: st.DataObject
) -> None:
    single = precision == "float32"
    # The largest whose loss is a number: squares and exponentials end sooner.
    most = {"Squared": 1e4 if single else 1e100, "Poisson": 80 if single else 700}.get(
        type(loss).__name__, 1e4 if single else 1e300
    )
    # What is too small to be normal is zero to some backends.
    wide = st.floats(-most, most, width=32 if single else 64, allow_subnormal=False)
    sizes = wide | st.floats(-40, 40, width=32, allow_subnormal=False)
    drawn = data.draw(st.lists(sizes, min_size=2, max_size=20), label="scores")
    scores = np.array(drawn, dtype=precision)
    target = draw_target(loss, len(scores), data)
    objective, row, block = given_scores(loss, scores, target)
    evaluation, gradient = backend.loss_and_gradient(objective, row, block)
    judge = objective_of(objective).loss
    expected = judge.loss(scores.tolist(), target)
    unit = float(np.finfo(precision).eps)
    # Softmax adds 1 to its smallest loss before it takes the logarithm, and a smoothed one adds up scores of
    # both signs; a deviance is a difference of its terms; binary cross-entropies lose no digit.
    size = float(np.abs(scores).max())
    if isinstance(loss, Softmax):
        least = 20 * unit * max(1.0, size if loss.label_smoothing else 0.0)
    elif isinstance(loss, Poisson):
        terms = np.exp(scores.astype(float)) + np.abs(np.asarray(target) * scores) + np.abs(target) * 5
        least = 20 * unit * float(terms.max())
    elif isinstance(loss, Squared):
        least = 20 * unit * (size + 100) ** 2
    else:
        least = 40 * float(np.finfo(precision).tiny)
    assert evaluation.loss[0] == pytest.approx(expected, rel=20 * unit, abs=least)
    slopes = np.array(judge.gradient(scores.tolist(), target))
    largest = max(1.0, float(np.abs(slopes).max()), size if isinstance(loss, Squared) else 1.0)
    # exp multiplies the rounding of a large score.
    largest *= max(1.0, size) if isinstance(loss, Poisson) else 1.0
    np.testing.assert_allclose(gradient[0], np.tile(slopes, 2), rtol=0, atol=20 * unit * largest)
    assert evaluation.hits[0] == judge.hit(scores.tolist(), target)


@losses
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1, 16])
def test_scores_that_are_not_finite_have_no_finite_loss(
    backend: Backend, precision: str, loss: Loss, bad: float, place: int
) -> None:
    if isinstance(loss, Softmax) and bad == -np.inf and place != 1 and not loss.label_smoothing:
        pytest.skip("exp(-inf) is 0: as certain as a softmax can be")
    if isinstance(loss, Poisson) and bad == -np.inf:
        pytest.skip("exp(-inf) is 0: a mean of 0")
    scores = np.linspace(-1, 1, 17).astype(precision)
    target = 1 if loss.takes == "labels" else [1.0] * 17
    assert np.isfinite(backend.evaluate(*given_scores(loss, scores, target)).loss[0])
    scores[place] = bad
    assert not np.isfinite(backend.evaluate(*given_scores(loss, scores, target)).loss[0])


def test_a_mean_that_overflows_has_no_finite_poisson_loss(backend: Backend, precision: str) -> None:
    scores = np.array([1.0, 90.0 if precision == "float32" else 720.0], dtype=precision)
    assert backend.evaluate(*given_scores(Poisson(), scores, [1.0, 1.0])).loss[0] == np.inf


@pytest.mark.parametrize("loss", BINARY, ids=concept_id)
def test_binary_losses_are_those_of_scikit_learn(backend: Backend, loss: Loss) -> None:
    scores = np.linspace(-3, 3, 6)
    indicators = np.array([0, 0, 1, 0, 0, 0.0])
    target = 2 if loss.takes == "labels" else indicators.tolist()
    found = backend.evaluate(*given_scores(loss, scores, target)).loss[0]
    assert found == pytest.approx(log_loss(indicators, loss.output(scores)), rel=1e-12)


def test_poisson_is_half_the_deviance_of_scikit_learn(backend: Backend) -> None:
    scores, counts = np.linspace(-2, 2, 5), np.array([0.0, 3.0, 1.0, 0.0, 7.0])
    found = backend.evaluate(*given_scores(Poisson(), scores, counts.tolist())).loss[0]
    assert found == pytest.approx(mean_poisson_deviance(counts, np.exp(scores)) / 2, rel=1e-12)


def test_sigmoid_regression_is_a_logistic_regression_per_class(backend: Backend) -> None:
    X, y = load_iris(return_X_y=True)
    l2, n, k = 0.01, len(y), 3
    model = gs.Trainer(
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
    standardized = (X - model.standardization_.mean) / model.standardization_.scale
    peers = OneVsRestClassifier(LogisticRegression(C=1 / (2 * n * k * l2), tol=1e-12, max_iter=1000))
    peers.fit(standardized, y)
    expected = np.stack([peer.coef_[0] for peer in peers.estimators_], axis=1)
    np.testing.assert_allclose(model.coefs_[0], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        model.intercepts_[0], [peer.intercept_[0] for peer in peers.estimators_], atol=1e-6
    )
    p = np.stack([peer.predict_proba(standardized)[:, 1] for peer in peers.estimators_], axis=1)
    np.testing.assert_allclose(expit(model.decision_function(X)), p, atol=1e-6)
    np.testing.assert_allclose(model.predict_proba(X), peers.predict_proba(standardized), atol=1e-6)
    # An indicator matrix of the same classes is the same task.
    other = gs.Trainer(**model.get_params()).set_params(loss="multilabel").fit(X, np.eye(3)[y])
    np.testing.assert_allclose(other.coefs_[0], model.coefs_[0], rtol=1e-10, atol=1e-12)


def test_squared_error_ends_at_the_least_squares(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    X, noise = rng.normal(size=(60, 4)), rng.normal(size=(60, 2))
    y = X @ rng.normal(size=(4, 2)) + noise
    model = gs.Regressor(
        learning_rate=0.5,
        batch_size=60,
        epochs=300,
        precision="float64",
        backend=backend.name,
        random_state=0,
    ).fit(X, y)
    np.testing.assert_allclose(model.predict(X), LinearRegression().fit(X, y).predict(X), rtol=1e-9)


def test_poisson_regression_ends_where_scikit_learns_does(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 3))
    y = rng.poisson(np.exp(0.5 + X @ np.array([0.3, -0.4, 0.2])))
    model = gs.Regressor(
        loss="poisson",
        learning_rate=0.5,
        batch_size=80,
        epochs=400,
        precision="float64",
        backend=backend.name,
        random_state=0,
    ).fit(X, y)
    peer = PoissonRegressor(alpha=0, tol=1e-10, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(model.predict(X), peer.predict(X), rtol=1e-5)


def test_a_smoothed_softmax_ends_at_the_smoothed_shares(backend: Backend) -> None:
    # Inputs that say nothing: the best that a model can say are the shares of the smoothed targets.
    X, y = np.zeros((8, 1)), np.array([0, 0, 0, 0, 1, 1, 2, 2])
    model = gs.Trainer(
        loss=Softmax(label_smoothing=0.3),
        learning_rate=1.0,
        batch_size=8,
        epochs=500,
        precision="float64",
        backend=backend.name,
        random_state=0,
    ).fit(X, y)
    shares = 0.7 * np.array([0.5, 0.25, 0.25]) + 0.3 / 3
    np.testing.assert_allclose(model.predict_proba(X[:1])[0], shares, rtol=1e-8)


@pytest.mark.parametrize("loss", FOR_LABELS, ids=concept_id)
@pytest.mark.parametrize("size", [1.0, 1e4])
def test_probabilities_are_those_of_the_scores(loss: Loss, size: float) -> None:
    X, y = load_iris(return_X_y=True)
    model = gs.Trainer(loss=loss, backend="numpy", random_state=0, epochs=3).fit(X, y)
    model.coefs_[0] *= np.float32(size)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        p, scores, logarithms = model.predict_proba(X), model.decision_function(X), model.predict_log_proba(X)
    if isinstance(loss, Softmax):
        # The slope of the loss is the probability, but for the label's own, where 1 is taken away.
        slopes = [oracle.Softmax().gradient(row, 0) for row in scores.tolist()]
        expected = np.array(slopes) + np.eye(3)[0]
    else:
        # In fractions of any size: at the larger scores all sigmoids of a row are too small for a float.
        exact = [[1 / (1 + Decimal(-s).exp()) for s in row] for row in scores.tolist()]
        expected = np.array([[float(share / sum(row)) for share in row] for row in exact])
    np.testing.assert_allclose(p, expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(np.exp(logarithms), p, rtol=1e-11, atol=1e-15)
    assert np.isfinite(logarithms).all()
    np.testing.assert_array_equal(model.predict(X), model.classes_[scores.argmax(axis=1)])


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_logarithms_of_what_is_too_small_for_a_number(loss: str) -> None:
    scores = np.array([[0.0, -2000.0, -3000.0], [-1e4, -1e4, -2e4]])
    model = Loss.resolve(loss)
    expected = {
        "softmax": [[0, -2000, -3000], [-np.log(2), -np.log(2), -1e4 - np.log(2)]],
        "sigmoid": [[0, -2000 + np.log(2), -3000 + np.log(2)], [-np.log(2), -np.log(2), -1e4 - np.log(2)]],
    }
    np.testing.assert_allclose(model.log_probabilities(scores), expected[loss], rtol=1e-14)
    np.testing.assert_allclose(model.probabilities(scores), np.exp(expected[loss]), rtol=1e-14)


def test_logarithms_of_labels_probabilities() -> None:
    scores = np.array([[0.0, -2000.0, 2000.0]])
    np.testing.assert_allclose(Multilabel().log_probabilities(scores), [[-np.log(2), -2000.0, 0.0]])


def test_sigmoids_of_two_classes_are_two_probabilities() -> None:
    X, y = load_iris(return_X_y=True)
    X, y = X[y > 0], y[y > 0]
    model = gs.Trainer(loss="sigmoid", backend="numpy", random_state=0).fit(X, y)
    p, difference = model.predict_proba(X), model.decision_function(X)
    scores = X @ (model.coefs_[0] / model.standardization_.scale[:, None])
    scores += (
        model.intercepts_[0] - (model.standardization_.mean / model.standardization_.scale) @ model.coefs_[0]
    )
    sigmoids = expit(scores)
    np.testing.assert_allclose(p, sigmoids / sigmoids.sum(axis=1, keepdims=True), rtol=1e-4)
    np.testing.assert_array_equal(model.predict(X), np.where(difference > 0, 2, 1))
    np.testing.assert_array_equal(p[:, 1] > 0.5, difference > 0)
    assert model.score(X, y) > 0.85


@pytest.mark.parametrize("scoring", ["roc_auc_ovr", "roc_auc_ovo", "neg_log_loss"])
def test_scorers_of_probabilities_take_sigmoids(scoring: str) -> None:
    X, y = load_iris(return_X_y=True)
    model = gs.Trainer(loss="sigmoid", backend="numpy", random_state=0, epochs=10, learning_rate=0.1)
    p = cross_val_predict(model, X, y, cv=3, method="predict_proba")
    logarithms = cross_val_predict(model, X, y, cv=3, method="predict_log_proba")
    np.testing.assert_allclose(np.exp(logarithms), p, rtol=1e-10)
    scores = cross_val_score(model, X, y, cv=3, scoring=scoring, error_score="raise")
    # Folds without shuffling are of one size, so that the mean loss is that of all rows.
    if scoring == "neg_log_loss":
        assert scores.mean() == pytest.approx(-log_loss(y, p))
    else:
        assert (scores > 0.9).all()


def test_a_model_keeps_the_loss_that_it_was_trained_by() -> None:
    X, y = load_iris(return_X_y=True)
    model = trainer(epochs=1).fit(X, y)
    before, p = model.evaluate(X, y), model.predict_proba(X)
    assert dict(model.set_params(loss="sigmoid").evaluate(X, y)) == dict(before)
    np.testing.assert_array_equal(model.predict_proba(X), p)
    with pytest.raises(InvalidParameterError, match=r"`loss` of Trainer must be one of .*, got 'hinge'"):
        model.set_params(loss="hinge").evaluate(X, y)


@losses
def test_a_loss_is_a_frozen_value_with_a_short_name(loss: Loss) -> None:
    assert type(loss) in Loss.members()
    assert Loss.resolve(loss.name) == type(loss)()
    assert Loss.from_dict(loss.to_dict()) == loss
    assert len({loss, Loss.from_dict(loss.to_dict())}) == 1
    with pytest.raises(AttributeError):
        loss.label_smoothing = 0.5  # type: ignore[attr-defined]
    assert ">>> " in (type(loss).__doc__ or "")


@pytest.mark.parametrize("value", [-0.1, 1, 1.5, np.nan, "0.1", None, True])
def test_bad_label_smoothing(value: Any) -> None:
    with pytest.raises(InvalidParameterError, match=r"^`label_smoothing` of Softmax must be .*, got "):
        Softmax(value)


def test_what_a_loss_takes_is_what_its_estimator_takes() -> None:
    X, y = load_iris(return_X_y=True)
    for loss in LOSSES:
        wrong = regressor if loss.takes != "values" else trainer
        name = "Regressor" if wrong is regressor else "Trainer"
        with pytest.raises(
            InvalidParameterError, match=f"`loss` of {name} must take .*, which takes {loss.takes}"
        ):
            wrong(loss=loss).fit(X, y)


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_train_names_the_loss(
    numpy_backend: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], loss: str
) -> None:
    page = tmp_path / "page.html"
    words = ["--loss", loss, "--epochs", "2", "--random-state", "0", "--report", str(page)]
    assert cli.main(["train", "--data", "digits", *words]) == 0
    assert f"digits: {loss} regression 64-10, 2 epochs in" in capsys.readouterr().out
    source = page.read_text(encoding="utf-8")
    assert loss in source
    if loss != "softmax":
        assert "softmax layer" not in source


def test_a_report_compares_no_unlike_losses(tmp_path: Path) -> None:
    X, y = load_iris(return_X_y=True)
    names = ["softmax", "sigmoid"]
    trainers = {
        loss: gs.Trainer(loss=loss, backend="numpy", random_state=0, epochs=3).fit(X, y, eval_set=(X, y))
        for loss in names
    }
    page = gs.report(trainers, tmp_path / "page.html").read_text(encoding="utf-8")
    best = max(names, key=lambda loss: max(trainers[loss].history_["validation_accuracy"]))
    assert f"<span>Lowest validation loss ({best})</span>" in page
    lowest = min(trainers[best].history_["validation_loss"])
    assert f"<b>{lowest:.4f}</b>" in page
    winners = re.findall(r'<td class="[^"]*win[^"]*">([^<]*)', page)
    assert winners
    assert all("%" in cell for cell in winners)
    alone = gs.report(trainers["sigmoid"], tmp_path / "alone.html").read_text(encoding="utf-8")
    assert "<span>Lowest validation loss</span>" in alone
    assert "sigmoid layer" in alone
