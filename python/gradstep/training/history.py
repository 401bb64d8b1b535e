"""What was measured while training: rows in time order, columns as NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidDataError, InvalidParameterError

if TYPE_CHECKING:
    import pandas

#: The columns, in order. `update` counts mini-batch steps done, `epoch` is a fraction where a row
#: falls inside an epoch, `learning_rate` is that of the last step, `seconds` is the time since
#: `fit` began. The running figures are means over the batches since the row before, each batch as
#: it was trained on, before its update; a row's sample weight counts relative to the mean weight of
#: all rows. The train and validation columns are NaN where those rows were not evaluated.
COLUMNS = (
    "update",
    "epoch",
    "learning_rate",
    "seconds",
    "train_loss",
    "train_cost",
    "train_accuracy",
    "running_loss",
    "running_accuracy",
    "validation_loss",
    "validation_cost",
    "validation_accuracy",
)

_NAMES = frozenset(COLUMNS)

#: What figures are of: how their columns begin, and what to call them in a line of text.
PARTS = {"train": "train", "running": "train (running)", "validation": "validation"}


class Metrics(NamedTuple):
    """Figures of one model on one set of rows.

    Attributes
    ----------
    loss : float
        Mean over rows of the data term alone (natural logarithm).
    cost : float
        ``loss + l2 * sum(W**2)`` over every weight; biases are free.
    accuracy : float
        Share of rows whose highest score is that of their class, in [0, 1].
    """

    loss: float
    cost: float
    accuracy: float


def measured(figures: Mapping[str, float] | History) -> list[str]:
    """Return the PARTS that a row or a history tells of; "running" only where "train" has no figures."""
    names = ("loss", "accuracy")
    parts = [part for part in PARTS if any(np.isfinite(figures[f"{part}_{name}"]).any() for name in names)]
    return [part for part in parts if part != "running" or "train" not in parts]


class History:
    """What was measured: ``history["train_loss"]`` is a column, iterating gives the rows.

    Parameters
    ----------
    columns : mapping of str to array-like of shape (n_rows,), optional
        Exactly the names of ``COLUMNS``; an empty history by default.
    """

    def __init__(self, columns: Mapping[str, npt.ArrayLike] | None = None) -> None:
        self.rows: list[dict[str, float]] = []
        if columns is None:
            return
        if set(columns) != set(COLUMNS):
            raise InvalidDataError(f"the columns of a History must be {COLUMNS}, got {tuple(columns)}")
        arrays = [np.asarray(columns[name], dtype=np.float64) for name in COLUMNS]
        if any(array.shape != (arrays[0].size,) for array in arrays):
            shapes = {name: array.shape for name, array in zip(COLUMNS, arrays, strict=True)}
            raise InvalidDataError(f"the columns of a History must have one length, got {shapes}")
        for values in zip(*arrays, strict=True):
            self.append(**dict(zip(COLUMNS, values, strict=True)))

    def append(self, **row: float) -> None:
        """Add a row; every column must be named."""
        if row.keys() != _NAMES:
            raise InvalidDataError(f"a row of a History needs {COLUMNS}, got {tuple(row)}")
        self.rows.append({name: float(row[name]) for name in COLUMNS})

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        if name not in COLUMNS:
            raise InvalidParameterError(f"a History has no column {name!r}; it has {', '.join(COLUMNS)}")
        dtype = np.int64 if name == "update" else np.float64
        return np.array([row[name] for row in self.rows], dtype=dtype)

    def keys(self) -> tuple[str, ...]:
        """Return the column names, so that ``dict(history)`` gives all columns."""
        return COLUMNS

    def __iter__(self) -> Iterator[dict[str, float]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        if not self.rows:
            return "History(no rows)"
        last = ", ".join(f"{name}={value:.4g}" for name, value in self.rows[-1].items())
        return f"History({len(self.rows)} rows; last: {last})"

    def to_pandas(self) -> pandas.DataFrame:
        """Return the table as a pandas DataFrame (pandas is imported here and nowhere else)."""
        import pandas

        return pandas.DataFrame({name: self[name] for name in COLUMNS})
