"""What the transformers of a pipeline make of the rows of a fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from gradstep.estimators.base import BaseTrainer
from gradstep.estimators.reading import read_rows
from gradstep.plan.settings import Settings
from gradstep.search.folds import Fold
from gradstep.training.rows import ReadRows

Readings = Mapping[tuple[Any, ...], ReadRows]


class TransformError(Exception):
    """The transformers of a fold, or the reading of what they made, raised `error`."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Transformed:
    """Features that transformers make, fitted on the rows of a fold that are trained on.

    Rows that a fold holds out are left out: they are for the score of whole pipelines alone.

    Parameters
    ----------
    transformers : Pipeline
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

    Attributes
    ----------
    fitted : dict of int to Pipeline
        The transformers of the folds so far.
    """

    def __init__(
        self,
        transformers: Pipeline,
        trainer: BaseTrainer,
        settings: Settings,
        given: tuple[Any, Any],
        name: str,
        raises: bool,
    ) -> None:
        self.name = name
        self._raises = raises
        self.fitted: dict[int, Pipeline] = {}
        self._transformers = transformers
        self._trainer = trainer
        self._settings = settings
        self._given = given

    def read(self, number: int, fold: Fold, readings: Readings) -> Readings:
        """Fit the transformers of a fold; return its rows with what they make, by the kind of targets.

        Raises
        ------
        TransformError
            They cannot be fitted, or no model can be trained on what they make.
        """
        X, y = (_safe_indexing(values, fold.train) for values in self._given)
        before = clone(self._transformers)
        try:
            made = before.fit_transform(X, y)
            rows = read_rows(self._trainer, self._settings, made, y)
        except MemoryError:
            raise
        except Exception as error:
            error.add_note(f"in fold {number} of a search over {self._transformers!r}")
            if self._raises:
                raise
            raise TransformError(error) from error
        self.fitted[number] = before
        return {
            kind: replace(
                own,
                X=rows.X,
                targets=own.targets[fold.train],
                weight=None if own.weight is None else own.weight[fold.train],
                feature_names=rows.feature_names,
            )
            for kind, own in readings.items()
        }
