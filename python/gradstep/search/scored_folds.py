"""The models of all folds of a search, scored: what `cv_results_` is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gradstep.errors import InterruptedWarning
from gradstep.search import cv_results, failures, fold_scores
from gradstep.search.cv_results import CVResults
from gradstep.search.fold_scores import FoldScores, measure
from gradstep.search.group import Group
from gradstep.search.judgement import Judged
from gradstep.search.keeping import SearchKeeper
from gradstep.search.scorers import Scorers
from gradstep.search.trials import Trial
from gradstep.utils import interrupt
from gradstep.utils.warn import warn


class ScoredFoldsMixin:
    """Scores and their table, of a class that has these attributes."""

    error_score: float | str
    return_train_score: bool
    groups_: list[Group]
    n_splits_: int
    multimetric_: bool
    interrupted_: bool
    cv_results_: CVResults
    _scorers: Scorers

    def _score(
        self,
        made: Sequence[Trial],
        model_of: Callable[[Trial, int], Any],
        given: tuple[Any, Any],
        rows: Sequence[Any],
        judged: Judged,
        keeper: SearchKeeper | None,
    ) -> None:
        """Score the models of all folds and forget them; the table is made however scoring ends."""
        test, train = (FoldScores.of(made, self.error_score) for _ in range(2))
        wanted = list(zip((test, train), rows, strict=False))
        is_done = False
        if keeper:
            keeper.follow({"test": test, "train": train})
        with interrupt.deferred() as stop:
            try:
                for place, (scores, of_folds) in enumerate(wanted):
                    for cell in sorted(judged, key=lambda cell: (cell[1], cell[0])):
                        if not scores.has(cell):
                            scores.settle(cell, judged[cell][place])
                    on_score = keeper.write_if_due if keeper else None
                    scorer = self._scorers.measure
                    measure(scores, scorer, made, model_of, of_folds, given, stop, on_score)
                is_done = not stop.requested
            finally:
                self.interrupted_ |= stop.requested
                if keeper and not is_done:
                    keeper.write()
                for trial in made:
                    trial.forget()
                if keeper and is_done:
                    keeper.write(is_over=True)
                fit_times = fold_scores.fit_times(made, self.groups_, self.n_splits_)
                params = [trial.params for trial in made]
                self._tabulate(params, fit_times, test, train if self.return_train_score else None)
        failures.tell_scores(test.failures + train.failures, self.error_score)
        if stop.requested:
            warn(
                "search interrupted while its models were scored; `cv_results_` has the scores so far",
                InterruptedWarning,
            )

    def _tabulate(
        self,
        params: Sequence[dict[str, Any]],
        fit_times: npt.NDArray[np.float64],
        test: FoldScores,
        train: FoldScores | None,
    ) -> None:
        """Make `cv_results_` of the scores that there are."""
        given = test.tables
        if not given:
            given = dict.fromkeys(self._scorers.names, test.nothing)
        self.multimetric_ |= "score" not in given
        of_train = None
        if train is not None:
            of_train = dict.fromkeys(given, train.nothing) | train.tables
        times = {"fit_time": fit_times, "score_time": test.seconds}
        self.cv_results_ = cv_results.tabulate(params, times, given, of_train)
