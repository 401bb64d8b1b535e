"""What ``learning_rate="auto"`` comes to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone

import gradstep as gs
from gradstep.plan import sparse
from gradstep.plan.build import make_plan
from gradstep.plan.rows import prepare
from gradstep.plan.standardization import Standardization
from gradstep.utils import pieces
from makers import HERE, trainer


@pytest.mark.parametrize(
    ("optimizer", "loss", "d", "high"),
    [
        ("sgd", "softmax", 10, 0.1),
        ("sgd", "softmax", 3000, 0.01),
        (gs.optimizers.SGD(momentum=0.9), "softmax", 10, 0.01),
        ("adam", "softmax", 10, 0.01),
        ("rmsprop", "softmax", 1000, 0.002),
        ("sgd", "squared", 100, 0.01),
    ],
)
def test_the_usual_rate_depends_on_optimizer_loss_and_inputs(optimizer, loss, d, high) -> None:
    estimator = gs.Regressor if loss == "squared" else gs.Trainer
    made = estimator(optimizer=optimizer, loss=loss, learning_rate="auto", epochs=3, batch_size=10)
    plan, _ = make_plan([made.settings()], 50, d, 2)
    cosine = gs.schedules.Cosine(high)
    assert plan.learning_rate[0].tolist() == pytest.approx([cosine(t, 5, 15) for t in range(15)])


def text(n: int = 500, words: int = 4000, topics: int = 20, seed: int = 0) -> tuple[Any, Any]:
    """Return rows as TF-IDF makes them, of norm 1, and their topics."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, topics, n)
    common = 1 / (1 + np.arange(words))
    rows = scipy.sparse.lil_array((n, words))
    for row, topic in enumerate(y):
        shares = common * np.where(np.arange(words) % topics == topic, 6.0, 1.0)
        found, counts = np.unique(rng.choice(words, 60, p=shares / shares.sum()), return_counts=True)
        rows[row, found] = counts
    X = scipy.sparse.csr_array(rows)
    idf = np.log((1 + n) / (1 + np.bincount(X.indices, minlength=words))) + 1
    X = X.multiply(idf).tocsr()
    return scipy.sparse.csr_array(X / np.sqrt(X.multiply(X).sum(axis=1))[:, None]), y


def rate_of(X: Any, **parameters: Any) -> float:
    """Return the rate of the first update that "auto" makes."""
    y = np.arange(X.shape[0]) % 2
    model = trainer(learning_rate="auto", evaluate_every=1, epochs=1, **parameters)
    return float(model.fit(X, y).history_["learning_rate"][0])


def test_of_sparse_rows_it_is_their_mean_squared_norm_as_they_are_trained_on(monkeypatch) -> None:
    X, y = text()
    weight = np.linspace(0, 2, len(y))
    chosen = np.arange(len(y))[::3]
    scale = Standardization.of(X, weight[chosen], index=chosen)
    norms = np.square(X.toarray() / scale.scale).sum(axis=1)
    data = prepare(X, y[chosen], weight[chosen], scale, chosen)
    wanted = np.average(norms[chosen], weights=weight[chosen])
    assert data.squared_norm == pytest.approx(wanted)
    assert prepare(X, y, standardization=scale).squared_norm == pytest.approx(norms.mean())
    monkeypatch.setattr(pieces, "BYTES", 1)
    assert data.squared_norm == prepare(X[chosen], y[chosen], weight[chosen], scale).squared_norm
    assert 1 < wanted < 300 < X.shape[1]


def test_of_dense_rows_it_is_their_number_of_inputs() -> None:
    X = np.random.default_rng(0).normal(size=(60, 900))
    assert prepare(X, None).squared_norm == 900
    assert rate_of(X) == pytest.approx(30 / 900)
    # As sparse rows they are divided by the largest value of each column.
    assert rate_of(scipy.sparse.csr_array(X)) == pytest.approx(0.1)
    unscaled = float(np.square(X).sum(axis=1).mean())
    assert rate_of(scipy.sparse.csr_array(X), standardize=False) == pytest.approx(30 / unscaled)


@pytest.mark.parametrize("value", [0.0, 1e-200, 1e200])
def test_rows_of_no_size_or_of_any_have_a_rate(value) -> None:
    X = scipy.sparse.csr_array(np.full((4, 3), value))
    norm = prepare(X, None).squared_norm
    assert norm == (np.finfo(np.float64).max if value == 1e200 else 0.0)
    assert sparse.squared_norms(X, np.ones(3)).tolist() == [norm] * 4
    made = gs.Trainer(epochs=3).settings()
    plan, _ = make_plan([made], 50, 3, 2, squared_norm=norm)
    assert plan.learning_rate[0, 0] == (30 / norm if norm else 0.1)


def test_text_is_learned_as_with_the_usual_rate_of_adam() -> None:
    X, y = text()
    X_test, y_test = text(seed=1)
    base = gs.Trainer(optimizer="adam", epochs=20, random_state=0, backend=HERE[0])
    auto = base.fit(X, y).score(X_test, y_test)
    given = clone(base).set_params(learning_rate=gs.schedules.Cosine(1e-3)).fit(X, y).score(X_test, y_test)
    by_inputs = clone(base).set_params(learning_rate=gs.schedules.Cosine(2 / 4000)).fit(X, y)
    assert auto >= given
    assert auto > by_inputs.score(X_test, y_test) + 0.1


def test_searches_and_pictures_know_it() -> None:
    X, y = text(n=200)
    base = trainer(learning_rate="auto", optimizer="adam", evaluate_every=1)
    search = gs.FusedSearchCV(base, {"l2": [0.0, 0.1]}, cv=2, refit=False).fit(X, y)
    alone = gs.FusedSearchCV(base, {"l2": [0.1]}, cv=2, refit=False).fit(X, y)
    assert search.cv_results_["mean_test_score"][1] == alone.cv_results_["mean_test_score"][0]
    model = base.fit(X, y)
    (line,) = gs.plots.learning_rate(model).axes[0].lines
    np.testing.assert_allclose(line.get_ydata(), model.history_["learning_rate"], rtol=1e-12)


def test_partial_fit_takes_it_too() -> None:
    X, y = text(n=200)
    model = trainer(learning_rate="auto", optimizer="adam", batch_size=50).partial_fit(X, y, np.arange(20))
    norm = prepare(X, y, standardization=Standardization.of(X)).squared_norm
    assert model.history_["learning_rate"].tolist() == [min(0.01, 2 / norm)]
