"""A group of a training that is kept, as the header and the tensors of a file.

The tensors are ``history`` (rows of all models one after the other, columns), ``block/<i>`` for every model
that is over and kept, and where models go on ``state/parameters`` (m, P), ``state/slots`` (m, s, P),
``state/updates`` and ``state/finite``, ``best/<i>`` where the best parameters are not the last ones, and what
line searches remember: ``minimizer/<i>/x``, ``g``, ``pairs`` and ``products``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import CorruptFileError
from gradstep.nn.lbfgs import Ending, MinimizerState
from gradstep.storage.checkpoints import plateau_entries, plateau_of, tracker_entries, tracker_of
from gradstep.storage.container import Arrays
from gradstep.storage.entries import count, typed
from gradstep.storage.saved import SavedGroup, SavedRecord, error_of
from gradstep.training.checkpoint import Best
from gradstep.training.group_state import GroupState, ModelState
from gradstep.training.history import HistoryRows
from gradstep.training.line_search import At
from gradstep.training.outset import Outset
from gradstep.training.record import ModelNews
from gradstep.training.status import Status

Entries = dict[str, Any]
Row = dict[str, float]


def encode(group: SavedGroup) -> tuple[Entries, Arrays]:
    """Return header and tensors of a group."""
    begun = [own.news.rows for own in group.models if own.news.rows]
    names = list(begun[0][0]) if begun else []
    arrays: Arrays = {}
    if begun:
        arrays["history"] = np.concatenate([rows.numbers() for rows in begun])
    models = []
    for place, own in enumerate(group.models):
        models.append(_encode_model(own))
        if own.news.block is not None and own.key not in group.left:
            arrays[f"block/{place}"] = own.news.block
    header = {
        "columns": names,
        "models": models,
        "left": [list(key) for key in group.left],
        "outset": _encode_outset(group.models[0].outset),
        "state": None if group.state is None else _encode_state(group.state, arrays),
    }
    return header, arrays


def _put(arrays: Arrays, name: str, array: npt.NDArray[Any]) -> None:
    """Take a tensor, unless it is empty: its shape then is nothing that a file could have."""
    if array.size:
        arrays[name] = np.ascontiguousarray(array)


def _encode_model(own: SavedRecord) -> Entries:
    news = own.news
    return {
        "key": list(own.key),
        "status": news.status.value,
        "error": None if news.error is None else [news.error.update, repr(news.error.learning_rate)],
        "rows": len(news.rows),
        "row": None if news.row is None else _place(news.row, news.rows),
        "has_block": news.block is not None,
    }


def _place(row: Row, rows: HistoryRows) -> int:
    return int(np.flatnonzero(rows.column("update") == row["update"])[0])


def _encode_outset(outset: Outset) -> Entries:
    return {
        "weighted": list(outset.weighted),
        "batch_size": outset.batch_size,
        "updates_per_epoch": outset.updates_per_epoch,
        "n_threads": outset.n_threads,
        "backend": outset.backend,
    }


def _encode_state(state: GroupState, arrays: Arrays) -> Entries:
    for name in ("parameters", "slots", "updates", "finite"):
        _put(arrays, f"state/{name}", getattr(state, name))
    models = []
    for place, own in enumerate(state.models):
        best, minimizer = own.best, own.minimizer
        if best is not None and best.parameters is not None:
            arrays[f"best/{place}"] = best.parameters
        for name in ("x", "g", "pairs", "products") if minimizer is not None else ():
            _put(arrays, f"minimizer/{place}/{name}", getattr(minimizer, name))
        models.append(
            {
                "row": own.row,
                "best": None if best is None else {"row": best.row, **tracker_entries(best.tracker)},
                "plateau": plateau_entries(own.plateau),
                "minimizer": None if minimizer is None else _encode_minimizer(minimizer),
                "at": None if own.at is None else list(own.at),
            }
        )
    return {"seconds": state.seconds, "slots": state.slots.shape[1], "models": models}


def _encode_minimizer(state: MinimizerState) -> Entries:
    return {
        "scale": state.scale,
        "f": state.f,
        "n_iter": state.n_iter,
        "n_fun": state.n_fun,
        "ending": None if state.ending is None else state.ending.name,
    }


def decode(header: Mapping[str, Any], arrays: Arrays) -> SavedGroup:
    """Return the group of a header and tensors.

    Raises
    ------
    CorruptFileError, LookupError, TypeError, ValueError
        They are none.
    """
    names, outset = header["columns"], _decode_outset(header["outset"])
    history = arrays.get("history", np.empty((0, len(names))))
    if history.ndim != 2 or history.shape[1] != len(names):
        raise CorruptFileError(f"its history must have {len(names)} columns, got shape {history.shape}")
    left, first, models = tuple(map(_key, header["left"])), 0, []
    for place, entries in enumerate(header["models"]):
        last = first + count(entries, "rows", 0)
        if last > len(history):
            raise CorruptFileError(f"its history must have {last} rows, got {len(history)}")
        rows = HistoryRows(names, history[first:last].ravel().tolist())
        models.append(_decode_model(entries, rows, arrays.get(f"block/{place}"), outset))
        first = last
    state = None if header["state"] is None else _decode_state(header["state"], arrays)
    return SavedGroup(tuple(models), left, state)


def _key(given: Any) -> tuple[int, int]:
    trial, fold = given
    return int(trial), int(fold)


def _decode_model(
    entries: Mapping[str, Any], rows: HistoryRows, block: npt.NDArray[Any] | None, outset: Outset
) -> SavedRecord:
    error, row = entries["error"], entries["row"]
    news = ModelNews(
        rows,
        Status(typed(entries, "status", str)),
        error_of(None if error is None else (int(error[0]), float(error[1]))),
        None if row is None else rows[row],
        block,
    )
    return SavedRecord(_key(entries["key"]), news, outset)


def _decode_outset(entries: Mapping[str, Any]) -> Outset:
    return Outset(
        None,
        tuple(entries["weighted"]),
        batch_size=count(entries, "batch_size", 1),
        updates_per_epoch=count(entries, "updates_per_epoch", 1),
        n_threads=count(entries, "n_threads", 1),
        backend=typed(entries, "backend", str),
    )


def _decode_state(entries: Mapping[str, Any], arrays: Arrays) -> GroupState:
    parameters = arrays["state/parameters"]
    m, size = parameters.shape
    slots = np.empty((m, 0, size), dtype=parameters.dtype)
    models = [_decode_state_of(own, place, arrays) for place, own in enumerate(entries["models"])]
    return GroupState(
        parameters,
        arrays["state/slots"] if count(entries, "slots", 0) else slots,
        arrays["state/updates"],
        arrays["state/finite"],
        models=tuple(models),
        seconds=typed(entries, "seconds", float),
    )


def _decode_state_of(entries: Mapping[str, Any], place: int, arrays: Arrays) -> ModelState:
    best, minimizer, at = entries["best"], entries["minimizer"], entries["at"]
    if minimizer is not None:
        x = arrays[f"minimizer/{place}/x"]
        minimizer = MinimizerState(
            x,
            arrays[f"minimizer/{place}/g"],
            arrays.get(f"minimizer/{place}/pairs", np.empty((0, 2, x.size))),
            arrays.get(f"minimizer/{place}/products", np.empty(0)),
            **minimizer | {"ending": None if minimizer["ending"] is None else Ending[minimizer["ending"]]},
        )
    return ModelState(
        entries["row"],
        None if best is None else Best(tracker_of(best), best["row"], arrays.get(f"best/{place}")),
        plateau_of(entries["plateau"]),
        minimizer,
        None if at is None else At(*at),
    )
