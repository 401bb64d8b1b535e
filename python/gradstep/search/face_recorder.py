"""What is recorded of the training of a face in a search."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import DivergedError
from gradstep.nn.metrics import BestTracker, Metric
from gradstep.plan.plan import State
from gradstep.sklearn.beginning import FaceResult
from gradstep.sklearn.curves import EpochRule
from gradstep.sklearn.rows import FaceRows
from gradstep.sklearn.training import Array, EpochObserver
from gradstep.training.checkpoint import Best
from gradstep.training.group_state import ModelState
from gradstep.training.history import History
from gradstep.training.outset import Outset
from gradstep.training.record import ModelNews
from gradstep.training.status import Status


class FaceRecorder(EpochObserver):
    """Follows one training by its own rule, as alone, and records what searches ask for.

    The history has a row for every epoch: `running_loss` is `loss_curve_`, the penalty included, and
    `validation_loss` the same of the validation rows, without the penalty.

    Parameters
    ----------
    rule, rows, block
        As for `EpochObserver`.
    known : dict
        Attributes that tell of the rows.
    metric : Metric
        What the history tells beside the loss.

    Attributes
    ----------
    history : History
    row : dict
        Of the history, the one that describes the model kept; empty before the first.
    status : Status
    error : DivergedError, or None
    watch : callable, or None
        Called with the history after every row of it.
    """

    history: History
    status: Status
    block: npt.NDArray[Any]
    best: npt.NDArray[Any]
    is_over: bool
    state_of: Callable[[], State | None] | None

    def __init__(
        self, rule: EpochRule, rows: FaceRows, block: Array, known: dict[str, Any], metric: Metric
    ) -> None:
        super().__init__(rule, rows, block)
        is_weighted = rows.validation is not None and rows.validation.weight is not None
        self.history = History((metric,), weighted=("validation",) * is_weighted)
        self.row: dict[str, float] = {}
        self.status = Status.RUNNING
        self.error: DivergedError | None = None
        self.watch: Callable[[History], None] | None = None
        self._known = known
        self._names = rows.targets.metric.name, metric.name
        self._best_row: dict[str, float] = {}
        self._is_forgotten = False

    @property
    def evaluations_at_once(self) -> int:
        """One: every epoch has a row, and somebody may end the training after any."""
        return 1

    @property
    def on_row(self) -> Callable[[], bool] | None:
        """Called without arguments after every row of the history. Returns True when training should stop."""
        return self.on_epoch

    @on_row.setter
    def on_row(self, call: Callable[[], bool] | None) -> None:
        self.on_epoch = call

    @property
    def fitted(self) -> Array | None:
        """Parameters of the model that is kept; None once it is forgotten."""
        return None if self._is_forgotten else self.block

    @property
    def outset(self) -> Outset:
        """What is known before the first update."""
        settings, n = self.rule.settings, self.rows.train.n
        size = settings.rows_of_batch(n)
        return Outset(None, self.history.weighted, size, -(-n // size), 1, settings.backend)

    @property
    def saved_block(self) -> Array | None:
        """What a folder keeps of a model that is over: parameters and what its solver keeps, (1 + s, P)."""
        if self._is_forgotten:
            return None
        slots = self.rule.state.slots
        return self.block[None] if slots is None else np.concatenate([self.block[None], slots])

    def result(self) -> FaceResult:
        """Return what the training came to so far."""
        return FaceResult(self, self._known)

    def on_evaluation(
        self, row: dict[str, float], parameters: Array, to_come: npt.NDArray[np.float64]
    ) -> bool:
        """Handle the end of an epoch, or of that part of one that was done when the user interrupted it."""
        told = self._told(row)
        self.history.append(**told)
        self.row = self.history.rows[-1]
        if self.watch:
            self.watch(self.history)
        super().on_evaluation(row, parameters, to_come)
        if self.rule.is_best:
            self._best_row = self.row
        if self.is_over:
            self._end(Status.COMPLETED if self.rule.is_unfinished else Status.EARLY_STOPPED)
        return self.is_over

    def state_beside(self) -> ModelState:
        """Return what the training goes by beside its parameters and what its solver keeps."""
        column = f"validation_{self._names[1]}"
        best = Best(BestTracker(column, 0.0), self._best_row, self.best) if self._best_row else None
        return ModelState(self.row, best)

    def take_beside(self, state: ModelState) -> None:
        """Take what `state_beside` returned; the parameters are there already."""
        best = state.best_with(self.block)
        if best is not None and best.parameters is not None:
            self.best = best.parameters

    def go_on(self, news: ModelNews) -> None:
        """Take up a training from what it has come to: its rule decides on every epoch what it has decided.

        Parameters and what the solver keeps are given apart where the training goes on.
        """
        settings = self.rule.settings
        # What it says was said then.
        self.rule.settings = replace(settings, verbose=False)
        for row in news.rows:
            self.history.append(**row)
            self.rule.on_epoch(row["running_loss"], self._score_told(row))
            if self.rule.is_best:
                self._best_row = self.history.rows[-1]
        if news.rows:
            self.row = self.history.rows[-1]
            self.rule.state.updates = int(self.row["update"])
        if news.status.is_over:
            self._take_end(news)
        self.rule.settings = settings

    def _take_end(self, news: ModelNews) -> None:
        if news.error is not None:
            EpochObserver.on_divergence(self, news.error)
        self.is_over, self.status, self.error = True, news.status, news.error
        self.row = news.row or {}
        if news.block is None:
            self.forget()
        else:
            self.block = self.best = news.block[0]
            self.rule.state.slots = news.block[1:] if len(news.block) > 1 else None

    def _score_told(self, row: Mapping[str, float]) -> float | None:
        """Return what the rule goes by beside the loss, of a row of the history."""
        if not self._has_score:
            return None
        is_known = np.isfinite(row["validation_loss"])
        return row[f"validation_{self._names[1]}"] if is_known else self._score_of_nothing

    def on_divergence(self, error: DivergedError) -> None:
        """Fill the curves as further epochs would, and say that there is no model."""
        super().on_divergence(error)
        self.error = error
        self._end(Status.DIVERGED)

    def end(self, status: Status) -> None:
        """Say why the training is over, whose rule has not ended it."""
        if self.state_of:
            self.keep(self.state_of())
        self.is_over = True
        self._end(status)

    def forget(self) -> None:
        """Forget the model; what was measured stays."""
        self._is_forgotten = True
        if self.is_over:
            self.block = self.best = np.empty(0, dtype=self.block.dtype)
            self.rule.state.slots = None

    def _end(self, status: Status) -> None:
        """Keep the model of the best score, where that is the rule, and let go what training alone needs."""
        self.status = status
        if self.rule.settings.early_stopping:
            self.block, self.row = self.best, self._best_row or self.row
        self.on_epoch = self.watch = self.state_of = None

    def _told(self, row: Mapping[str, float]) -> dict[str, float]:
        """Return a row in the units of the solver: of a sum over outputs, and without a cost of its own."""
        given, shown = self._names
        told = {name.removesuffix(given) + shown if name.endswith(given) else name: row[name] for name in row}
        told["validation_loss"] *= self.rows.targets.factor
        return told | {"train_cost": math.nan, "validation_cost": math.nan}
