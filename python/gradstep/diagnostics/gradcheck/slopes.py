"""Slopes of the cost around the parameters of a model, by differences."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gradstep.backends import Backend
from gradstep.plan.plan import Layers, Objective
from gradstep.plan.rows import Problem

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# Bytes of moved parameters and of hidden units that are held at a time.
_CHUNK_BYTES = 1 << 25


def _row_losses(loss: str, scores: Array, labels: npt.NDArray[np.int32]) -> Array:
    """Return the loss of every row (m, n) from scores (m, n, k)."""
    losses: Array
    if loss == "sigmoid":
        is_label = np.arange(scores.shape[2]) == labels[:, None]
        losses = np.logaddexp(0, np.where(is_label, -scores, scores)).mean(axis=2)
    else:
        shifted = scores - scores.max(axis=2, keepdims=True)
        losses = np.log(np.exp(shifted).sum(axis=2)) - shifted[:, np.arange(len(labels)), labels]
    return losses


@dataclass
class Neighbourhood:
    """Costs and sides of the ReLUs around the parameters (P,) of one model."""

    objective: Objective
    problem: Problem
    parameters: Array
    backend: Backend
    n_threads: int

    def cost(self) -> float:
        """Return the cost at the parameters themselves."""
        layers = self.objective.layers
        squares = sum(float(np.square(layers.weights(self.parameters, i)).sum()) for i in range(layers.count))
        losses = self._losses(self.parameters[None])
        return float(self._mean(losses)[0] + self.objective.l2[0] * squares)

    def input_size(self, layer: int) -> float:
        """Return the root mean square of a layer's inputs, if above 1, else 1."""
        if layer == 0:
            standardization = self.problem.standardization
            inputs = (self.problem.X - standardization.mean) / standardization.scale
        else:
            head = Layers(self.objective.layers.sizes[: layer + 1])
            inputs = np.maximum(self._scores(head, self.parameters[None]), 0)
        return max(1.0, float(np.sqrt(np.square(inputs).mean())))

    def slopes(
        self, layer: int, places: npt.NDArray[np.int64], kind: str, step: float
    ) -> tuple[Array, Flags]:
        """Return the slope at every place of one layer, and whether no ReLU changes sides on the way."""
        units = self.problem.n * max(self.objective.layers.sizes[1:])
        chunk = max(1, _CHUNK_BYTES // (16 * (self.parameters.size + units)))
        chunks = (places[start : start + chunk] for start in range(0, places.size, chunk))
        slopes, smooth = zip(*(self._slopes(layer, some, kind, step) for some in chunks), strict=True)
        return np.concatenate(slopes), np.concatenate(smooth)

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
        objective = self.objective
        return _row_losses(objective.loss, self._scores(objective.layers, blocks), self.problem.y)

    def _mean(self, losses: Array) -> Array:
        weight = self.problem.weight
        means: Array = (losses if weight is None else losses * weight).mean(axis=1)
        return means

    def _same_sides(self, layer: int, blocks: Array) -> Flags:
        """Tell which models have every ReLU from `layer` on, in every row, where the unmoved model has it."""
        sizes = self.objective.layers.sizes
        same = np.ones(len(blocks), dtype=np.bool_)
        for last in range(layer, self.objective.layers.count - 1):
            # What enters a ReLU is the scores of the network that ends there.
            head = Layers(sizes[: last + 2])
            active, unmoved = (self._scores(head, models) > 0 for models in (blocks, self.parameters[None]))
            same &= (active == unmoved).all(axis=(1, 2))
        return same

    def _scores(self, layers: Layers, blocks: Array) -> Array:
        """Return the scores (m, n, out) of the first layers of models (m, P)."""
        objective = Objective(layers, self.objective.loss, np.zeros(len(blocks)))
        unlabelled = replace(self.problem, y=np.zeros_like(self.problem.y))
        heads = np.ascontiguousarray(blocks[:, : layers.parameters])
        scores: Array = self.backend.scores(objective, unlabelled, heads, n_threads=self.n_threads)
        return scores
