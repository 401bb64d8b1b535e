"""What a sweep trains, and on what: its trials and the rows that they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from gradstep.estimators.base import BaseTrainer
from gradstep.estimators.validation import ValidationRows
from gradstep.search import trials
from gradstep.search.data import Given, SearchRows, read, rows_of
from gradstep.search.face_rows import FaceSearchRows
from gradstep.search.face_settings import make_face_trials
from gradstep.search.pruners import Pruner
from gradstep.search.trials import Trial
from gradstep.sklearn.base import BaseFace


def prepare(
    base: BaseTrainer | BaseFace,
    candidates: list[dict[str, Any]],
    given: Given,
    has_validation: bool,
    monitor: str,
) -> tuple[list[Trial], SearchRows]:
    """Return the trials of all settings, and all rows.

    Parameters
    ----------
    base : Trainer, Regressor, MLPClassifier or MLPRegressor
        With an int as `random_state`.
    candidates : list of dict
        The settings.
    given : tuple (X, y, sample_weight, eval_set)
    has_validation : bool
        Whether there are rows to validate on.
    monitor : str
        What early stopping of a Trainer goes by where it is told nothing.

    Raises
    ------
    InvalidParameterError
        A setting breaks a constraint; the message has the trial and its values.
    InvalidDataError
        The rows cannot be read.
    """
    X, y, sample_weight, eval_set = given
    if isinstance(base, BaseFace):
        X, y = rows_of(X, y, "Sweep.fit")
        others = ValidationRows.of(eval_set, "Sweep.fit")
        made = make_face_trials(base, candidates, X, y)
        # They answer all that a search asks its rows.
        return made, cast("SearchRows", FaceSearchRows(base, (X, y, sample_weight), others))
    made = trials.make_trials(base, candidates, has_validation, monitor=monitor)
    X, y = rows_of(X, y, "Sweep.fit", trials.kinds_of(made))
    rows = read(base, [trial.settings for trial in made], (X, y, sample_weight, eval_set))
    trials.check_images(made, rows.d)
    return made, rows


def hold_out(base: BaseTrainer | BaseFace, made: list[Trial], others: str) -> bool:
    """Return whether trials hold out rows of their own, by the parameter that makes them do so.

    Raises
    ------
    InvalidParameterError
        They do though there are `others`, or not all of them do.
    """
    is_face = isinstance(base, BaseFace)
    return trials.hold_out(made, others, "early_stopping" if is_face else "validation_fraction")


def check_watched(made: Sequence[Trial], metric: str, pruner: Pruner | None, has_validation: bool) -> None:
    """Raise InvalidParameterError when the columns by which trials are compared would be empty."""
    watched = {"metric": metric}
    if pruner and pruner.metric:
        watched["pruner"] = pruner.metric
    for name, column in watched.items():
        for trial in made:
            trial.settings.check_column(f"`{name}` of Sweep is by", column, has_validation)
