"""The network of a group: layer sizes, and what its models minimise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.nn.activations import Activation
from gradstep.nn.losses import Loss


@dataclass(frozen=True)
class Layers:
    """Sizes of a fully connected network and where its parameters lie in one flat block.

    A block holds W (in, out) row by row and then b (out,) of the first layer, of the second, ...

    Attributes
    ----------
    sizes : tuple of int
        ``(d, h, ..., k)``; ``(d, k)`` is a linear model.
    """

    sizes: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of layers of weights, l."""
        return len(self.sizes) - 1

    @cached_property
    def _places(self) -> list[tuple[int, int, int]]:
        """Where W and b of every layer start, and where b ends."""
        table, place = [], 0
        for inputs, outputs in pairwise(self.sizes):
            table.append((place, place + inputs * outputs, place + (inputs + 1) * outputs))
            place = table[-1][2]
        return table

    @cached_property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Start of each W and each b, ``(l, 2)``, in parameters."""
        return np.array([places[:2] for places in self._places], dtype=np.int64)

    @cached_property
    def parameters(self) -> int:
        """Number of parameters of one model, P."""
        return self._places[-1][2]

    def weights(self, block: npt.NDArray[Any], layer: int) -> npt.NDArray[Any]:
        """View the weights of a layer in blocks of shape (..., P), as (..., in, out)."""
        start, end, _ = self._places[layer]
        return block[..., start:end].reshape(*block.shape[:-1], *self.sizes[layer : layer + 2])

    def biases(self, block: npt.NDArray[Any], layer: int) -> npt.NDArray[Any]:
        """View the biases of a layer in blocks of shape (..., P), as (..., out)."""
        _, start, end = self._places[layer]
        return block[..., start:end]


@dataclass(frozen=True)
class Objective:
    """What m models that train together minimise, each with numbers of its own.

    Attributes
    ----------
    layers : Layers
    losses : tuple of m Loss
        Of one class.
    activations : tuple of m tuples of l - 1 Activation
        Of one class layer by layer; the last layer gives scores as they are.
    l2 : ndarray of shape (m,), float64
        The lambda of ``cost = loss + l2 * sum(W**2)``; the gradient of the term is ``2 * l2 * W``;
        its strength does not depend on the batch size.
    """

    layers: Layers
    losses: tuple[Loss, ...]
    activations: tuple[tuple[Activation, ...], ...]
    l2: npt.NDArray[np.float64]

    @classmethod
    def alike(
        cls, layers: Layers, loss: Loss, activations: tuple[Activation, ...], l2: npt.NDArray[np.float64]
    ) -> Objective:
        """Return the objective of models that differ in l2 (m,) alone."""
        return cls(layers, (loss,) * len(l2), (activations,) * len(l2), l2)

    @property
    def loss(self) -> Loss:
        """The loss of the first model; that of the others has the same formulas."""
        return self.losses[0]

    @cached_property
    def loss_numbers(self) -> npt.NDArray[np.float64]:
        """What losses have different, ``(m, p)``; p is 0 or 1."""
        return np.array([loss.numbers() for loss in self.losses], dtype=np.float64)

    @cached_property
    def activation_numbers(self) -> npt.NDArray[np.float64]:
        """What activations have different, ``(m, l - 1)``."""
        numbers = [[activation.number() for activation in of_model] for of_model in self.activations]
        return np.array(numbers, dtype=np.float64).reshape(len(self.l2), self.layers.count - 1)

    def select(self, models: Sequence[int]) -> Objective:
        """Return the objective of some models of the group, in the order given."""
        losses = tuple(self.losses[model] for model in models)
        activations = tuple(self.activations[model] for model in models)
        return replace(self, losses=losses, activations=activations, l2=self.l2[list(models)])
