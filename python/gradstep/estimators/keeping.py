"""The checkpoint of a single fit: what it has come to, in a folder, and what goes on from there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from gradstep.errors import InvalidParameterError
from gradstep.plan.plan import State
from gradstep.plan.settings import Settings
from gradstep.storage.checkpoint_folder import CheckpointFolder, require_own_start
from gradstep.storage.keeper import Keeper, Kept, KeptGroup
from gradstep.storage.saved import SavedGroup, SavedRecord, is_ended
from gradstep.training.checkpoint import FitState, Trajectory, digest
from gradstep.training.group_state import GroupState, ModelState
from gradstep.training.history import History
from gradstep.training.identity import of_machine
from gradstep.training.loop import TrainingLoop
from gradstep.training.record import epochs_of
from gradstep.training.recorder import FitRecorder
from gradstep.training.setup import JobRows, TrainingJob
from gradstep.training.status import Status
from gradstep.utils.constraints import FLAG, check

_ONE = ((0, 0),)


def check_resume(resume: Any, checkpoint: Any, whose: str) -> None:
    """Raise InvalidParameterError where `resume` is none, or there is nothing to go on from."""
    check(whose, "resume", resume, (FLAG,))
    if resume and checkpoint is None:
        raise InvalidParameterError(
            f"`resume` of {whose} needs `checkpoint` of {whose.partition('.')[0]}, the folder that a "
            f"training is kept in, got resume=True and checkpoint=None"
        )


class FitKeeper:
    """Keeps one fit in its folder, which nobody else may use until the end of a ``with``.

    Attributes
    ----------
    saved : SavedGroup, or None
        What it goes on from.
    """

    def __init__(self, folder: CheckpointFolder) -> None:
        self._folder = folder
        self._keeper: Keeper | None = None
        self._loop: TrainingLoop | None = None
        self._recorder: FitRecorder | None = None
        self.saved: SavedGroup | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._folder.close()

    @classmethod
    def open(cls, settings: Settings, resume: bool, whose: str) -> Self | None:
        """Open the folder that settings name, None where they name none.

        Raises
        ------
        CheckpointError, CorruptFileError, InvalidParameterError, OSError
            As `CheckpointFolder.open`, or `resume` has no folder.
        """
        check_resume(resume, settings.checkpoint, whose)
        if settings.checkpoint is None:
            return None
        require_own_start(settings.owner, settings.warm_start)
        return cls(CheckpointFolder.open(settings.checkpoint, bool(resume), whose))

    def seeded(self, settings: Settings, random_state: Any) -> Settings:
        """Return settings with the seed that was drawn when the training began, where none was given."""
        if self._folder.begun is None or isinstance(random_state, (int, np.integer)):
            return settings
        return replace(settings, random_state=int(self._folder.begun.more["seed"]))

    def begin(self, settings: Settings, rows: JobRows) -> None:
        """Begin to keep a training, or find what it goes on from.

        Raises
        ------
        CheckpointError
            The folder holds another training.
        OSError
            It cannot be written.
        """
        data = digest([rows.train, rows.held_out], rows.targets)
        identity = of_machine([settings.backend]) | settings.identity() | {"the digest of the rows": data}
        self._folder.check(identity)

        def now() -> Kept:
            return Kept([self._group], {"seed": settings.random_state})

        self._keeper = Keeper(self._folder, identity, now)
        if self._folder.begun is None:
            self._keeper.write(must=True)
        self.saved = self._folder.group(_ONE)

    @property
    def is_over(self) -> bool:
        """Whether the folder holds a training that is over."""
        return self.saved is not None and is_ended(self.saved.models[0].news.status)

    def train(self, loop: TrainingLoop, recorder: FitRecorder, stop: Callable[[], bool]) -> None:
        """Train to the end, or until `stop` says so."""
        assert self._keeper is not None
        self._loop, self._recorder = loop, recorder
        while not loop.is_over and not stop():
            loop.advance(loop.done + 1, stop)
            # A press comes in the middle of what an evaluation is for, and rules have gone by less.
            if stop() and recorder.status in (Status.RUNNING, Status.EARLY_STOPPED):
                self._keeper.on_cut(self._group)
            elif not loop.is_over:
                self._keeper.on_evaluation(self._group)

    def finish(self) -> None:
        """Write what the training came to."""
        if self._keeper is not None and self._recorder is not None:
            self._keeper.write(is_over=is_ended(self._recorder.status))

    @property
    def _group(self) -> KeptGroup:
        return KeptGroup(_ONE, "", self._save)

    def _save(self) -> SavedGroup | None:
        loop, recorder = self._loop, self._recorder
        if loop is None or recorder is None:
            return self.saved
        if recorder.is_new and not recorder.status.is_over and self.saved is None:
            return None
        model = SavedRecord.of(_ONE[0], recorder)
        if loop.observers:
            return SavedGroup((model,), _ONE, GroupState.of(loop.state, [recorder.state()], loop.seconds))
        fitted = recorder.fitted
        checkpoint = None if fitted is None else recorder.checkpoint(fitted.block)
        state = None if checkpoint is None else _as_group(checkpoint, recorder, loop.seconds)
        return SavedGroup((model,), (), state)


def _as_group(checkpoint: FitState, recorder: FitRecorder, seconds: float) -> GroupState:
    """Return what a training that is over can go on from as the state of a group of one."""
    rows = recorder.history.rows
    own = ModelState(rows[-1] if rows else {}, checkpoint.best, checkpoint.plateau)
    state = checkpoint.state()
    return GroupState(state.parameters, state.slots, state.updates, state.finite, (own,), seconds)


def parameters_of(saved: SavedGroup) -> npt.NDArray[Any] | None:
    """Return the parameters (1, P) that a job is made with: those of the state, or of the model kept."""
    if saved.state is not None:
        return saved.state.parameters
    block = saved.models[0].news.block
    return None if block is None else block[None]


def take_up(recorder: FitRecorder, saved: SavedGroup, job: TrainingJob, state: State) -> None:
    """Let a recorder go on from what was kept."""
    assert saved.state is not None
    described = job.plan.described(state)[0].copy()
    to_come = job.plan.rates(saved.state.done)[0]
    recorder.go_on(saved.state.models[0], described, to_come, saved.models[0].news.rows)


def left_by(saved: SavedGroup, run: Trajectory | None, history: History) -> FitState | None:
    """Return what `resume` goes on from behind a training that is over."""
    if run is None or saved.state is None:
        return None
    state, own = saved.state, saved.state.models[0]
    epoch = epochs_of(history.rows[-1]) if history.rows else 0
    return FitState(
        run,
        state.parameters[0],
        state.slots[0],
        update=int(state.updates[0]),
        epoch=epoch,
        best=own.best,
        plateau=own.plateau,
    )
