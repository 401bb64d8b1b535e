"""What scikit-learn draws from one random state, drawn in its order: weights, then the split, then the rows.

So a seed gives a face the model that it gives scikit-learn's class, but for rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import train_test_split

from gradstep.plan.network import Layers

Index = npt.NDArray[np.int32]


def draw_parameters(
    layers: Layers, factor: float, generator: np.random.RandomState, dtype: npt.DTypeLike
) -> npt.NDArray[Any]:
    """Return initial parameters (P,): weights and biases uniform within ``sqrt(factor / (in + out))`` [1]_.

    Drawn in float64 and then rounded, layer by layer, the weights first.

    References
    ----------
    .. [1] X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks",
       AISTATS (2010).
    """
    block = np.empty(layers.parameters)
    for layer, (inputs, outputs) in enumerate(zip(layers.sizes, layers.sizes[1:], strict=False)):
        bound = np.sqrt(factor / (inputs + outputs))
        layers.weights(block, layer)[...] = generator.uniform(-bound, bound, (inputs, outputs))
        layers.biases(block, layer)[...] = generator.uniform(-bound, bound, outputs)
    return block.astype(dtype, copy=False)


def hold_out(
    n: int, fraction: float, stratify: npt.NDArray[Any] | None, generator: np.random.RandomState
) -> tuple[Index, Index]:
    """Return the numbers of the rows to train on, and of those to validate on.

    Raises
    ------
    ValueError
        There are too few rows, or of a class of `stratify` too few.
    """
    train, held_out = train_test_split(
        np.arange(n, dtype=np.int32), test_size=fraction, random_state=generator, stratify=stratify
    )
    if len(held_out) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
        )
    return train, held_out
