"""Trainings of a search whose models are scored: here when all are done, by workers where models are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from gradstep.nn.schedules import ReduceOnPlateau
from gradstep.plan.settings import Settings
from gradstep.search.data import SearchRows
from gradstep.search.elsewhere import hired
from gradstep.search.groups import Limits
from gradstep.search.judgement import Judged
from gradstep.search.keeping import SearchKeeper
from gradstep.search.payload import Scoring
from gradstep.search.progress import SearchProgress
from gradstep.search.runner import SearchRun, run_trials
from gradstep.search.trials import Trial


def train_judged(
    made: list[Trial],
    sources: Sequence[SearchRows],
    scoring: Scoring,
    executor: Any,
    keep: Callable[[], SearchKeeper | None],
    *,
    limits: Limits,
    on_start: Callable[[SearchRun], None],
    progress: SearchProgress,
) -> tuple[SearchRun, Judged, SearchKeeper | None]:
    """Train all models of all folds; return what workers have judged, and what keeps the search."""
    judged: Judged = {}
    keeper: SearchKeeper | None = None

    def kept() -> SearchKeeper | None:
        nonlocal judged, keeper
        keeper = keep()
        judged = keeper.judged if keeper else judged
        return keeper

    def on_score(trial: int, fold: int, judgements: Any) -> None:
        judged[trial, fold] = judgements

    whose = "FusedSearchCV"
    with hired(executor, whose, made, sources, scoring, keep=kept, on_score=on_score) as runner:
        run = run_trials(made, sources, limits, on_start=on_start, progress=progress, runner=runner)
    return run, judged, keeper


def evaluate_least(made: Sequence[Trial], is_cut: bool) -> None:
    """Let models be evaluated no more than is asked; every epoch where trainings are cut or watched."""
    for trial in made:
        if not _is_watched(trial.settings):
            # Running metrics cost nothing.
            trial.settings = replace(trial.settings, evaluate_every="running" if is_cut else None)


def _is_watched(settings: Settings) -> bool:
    """Whether anything but its score is asked of a model while it trains."""
    has_rule = settings.early_stopping is not None or isinstance(settings.learning_rate, ReduceOnPlateau)
    return has_rule or len(settings.callbacks) > 0 or bool(settings.verbose)
