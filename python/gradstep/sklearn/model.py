"""The network of a fitted face: its parameters in one block, and the scores that it gives rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from gradstep import backends
from gradstep.nn.activations import Activation
from gradstep.nn.losses import Loss
from gradstep.plan.network import Layers, Objective
from gradstep.plan.rows import TrainingData, prepare, readable_pieces
from gradstep.plan.standardization import Standardization
from gradstep.utils import threads

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class FaceModel:
    """A trained network.

    Attributes
    ----------
    block : ndarray of shape (P,)
        The parameters, laid out as `Layers` says.
    objective : Objective
        Of a group of one.
    standardization : Standardization
        Of the features.
    """

    block: Array
    objective: Objective
    standardization: Standardization

    @classmethod
    def of_block(
        cls, block: Array, layers: Layers, loss: Loss, activation: Activation, scale: Standardization
    ) -> Self:
        """Return the model with these parameters, one activation between all layers."""
        alike = (activation,) * (layers.count - 1)
        return cls(block, Objective.alike(layers, loss, alike, np.zeros(1)), scale)

    @property
    def coefs(self) -> list[Array]:
        """Weights of every layer, (in, out), views of the block."""
        layers = self.objective.layers
        return [layers.weights(self.block, layer) for layer in range(layers.count)]

    @property
    def intercepts(self) -> list[Array]:
        """Biases of every layer, (out,), views of the block."""
        layers = self.objective.layers
        return [layers.biases(self.block, layer) for layer in range(layers.count)]

    def is_of(self, coefs: Sequence[Array], intercepts: Sequence[Array]) -> bool:
        """Whether all of these are views of the block."""
        return all(part.base is self.block for part in (*coefs, *intercepts))

    def scores(self, X: Array, backend: str, n_threads: int | None) -> Array:
        """Return the last layer's output (n, k) for validated rows, whether finite or not."""
        executes = backends.choose(backend, self.objective)
        data = prepare(X, None, None, self.standardization)
        used = threads.choose(n_threads, data.n * self.block.size)
        # A single row takes 20 microseconds: those of a look at how it lies count.
        pieces: Iterable[TrainingData] = [data]
        if data.n > executes.rows_together:
            pieces = readable_pieces(data, self.block.dtype, executes.rows_together)
        found = [
            executes.scores(self.objective, piece, self.block[None], n_threads=used)[0] for piece in pieces
        ]
        scores = found[0] if len(found) == 1 else np.concatenate(found)
        if X.dtype != self.block.dtype:
            scores = scores.astype(np.result_type(X.dtype, self.block.dtype), copy=False)
        return scores


def joined(coefs: Sequence[Array], intercepts: Sequence[Array]) -> Array:
    """Return weights and biases as one block, laid out as `Layers` says."""
    parts = [part for pair in zip(coefs, intercepts, strict=True) for part in pair]
    block = parts[0].base
    if isinstance(block, np.ndarray) and block.ndim == 1 and all(part.base is block for part in parts):
        return block
    return np.concatenate(parts, axis=None)


def to_packed(block: Array, layers: Layers) -> Array:
    """Return a block as scikit-learn packs it: all weights, then all biases."""
    every = range(layers.count)
    parts = [layers.weights(block, layer) for layer in every]
    return np.concatenate([*parts, *(layers.biases(block, layer) for layer in every)], axis=None)


def from_packed(packed: Array, layers: Layers) -> Array:
    """Return as a block what scikit-learn packs: all weights, then all biases."""
    block, start = np.empty(layers.parameters), 0
    for part in (layers.weights, layers.biases):
        for layer in range(layers.count):
            place = part(block, layer)
            place[...] = packed[start : start + place.size].reshape(place.shape)
            start += place.size
    return block
