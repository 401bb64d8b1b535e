"""What figures of trainings draw: histories by name, and the colours and dashes that tell them apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

from gradstep.diagnostics.repeats import Repeats
from gradstep.errors import InvalidParameterError
from gradstep.nn.metrics import ALWAYS, SPLITS, Metric
from gradstep.plots.style import PALETTE
from gradstep.training.history import History, available_splits

if TYPE_CHECKING:
    from gradstep.estimators.base import BaseTrainer

    Told: TypeAlias = History | BaseTrainer | Repeats

#: Dash patterns by split of the history, in line widths: train is solid.
DASHES: dict[str, Literal["-"] | tuple[float, tuple[float, ...]]] = {
    "train": "-",
    "running": (0, (7, 1.2, 1.2, 1.2)),
    "validation": (0, (3.2, 1.4)),
}


class MeanHistory(History):
    """The mean of several histories, row by row, as far as all of them go.

    Parameters
    ----------
    histories : sequence of History
        Of one setting.

    Attributes
    ----------
    spread : History
        Their standard deviations, divisor n - 1; NaN of one alone.
    count : int
    """

    spread: History
    count: int

    def __init__(self, histories: Sequence[History]) -> None:
        shared = set.intersection(*(set(history["update"].tolist()) for history in histories))
        columns: dict[str, Any] = {}
        spread: dict[str, Any] = {}
        for name in histories[0].keys():  # noqa: SIM118
            rows = [history[name][np.isin(history["update"], list(shared))] for history in histories]
            columns[name] = np.mean(rows, axis=0)
            nothing = np.full(len(shared), np.nan)
            spread[name] = np.std(rows, axis=0, ddof=1) if len(rows) > 1 else nothing
        super().__init__(histories[0].metrics, columns, histories[0].weighted)
        self.spread = History(histories[0].metrics, spread)
        self.count = len(histories)


def histories(runs: Told | Mapping[str, Told], whose: str = "curves") -> dict[str, History]:
    """Return the history of every run by name; a run that stands alone has the name "".

    That of several seeds is the mean of those that are complete.

    Raises
    ------
    InvalidParameterError
        A run is none of these, or has no evaluation.
    """
    named = runs if isinstance(runs, Mapping) and not isinstance(runs, Repeats) else {"": runs}
    found: dict[str, History] = {}
    for name, run in named.items():
        what = f"run {name!r} of {whose}" if name else f"the run of {whose}"
        rows = run if isinstance(run, History) else getattr(run, "history_", None)
        if isinstance(run, Repeats):
            complete = [trainer for trainer, ended in zip(run.trainers, run.complete, strict=True) if ended]
            if not complete:
                raise InvalidParameterError(f"{what} must have a seed that came to its end, got {run!r}")
            rows = MeanHistory([trainer.history_ for trainer in complete])
        if not isinstance(rows, History):
            raise InvalidParameterError(
                f"{what} must be a History, a fitted Trainer or Regressor or Repeats, got {run!r}"
            )
        if not available_splits(rows):
            raise InvalidParameterError(f"{what} must have at least one evaluation, got {rows!r}")
        found[str(name)] = rows
    if not found:
        raise InvalidParameterError(f"{whose} needs at least one run, got an empty mapping")
    return found


def line_colours(runs: int) -> list[tuple[str, str]]:
    """Return the (train, validation) colours of every run; only a run alone has two."""
    if runs == 1:
        return [(PALETTE[0], PALETTE[1])]
    if runs <= len(PALETTE):
        return [(colour, colour) for colour in PALETTE[:runs]]
    spread = [to_hex(colour) for colour in colormaps["cividis"](np.linspace(0, 0.92, runs))]
    return [(colour, colour) for colour in spread]


def splits_of(runs: Iterable[History]) -> list[str]:
    """Return the splits that any of the histories tells of, in order."""
    found = {split for history in runs for split in available_splits(history)}
    return [split for split in SPLITS if split in found]


def metrics_of(runs: Iterable[History]) -> list[Metric]:
    """Return what the histories tell, each metric once: loss and cost, then those of the models."""
    found = {metric.name: metric for metric in ALWAYS}
    for history in runs:
        found |= {metric.name: metric for metric in history.metrics}
    return list(found.values())
