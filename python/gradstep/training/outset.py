"""What is known of the training of a model before its first update, and stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from gradstep.training.fitted import Fitted
from gradstep.training.setup import TrainingJob


@dataclass(frozen=True, eq=False)
class Outset:
    """What is known of the training of a model before its first update, and stays.

    Attributes
    ----------
    model : Fitted, or None
        Without parameters: its block is empty. None where nobody asks for the model.
    weighted : tuple of str
        Splits of the history whose rows have weights.
    batch_size, updates_per_epoch, n_threads : int
    backend : str
    """

    model: Fitted | None
    weighted: tuple[str, ...]
    batch_size: int
    updates_per_epoch: int
    n_threads: int
    backend: str

    @classmethod
    def of(cls, job: TrainingJob, fitted: Fitted) -> Self:
        """Return that of a model of a group."""
        return cls(
            fitted.with_block(np.empty(0, dtype=fitted.block.dtype)),
            job.weighted,
            batch_size=job.plan.batch_size,
            updates_per_epoch=job.plan.updates_per_epoch,
            n_threads=job.n_threads,
            backend=job.backend.name,
        )
