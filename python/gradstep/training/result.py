"""What a training came to, as values: what an estimator publishes and a model file keeps."""

from __future__ import annotations

from dataclasses import dataclass

from gradstep.training.checkpoint import FitState
from gradstep.training.fitted import Fitted
from gradstep.training.history import History
from gradstep.training.status import Status


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """A fitted model and what was recorded of its training.

    Attributes
    ----------
    fitted : Fitted
    history : History
    status : Status
    n_iter : int
        Epochs that the parameters have seen, a begun one included.
    batch_size : int
        Rows of an update.
    updates_per_epoch : int
    backend : str
        The backend that trained.
    n_threads : int
        Threads that it used.
    checkpoint : FitState, or None
        What the training can go on from.
    """

    fitted: Fitted
    history: History
    status: Status
    n_iter: int
    batch_size: int
    updates_per_epoch: int
    backend: str
    n_threads: int
    checkpoint: FitState | None = None
