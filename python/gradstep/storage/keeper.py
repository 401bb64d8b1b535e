"""Keeps a training in a folder while it runs: when, and what of it is whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy.typing as npt

from gradstep.storage.checkpoint_folder import CheckpointFolder
from gradstep.storage.saved import Key, SavedGroup, SavedIndex

# Seconds between two notes of what the group in training has come to.
_NOTES = 1.0


class KeptGroup(NamedTuple):
    """A group that is kept.

    Attributes
    ----------
    models : tuple of pairs of int
    reason : str
        Why they train together.
    save : callable
        Returns what they have come to, None before they have begun.
    """

    models: tuple[Key, ...]
    reason: str
    save: Callable[[], SavedGroup | None]


class Keeper:
    """Writes a training to its folder at evaluations, as often as the checkpoint says.

    Ctrl-C may end a training at any update, with a row of the history that no whole run has. So what is
    written of a group that was cut is what it was at an evaluation shortly before.

    Parameters
    ----------
    folder : CheckpointFolder
    identity : mapping of str to str
    groups : callable
        Returns all groups, as they are now.
    more : callable, optional
        Returns what else there is, as JSON has it.
    arrays : mapping of str to ndarray, optional
        Likewise, what stays.
    """

    def __init__(
        self,
        folder: CheckpointFolder,
        identity: Mapping[str, str],
        groups: Callable[[], list[KeptGroup]],
        more: Callable[[], dict[str, Any]] = dict,
        arrays: Mapping[str, npt.NDArray[Any]] | None = None,
    ) -> None:
        self.folder = folder
        self._identity, self._groups, self._more = identity, groups, more
        self._arrays = arrays or {}
        self._note: tuple[tuple[Key, ...], SavedGroup | None] | None = None
        self._noted_at = -float("inf")
        self._cut: tuple[Key, ...] | None = None

    def on_evaluation(self, group: KeptGroup) -> None:
        """Handle that a group is between two evaluations, as all others are."""
        if self.folder.is_due:
            self.write()
            self._note = None
        now = time.monotonic()
        if self._note is None or self._note[0] != group.models or now - self._noted_at >= _NOTES:
            self._note, self._noted_at = (group.models, group.save()), now

    def on_cut(self, group: KeptGroup) -> None:
        """Handle that the training of a group was stopped at an update that no evaluation is due at."""
        self._cut = group.models

    def write(self, is_over: bool = False, must: bool = False) -> None:
        """Write the training as it is, but for a group that was cut."""
        groups = self._groups()
        index = SavedIndex(
            self._identity,
            tuple((group.models, group.reason) for group in groups),
            is_over and self._cut is None,
            self._more(),
            self._arrays,
        )
        self.folder.write(index, [(group.models, self._saved(group)) for group in groups], must)

    def _saved(self, group: KeptGroup) -> SavedGroup | None:
        if group.models != self._cut:
            return group.save()
        if self._note is not None and self._note[0] == self._cut:
            return self._note[1]
        return self.folder.group(group.models)
