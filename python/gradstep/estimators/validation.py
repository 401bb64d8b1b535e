"""Rows for validation, in all the ways in which users give them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from gradstep.datasets.sets import Rows
from gradstep.errors import InvalidDataError
from gradstep.utils import text


@dataclass(frozen=True, eq=False)
class ValidationRows:
    """Rows for validation as they were given, not yet checked.

    Attributes
    ----------
    X, y, sample_weight
        `sample_weight` may be None.
    whose : str
        What they are parts of, as "eval_set of Trainer.fit".
    names : tuple of three str
        What the parts are called there.
    """

    X: Any
    y: Any
    sample_weight: Any
    whose: str
    names: tuple[str, str, str] = ("X", "y", "sample_weight")

    @property
    def argument(self) -> str:
        """What the user wrote to give them."""
        return "eval_set" if self.names[0] == "X" else self.names[0]

    @classmethod
    def of(cls, eval_set: Any, whose: str, name: str = "eval_set") -> Self | None:
        """Return what an `eval_set` means; what is read already stays as it is.

        Parameters
        ----------
        eval_set : pair (X, y), triple (X, y, sample_weight), Rows, a list of one of them, or None
        whose, name : str
            The function that it is of, and what it is called there.

        Raises
        ------
        InvalidDataError
            It is nothing of these.
        """
        if eval_set is None or isinstance(eval_set, cls):
            return eval_set
        given, whose = eval_set, f"{name} of {whose}"
        if isinstance(given, (tuple, list)) and len(given) == 1 and isinstance(given[0], (tuple, list, Rows)):
            given = given[0]
        if isinstance(given, Rows):
            return cls(given.X, given.y, None, whose)
        if not isinstance(given, (tuple, list)) or len(given) not in (2, 3) or _are_several(given):
            raise InvalidDataError(
                f"{whose} must be a pair (X, y) or a triple (X, y, sample_weight), got {_words(given)}"
            )
        return cls(given[0], given[1], given[2] if len(given) == 3 else None, whose)

    @classmethod
    def named(cls, eval_set: Any, X_val: Any, y_val: Any, sample_weight_val: Any, whose: str) -> Self | None:
        """Return what an `eval_set` means, or the same rows given one by one.

        Raises
        ------
        InvalidDataError
            There are both, or X_val and y_val are not given together.
        """
        apart = {"X_val": X_val, "y_val": y_val, "sample_weight_val": sample_weight_val}
        given = [name for name, value in apart.items() if value is not None]
        if not given:
            return cls.of(eval_set, whose)
        if eval_set is not None:
            raise InvalidDataError(f"{whose} takes eval_set or X_val and y_val, got eval_set and {given[0]}")
        for name in ("X_val", "y_val"):
            if name not in given:
                raise InvalidDataError(f"{whose} needs X_val and y_val together, got {' and '.join(given)}")
        return cls(X_val, y_val, sample_weight_val, whose, ("X_val", "y_val", "sample_weight_val"))


def _are_several(given: Any) -> bool:
    """Whether something that could be one set is two or three of them, as other libraries take."""
    return all(isinstance(part, Rows) or _is_set(part) for part in given)


def _is_set(part: Any) -> bool:
    return isinstance(part, (tuple, list)) and len(part) in (2, 3) and getattr(part[0], "ndim", 0) == 2


def _words(given: Any) -> str:
    if isinstance(given, (tuple, list)) and given and _are_several(given):
        return f"{len(given)} sets"
    if isinstance(given, (tuple, list)):
        return f"{type(given).__name__} of {len(given)}: {text.given(given)}"
    if isinstance(given, np.ndarray):
        return f"array of shape {given.shape}"
    return text.given(given)
