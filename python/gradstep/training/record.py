"""What is known of the training of one model, wherever that runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gradstep.errors import DivergedError
from gradstep.plan.settings import Settings
from gradstep.training.checkpoint import FitState
from gradstep.training.fitted import Fitted
from gradstep.training.history import History, HistoryRows
from gradstep.training.outset import Outset
from gradstep.training.result import TrainingResult
from gradstep.training.status import Status


class KeptModel(NamedTuple):
    """The parameters, None once forgotten; the row that describes them; the rows of the history then."""

    block: npt.NDArray[np.floating] | None
    row: dict[str, float]
    n_rows: int


@dataclass(frozen=True, eq=False)
class ModelNews:
    """What became of a model in a slice of its training.

    Attributes
    ----------
    rows : HistoryRows
        New rows of its history.
    status : Status
    error : DivergedError, or None
    row : dict, or None
        Of a model whose training is over, the row of its history that describes what is kept of it.
    block : ndarray of shape (P,), or None
        Likewise its parameters; None where nobody wants them.
    score : object, or None
        What it was judged with, where somebody asked for that.
    """

    rows: HistoryRows
    status: Status
    error: DivergedError | None = None
    row: dict[str, float] | None = None
    block: npt.NDArray[np.floating] | None = None
    score: Any = None


class ModelRecord:
    """What is known of the training of one model, wherever that runs.

    Parameters
    ----------
    settings : Settings
    outset : Outset
    block : ndarray of shape (P,), or None
        Parameters before the first update, where they are known here.

    Attributes
    ----------
    fitted : Fitted, or None
        None once the model is forgotten, or as long as it is elsewhere; the history stays.
    history : History
    row : dict
        Of the history, the one that describes the model kept; empty before the first.
    status : Status
    error : DivergedError, or None
    watch : callable, or None
        Called with the history after every row of it, before anybody is asked.
    """

    history: History
    status: Status

    def __init__(
        self, settings: Settings, outset: Outset, block: npt.NDArray[np.floating] | None = None
    ) -> None:
        self.settings = settings
        self.outset = outset
        self.history = History(settings.metrics, weighted=outset.weighted)
        self.status = Status.RUNNING
        self.error: DivergedError | None = None
        self.watch: Callable[[History], None] | None = None
        self._kept = KeptModel(block, {}, 0)

    @property
    def fitted(self) -> Fitted | None:
        """The model that is kept."""
        block, model = self._kept.block, self.outset.model
        # Made whole when it is asked for: models of a search are evaluated far more often.
        return None if block is None or model is None else model.with_block(block)

    @property
    def block(self) -> npt.NDArray[np.floating] | None:
        """Parameters (P,) of the model that is kept."""
        return self._kept.block

    @property
    def saved_block(self) -> npt.NDArray[np.floating] | None:
        """What a folder keeps of the model."""
        return self.block

    @property
    def row(self) -> dict[str, float]:
        """The row of the history that describes it."""
        return self._kept.row

    def result(self) -> TrainingResult:
        """Return what the training came to so far; the model must not be forgotten."""
        kept, fitted, outset = self._kept, self.fitted, self.outset
        if fitted is None:
            raise ValueError("the model of this training was forgotten")
        # A row whose model was not kept, since something was raised between the two, never was.
        self.history.rows.cut(kept.n_rows)
        return TrainingResult(
            fitted,
            self.history,
            self.status,
            n_iter=epochs_of(kept.row),
            batch_size=outset.batch_size,
            updates_per_epoch=outset.updates_per_epoch,
            backend=outset.backend,
            n_threads=outset.n_threads,
            checkpoint=self.checkpoint(fitted.block),
        )

    def checkpoint(self, block: npt.NDArray[np.floating]) -> FitState | None:
        """Return what an estimator can go on from; of a training elsewhere there is nothing."""
        return None

    def take(self, news: ModelNews) -> None:
        """Take what became of the model in a slice of its training."""
        for row in news.rows:
            self.history.append(**row)
            if self.watch:
                self.watch(self.history)
        row = news.row if news.row is not None else self.history.rows[-1] if self.history.rows else {}
        self._kept = KeptModel(news.block, row, len(self.history))
        self.status, self.error = news.status, news.error
        if self.status.is_over:
            self.watch = None

    def end(self, status: Status) -> None:
        """Say why the training is over."""
        self.status, self.watch = status, None

    def forget(self) -> None:
        """Forget the model; what was measured stays."""
        self._kept = self._kept._replace(block=None)


def epochs_of(row: Mapping[str, float]) -> int:
    """Return the epochs of a row of the history, a begun one included."""
    return math.ceil(row.get("epoch", 0))
