"""What a scorer says of one model on some rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, eq=False)
class Judgement:
    """What a scorer says of one model on some rows.

    Attributes
    ----------
    found : object
        What it returned.
    error : Exception, or None
        What it raised.
    seconds : float
        That it took.
    """

    found: Any
    error: Exception | None
    seconds: float

    @classmethod
    def of(cls, scorer: Callable[..., Any], model: Any, rows: Any) -> Self:
        """Ask a scorer about a model on rows (X, y).

        Raises
        ------
        MemoryError
            There is not enough memory for it: no score is told in its place.
        """
        began = time.perf_counter()
        found: Any = None
        error: Exception | None = None
        try:
            found = scorer(model, *rows)
        except MemoryError:
            raise
        except Exception as raised:  # whatever a scorer of the user's raises
            error = raised
        return cls(found, error, time.perf_counter() - began)

    @property
    def plain(self) -> Any:
        """What it returned as JSON has it: a number, or numbers and messages by the names of scorers."""
        if isinstance(self.found, Mapping):
            return {name: _plain(value) for name, value in self.found.items()}
        return _plain(self.found)


#: What scorers said of the model of a trial and a fold, on each of the rows that they were asked about.
Judged = dict[tuple[int, int], tuple[Judgement, ...]]


def has_failed(judgements: Iterable[Judgement]) -> bool:
    """Whether a scorer raised something."""
    return any(own.error is not None for own in judgements)


def _plain(value: Any) -> float | str:
    return value if isinstance(value, str) else float(value)
