"""`coef_` and `intercept_`: models without hidden layers as linear functions of X as it is given."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE, SelectFromModel
from sklearn.linear_model import LogisticRegression

from makers import HERE, regressor, trainer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 5)) * [1, 100, 0.01, 3, 1] + [0, 50, 0, -7, 2]
TWO = (X[:, 3] > -7).astype(int)
FOUR = np.array(list("dabc"))[TWO + 2 * (X[:, 1] > 50)]
MANY = np.column_stack([TWO, 1 - TWO, X[:, 1] > 50]).astype(int)


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(
    ("loss", "y", "k"),
    [
        ("softmax", TWO, 1),
        ("softmax", FOUR, 4),
        ("sigmoid", TWO, 1),
        ("sigmoid", FOUR, 4),
        ("multilabel", MANY, 3),
        ("multilabel", MANY[:, :2], 2),
    ],
)
def test_decisions_are_linear_in_the_units_of_x(name, precision, loss, y, k):
    model = trainer(backend=name, precision=precision, loss=loss).fit(X, y)
    assert model.coef_.shape == (k, 5)
    assert model.intercept_.shape == (k,)
    assert model.coef_.dtype == model.intercept_.dtype == np.float64
    wanted = model.decision_function(X).reshape(len(X), k)
    tolerance = 1e-12 if precision == "float64" else 1e-5
    np.testing.assert_allclose(X @ model.coef_.T + model.intercept_, wanted, rtol=tolerance, atol=tolerance)


def test_shapes_and_signs_are_those_of_scikit_learn():
    for y in (TWO, FOUR):
        ours = trainer(epochs=30).fit(X, y)
        theirs = LogisticRegression(max_iter=5000).fit(X, y)
        assert ours.coef_.shape == theirs.coef_.shape
        assert ours.intercept_.shape == theirs.intercept_.shape
    assert np.sign(trainer(epochs=30).fit(X, TWO).coef_[0, 3]) == 1


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("rows", [scipy.sparse.csr_array(np.round(X)), np.abs(X).astype(np.uint8)])
def test_of_other_rows_and_of_rows_as_they_are(rows, standardize):
    model = trainer(standardize=standardize, precision="float64", learning_rate=1e-4).fit(rows, FOUR)
    wanted = model.decision_function(rows)
    np.testing.assert_allclose(rows @ model.coef_.T + model.intercept_, wanted, rtol=1e-10)
    if not standardize:
        np.testing.assert_array_equal(model.coef_, model.coefs_[0].T)
        np.testing.assert_array_equal(model.intercept_, model.intercepts_[0])


def test_weights_put_in_place_of_the_learned_ones_count():
    model = trainer().fit(X, FOUR)
    model.coefs_ = [np.zeros((5, 4), dtype=np.float32)]
    np.testing.assert_array_equal(model.coef_, np.zeros((4, 5)))


def test_scikit_learn_selects_features_by_them():
    rows = np.column_stack([RNG.normal(size=(200, 4)), RNG.normal(size=200)])
    y = rows[:, 2] > 0
    chosen = SelectFromModel(trainer(epochs=10), max_features=1, threshold=-np.inf).fit(rows, y)
    assert chosen.get_support().tolist() == [False, False, True, False, False]
    assert RFE(trainer(epochs=10), n_features_to_select=1).fit(rows, y).ranking_[2] == 1


def test_who_has_none_says_why():
    network = trainer(hidden=(7, 2)).fit(X, FOUR)
    for name in ("coef_", "intercept_"):
        assert not hasattr(network, name)
        with pytest.raises(AttributeError, match=r"need a model without hidden layers, got hidden=\(7, 2\)"):
            getattr(network, name)
        with pytest.raises(NotFittedError):
            getattr(trainer(), name)
        assert not hasattr(trainer(), name)
        assert not hasattr(regressor(), name)
