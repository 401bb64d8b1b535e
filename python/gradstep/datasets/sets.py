"""What every loader returns, and how rows are held out of it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

import numpy as np
import numpy.typing as npt

from gradstep.datasets.schema import Cells, Schema
from gradstep.errors import DatasetNotFoundError, InvalidDataError, InvalidParameterError
from gradstep.utils.constraints import NONE, NUMBER, WHOLE, at_least, check, either, instance, one_of
from gradstep.utils.files import expanded
from gradstep.utils.hold_out import drawn_order

#: What the loaders may be told that y is.
TASK = one_of("classification", "regression")

#: No more classes than these are never too many.
FEW_CLASSES = 20


@dataclass(frozen=True, eq=False, repr=False)
class Rows:
    """Rows and their targets, which unpack as ``X, y = rows``; so ``trainer.fit(*data.train)``.

    Attributes
    ----------
    X : ndarray of shape (n, d)
    y : ndarray of shape (n,) or (n, k)
        Labels, integers or strings (n,); indicators, integers 0 and 1 (n, k); or real values, floats (n,) or
        (n, k).
    image_shape : tuple of int, or None
        ``(channels, height, width)`` where a row is an image, stored in that order.

    Raises
    ------
    InvalidDataError
        When the shapes do not go together.
    """

    X: npt.NDArray[Any]
    y: npt.NDArray[Any]
    image_shape: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        if self.X.ndim != 2 or self.y.ndim not in (1, 2) or self.y.shape[:1] != self.X.shape[:1]:
            raise InvalidDataError(
                f"Rows need X of shape (n, d) and y of shape (n,) or (n, k), "
                f"got {self.X.shape} and {self.y.shape}"
            )
        shape: Any = self.image_shape
        if shape is not None and not (
            isinstance(shape, tuple)
            and len(shape) == 3
            and all(WHOLE.holds(size) and size >= 1 for size in shape)
            and math.prod(shape) == self.X.shape[1]
        ):
            raise InvalidDataError(
                f"`image_shape` must be (channels, height, width) of the {self.X.shape[1]} values "
                f"in a row of X, got {shape!r}"
            )

    def __len__(self) -> int:
        return len(self.y)

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        return iter((self.X, self.y))

    def __repr__(self) -> str:
        image = "" if self.image_shape is None else f", images {self.image_shape}"
        return f"Rows({self.X.shape[0]} x {self.X.shape[1]} {self.X.dtype}{image})"


if TYPE_CHECKING:
    # Type checkers know whether there are validation and test rows; a bare `DataSet` may have them or not.
    from typing_extensions import TypeVar

    V_co = TypeVar("V_co", bound=Rows | None, default=Rows | None, covariant=True)
    T_co = TypeVar("T_co", bound=Rows | None, default=Rows | None, covariant=True)
else:
    from typing import TypeVar

    V_co, T_co = TypeVar("V_co", covariant=True), TypeVar("T_co", covariant=True)


@dataclass(frozen=True, eq=False)
class DataSet(Generic[V_co, T_co]):
    """Rows to train, validate and test on.

    Attributes
    ----------
    name : str
    train : Rows
    validation, test : Rows or None
        None where nothing was held out.
    class_names : tuple of str, length k
        In the order of the sorted labels of all parts together, or of the columns of indicators; empty for
        real values.
    feature_names : tuple of str, length d, or None
        Names of the columns of X.
    notes : tuple of str
        What the loader took where the file does not say, a line each; names of its parameters stand between
        backticks.
    schema : Schema or None
        Where the data was a table: how its columns became those of X.
    cells : Cells or None
        Where the columns of that table have gaps or categories: its train rows before they became X, for who
        is to learn medians and categories of a part of them.
    """

    name: str
    train: Rows
    validation: V_co
    test: T_co
    class_names: tuple[str, ...]
    feature_names: tuple[str, ...] | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    schema: Schema | None = field(default=None, repr=False)
    cells: Cells | None = field(default=None, repr=False)


def note_of_classes(y: npt.NDArray[Any]) -> str:
    """Return a note on labels that are integers and so many that they may be values, or nothing."""
    if y.dtype.kind not in "iu" or y.ndim != 1 or len(found := np.unique(y)) <= FEW_CLASSES:
        return ""
    return f"{len(found)} different integers are taken as classes (`task=regression` takes values)"


def class_names(y: npt.NDArray[Any]) -> tuple[str, ...]:
    """Return the names of the classes of labels (n,) or indicators (n, k); none of real values."""
    if y.dtype.kind == "f":
        return ()
    labels = np.unique(y) if y.ndim == 1 else np.arange(y.shape[1])
    return tuple(str(label) for label in labels)


def existing_file(path: str | os.PathLike[str], owner: str, name: str = "path") -> Path:
    """Return the parameter `name` of the loader `owner` as a Path to a file that is there."""
    file = as_path(path, owner, name)
    if not file.is_file():
        raise DatasetNotFoundError(f"`{name}` of {owner} must be an existing file, got {str(file)!r}")
    return file


def as_path(path: str | os.PathLike[str], owner: str, name: str = "path") -> Path:
    """Return the parameter `name` of the loader `owner` as a Path with ~ expanded."""
    check(owner, name, path, [either(instance(str, "a string"), instance(os.PathLike, "a path"))])
    return expanded(path, f"`{name}` of {owner}")


def held_out(value: Any, name: str, owner: str, n: int) -> int:
    """Return how many of n rows `value` means: a number >= 1, a share in (0, 1), or None for 0."""
    if value is None:
        return 0
    count = 0
    if WHOLE.holds(value):
        count = int(value)
    elif NUMBER.holds(value) and 0 < value < 1:
        count = round(n * value)
    if not 1 <= count < n:
        raise InvalidParameterError(
            f"`{name}` of {owner} must be None, a number of rows from 1 to {n - 1} "
            f"or a share of the {n} rows, got {value!r}"
        )
    return count


def split(
    rows: Rows, validation: float | None, test: float | None, random_state: int | None, owner: str
) -> tuple[Rows, Rows | None, Rows | None]:
    """Draw validation and test rows; where y are labels, every part has them in the same proportions.

    A class with too few rows for all parts has them in those to train on first.

    Parameters
    ----------
    rows : Rows
    validation, test : int, float or None
        Number or share of rows to hold out.
    random_state : int >= 0, or None
        The same number draws the same rows on every machine; None draws anew.
    owner : str
        The loader whose parameters these are, for messages.

    Returns
    -------
    train, validation, test : Rows, Rows or None, Rows or None
        Each in the order of `rows`.
    """
    n = len(rows)
    n_test = held_out(test, "test", owner, n)
    n_validation = held_out(validation, "validation", owner, n)
    if n_test + n_validation >= n:
        raise InvalidParameterError(
            f"`validation` and `test` of {owner} must leave rows to train on, "
            f"got {n_validation} + {n_test} of {n} rows"
        )
    check(owner, "random_state", random_state, [either(NONE, WHOLE), at_least(0)])
    has_labels = rows.y.ndim == 1 and rows.y.dtype.kind != "f"
    order = drawn_order(n, rows.y if has_labels else None, random_state)
    ends = (n_test, n_test + n_validation)
    parts = (order[ends[1] :], order[ends[0] : ends[1]], order[: ends[0]])
    train, *held = (
        Rows(rows.X[np.sort(part)], rows.y[np.sort(part)], rows.image_shape) if len(part) else None
        for part in parts
    )
    assert train is not None  # at least one row is left
    return train, held[0], held[1]
