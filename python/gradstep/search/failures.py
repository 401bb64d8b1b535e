"""Models of a search over folds that there are none of: their trainings diverged, or transformers failed."""

from __future__ import annotations

from collections.abc import Sequence

from sklearn.exceptions import FitFailedWarning

from gradstep.errors import NoModelError, ScoringFailedWarning
from gradstep.search import trials
from gradstep.search.trials import Trial
from gradstep.utils.warn import warn


def tell(made: Sequence[Trial], error_score: float | str) -> None:
    """Warn of the models that there are none of; "raise" raises the first error."""
    tell_errors(_errors(made), sum(trial.folds for trial in made), _what(made), error_score)


def tell_errors(errors: Sequence[Exception], count: int, what: str, error_score: float | str) -> None:
    """Warn of the errors of some of so many models, and of what became of these."""
    if errors and isinstance(error_score, str):
        raise errors[0]
    if errors:
        warn(
            f"{len(errors)} of {count} models {what}, the first of them: {_told(errors[0])} "
            f"Their scores are {error_score}.",
            FitFailedWarning,
        )


def tell_scores(failed: Sequence[str], error_score: float | str) -> None:
    """Warn of what scorers raised."""
    if failed:
        warn(
            f"scoring failed {len(failed)} times, first with {failed[0]}. Those scores are {error_score}.",
            ScoringFailedWarning,
        )


def check_hopeless(made: Sequence[Trial], whose: str) -> None:
    """Raise NoModelError where every setting has no model in a fold."""
    errors = _errors(made)
    if errors:
        raise NoModelError(
            f"every one of the {len(made)} settings of {whose} {_what(made)} in a fold; "
            f"`cv_results_` has what was done. The first: {_told(errors[0])}",
            trials.tabulate(made, "running_loss"),
        )


def _errors(made: Sequence[Trial]) -> list[Exception]:
    """Return why there are no models: of every trial those of transformers, then those that diverged."""
    return [
        error
        for trial in made
        for error in (
            *trial.failures.values(),
            *(recorder.error for recorder in trial.recorders.values() if recorder.error),
        )
    ]


def _what(made: Sequence[Trial]) -> str:
    """Return what became of the models, in words."""
    if not any(trial.failures for trial in made):
        return "diverged"
    has_diverged = any(recorder.error for trial in made for recorder in trial.recorders.values())
    return "could not be fitted or diverged" if has_diverged else "could not be fitted"


def _told(error: Exception) -> str:
    """Return what an error says as a sentence, and where it is not this package's own, its type."""
    said = str(error).strip().partition("\n")[0]
    name = "" if type(error).__module__.startswith("gradstep.") else f"{type(error).__name__}: "
    return f"{name}{said}" + "." * (not said.endswith("."))
