"""Which models train together: those equal in all that one pass over the rows must share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from gradstep.plan.network import Layers
from gradstep.plan.settings import Settings
from gradstep.utils import memory

#: Most models of a group: what memory must hold at once. Kernels are as fast with 8 models as with 128.
MOST_MODELS = 64


@dataclass(frozen=True)
class Limits:
    """How large groups may be.

    Attributes
    ----------
    memory : int, optional
        Bytes that the models of a group may take; None is no limit. A model alone may take more.
    models : int, default=MOST_MODELS
        Models that a group may have.
    """

    memory: int | None = None
    models: int = MOST_MODELS

    @classmethod
    def of(cls, max_memory: int | None) -> Limits:
        """Return the limits that a user gave, or half of the memory that is available."""
        if max_memory is not None:
            return cls(int(max_memory))
        free = memory.available()
        return cls(None if free is None else free // 2)


@dataclass(frozen=True)
class Sizes:
    """What the bytes of a model follow from, beside its settings.

    Attributes
    ----------
    n, d, k : int
        Rows, inputs and outputs of the training.
    """

    n: int
    d: int
    k: int


@dataclass(frozen=True)
class Partition:
    """Models that one pass trains.

    Attributes
    ----------
    models : tuple of int
        Places in what was partitioned.
    reason : str
        What they have in common that others have not, and why there are no more of them.
    """

    models: tuple[int, ...]
    reason: str


def partition(settings: Sequence[Settings], sizes: Sizes, limits: Limits | None = None) -> list[Partition]:
    """Partition models into groups, each of which one pass can train.

    Models of a group share what `Settings.shared` returns: loss, activations and rule, but not the numbers
    in them. They keep their order. Where too many are equal, they are cut into groups of nearly one size.

    Parameters
    ----------
    settings : sequence of m Settings
        Of every model.
    sizes : Sizes
    limits : Limits, optional
        No limit of memory by default.

    Returns
    -------
    list of Partition
    """
    limits = limits or Limits()
    kinds: list[tuple[dict[str, Any], list[int]]] = []
    for model, own in enumerate(settings):
        shared = own.shared(sizes.n)
        alike = [models for kind, models in kinds if kind == shared]
        if alike:
            alike[0].append(model)
        else:
            kinds.append((shared, [model]))
    reasons = _reasons([kind for kind, _ in kinds])
    found = []
    for reason, (_, models) in zip(reasons, kinds, strict=True):
        each = model_bytes(settings[models[0]], sizes)
        fitting = len(models) if limits.memory is None else max(1, limits.memory // each)
        parts = np.array_split(models, -(-len(models) // min(fitting, limits.models)))
        if len(parts) > 1 and fitting < limits.models:
            reason += (
                f"; cut into {len(parts)}, for {limits.memory:,} bytes hold {fitting} models of {each:,}"
            )
        elif len(parts) > 1:
            reason += f"; cut into {len(parts)}, for a group has at most {limits.models} models"
        found += [Partition(tuple(part.tolist()), reason) for part in parts]
    return found


def check_memory(settings: Sequence[Settings], sizes: Sizes, limits: Limits) -> None:
    """Raise MemoryError where models are too many for what memory holds, unless it is one alone."""
    each = model_bytes(settings[0], sizes)
    if limits.memory is not None and len(settings) > 1 and len(settings) * each > limits.memory:
        raise MemoryError(f"{limits.memory:,} bytes hold {limits.memory // each} models of {each:,}")


def model_bytes(settings: Settings, sizes: Sizes) -> int:
    """Return the bytes that a model in training takes.

    State and the backend's packed copy of it have a block of parameters and one for every slot; the last
    evaluation's model and, for early stopping, the best one's are one block each, and so is a gradient that
    is clipped. There is a rate for every update, and what a line search remembers.
    """
    parameters = Layers((sizes.d, *settings.hidden, sizes.k)).parameters
    blocks = 2 * (1 + settings.slots) + 2 + settings.clips
    n = settings.trained_rows(sizes.n)
    updates = int(settings.epochs) * -(-n // settings.rows_per_update(n))
    each = blocks * np.dtype(settings.precision).itemsize + 8 * settings.optimizer.remembered
    return each * parameters + 8 * updates


def _reasons(kinds: Sequence[dict[str, Any]]) -> list[str]:
    """Say of every kind what it has that others have not."""
    shown = [kind | {"activation": _as_one(kind["activation"])} for kind in kinds]
    names = sorted(name for name in shown[0] if any(a[name] != b[name] for a, b in pairwise(shown)))
    if "activation" in names:
        # Networks of different depths have more or fewer of the same.
        given = [kind["activation"] for kind in shown if kind["activation"] is not None]
        if all(activation == given[0] for activation in given):
            names.remove("activation")
    return [
        ", ".join(
            f"{name}={kind[name]!r}" for name in names if name != "activation" or kind[name] is not None
        )
        or "all models are alike"
        for kind in shown
    ]


def _as_one(names: tuple[str, ...]) -> str | tuple[str, ...] | None:
    """Return one name for equal activations, None where there are none."""
    if not names:
        return None
    return names[0] if len(set(names)) == 1 else names
