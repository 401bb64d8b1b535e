"""What a Trainer learns while its model trains, alone or in a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gradstep.errors import DivergedError
from gradstep.nn.schedules import ReduceOnPlateau
from gradstep.training.history import History
from gradstep.training.observers import Plateaus, Watch, print_row

if TYPE_CHECKING:
    from gradstep.estimators.trainer import Trainer
    from gradstep.training.loop import Run


#: Statuses of trainings that came to their own ends.
COMPLETE = ("finished", "stopped")


class Course:
    """Follows the training of one Trainer's model, under that Trainer's own rules.

    The learned attributes of the Trainer are always those of the last row of its history, until
    the course ends and the parameters of the best evaluation come back, where it is to keep them.

    Parameters
    ----------
    trainer : Trainer
    run : Run
        Of this model, or of a group that it is in.
    parameters : ndarray of shape (P,)
        The first ones.

    Attributes
    ----------
    status : str
        "running", "finished", "stopped" by early stopping or a callback, "diverged", or whatever
        `end` was told.
    error : DivergedError, or None
    row : dict
        Of the history, the one that describes the model kept; empty before the first.
    """

    def __init__(self, trainer: Trainer, run: Run, parameters: npt.NDArray[np.floating]) -> None:
        self.trainer, self.status = trainer, "running"
        self.error: DivergedError | None = None
        self._layers, self._updates = run.plan.objective.layers, run.plan.updates
        self._per_epoch = run.plan.updates_per_epoch
        self._watch = Watch(trainer.early_stopping) if trainer.early_stopping else None
        rate = trainer.learning_rate
        self._plateaus = Plateaus(rate) if isinstance(rate, ReduceOnPlateau) else None
        trainer.backend_, trainer.batch_size_ = run.backend.name, run.plan.batch_size
        trainer.history_, trainer.interrupted_ = History(), False
        trainer.__dict__.pop("snapshots_", None)  # of an earlier fit
        self._keep(parameters.copy(), {})

    def see(
        self, row: dict[str, float], parameters: npt.NDArray[np.floating], to_come: npt.NDArray[np.float64]
    ) -> bool:
        """Take in an evaluation and say whether the training is over."""
        trainer = self.trainer
        trainer.history_.append(**row)
        self._keep(parameters, row)
        if trainer.verbose:
            print_row(row)
        if self._plateaus:
            self._plateaus.see(row, to_come)
        wishes = [callback(trainer, dict(row)) for callback in trainer.callbacks]
        if (self._watch and self._watch.is_over(row, parameters)) or any(wishes):
            self.end("stopped")
        elif row["update"] == self._updates:
            self.end("finished")
        return self.status != "running"

    def diverge(self, error: DivergedError) -> None:
        """Take in that the training is over; the model stays that of the history's last row."""
        self.status, self.error, self._watch = "diverged", error, None

    def end(self, status: str) -> None:
        """Say why the training is over."""
        watch, self.status, self._watch = self._watch, status, None
        if watch and watch.rule.restore_best and watch.parameters is not None:
            self._keep(watch.parameters, watch.row)

    def _keep(self, block: npt.NDArray[np.floating], row: dict[str, float]) -> None:
        """Make a model's parameters (P,) the learned attributes."""
        trainer, layers = self.trainer, self._layers
        trainer.coefs_ = [layers.weights(block, layer) for layer in range(layers.count)]
        trainer.intercepts_ = [layers.biases(block, layer) for layer in range(layers.count)]
        trainer.n_iter_, self.row = -(-int(row.get("update", 0)) // self._per_epoch), row
