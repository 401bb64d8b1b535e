"""The checkpoint of a face: its fit, kept in a folder at the ends of epochs, and what goes on from there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any, Self

from gradstep.errors import InvalidParameterError
from gradstep.estimators.keeping import check_resume
from gradstep.plan.checkpoint import Checkpoint, as_text
from gradstep.sklearn.beginning import Beginning
from gradstep.sklearn.curves import Curves
from gradstep.sklearn.labels import ClassTargets
from gradstep.sklearn.training import EpochObserver
from gradstep.storage.checkpoint_folder import CheckpointFolder, require_own_start
from gradstep.storage.held_generator import HeldGenerator
from gradstep.storage.saved import SavedIndex
from gradstep.training.checkpoint import digest
from gradstep.training.identity import of_machine

#: Parameters that no bit of the result depends on.
NO_BITS = {"backend", "n_threads", "verbose", "callbacks", "checkpoint", "warm_start"}

# Seconds between two notes of what the training has come to.
_NOTES = 1.0


def check_not_kept(checkpoint: Checkpoint | None, owner: str, search: str) -> None:
    """Raise InvalidParameterError where a face of a search has a folder of its own."""
    if checkpoint is not None:
        raise InvalidParameterError(
            f"`checkpoint` of {owner} must be None in {search}, for a folder is for one training, got "
            f"{checkpoint!r}"
        )


class FaceKeeper:
    """Keeps one fit of a face.

    Parameters
    ----------
    folder : CheckpointFolder
    parameters : mapping
        Of the face.
    owner : str
        Its class.
    """

    def __init__(self, folder: CheckpointFolder, parameters: Mapping[str, Any], owner: str) -> None:
        self._folder, self._parameters = folder, parameters
        self._held = HeldGenerator.of(parameters["random_state"], folder.begun, owner)
        self._index = SavedIndex({})
        self._note: SavedIndex | None = None
        self._noted_at = -float("inf")

    @classmethod
    @contextmanager
    def opened(cls, checkpoint: Checkpoint | None, face: Any, resume: bool) -> Iterator[Self | None]:
        """Open the folder of a face, None where it has none; within the block it is nobody else's.

        Raises
        ------
        CheckpointError, CorruptFileError, InvalidParameterError, OSError
            As `CheckpointFolder.open`, `resume` has no folder, or there is no state that one could keep.
        """
        owner = type(face).__name__
        check_resume(resume, checkpoint, f"{owner}.fit")
        if checkpoint is None:
            yield None
            return
        settings = face.settings()
        if not settings.is_stochastic:
            raise InvalidParameterError(
                f"`checkpoint` of {owner} must be None with solver='lbfgs', which does not stop between two "
                f"iterations, got {checkpoint!r}; optimizer='lbfgs' of Trainer and Regressor does"
            )
        require_own_start(owner, settings.warm_start)
        with CheckpointFolder.open(checkpoint, bool(resume), f"{owner}.fit") as folder:
            yield cls(folder, face.get_params(deep=False), owner)

    @property
    def random_state(self) -> Any:
        """What the training draws from: an int, or a RandomState that is where it was when it began."""
        return self._held.random_state

    def follow(self, begun: Beginning, observer: EpochObserver) -> None:
        """Bring a training to where it was, and keep it from now on.

        Raises
        ------
        CheckpointError
            The folder holds another training.
        OSError
            It cannot be written.
        """
        rows = begun.rows
        # A seed is asked for apart.
        apart = {*NO_BITS, "random_state"}
        own = {name: as_text(value) for name, value in self._parameters.items() if name not in apart}
        if not self._held.more:
            own["random_state"] = str(int(self._held.random_state))
        if isinstance(rows.targets, ClassTargets):
            own["classes"] = as_text(rows.targets.classes.tolist())
        data = digest([rows.train, rows.held_out], rows.targets.vocabulary)
        identity = of_machine([begun.settings.backend]) | own | {"the digest of the rows": data}
        self._folder.check(identity)
        self._index = SavedIndex(identity, more=self._held.more, arrays=self._held.arrays)
        saved = self._folder.begun
        if saved is None:
            self._folder.write(self._index, [], must=True)
        elif saved.more.get("state") is not None:
            _bring_back(observer, saved)
        ask = observer.on_epoch

        def on_epoch() -> bool:
            self._on_epoch(observer)
            return bool(ask and ask())

        observer.on_epoch = on_epoch

    def _on_epoch(self, observer: EpochObserver) -> None:
        is_due, now = self._folder.is_due, time.monotonic()
        if is_due or now - self._noted_at >= _NOTES:
            self._note, self._noted_at = self._taken(observer), now
        if is_due and self._note is not None:
            self._folder.write(self._note, [])

    def finish(self, observer: EpochObserver) -> None:
        """Write what the training came to; of one that was cut within an epoch what it was shortly before."""
        found = self._taken(observer) if observer.is_over else self._note
        if found is not None:
            self._folder.write(found, [])

    def _taken(self, observer: EpochObserver) -> SavedIndex:
        rule, state = observer.rule, observer.rule.state
        now = observer.state_of() if observer.state_of else None
        if now is not None:
            state = replace(state, slots=now.slots[0], updates=int(now.updates[0]))
        arrays = {"block": observer.block, "best": observer.best}
        if state.slots is not None and state.slots.size:
            arrays["slots"] = state.slots
        solver = {"learning_rate": state.learning_rate, "seed": state.seed, "updates": state.updates}
        more = {"state": {"curves": asdict(rule.curves), "solver": solver, "ended": rule.is_unfinished}}
        return replace(
            self._index,
            is_over=observer.is_over,
            more={**self._index.more, **more},
            arrays={**self._index.arrays, **arrays},
        )


def _bring_back(observer: EpochObserver, saved: SavedIndex) -> None:
    """Bring an observer to where it was."""
    state, rule = saved.more["state"], observer.rule
    rule.curves = Curves(**state["curves"])
    rule.state = replace(rule.state, slots=saved.arrays.get("slots"), **state["solver"])
    rule.is_unfinished = bool(state["ended"])
    observer.block, observer.best = saved.arrays["block"], saved.arrays["best"]
    observer.is_over = saved.is_over
