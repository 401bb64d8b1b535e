"""The folds of a cross-validation, the same for every solver."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import StratifiedKFold

from benchmarks.task import Task


def splits(task: Task) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the rows trained on and the rows held out of every fold."""
    folds = StratifiedKFold(task.job.folds, shuffle=True, random_state=0)
    return list(folds.split(task.train.X, task.train.y))
