"""The first weights of a network."""

import numpy as np
import pytest

import gradstep as gs
from gradstep import init
from gradstep.plan import Layers


@pytest.mark.parametrize(
    "scheme, stds",
    [
        ("he", [(2 / 400) ** 0.5, (2 / 300) ** 0.5, init.OUTPUT_STD]),
        ("xavier", [(1 / 400) ** 0.5, (1 / 300) ** 0.5, (1 / 200) ** 0.5]),
        (gs.Normal(0.3), [0.3, 0.3, 0.3]),
    ],
)
def test_first_weights(scheme, stds):
    layers = Layers((400, 300, 200, 100))
    block = init.draw(layers, scheme, np.random.default_rng(0), "float64")
    for layer, std in enumerate(stds):
        W = layers.weights(block, layer)
        assert W.std() == pytest.approx(std, rel=0.02)
        assert abs(W.mean()) < 5 * std / W.size**0.5
        assert not layers.biases(block, layer).any()
    rounded = init.draw(layers, scheme, np.random.default_rng(0), "float32")
    np.testing.assert_array_equal(rounded, block.astype(np.float32))
