"""Every exception that gradstep raises on purpose, and every warning.

A message says what is wrong, whose value it is, which constraint it breaks and what was given. Warnings are
filtered by their class, ``warnings.simplefilter("ignore", gradstep.errors.InterruptedWarning)``, all of them
by `GradstepWarning`. Where scikit-learn has a class for what is meant, it is that one: ConvergenceWarning of
a training that has not converged, FitFailedWarning of models that could not be fitted.
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


class GradstepWarning(UserWarning):
    """Base of all warnings of gradstep's own."""


class FallbackWarning(GradstepWarning, RuntimeWarning):
    """Something slower takes the place of what is not there: another backend, an older instruction set."""


class InterruptedWarning(GradstepWarning, RuntimeWarning):
    """Ctrl-C, or the loss of all workers, ended a training or a search early; it tells what is kept."""


class LostWorkersWarning(GradstepWarning, RuntimeWarning):
    """Workers of an `executor` are lost, whose slices others train again, or there is none to wait for."""


class FailedModelsWarning(GradstepWarning, RuntimeWarning):
    """Some models of a search, or some seeds of `repeat`, cannot be trained."""


class ScoringFailedWarning(GradstepWarning):
    """A scorer raised; its scores are `error_score`."""


class LearningRateWarning(GradstepWarning, RuntimeWarning):
    """A learning rate falls so far that nothing is learned from there on."""


class CheckpointWarning(GradstepWarning, RuntimeWarning):
    """A checkpoint could not be written; the training goes on."""


class VersionMismatchWarning(GradstepWarning, RuntimeWarning):
    """Another package has a version that gradstep is not tested with."""


class LatePatchWarning(GradstepWarning, RuntimeWarning):
    """A module imported a class of scikit-learn before the patch, and keeps it."""


class EqualTrialsWarning(GradstepWarning):
    """A search space has a value twice."""


class OpenTrialsWarning(GradstepWarning):
    """Trials of a study of Optuna run elsewhere, or were left by who ran them."""


class NoDisplayWarning(GradstepWarning):
    """There is no window to show a figure in."""
