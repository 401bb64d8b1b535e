"""Models of a search as its folder has them: taken down while they train, and brought back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from gradstep.plan.build import Given
from gradstep.search.data import SearchRows
from gradstep.search.face_rows import FaceSearchRows
from gradstep.search.group import Group
from gradstep.search.slices import OpenGroup
from gradstep.search.trials import Trial
from gradstep.storage.saved import Key, Models, SavedGroup, SavedRecord
from gradstep.training.group_state import GroupState
from gradstep.training.outset import Outset
from gradstep.training.record import ModelRecord
from gradstep.training.setup import make_job
from gradstep.training.status import Status


@dataclass(frozen=True, eq=False)
class SavedPart:
    """Models of a search that a folder has together.

    Attributes
    ----------
    models : tuple of pairs of int
    reason : str
        Why they train together.
    group : SavedGroup, or None
        What they have come to; None where they have not begun.
    """

    models: Models
    reason: str
    group: SavedGroup | None


@dataclass(frozen=True, eq=False)
class SavedSearch:
    """What a folder has of the models of a search.

    Attributes
    ----------
    parts : list of SavedPart
        All models, each once.
    starts : list of SavedGroup, or None
        Where models were when a rung began, of a search whose folds train side by side: what is begun and not
        here has begun since. None where folds train one after the other, or a rung has just ended.
    """

    parts: list[SavedPart]
    starts: list[SavedGroup] | None


def take_down(
    models: Models, trials: Sequence[Trial], left: Models = (), state: GroupState | None = None
) -> SavedGroup | None:
    """Return what models have come to, `left` those of a state; None where none of them has begun."""
    records = {key: trials[key[0]].recorders.get(key[1]) for key in models}
    begun = tuple(SavedRecord.of(key, record) for key, record in records.items() if record is not None)
    return SavedGroup(begun, left, state) if begun else None


def take_down_group(group: Group, trials: Sequence[Trial]) -> SavedGroup | None:
    """Return what a group of this process has come to, None before it has begun."""
    training = group.training
    if training is None or training.is_over:
        return take_down(group.models, trials)
    if not training.done:
        return None
    going = training.left
    left = tuple(key for key in group.models if trials[key[0]].recorders.get(key[1]) in going)
    return take_down(group.models, trials, left, training.kept())


def bring_back_group(group: Group, saved: SavedGroup, trials: Sequence[Trial], rows: SearchRows) -> None:
    """Bring a group of this process and its trials to where they were."""
    given: Any = rows  # those of faces answer all that searches ask rows
    if isinstance(given, FaceSearchRows):
        _bring_back_faces(group, saved, trials, given)
        return
    news = {own.key: own.news for own in saved.models}
    if saved.left:
        settings = [trials[trial].settings for trial, _ in saved.left]
        histories = [news[key].rows for key in saved.left]
        own_rows = rows.job_rows(settings[0], saved.left[0][1])
        group.training = OpenGroup(own_rows, settings, saved.state, histories=histories)
        for (trial, fold), recorder in zip(saved.left, group.training.recorders, strict=True):
            trials[trial].begin(fold, recorder)
    group.is_over = not saved.left
    bring_back_over(saved, trials, rows)


def _bring_back_faces(group: Group, saved: SavedGroup, trials: Sequence[Trial], rows: FaceSearchRows) -> None:
    keys = [own.key for own in saved.models]
    settings: list[Any] = [trials[trial].settings for trial, _ in keys]
    training = rows.open(rows.job_rows(settings[0], keys[0][1]), settings)
    training.bring_back([own.news for own in saved.models], saved.state)
    for (trial, fold), recorder in zip(keys, training.recorders, strict=True):
        if recorder.is_over:
            trials[trial].recorders[fold] = cast("ModelRecord", recorder)
        else:
            trials[trial].begin(fold, cast("ModelRecord", recorder))
    group.training = None if training.is_over else cast("OpenGroup", training)
    group.is_over = training.is_over


def bring_back_over(saved: SavedGroup, trials: Sequence[Trial], rows: SearchRows) -> None:
    """Bring what is known of models that are over to where it was."""
    over = [own for own in saved.models if own.key not in saved.left]
    kept = [(own.key, own.news.block) for own in over if own.news.block is not None]
    outsets = _outsets([key for key, _ in kept], [block for _, block in kept], trials, rows)
    for own in over:
        trial, fold = own.key
        trials[trial].recorders[fold] = own.record(trials[trial].settings, outsets.get(own.key))


def bring_back_left(
    saved: SavedGroup, trials: Sequence[Trial], rows: SearchRows, is_scored: bool
) -> GroupState | None:
    """Bring what is known of models that train elsewhere to where it was; return their state.

    Where they are scored elsewhere, too, nobody here asks for the models.
    """
    state = saved.state
    if state is None:
        return None
    outsets = {} if is_scored else _outsets(saved.left, state.parameters, trials, rows)
    records = {own.key: own for own in saved.models}
    for trial, fold in saved.left:
        own = records[trial, fold]
        trials[trial].begin(fold, own.record(trials[trial].settings, outsets.get(own.key)))
    return state


def _outsets(
    models: Sequence[Key],
    blocks: Sequence[npt.NDArray[np.floating]] | npt.NDArray[np.floating],
    trials: Sequence[Trial],
    rows: SearchRows,
) -> dict[Key, Outset]:
    """Return what models are beside their parameters."""
    if not models:
        return {}
    settings = [trials[trial].settings for trial, _ in models]
    own_rows = rows.job_rows(settings[0], models[0][1])
    job, fitted = make_job(settings, own_rows, Given(parameters=np.stack(list(blocks)), goes_on=True))
    return {key: Outset.of(job, model) for key, model in zip(models, fitted, strict=True)}


def in_turn(saved: SavedSearch, trials: Sequence[Trial]) -> SavedSearch:
    """Return a search whose folds trained side by side as one whose folds train one after the other.

    The first fold of a trial that has a way to go stays where it is; those behind it go back to where they
    were when the rung began, for it may diverge yet, and they would not have begun.
    """
    if saved.starts is None:
        return saved
    statuses = {own.key: own.news.status for part in saved.parts if part.group for own in part.group.models}
    last = [_fold_in_turn(trial, statuses) for trial in trials]
    reasons = {model: part.reason for part in saved.parts for model in part.models}
    parts = []
    for part in saved.parts:
        stays = tuple(model for model in part.models if model[1] <= last[model[0]])
        if stays:
            parts.append(replace(part, models=stays, group=part.group and part.group.select(stays)))
    back = {model for model in reasons if model[1] > last[model[0]]}
    for start in saved.starts:
        chosen = tuple(model for model in start.left if model in back)
        if chosen:
            parts.append(SavedPart(chosen, reasons[chosen[0]], start.select(chosen)))
            back.difference_update(chosen)
    for part in saved.parts:
        chosen = tuple(model for model in part.models if model in back)
        if chosen:
            parts.append(replace(part, models=chosen, group=None))
    # All of a fold before the next one, so that whoever diverges does it before later folds go on.
    return SavedSearch(sorted(parts, key=lambda part: (part.models[0][1], part.models)), None)


def _fold_in_turn(trial: Trial, statuses: dict[Key, Status]) -> int:
    """Return the fold that a trial would be at, if it had its folds trained one after the other."""
    for fold in range(trial.folds) if not trial.is_ended else ():
        status = statuses.get((trial.number, fold), Status.WAITING)
        if fold not in trial.failures and (status is Status.DIVERGED or not status.is_over):
            return fold
    return trial.folds
