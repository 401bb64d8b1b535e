"""Scores of the models of folds by scorers of scikit-learn, and the time that each took."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.utils import _safe_indexing

from gradstep.search.group import Group
from gradstep.search.judgement import Judgement
from gradstep.search.trials import Trial
from gradstep.training.status import Status

Scores = npt.NDArray[np.float64]


@dataclass(eq=False)
class FoldScores:
    """Scores of the models of folds, taken one by one: what was taken stays, however scoring ends.

    Attributes
    ----------
    error_score : float
        Of a model that diverged or could not be fitted, or whose scorer fails. What has no score otherwise
        has NaN.
    raises : bool
        Whether what a scorer raises is raised.
    seconds : ndarray of shape (trials, folds)
        That each model's scorer took.
    failures : list of str
        What went wrong in scorers.
    """

    error_score: float
    raises: bool
    seconds: Scores
    failures: list[str] = field(default_factory=list)
    _missing: Scores = field(init=False)
    _given: dict[str, dict[tuple[int, int], float]] = field(default_factory=dict)
    _lacking: set[tuple[int, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._missing = np.full_like(self.seconds, np.nan)

    @classmethod
    def nothing_yet(cls, shape: tuple[int, int], error_score: float | str) -> FoldScores:
        """Return scores of so many settings over so many folds, of which none is taken yet."""
        raises = isinstance(error_score, str)
        return cls(np.nan if raises else float(error_score), raises, np.zeros(shape))

    @classmethod
    def of(cls, trials: Sequence[Trial], error_score: float | str) -> FoldScores:
        """Return scores of which none is taken yet, but for models that there are none of."""
        scores = cls.nothing_yet((len(trials), trials[0].folds), error_score)
        for place, trial in enumerate(trials):
            for fold in trial.failures:
                scores._missing[place, fold] = scores.error_score
            for fold, recorder in trial.recorders.items():
                if recorder.status is Status.DIVERGED:
                    scores._missing[place, fold] = scores.error_score
        return scores

    @property
    def tables(self) -> dict[str, Scores]:
        """Scores by the names of their scorers, "score" if there is one; empty where none was taken."""
        found = {}
        for name, cells in self._given.items():
            found[name] = self._missing.copy()
            for cell, score in cells.items():
                found[name][cell] = score
        return found

    @property
    def nothing(self) -> Scores:
        """What stands where no model has a score."""
        return self._missing.copy()

    def take(self, cell: tuple[int, int], found: Any) -> None:
        """Take what a scorer returned for the model of a trial and a fold."""
        for name, value in (found if isinstance(found, Mapping) else {"score": found}).items():
            # Of several scorers scikit-learn gives the traceback of one that failed.
            if isinstance(value, str):
                last = value.strip().rpartition("\n")[2]
                if last.startswith("MemoryError"):
                    raise MemoryError(last)
                self.failures.append(last)
                value = self.error_score
            self._given.setdefault(name, {})[cell] = value

    def saved(self) -> list[Any]:
        """Return what was taken so far, as JSON has it: trial, fold, seconds and scores of every model.

        There are no scores of a model whose scorer failed.
        """
        found: dict[tuple[int, int], dict[str, float]] = {cell: {} for cell in sorted(self._lacking)}
        for name, cells in self._given.items():
            for cell, value in cells.items():
                found.setdefault(cell, {})[name] = float(value)
        return [[*cell, float(self.seconds[cell]), scores] for cell, scores in found.items()]

    def restore(self, saved: Sequence[Any]) -> None:
        """Take what `saved` returned."""
        for place, fold, seconds, scores in saved:
            cell = int(place), int(fold)
            if scores:
                self.take(cell, scores)
            else:
                self.lack(cell)
            self.seconds[cell] = seconds

    def has(self, cell: tuple[int, int]) -> bool:
        """Whether the model of a trial and a fold was scored, or tried to."""
        return cell in self._lacking or any(cell in cells for cells in self._given.values())

    def lack(self, cell: tuple[int, int]) -> None:
        """Take that there is no model to score, or no score of it."""
        self._missing[cell] = self.error_score
        self._lacking.add(cell)

    def score(self, cell: tuple[int, int], scorer: Callable[..., Any], model: Any, rows: Any) -> None:
        """Score a model on rows (X, y), and note how long it took.

        Raises
        ------
        MemoryError
            There is not enough memory for a scorer: no score is told in its place.
        """
        self.settle(cell, Judgement.of(scorer, model, rows))

    def settle(self, cell: tuple[int, int], judgement: Judgement) -> None:
        """Take what a scorer said of the model of a trial and a fold.

        Raises
        ------
        MemoryError
            There was not enough memory for one of several scorers.
        """
        if judgement.error is None:
            self.take(cell, judgement.found)
        elif self.raises:
            raise judgement.error
        else:
            self.failures.append(repr(judgement.error))
            self.lack(cell)
        self.seconds[cell] = judgement.seconds


def measure(
    scores: FoldScores,
    scorer: Callable[..., Any],
    trials: Sequence[Trial],
    model_of: Callable[[Trial, int], Any],
    rows: Sequence[npt.NDArray[Any]],
    given: tuple[Any, Any],
    should_stop: Callable[[], bool],
    on_score: Callable[[], None] | None = None,
) -> None:
    """Score the model of every fold that came to its end, until `should_stop` says so.

    Parameters
    ----------
    scores : FoldScores
        Takes them.
    scorer : callable
        Of a model, X and y; returns a score, or a dict of them.
    trials : sequence of Trial
        With their models.
    model_of : callable
        Of a trial and a fold; returns the model.
    rows : sequence of arrays of row numbers or masks
        Those of every fold.
    given : tuple (X, y)
        All rows.
    should_stop : callable
    on_score : callable, optional
        Called after every score.

    Raises
    ------
    MemoryError
        There is not enough memory for a scorer: no score is told in its place.
    """
    X, y = given
    for fold, of_fold in enumerate(rows):
        found = [(place, trial, trial.recorders.get(fold)) for place, trial in enumerate(trials)]
        complete = [(place, trial) for place, trial, own in found if own and own.status.is_complete]
        wanted = [(place, trial) for place, trial in complete if not scores.has((place, fold))]
        if not wanted:
            continue
        chosen = _safe_indexing(X, of_fold), _safe_indexing(y, of_fold)
        for place, trial in wanted:
            if should_stop():
                return
            scores.score((place, fold), scorer, model_of(trial, fold), chosen)
            if on_score:
                on_score()


def fit_times(trials: Sequence[Trial], groups: Sequence[Group], folds: int) -> Scores:
    """Return every model's share of the seconds that its group took, shape (trials, folds)."""
    times = np.zeros((len(trials), folds))
    for group in groups:
        histories = [trials[trial].histories[fold] for trial, fold in group.models]
        seconds = max((row["seconds"] for history in histories for row in history), default=0.0)
        for model in group.models:
            times[model] = seconds / len(group.models)
    return times
