"""What the NumPy backend does with gradients: clipping, the rule's step, and the averages of weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.plan.network import Layers
from gradstep.plan.plan import Plan, State

Array = npt.NDArray[np.floating]
Vector = npt.NDArray[np.float64]


def stepped(plan: Plan, parameters: Array, dparameters: Array, slots: Array, numbers: Vector) -> Any:
    """Return new parameters (m, P) and slots (m, s, P), by numbers (m, 2, r) for weights and biases."""
    layers, kept = plan.objective.layers, [slots[:, slot] for slot in range(slots.shape[1])]
    parameters, kept = parameters.copy(), [slot.copy() for slot in kept]
    for layer in range(layers.count):
        for which, part in enumerate((layers.weights, layers.biases)):
            w = part(parameters, layer)
            own = [part(slot, layer) for slot in kept]
            given = numbers[:, which].T.astype(w.dtype).reshape(-1, len(w), *(1,) * (w.ndim - 1))
            old = tuple(slot.copy() for slot in own)  # a rule may hand one slot on to another
            new, new_slots = plan.rule.step(w, part(dparameters, layer), old, tuple(given))
            w[...] = new
            for slot, value in zip(own, new_slots, strict=True):
                slot[...] = value
    return parameters, np.stack(kept, axis=1) if kept else slots


def with_decay(layers: Layers, parameters: Array, gradient: Array, decays: Vector) -> Array:
    """Return gradients (m, P), and decays (m,) times the weights."""
    gradient = gradient.copy()
    slope = decays.astype(parameters.dtype)[:, None, None]
    for layer in range(layers.count):
        layers.weights(gradient, layer)[...] += slope * layers.weights(parameters, layer)
    return gradient


def clipped(gradient: Array, limits: Vector) -> Array:
    """Return gradients (m, P) of which no element, and then no norm, is larger than limits (2, m) say."""
    most, longest = limits[0, :, None].astype(gradient.dtype), limits[1]
    gradient = np.clip(gradient, -most, most)
    # Model by model: a sum over several arrays may go another way.
    norms = np.sqrt([np.square(own, dtype=np.float64).sum() for own in gradient])
    factors = np.where(norms > longest, longest / norms, 1.0)
    return gradient * factors[:, None].astype(gradient.dtype)


def average(state: State, t: int, shares: Vector) -> None:
    """Let the averages of models that have just done update t take their shares (m,) of the weights."""
    done = np.flatnonzero((state.updates == t + 1) & (shares > 0))
    W, mean = state.parameters[done], state.slots[done, -1]
    share = shares[done, None].astype(W.dtype)
    # From the nearer end: an average that takes all is the weights, one of equal weights is these.
    state.slots[done, -1] = np.where(share < 0.5, mean + share * (W - mean), W - (1 - share) * (W - mean))
