"""Every exception that gradstep raises on purpose.

A message says what is wrong, whose value it is, which constraint it breaks and what was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class GradstepError(Exception):
    """Base of all gradstep exceptions."""


class InvalidParameterError(GradstepError, ValueError, TypeError):
    """A parameter breaks its constraint."""


class InvalidDataError(GradstepError, ValueError):
    """X, y, sample weights or a data file's content cannot be trained on."""


class BusyError(GradstepError, RuntimeError):
    """An object is asked to train while it trains: by one of its callbacks, or by another thread."""


class BackendUnavailableError(GradstepError, RuntimeError):
    """A backend or instruction set was asked for by name and is not there."""


class ExecutorError(GradstepError, RuntimeError):
    """The workers of an `executor` are not there, or cannot train what they are sent."""


class NoModelError(GradstepError, AttributeError):
    """A search has no model to offer; the message says why.

    Attributes
    ----------
    results : mapping of str to ndarray, or None
        The table of what was tried.
    """

    def __init__(self, message: str, results: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.results = results


class CorruptFileError(GradstepError, ValueError):
    """A file is damaged, truncated, altered or not of the expected kind."""


class CheckpointError(GradstepError, ValueError):
    """The folder of a checkpoint holds another training than the one that is to go on, or one already."""


class DatasetNotFoundError(GradstepError, FileNotFoundError):
    """The files of a data set are not on this machine; the message says how to get them."""


class DivergedError(GradstepError, ArithmeticError):
    """The loss stopped being finite.

    The estimator keeps its history, and the parameters that the last row describes.

    Attributes
    ----------
    update : int
        The update (one mini-batch step, counted from 0) whose loss was not finite.
    learning_rate : float
        The learning rate of the last step taken before it.
    """

    def __init__(self, update: int, learning_rate: float) -> None:
        super().__init__(update, learning_rate)
        self.update = update
        self.learning_rate = learning_rate

    def __str__(self) -> str:
        return (
            f"the loss is no longer finite at update {self.update} "
            f"(learning rate {self.learning_rate:.3g}); what is kept is the model of the last row "
            f"of the history, or the initial one before the first. Try a smaller learning rate."
        )
