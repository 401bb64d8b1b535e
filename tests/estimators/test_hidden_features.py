"""Hidden layers as features: `transform`, alone and in pipelines."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

import gradstep as gs
from gradstep.errors import InvalidDataError, InvalidParameterError
from gradstep.utils import pieces
from makers import HERE, regressor, trainer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 6)) * [1, 10, 0.1, 3, 1, 1] + 5
Y = (X[:, 0] + X[:, 4] > 10).astype(int)
names = pytest.mark.parametrize("name", HERE)


def layers_of(model, rows):
    """Return the outputs of all hidden layers, by loops over them in float64."""
    a = (rows - model.standardization_.mean) / model.standardization_.scale
    outputs = []
    for W, b, activation in zip(
        model.coefs_[:-1], model.intercepts_[:-1], model.settings().activation, strict=True
    ):
        a = activation.of(a @ W.astype(np.float64) + b, activation.number())
        outputs.append(a)
    return outputs


@names
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "selu", "leaky_relu", "identity"])
@pytest.mark.parametrize("make", [trainer, regressor])
def test_it_is_the_output_of_a_hidden_layer(name, precision, activation, make):
    model = make(backend=name, precision=precision, activation=activation, hidden=(7, 1, 5)).fit(X, Y)
    wanted = layers_of(model, X)
    for layer in (0, 1, 2, -1, -2, -3):
        found = model.transform(X, layer=layer)
        assert found.dtype == precision
        assert found.shape == wanted[layer].shape
        tolerance = 1e-12 if precision == "float64" else 1e-5
        np.testing.assert_allclose(found, wanted[layer], rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(model.transform(X), model.transform(X, -1))


@names
def test_no_bit_depends_on_the_pieces(name, monkeypatch):
    rows = np.tile(X, (30, 1)).astype(np.float16)
    model = trainer(backend=name, hidden=(5,)).fit(X, Y)
    whole = model.transform(rows)
    monkeypatch.setattr(pieces, "BYTES", 1)
    np.testing.assert_array_equal(model.transform(rows), whole)


@names
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_no_bit_depends_on_the_threads(name, n_threads):
    model = trainer(backend=name, hidden=(9,)).fit(X, Y)
    one = model.transform(X)
    np.testing.assert_array_equal(model.set_params(n_threads=n_threads).transform(X), one)


@pytest.mark.parametrize("loss", ["softmax", "sigmoid", "multilabel"])
def test_whatever_the_loss_is(loss):
    model = trainer(hidden=(4,), loss=loss).fit(X, np.eye(2, dtype=int)[Y] if loss == "multilabel" else Y)
    np.testing.assert_allclose(model.transform(X), layers_of(model, X)[0], rtol=1e-5, atol=1e-5)


def test_in_pipelines_and_cross_validation():
    pipeline = make_pipeline(trainer(hidden=(8,), epochs=20), LogisticRegression())
    assert cross_val_score(pipeline, X, Y, cv=3).mean() > 0.8
    assert pipeline.fit(X, Y)[:-1].transform(X).shape == (150, 8)
    assert list(pipeline[:-1].get_feature_names_out()) == [f"trainer{unit}" for unit in range(8)]
    rows, targets = load_diabetes(return_X_y=True)
    assert make_pipeline(regressor(hidden=(8,)), Ridge()).fit(rows, targets).score(rows, targets) > 0.3


def test_tables_come_out_where_they_are_asked_for():
    pandas = pytest.importorskip("pandas")
    model = regressor(hidden=(3,)).set_output(transform="pandas")
    table = model.fit_transform(pandas.DataFrame(X, columns=list("abcdef")), Y)
    assert list(table.columns) == ["regressor0", "regressor1", "regressor2"]
    assert (table.to_numpy() == clone(model).set_output(transform="default").fit(X, Y).transform(X)).all()


def test_a_network_without_hidden_layers_is_no_transformer():
    for make in (trainer, regressor):
        model = make().fit(X, Y)
        for method in ("transform", "fit_transform", "get_feature_names_out", "set_output"):
            assert not hasattr(model, method)
            assert hasattr(make(hidden=(2,)), method)
        assert get_tags(model).transformer_tags is None
        assert get_tags(make(hidden=[2])).transformer_tags is not None
        with pytest.raises(AttributeError, match="transform"):
            model.transform(X)


@pytest.mark.parametrize("layer", [2, -3, 10**30])
def test_a_layer_that_is_not_there_is_told(layer):
    with pytest.raises(InvalidParameterError, match=r"`layer` of Trainer\.transform must be"):
        trainer(hidden=(3, 2)).fit(X, Y).transform(X, layer)


def test_what_is_wrong_is_told():
    model = trainer(hidden=(3,)).fit(X, Y)
    with pytest.raises(InvalidParameterError, match="must be an int, got 'first'"):
        model.transform(X, "first")
    with pytest.raises(ValueError, match="X has 2 features, but Trainer is expecting 6"):
        model.transform(X[:, :2])
    with pytest.raises(InvalidDataError, match="row 1 of X is too large"):
        model.transform(np.vstack([X[0], np.full(6, 1e300)]))
    with pytest.raises(NotFittedError):
        trainer(hidden=(3,)).transform(X)


@parametrize_with_checks(
    [gs.Trainer(hidden=(5,), backend="numpy", precision="float64", batch_size=1000, learning_rate=0.1)]
)
def test_estimator_checks_of_a_transformer(estimator, check):
    check(estimator)
