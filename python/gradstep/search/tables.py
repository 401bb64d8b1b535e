"""Tables in folds: medians and categories are those of the rows that a model is trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin

from gradstep.datasets.schema import Cells, Schema
from gradstep.datasets.sets import DataSet
from gradstep.estimators.base import BaseTrainer
from gradstep.plan.settings import Settings
from gradstep.search.transformed import Transformed
from gradstep.utils.busy import alone
from gradstep.utils.names import known_parameters
from gradstep.utils.retell import FITS, in_words_of


class TableColumns(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """What `load_csv` makes of the columns of a table, as a step before a model.

    Parameters
    ----------
    names : sequence of str, length p
    words : mapping of str to sequence of str
        As `Cells` has them.

    Attributes
    ----------
    schema_ : Schema
        With medians and categories of the rows that it was fitted on.
    """

    schema_: Schema

    def __init__(self, names: Sequence[str], words: Mapping[str, Sequence[str]]) -> None:
        self.names = names
        self.words = words

    def fit(self, X: npt.NDArray[np.float64], y: Any = None) -> Self:
        """Learn from the cells (n, p) of some rows."""
        self.schema_ = Schema.learn(self._cells(X), "", ())
        return self

    def transform(self, X: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the inputs (n, d) of the cells (n, p) of rows."""
        return self.schema_.encode(self._cells(X))

    def _cells(self, X: npt.NDArray[np.float64]) -> Cells:
        return Cells(tuple(self.names), X, self.words)


def of_cells(cells: Cells, trainer: BaseTrainer, settings: Settings, y: Any) -> Transformed:
    """Return what makes inputs of the cells of a table, and reads them, for each fold of its rows."""
    columns = TableColumns(cells.names, cells.words)
    return Transformed(columns, trainer, settings, (cells.values, y), "", raises=True, validates=True)


class FitsTables:
    """A search that takes a whole data set."""

    _fit: Callable[..., Self]

    @known_parameters
    @alone
    @in_words_of("Sweep.fit", *FITS)
    def fit_table(self, data: DataSet, *, resume: bool = False) -> Self:
        """Train all trials on the train rows of a data set, as `fit` does on their X and y.

        With `folds`, medians and categories of a table are those of the rows that each model is trained on,
        as if it was loaded for every fold anew.

        Parameters
        ----------
        data : DataSet
            What a loader returned; its validation rows, if it has some, are the `eval_set`.
        resume : bool, default=False
            As for `fit`.

        Returns
        -------
        Sweep
            This object.

        Raises
        ------
        GradstepError
            As in `fit`.
        """
        beside = None if data.validation is None else (data.validation.X, data.validation.y)
        return self._fit((data.train.X, data.train.y, None, beside), cells=data.cells, resume=resume)
