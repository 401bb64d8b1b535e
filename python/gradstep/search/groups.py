"""Which models train together: those equal in all that one pass over the rows must share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from gradstep.plan.plan import rows_per_update

if TYPE_CHECKING:
    from gradstep.estimators.trainer import Trainer

#: Parameters of Trainer that every model of a group has for itself; the pass shares all others.
OWN = ("l2", "learning_rate", "init", "early_stopping", "callbacks", "verbose")

#: Most models of a group: what memory must hold at once. Kernels are as fast with 8 models as with 128.
MOST_MODELS = 64

# Blocks of parameters that a model in training takes: its state, the backend's packed copy, the last
# evaluation's and, for early stopping, the best one's.
_BLOCKS = 4


@dataclass(frozen=True)
class Share:
    """Models that one pass trains.

    Attributes
    ----------
    models : tuple of int
        Places in what was shared out.
    reason : str
        What they have in common that others have not, and why there are no more of them.
    """

    models: tuple[int, ...]
    reason: str


def share_out(
    trainers: Sequence[Trainer],
    rows: tuple[int, int, int],
    memory: int | None = None,
    most: int = MOST_MODELS,
) -> list[Share]:
    """Share models out into groups, each of which one pass can train.

    Models keep their order. Where too many are equal, they are cut into groups of nearly one size.

    Parameters
    ----------
    trainers : sequence of Trainer
        With valid parameters; ints as `random_state`.
    rows : tuple of three ints
        Rows n, inputs d and classes k of the training.
    memory : int, optional
        Bytes that a group may take; no limit by default. A model alone may take more.
    most : int, default=MOST_MODELS
        Models that a group may have.

    Returns
    -------
    list of Share
    """
    kinds: list[tuple[dict[str, Any], list[int]]] = []
    for model, trainer in enumerate(trainers):
        shared = _shared(trainer, rows[0])
        alike = [models for kind, models in kinds if kind == shared]
        if alike:
            alike[0].append(model)
        else:
            kinds.append((shared, [model]))
    names = _differing([kind for kind, _ in kinds])
    shares = []
    for kind, models in kinds:
        each = _bytes(trainers[models[0]], rows)
        fitting = max(1, memory // each) if memory is not None else len(models)
        parts = np.array_split(models, -(-len(models) // min(fitting, most)))
        reason = ", ".join(f"{name}={kind[name]!r}" for name in names) or "all models are alike"
        if len(parts) > 1 and fitting < most:
            reason += f"; cut into {len(parts)}, for {memory:,} bytes hold {fitting} models of {each:,}"
        elif len(parts) > 1:
            reason += f"; cut into {len(parts)}, for a group has at most {most} models"
        shares += [Share(tuple(part.tolist()), reason) for part in parts]
    return shares


def _shared(trainer: Trainer, n: int) -> dict[str, Any]:
    """Return what the pass must share with others; ways to say the same are made one."""
    params = {name: value for name, value in trainer.get_params(deep=False).items() if name not in OWN}
    params["hidden"] = tuple(int(units) for units in trainer.hidden)
    params["batch_size"] = rows_per_update(trainer.batch_size, n)
    return params


def _differing(kinds: Sequence[dict[str, Any]]) -> list[str]:
    return [name for name in kinds[0] if any(a[name] != b[name] for a, b in pairwise(kinds))]


def _bytes(trainer: Trainer, rows: tuple[int, int, int]) -> int:
    """Return the bytes that a model takes: its parameters, and a rate for every update."""
    n, d, k = rows
    sizes = (d, *(int(units) for units in trainer.hidden), k)
    parameters = sum((inputs + 1) * outputs for inputs, outputs in pairwise(sizes))
    updates = int(trainer.epochs) * -(-n // rows_per_update(trainer.batch_size, n))
    return _BLOCKS * parameters * np.dtype(trainer.precision).itemsize + 8 * updates
