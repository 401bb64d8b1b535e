"""The checkpoint of a search: its groups and trials in a folder, and what goes on from there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, Self

from gradstep.errors import ExecutorError
from gradstep.estimators.keeping import check_resume
from gradstep.plan.checkpoint import Checkpoint
from gradstep.plan.settings import Settings
from gradstep.search import steps
from gradstep.search.data import SearchRows
from gradstep.search.face_keeping import FaceSearchKeeper
from gradstep.search.fold_scores import FoldScores
from gradstep.search.judgement import Judged, Judgement, has_failed
from gradstep.search.kept_models import SavedPart, SavedSearch
from gradstep.search.trials import Trial
from gradstep.sklearn.base import BaseFace
from gradstep.storage.checkpoint_folder import CheckpointFolder
from gradstep.storage.held_generator import HeldGenerator
from gradstep.storage.keeper import Keeper, Kept, KeptGroup
from gradstep.training.identity import of_machine
from gradstep.training.status import Status


class SearchFolder:
    """The folder of a search, before it is known what is searched.

    Attributes
    ----------
    generator : int, RandomState or None
        In place of the search's `random_state`: where that is no int, what it was when the search began.
    """

    generator: Any

    def __init__(self, folder: CheckpointFolder, random_state: Any) -> None:
        self.folder = folder
        self._held = HeldGenerator.of(random_state, folder.begun, "a search")
        self.generator = self._held.random_state

    @classmethod
    @contextmanager
    def opened(
        cls, checkpoint: Checkpoint | None, resume: bool, random_state: Any, whose: str
    ) -> Iterator[Self | None]:
        """Open the folder of a search, None where it has none; within the block it is nobody else's.

        Raises
        ------
        CheckpointError, CorruptFileError, InvalidParameterError, OSError
            As `CheckpointFolder.open`, or `resume` has no folder.
        """
        check_resume(resume, checkpoint, whose)
        if checkpoint is None:
            yield None
            return
        with CheckpointFolder.open(checkpoint, bool(resume), whose) as folder:
            yield cls(folder, random_state)

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
        backends = [own.backend for own in settings]
        identity = of_machine(backends) | dict(own) | _identity_of(settings)
        identity["the digest of the rows"] = " ".join(source.digest() for source in rows)
        self.folder.check(identity)
        return SearchKeeper(self.folder, identity, self._held)

    def face_keeper(self) -> FaceSearchKeeper:
        """Return what keeps a search over faces of scikit-learn's networks."""
        return FaceSearchKeeper(self.folder, self._held)


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


class KeptRunner(Protocol):
    """What trains a search, as its keeper sees it."""

    def kept(self) -> Kept:
        """Return all that there is of its models, as it is now."""
        ...

    def take_up(self, saved: SavedSearch) -> None:
        """Bring models to where they were."""
        ...


class SearchKeeper:
    """Keeps the models and the trials of a search while it runs.

    Attributes
    ----------
    rungs : int
        At which trials were compared so far.
    failed : dict of pairs of int to str
        Models that cannot be trained, and why.
    judged : dict of pairs of int to tuple of Judgement
        What scorers have said of models that nobody keeps.
    """

    rungs: int
    failed: dict[tuple[int, int], str]

    def __init__(self, folder: CheckpointFolder, identity: Mapping[str, str], drawn: HeldGenerator) -> None:
        self._folder = folder
        self._trials: Sequence[Trial] = ()
        self._runner: KeptRunner | None = None
        self._drawn = drawn.more
        self._keeper = Keeper(folder, identity, self._now, drawn.arrays)
        begun = {} if folder.begun is None else folder.begun.more
        self.rungs = int(begun.get("rungs", 0))
        self.failed = {(int(trial), int(fold)): str(why) for trial, fold, why in begun.get("failed", ())}
        self.judged: Judged = {
            (int(trial), int(fold)): tuple(Judgement(found, None, seconds) for found, seconds in judgements)
            for trial, fold, judgements in begun.get("judged", ())
        }
        self._scored: dict[str, Any] = dict(begun.get("scores", {}))
        self._scores: Mapping[str, FoldScores] = {}

    def begin(self, trials: Sequence[Trial], runner: KeptRunner) -> None:
        """Begin to keep a search; where it goes on, bring its trials and models to where they were.

        Models then are together as they were before, however much memory there is now.
        """
        self._trials, self._runner = trials, runner
        begun = self._folder.begun
        if begun is None:
            self._keeper.write(must=True)
            return
        for number, status in begun.more["ended"].items():
            trials[int(number)].close(Status(status))
        for (trial, fold), reason in self.failed.items():
            trials[trial].failures[fold] = ExecutorError(reason)
        groups = [SavedPart(models, reason, self._folder.group(models)) for models, reason in begun.groups]
        starts = [self._folder.group(models, is_start=True) for models in begun.starts or ()]
        known = None if begun.starts is None else [start for start in starts if start is not None]
        runner.take_up(SavedSearch(groups, known))

    @property
    def is_due(self) -> bool:
        """Whether the search is to be written again."""
        return self._folder.is_due

    def on_evaluation(self, group: KeptGroup, is_cut: bool) -> None:
        """Handle that a group was evaluated; where it is cut, at an update that this was not due at."""
        if is_cut:
            self._keeper.on_cut(group)
        else:
            self._keeper.on_evaluation(group)

    def follow(self, scores: Mapping[str, FoldScores]) -> None:
        """Bring scores to where they were, and keep what they take from now on."""
        for name, own in scores.items():
            own.restore(self._scored.get(name, ()))
        self._scores = scores

    def hold(self) -> None:
        """Write nothing any more but what there is at this moment."""
        self._keeper.hold()

    def write(self, is_over: bool = False) -> None:
        """Write the search as it is."""
        self._keeper.write(is_over)

    def write_if_due(self) -> None:
        """Write the search as it is, where that is due again."""
        if self._folder.is_due:
            self.write()

    def _now(self) -> Kept:
        assert self._runner is not None
        now = self._runner.kept()
        ended = {str(trial.number): trial.others.value for trial in self._trials if trial.is_ended}
        scored = {name: own.saved() for name, own in self._scores.items()} or self._scored
        more = self._drawn | {
            "rungs": self.rungs,
            "ended": ended,
            "failed": [[*model, reason] for model, reason in self.failed.items()],
            "judged": [[*model, _as_json(own)] for model, own in self.judged.items() if not has_failed(own)],
            "scores": scored,
        }
        return now._replace(more=now.more | more)


def _as_json(judgements: Sequence[Judgement]) -> list[Any]:
    return [[own.plain, own.seconds] for own in judgements]


def refitted(estimator: Any, rows: tuple[Any, Any, Any], checkpoint: Checkpoint | None) -> Any:
    """Fit the best estimator of a search on all rows (X, y, sample_weight), kept within its folder."""
    trainer = steps.trainer_of(estimator)
    if checkpoint is None or (isinstance(trainer, BaseFace) and not trainer.settings().is_stochastic):
        return steps.fit(estimator, *rows)
    own = Checkpoint(Path(checkpoint.folder) / "refit", checkpoint.every)
    trainer.set_params(checkpoint=own)
    try:
        steps.fit(estimator, *rows, resume=True)
    finally:
        trainer.set_params(checkpoint=None)
    return estimator
