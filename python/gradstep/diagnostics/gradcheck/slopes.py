"""Slopes of the cost around the parameters of a model, by differences."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from gradstep.backends import Backend
from gradstep.nn.activations import Activation
from gradstep.nn.losses import Loss
from gradstep.plan.network import Layers, Objective
from gradstep.plan.rows import TrainingData
from gradstep.plan.sparse import dense

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# Bytes of moved parameters and of hidden units that are held at a time.
_CHUNK_BYTES = 1 << 25


def row_losses(loss: Loss, scores: Array, targets: npt.NDArray[np.generic]) -> Array:
    """Return the loss of every row (m, n) from scores (m, n, k) of models with one loss."""
    k, y = scores.shape[2], targets
    if targets.ndim == 1:
        is_label = (np.arange(k) == targets[:, None]).astype(scores.dtype)
        y = loss.share(is_label, k, *(loss.numbers() or (0.0,)))
    # What overflows is an answer here, and no reason to warn.
    with np.errstate(over="ignore", invalid="ignore"):
        a, b = loss.parts(scores, y, scores.max(axis=2, keepdims=True))
        losses: Array = loss.row(a.sum(axis=2), b.sum(axis=2), k)
    return losses


def has_kink(activation: Activation) -> bool:
    """Tell whether the slope of an activation jumps at 0."""
    number = np.float64(activation.number())
    below, above = (activation.slope(activation.of(np.float64(z), number), number) for z in (-1e-300, 1e-300))
    return bool(abs(above - below) > 1e-9)


@dataclass
class Neighbourhood:
    """Costs around the parameters (P,) of one model, and on which side of its kink every unit is."""

    objective: Objective
    data: TrainingData
    parameters: Array
    backend: Backend
    n_threads: int = 1

    def cost(self) -> float:
        """Return the cost at the parameters themselves."""
        layers = self.objective.layers
        squares = sum(float(np.square(layers.weights(self.parameters, i)).sum()) for i in range(layers.count))
        losses = self._losses(self.parameters[None])
        return float(self._mean(losses)[0] + self.objective.l2[0] * squares)

    def input_size(self, layer: int) -> float:
        """Return the root mean square of a layer's inputs, if above 1, else 1."""
        if layer == 0:
            X = self.data.X[self.data.in_X(np.arange(self.data.n))]
            inputs = self.data.standardization.apply(dense(X))
        else:
            activation = self._activations[layer - 1]
            entering = self._entering(layer - 1, self.parameters[None])
            inputs = activation.of(entering, np.float64(activation.number()))
        return max(1.0, float(np.sqrt(np.square(inputs).mean())))

    def slopes(
        self, layer: int, places: npt.NDArray[np.int64], kind: str, step: float
    ) -> tuple[Array, Flags]:
        """Return the slope at every place of one layer, and whether no unit passes a kink on the way."""
        units = self.data.n * max(self.objective.layers.sizes[1:])
        chunk = max(1, _CHUNK_BYTES // (16 * (self.parameters.size + units)))
        chunks = (places[start : start + chunk] for start in range(0, places.size, chunk))
        slopes, smooth = zip(*(self._slopes(layer, some, kind, step) for some in chunks), strict=True)
        return np.concatenate(slopes), np.concatenate(smooth)

    @property
    def _activations(self) -> tuple[Activation, ...]:
        return self.objective.activations[0]

    def _slopes(
        self, layer: int, places: npt.NDArray[np.int64], kind: str, step: float
    ) -> tuple[Array, Flags]:
        layers, each = self.objective.layers, np.arange(places.size)
        ahead = self._moved(places, step)
        behind = self._moved(places, -step) if kind == "central" else self.parameters[None]
        before = behind[each, places] if kind == "central" else self.parameters[places]
        after = ahead[each, places]
        # The way is not exactly the step: p + h is rounded.
        way = after - before
        rise = self._mean(self._losses(ahead) - self._losses(behind))
        is_weight = places < layers.offsets[layer, 1]
        rise += np.where(is_weight, self.objective.l2[0] * way * (after + before), 0.0)
        return rise / way, self._same_sides(layer, ahead) & self._same_sides(layer, behind)

    def _moved(self, places: npt.NDArray[np.int64], step: float) -> Array:
        moved = np.tile(self.parameters, (places.size, 1))
        moved[np.arange(places.size), places] += step
        return moved

    def _losses(self, blocks: Array) -> Array:
        """Return the loss of every row (m, n) of models (m, P)."""
        scores = self._scores(self.objective.layers, blocks)
        return row_losses(self.objective.loss, scores, self.data.targets)

    def _mean(self, losses: Array) -> Array:
        weight = self.data.weight
        means: Array = (losses if weight is None else losses * weight).mean(axis=1)
        return means

    @cached_property
    def _kinked_layers(self) -> list[int]:
        return [layer for layer, activation in enumerate(self._activations) if has_kink(activation)]

    def _same_sides(self, layer: int, blocks: Array) -> Flags:
        """Tell which models have every unit with a kink on the side where the unmoved model has it.

        Units of layers before `layer` do not notice the move.
        """
        same = np.ones(len(blocks), dtype=np.bool_)
        for last in self._kinked_layers:
            if last >= layer:
                above, unmoved = (
                    self._entering(last, models) > 0 for models in (blocks, self.parameters[None])
                )
                same &= (above == unmoved).all(axis=(1, 2))
        return same

    def _entering(self, layer: int, blocks: Array) -> Array:
        """Return what enters a layer's units (m, n, units): the scores of the network that ends there."""
        return self._scores(Layers(self.objective.layers.sizes[: layer + 2]), blocks)

    def _scores(self, layers: Layers, blocks: Array) -> Array:
        """Return the scores (m, n, out) of the first layers of models (m, P)."""
        activations = self._activations[: layers.count - 1]
        objective = Objective.alike(layers, self.objective.loss, activations, np.zeros(len(blocks)))
        unlabelled = replace(self.data, targets=np.zeros(self.data.n, dtype=np.int32))
        heads = np.ascontiguousarray(blocks[:, : layers.parameters])
        scores: Array = self.backend.scores(objective, unlabelled, heads, n_threads=self.n_threads)
        return scores
