"""Scores of the models of folds by scorers of scikit-learn, and the time that each took."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import _safe_indexing

from gradstep.search.runner import Group
from gradstep.search.trials import Trial
from gradstep.training.status import Status

Scores = npt.NDArray[np.float64]


def measure(
    scorer: Callable[..., Any],
    trials: Sequence[Trial],
    rows: Sequence[npt.NDArray[Any]],
    X: Any,
    y: Any,
    error_score: float,
    raises: bool = False,
) -> tuple[dict[str, Scores], Scores, list[str]]:
    """Score every model on its fold's rows.

    Parameters
    ----------
    scorer : callable
        Of a model, X and y; returns a score, or a dict of them.
    trials : sequence of Trial
        With their models.
    rows : sequence of arrays of row numbers or masks
        Those of every fold.
    X, y
        All rows.
    error_score : float
        Score of a setting's folds that have no model because one of them diverged, and of a model whose
        scorer fails. What Ctrl-C ended has NaN.
    raises : bool, default=False
        Whether what a scorer raises is raised here.

    Returns
    -------
    scores : dict of str to ndarray of shape (trials, folds)
        By the names of the scorers, "score" if there is one; empty where there is no model at all.
    seconds : ndarray of shape (trials, folds)
    failures : list of str
        What went wrong in scorers.
    """
    missing = np.full((len(trials), len(rows)), np.nan)
    missing[[trial.status is Status.DIVERGED for trial in trials]] = error_score
    given_scores: dict[str, dict[tuple[int, int], float]] = {}
    seconds, failures = np.zeros_like(missing), []
    for fold, of_fold in enumerate(rows):
        given = _safe_indexing(X, of_fold), _safe_indexing(y, of_fold)
        for place, trial in enumerate(trials):
            recorder = trial.recorders.get(fold)
            if recorder is None or not recorder.status.is_complete:
                continue
            began = time.perf_counter()
            try:
                found = scorer(trial.trainer(fold), *given)
            except Exception as error:
                if raises:
                    raise
                failures.append(repr(error))
                found, missing[place, fold] = {}, error_score
            seconds[place, fold] = time.perf_counter() - began
            for name, value in (found if isinstance(found, Mapping) else {"score": found}).items():
                # Of several scorers scikit-learn gives the traceback of one that failed.
                if isinstance(value, str):
                    failures.append(value.strip().rpartition("\n")[2])
                    value = error_score
                given_scores.setdefault(name, {})[place, fold] = value
    return {name: _table(missing, cells) for name, cells in given_scores.items()}, seconds, failures


def _table(missing: Scores, cells: Mapping[tuple[int, int], float]) -> Scores:
    """Return the scores that were given, and elsewhere what stands for those that were not."""
    table = missing.copy()
    for cell, score in cells.items():
        table[cell] = score
    return table


def fit_times(trials: Sequence[Trial], groups: Sequence[Group], folds: int) -> Scores:
    """Return every model's share of the seconds that its group took, shape (trials, folds)."""
    times = np.zeros((len(trials), folds))
    for group in groups:
        histories = [trials[trial].histories[fold] for trial, fold in group.models]
        seconds = max((row["seconds"] for history in histories for row in history), default=0.0)
        for model in group.models:
            times[model] = seconds / len(group.models)
    return times
