"""What the transformers of a pipeline make of the rows of a fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from gradstep.estimators.base import BaseTrainer
from gradstep.estimators.reading import read_rows
from gradstep.plan.settings import Settings
from gradstep.search.folds import Fold, Index
from gradstep.training.rows import ReadRows

Readings = Mapping[tuple[Any, ...], ReadRows]


class TransformError(Exception):
    """The transformers of a fold, or the reading of what they made, raised `error`."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Transformed:
    """Features that transformers make, fitted on the rows of a fold that are trained on.

    Rows that a fold holds out are left out where they are for the score of whole pipelines alone.

    Parameters
    ----------
    transformers : Pipeline, or another transformer
        Cloned for every fold.
    trainer : Trainer or Regressor
        Reads what they make.
    settings : Settings
    given : tuple (X, y)
        As the user gave them.
    name : str
        The parameters of the transformers that a search sets.
    raises : bool
        Whether what they raise is raised as it is, which ends the search, or as a TransformError.
    validates : bool, default=False
        Whether rows that a fold holds out are transformed, too, for models to be validated on.

    Attributes
    ----------
    fitted : dict of int to Pipeline
        The transformers of the folds so far.
    """

    def __init__(
        self,
        transformers: Any,
        trainer: BaseTrainer,
        settings: Settings,
        given: tuple[Any, Any],
        name: str,
        raises: bool,
        validates: bool = False,
    ) -> None:
        self.name = name
        self._raises = raises
        self._validates = validates
        self.fitted: dict[int, Any] = {}
        self._transformers = transformers
        self._trainer = trainer
        self._settings = settings
        self._given = given

    def digest(self) -> str:
        """Return what tells what the transformers are given from anything else."""
        return str(joblib.hash(self._given[0]))

    def read(self, number: int, fold: Fold, readings: Readings) -> tuple[Readings, Fold]:
        """Fit the transformers of a fold; return what they make, by the kind of targets, and the fold in it.

        Raises
        ------
        TransformError
            They cannot be fitted, or no model can be trained on what they make.
        """
        X, y = (_safe_indexing(values, fold.train) for values in self._given)
        before, numbers, part = clone(self._transformers), fold.train, Fold()
        try:
            made = before.fit_transform(X, y)
            if self._validates and fold.train is not None and fold.held_out is not None:
                beside = before.transform(_safe_indexing(self._given[0], fold.held_out))
                made, part = np.concatenate([made, beside]), _in_a_row(fold.train, fold.held_out)
                numbers = np.concatenate([fold.train, fold.held_out])
                y = _safe_indexing(self._given[1], numbers)
            rows = read_rows(self._trainer, self._settings, made, y)
        except MemoryError:
            raise
        except Exception as error:
            error.add_note(f"in fold {number} of a search over {self._transformers!r}")
            if self._raises:
                raise
            raise TransformError(error) from error
        self.fitted[number] = before
        found = {
            kind: replace(
                own,
                X=rows.X,
                targets=own.targets[numbers],
                weight=None if own.weight is None else own.weight[numbers],
                feature_names=rows.feature_names,
            )
            for kind, own in readings.items()
        }
        return found, part


def _in_a_row(train: Index, held_out: Index) -> Fold:
    """Return a fold of rows that stand in the order in which it names them."""
    numbers = np.arange(len(train) + len(held_out), dtype=np.int32)
    return Fold(numbers[: len(train)], numbers[len(train) :])
