"""What a training can go on from, as entries and tensors of a model file.

The tensors are ``state/parameters`` and ``state/best``, each where it is not the model itself, and
``state/slots`` (s, P).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import CorruptFileError
from gradstep.nn.metrics import COLUMN, BestTracker
from gradstep.nn.schedules import ReduceOnPlateau
from gradstep.storage.container import Arrays
from gradstep.storage.entries import count, typed
from gradstep.training.checkpoint import Best, FitState, Plateau, Trajectory
from gradstep.training.fitted import Fitted
from gradstep.training.history import History
from gradstep.training.result import TrainingResult
from gradstep.utils.concepts import plain, restored

#: Takes a tensor of a name, a type and a shape out of a file.
Take = Callable[[str, str, tuple[int, ...]], npt.NDArray[Any]]


def arrays_of(result: TrainingResult) -> Arrays:
    """Return the tensors of the state of a training, if it is to be kept."""
    checkpoint, block = result.checkpoint, result.fitted.block
    if checkpoint is None:
        return {}
    arrays = {"state/slots": checkpoint.slots} if checkpoint.slots.size else {}
    if checkpoint.parameters is not block:
        arrays["state/parameters"] = checkpoint.parameters
    best = checkpoint.best
    if best is not None and best.parameters is not None and best.parameters is not block:
        arrays["state/best"] = best.parameters
    return arrays


def entries_of(result: TrainingResult) -> dict[str, Any] | None:
    """Return the entries of the state of a training."""
    checkpoint, block = result.checkpoint, result.fitted.block
    if checkpoint is None:
        return None
    run, best, plateau = checkpoint.run, checkpoint.best, checkpoint.plateau
    return {
        "seed": run.seed,
        "epochs": run.epochs,
        "updates_per_epoch": run.updates_per_epoch,
        "agreed": dict(run.agreed),
        "data": run.data,
        "update": checkpoint.update,
        "epoch": checkpoint.epoch,
        "slots": len(checkpoint.slots),
        "has_parameters": checkpoint.parameters is not block,
        "best": None if best is None else _best_entries(best, result),
        "plateau": plateau_entries(plateau),
    }


def _best_entries(best: Best, result: TrainingResult) -> dict[str, Any]:
    updates = [row["update"] for row in result.history.rows]
    parameters = best.parameters
    return {
        "row": updates.index(best.row["update"]) if best.row else None,
        "parameters": None if parameters is None else "model" if parameters is result.fitted.block else "own",
        **tracker_entries(best.tracker),
    }


def plateau_entries(plateau: Plateau | None) -> dict[str, Any] | None:
    """Return what `ReduceOnPlateau` goes by as JSON has it."""
    if plateau is None:
        return None
    return {"rule": plain(plateau.rule), "rate": plateau.rate, **tracker_entries(plateau.tracker)}


def tracker_entries(tracker: BestTracker) -> dict[str, Any]:
    """Return the best value so far, and how long ago it was, as JSON has it."""
    # As text, for JSON has no NaN.
    value = None if tracker.value is None else repr(float(tracker.value))
    return {
        "column": tracker.column,
        "min_delta": float(tracker.min_delta),
        "value": value,
        "since": tracker.since,
    }


def checkpoint_of(
    entries: dict[str, Any] | None, fitted: Fitted, history: History, take: Take
) -> FitState | None:
    """Return the state of a training that a file has, None where it has none.

    Raises
    ------
    CorruptFileError
        It is none.
    """
    if entries is None:
        return None
    block, dtype = fitted.block, fitted.block.dtype.name
    agreed = typed(entries, "agreed", dict)
    if not all(isinstance(value, str) for value in agreed.values()):
        raise CorruptFileError("its entry 'agreed' must have texts")
    data = None if entries["data"] is None else typed(entries, "data", str)
    run = Trajectory(
        count(entries, "seed", 0, 2**32 - 1),
        count(entries, "epochs", 1),
        count(entries, "updates_per_epoch", 1),
        agreed,
        data,
    )
    slots = np.empty((0, block.size), dtype=block.dtype)
    if count(entries, "slots", 0):
        slots = take("state/slots", dtype, (count(entries, "slots", 1), block.size))
    own = typed(entries, "has_parameters", bool)
    return FitState(
        run,
        take("state/parameters", dtype, block.shape) if own else block,
        slots,
        update=count(entries, "update", 1),
        epoch=count(entries, "epoch", 1),
        best=_best(entries["best"], fitted, history, take),
        plateau=plateau_of(entries["plateau"]),
    )


def _best(entries: dict[str, Any] | None, fitted: Fitted, history: History, take: Take) -> Best | None:
    if entries is None:
        return None
    row: dict[str, float] = {}
    if entries["row"] is not None:
        place = count(entries, "row", 0)
        if place >= len(history.rows):
            raise CorruptFileError(f"its entry 'row' must be < {len(history.rows)}, got {place}")
        row = history.rows[place]
    kept = entries["parameters"]
    if kept not in (None, "model", "own"):
        raise CorruptFileError(f"its entry 'parameters' must be None, 'model' or 'own', got {kept!r}")
    block = fitted.block
    own = take("state/best", block.dtype.name, block.shape) if kept == "own" else None
    tracker = tracker_of(entries)
    if tracker.column not in history:
        raise CorruptFileError(f"its history has no column {tracker.column!r}")
    return Best(tracker, row, block if kept == "model" else own)


def plateau_of(entries: dict[str, Any] | None) -> Plateau | None:
    """Return what `plateau_entries` was made of."""
    if entries is None:
        return None
    rule, rate = restored(entries["rule"]), typed(entries, "rate", float)
    if not isinstance(rule, ReduceOnPlateau) or not 0 <= rate < np.inf:
        raise CorruptFileError(f"its plateau must have a rule and a rate >= 0, got {rule!r} and {rate}")
    return Plateau(rule, tracker_of(entries), rate)


def tracker_of(entries: Mapping[str, Any]) -> BestTracker:
    """Return what `tracker_entries` was made of."""
    column, value = typed(entries, "column", str), entries["value"]
    if not COLUMN.holds(column):
        raise CorruptFileError(f"its entry 'column' must be {COLUMN.text}, got {column!r}")
    since = count(entries, "since", 0)
    return BestTracker(
        column, typed(entries, "min_delta", float), None if value is None else float(value), since
    )
