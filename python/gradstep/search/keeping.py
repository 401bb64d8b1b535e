"""The checkpoint of a search: its groups and trials in a folder, and what goes on from there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from gradstep.errors import InvalidParameterError
from gradstep.estimators.keeping import check_resume
from gradstep.plan.build import Given
from gradstep.plan.checkpoint import Checkpoint
from gradstep.plan.settings import Settings
from gradstep.search import steps
from gradstep.search.data import SearchRows
from gradstep.search.fold_scores import FoldScores
from gradstep.search.group import Group
from gradstep.search.slices import OpenGroup
from gradstep.search.trials import Trial
from gradstep.sklearn.base import BaseFace
from gradstep.storage.checkpoint_folder import CheckpointFolder
from gradstep.storage.keeper import Keeper, KeptGroup
from gradstep.storage.saved import Key, SavedGroup, SavedRecord
from gradstep.training.identity import of_machine
from gradstep.training.outset import Outset
from gradstep.training.setup import make_job
from gradstep.training.status import Status
from gradstep.utils.text import given

Arrays = dict[str, npt.NDArray[Any]]


class SearchFolder:
    """The folder of a search, before it is known what is searched.

    Attributes
    ----------
    generator : int, RandomState or None
        In place of the search's `random_state`: where that is no int, what it was when the search began.
    """

    def __init__(self, folder: CheckpointFolder, random_state: Any) -> None:
        self.folder = folder
        self.generator = random_state
        self._arrays: Arrays = {}
        self._more: dict[str, Any] = {}
        if not isinstance(random_state, (int, np.integer)):
            self._hold(check_random_state(random_state))

    @classmethod
    def open(cls, checkpoint: Checkpoint | None, resume: bool, random_state: Any, whose: str) -> Self | None:
        """Open the folder of a search, None where it has none.

        Raises
        ------
        CheckpointError, CorruptFileError, InvalidParameterError, OSError
            As `CheckpointFolder.open`, or `resume` has no folder.
        """
        check_resume(resume, checkpoint, whose)
        if checkpoint is None:
            return None
        return cls(CheckpointFolder.open(checkpoint, bool(resume), whose), random_state)

    def _hold(self, generator: np.random.RandomState) -> None:
        """Take the generator as it was when the search began, and write that down."""
        begun = self.folder.begun
        state: Any = generator.get_state()
        if isinstance(state, dict):
            raise InvalidParameterError(
                f"`random_state` of a search with a checkpoint must be an int, None or a RandomState of "
                f"MT19937, got one of {state['bit_generator']}"
            )
        if begun is not None:
            place, has_gauss, gauss = begun.more["generator"]
            state = ("MT19937", begun.arrays["generator"], int(place), int(has_gauss), float(gauss))
            generator = np.random.RandomState()
            generator.set_state(state)
        self._arrays = {"generator": np.array(state[1], dtype=np.uint32)}
        self._more = {"generator": [int(state[2]), int(state[3]), float(state[4])]}
        self.generator = generator

    def keeper(
        self, trials: Sequence[Trial], rows: Sequence[SearchRows], own: Mapping[str, str]
    ) -> SearchKeeper:
        """Return what keeps a search of these trials over these rows; `own` are its parameters as text.

        Raises
        ------
        CheckpointError
            The folder holds another one.
        OSError
            It cannot be written.
        """
        settings = [trial.settings for trial in trials]
        identity = of_machine(settings) | dict(own) | _identity_of(settings)
        identity["the digest of the rows"] = " ".join(source.digest() for source in rows)
        self.folder.check(identity)
        return SearchKeeper(self.folder, identity, (self._more, self._arrays))


def _identity_of(settings: Sequence[Settings]) -> dict[str, str]:
    """Return the parameters of trials as text: those that all have once, of others those of each."""
    texts = [own.identity() for own in settings]
    found = {"trials": str(len(texts))}
    for name in texts[0]:
        if len({own[name] for own in texts}) == 1:
            found[name] = texts[0][name]
        else:
            found |= {f"{name} of trial {number}": own[name] for number, own in enumerate(texts)}
    return found


class SearchKeeper:
    """Keeps the groups and the trials of a search while it runs.

    Attributes
    ----------
    rungs : int
        At which trials were compared so far.
    """

    def __init__(
        self, folder: CheckpointFolder, identity: Mapping[str, str], drawn: tuple[dict[str, Any], Arrays]
    ) -> None:
        self._folder = folder
        self._trials: Sequence[Trial] = ()
        self._groups: list[Group] = []
        self._drawn = drawn[0]
        self._keeper = Keeper(folder, identity, self._kept_groups, self._more, drawn[1])
        begun = {} if folder.begun is None else folder.begun.more
        self.rungs = int(begun.get("rungs", 0))
        self._scored: dict[str, Any] = dict(begun.get("scores", {}))
        self._scores: Mapping[str, FoldScores] = {}

    def begin(self, trials: Sequence[Trial], groups: list[Group], rows: Sequence[SearchRows]) -> None:
        """Begin to keep a search; where it goes on, bring trials and groups to where they were.

        The groups then are those of before, however much memory there is now.
        """
        self._trials, self._groups = trials, groups
        if self._folder.begun is None:
            self._keeper.write(must=True)
            return
        groups[:] = [Group(models, reason) for models, reason in self._folder.begun.groups]
        for number, status in self._folder.begun.more["ended"].items():
            trials[int(number)].close(Status(status))
        for group in groups:
            saved = self._folder.group(group.models)
            if saved is not None:
                source = rows[trials[group.models[0][0]].source]
                _restore(group, saved, trials, source)

    def on_evaluation(self, group: Group, is_cut: bool) -> None:
        """Handle that a group was evaluated; where it is cut, at an update that this was not due at."""
        kept = self._kept_group(group)
        if is_cut:
            self._keeper.on_cut(kept)
        else:
            self._keeper.on_evaluation(kept)

    def follow(self, scores: Mapping[str, FoldScores]) -> None:
        """Bring scores to where they were, and keep what they take from now on."""
        for name, own in scores.items():
            own.restore(self._scored.get(name, ()))
        self._scores = scores

    def write(self, is_over: bool = False) -> None:
        """Write the search as it is."""
        self._keeper.write(is_over)

    def write_if_due(self) -> None:
        """Write the search as it is, where that is due again."""
        if self._folder.is_due:
            self.write()

    def _kept_groups(self) -> list[KeptGroup]:
        return [self._kept_group(group) for group in self._groups]

    def _kept_group(self, group: Group) -> KeptGroup:
        return KeptGroup(group.models, group.reason, partial(_save, group, self._trials))

    def _more(self) -> dict[str, Any]:
        ended = {str(trial.number): trial.others.value for trial in self._trials if trial.is_ended}
        scored = {name: own.saved() for name, own in self._scores.items()} or self._scored
        return self._drawn | {"rungs": self.rungs, "ended": ended, "scores": scored}


def _save(group: Group, trials: Sequence[Trial]) -> SavedGroup | None:
    """Return what a group has come to, None before it has begun."""
    records = {key: trials[key[0]].recorders.get(key[1]) for key in group.models}
    models = tuple(SavedRecord.of(key, record) for key, record in records.items() if record is not None)
    if not models:
        return None
    training, state = group.training, None
    left: tuple[Key, ...] = ()
    if training is not None and not training.is_over:
        if not training.done:
            return None
        going = training.left
        left = tuple(key for key, record in records.items() if record in going)
        state = training.kept()
    return SavedGroup(models, left, state)


def _restore(group: Group, saved: SavedGroup, trials: Sequence[Trial], rows: SearchRows) -> None:
    """Bring a group and its trials to where they were."""
    news = {own.key: own.news for own in saved.models}
    if saved.left:
        settings = [trials[trial].settings for trial, _ in saved.left]
        histories = [news[key].rows for key in saved.left]
        own_rows = rows.job_rows(settings[0], saved.left[0][1])
        group.training = OpenGroup(own_rows, settings, saved.state, histories=histories)
        for (trial, fold), recorder in zip(saved.left, group.training.recorders, strict=True):
            trials[trial].begin(fold, recorder)
    group.is_over = not saved.left
    over = [own for own in saved.models if own.key not in saved.left]
    outsets = _outsets([own for own in over if own.news.block is not None], trials, rows)
    for own in over:
        trial, fold = own.key
        trials[trial].recorders[fold] = own.record(trials[trial].settings, outsets.get(own.key))


def _outsets(models: Sequence[SavedRecord], trials: Sequence[Trial], rows: SearchRows) -> dict[Key, Outset]:
    """Return what models that were kept are beside their parameters."""
    if not models:
        return {}
    settings = [trials[own.key[0]].settings for own in models]
    blocks = np.stack([own.news.block for own in models if own.news.block is not None])
    own_rows = rows.job_rows(settings[0], models[0].key[1])
    job, fitted = make_job(settings, own_rows, Given(parameters=blocks, goes_on=True))
    return {own.key: Outset.of(job, model) for own, model in zip(models, fitted, strict=True)}


def check_can_be_kept(estimator: Any, checkpoint: Checkpoint | None, executor: Any, whose: str) -> None:
    """Raise InvalidParameterError where a search is to be kept that trains elsewhere or leaves no state."""
    if checkpoint is None:
        return
    if executor is not None:
        raise InvalidParameterError(
            f"`executor` of {whose} must be None with a `checkpoint`, which keeps what trains in this "
            f"process, got {given(executor)}"
        )
    if isinstance(steps.trainer_of(estimator), BaseFace):
        raise InvalidParameterError(
            f"`checkpoint` of {whose} must be None for scikit-learn's networks, which leave no state to go "
            f"on from, got {checkpoint!r}; Trainer and Regressor do"
        )


def refitted(estimator: Any, rows: tuple[Any, Any, Any], checkpoint: Checkpoint | None) -> Any:
    """Fit the best estimator of a search on all rows (X, y, sample_weight), kept within its folder."""
    if checkpoint is None:
        return steps.fit(estimator, *rows)
    trainer = steps.trainer_of(estimator)
    own = Checkpoint(Path(checkpoint.folder) / "refit", checkpoint.every)
    trainer.set_params(checkpoint=own)
    try:
        steps.fit(estimator, *rows, resume=True)
    finally:
        trainer.set_params(checkpoint=None)
    return estimator
