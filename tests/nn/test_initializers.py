"""The initial weights of a network."""

import numpy as np
import pytest

import gradstep as gs
from gradstep.nn import initializers
from gradstep.nn.initializers import Initializer
from gradstep.plan.build import draw
from gradstep.plan.network import Layers


@pytest.mark.parametrize(
    "scheme, stds",
    [
        (gs.He(), [(2 / 400) ** 0.5, (2 / 300) ** 0.5, initializers.OUTPUT_STD]),
        (gs.Xavier(), [(1 / 400) ** 0.5, (1 / 300) ** 0.5, (1 / 200) ** 0.5]),
        (gs.Normal(0.3), [0.3, 0.3, 0.3]),
        (gs.He(seed=5), [(2 / 400) ** 0.5, (2 / 300) ** 0.5, initializers.OUTPUT_STD]),
    ],
)
def test_initial_weights(scheme, stds):
    layers = Layers((400, 300, 200, 100))
    block = draw(layers, scheme, np.random.default_rng(0), "float64")
    for layer, std in enumerate(stds):
        W = layers.weights(block, layer)
        assert W.std() == pytest.approx(std, rel=0.02)
        assert abs(W.mean()) < 5 * std / W.size**0.5
        assert not layers.biases(block, layer).any()
    rounded = draw(layers, scheme, np.random.default_rng(0), "float32")
    np.testing.assert_array_equal(rounded, block.astype(np.float32))


@pytest.mark.parametrize("name", ["he", "xavier"])
def test_a_short_name_is_the_plain_object(name):
    layers = Layers((4, 3, 2))
    kind = {"he": gs.He, "xavier": gs.Xavier}[name]
    assert Initializer.resolve(name) == kind()
    assert Initializer.short_names() == ["he", "xavier"]
    X, y = np.eye(4), np.arange(4) % 2
    blocks = [
        gs.Trainer(init=rule, hidden=(3,), random_state=1, backend="numpy", epochs=1).fit(X, y).coefs_[0]
        for rule in (name, kind())
    ]
    np.testing.assert_array_equal(*blocks)
    assert draw(layers, kind(), np.random.default_rng(1), "float32").shape == (layers.parameters,)


def test_a_seed_of_its_own_replaces_that_of_random_state():
    X, y = np.eye(6), np.arange(6) % 2

    def initial_weights(rule, random_state):
        model = gs.Trainer(
            init=rule, random_state=random_state, backend="numpy", learning_rate=1e-30, epochs=1
        )
        return model.fit(X, y).coefs_[0]

    seeded = initial_weights(gs.Normal(0.1, seed=3), 0)
    np.testing.assert_array_equal(seeded, initial_weights(gs.Normal(0.1, seed=3), 1))
    expected = np.random.default_rng(3).normal(0, 0.1, (6, 2)).astype(np.float32)
    np.testing.assert_array_equal(seeded, expected)
    assert (initial_weights(gs.Normal(0.1, seed=4), 0) != seeded).all()
    assert (initial_weights(gs.Normal(0.1), 0) != initial_weights(gs.Normal(0.1), 1)).all()
