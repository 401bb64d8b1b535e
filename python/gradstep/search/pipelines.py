"""A search over pipelines: the transformers before a model, and models behind equal transformers together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import _num_samples

from gradstep.search.data import SearchRows, read
from gradstep.search.steps import configured, trainer_of, transformers_of, ways, with_trainer
from gradstep.search.transformed import Transformed
from gradstep.search.trials import Trial


def read_sources(
    estimator: Any,
    trials: Sequence[Trial],
    given: tuple[Any, Any, Any],
    pairs: Any,
    whose: str,
    raises: bool,
) -> list[SearchRows]:
    """Return the rows of a search in folds, for each setting of transformers; trials learn which are theirs.

    Parameters
    ----------
    estimator : Trainer, Regressor or Pipeline
    trials : sequence of Trial
    given : tuple (X, y, sample_weight)
    pairs : list of pairs of arrays of row numbers
        The folds.
    whose : str
        What the folds are in messages.
    raises : bool
        Whether a transformer that fails ends the search.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        As in `fit`, or a fold cannot be trained on.
    """
    X, y, sample_weight = given
    trainer, settings = trainer_of(estimator), [trial.settings for trial in trials]
    if transformers_of(estimator) is None:
        return [read(trainer, settings, (X, y, sample_weight, None)).split(pairs, whose)]
    # The targets alone: what is in X, the transformers may know.
    nothing = np.zeros((_num_samples(X), 1), dtype=np.uint8)
    targets = read(trainer, settings, (nothing, y, sample_weight, None)).split(pairs, whose)
    firsts = ways(estimator, [trial.params for trial in trials])
    sources = list(dict.fromkeys(firsts))
    for trial, first in zip(trials, firsts, strict=True):
        trial.source = sources.index(first)
    return [targets.through(_transformed(estimator, trials[first], (X, y), raises)) for first in sources]


def _transformed(estimator: Any, trial: Trial, given: tuple[Any, Any], raises: bool) -> Transformed:
    """Return the transformers of all trials that have the same as one of them."""
    own = configured(estimator, trial.params, "FusedSearchCV")
    before = transformers_of(own)
    assert before is not None  # no setting removes a step
    names = {step for step, _ in before.steps}
    chosen = {name: value for name, value in trial.params.items() if name.partition("__")[0] in names}
    words = ", ".join(f"{name}={value!r}" for name, value in chosen.items())
    return Transformed(before, trainer_of(own), trial.settings, given, words, raises)


def whole_model(estimator: Any, rows: Sequence[SearchRows], trial: Trial, fold: int) -> Any:
    """Return the model of a trial and a fold behind the fitted transformers of its fold, if it has some."""
    transformed = rows[trial.source].transformed
    before = None if transformed is None else transformed.fitted[fold]
    return with_trainer(estimator, trial.trainer(fold), before)
