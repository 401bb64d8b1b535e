"""Keeps a training in a folder while it runs: when, and what of it is whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy.typing as npt

from gradstep.storage.checkpoint_folder import CheckpointFolder, Part
from gradstep.storage.saved import Models, SavedGroup, SavedIndex

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

    models: Models
    reason: str
    save: Callable[[], SavedGroup | None]


class Kept(NamedTuple):
    """All that there is of a training at a moment.

    Attributes
    ----------
    groups : list of KeptGroup
    more : dict
        What else there is, as JSON has it.
    starts : list of KeptGroup, or None
        Where groups were when a rung began, if they may have to go back there.
    """

    groups: list[KeptGroup]
    more: dict[str, Any]
    starts: list[KeptGroup] | None = None


class Keeper:
    """Writes a training to its folder at evaluations, as often as the checkpoint says.

    Ctrl-C may end a training at any update, with a row of the history that no whole run has. So what is
    written of a group that was cut is what it was at an evaluation shortly before.

    Parameters
    ----------
    folder : CheckpointFolder
    identity : mapping of str to str
    now : callable
        Returns all that there is, as it is now.
    arrays : mapping of str to ndarray, optional
        What there is besides, and stays.
    """

    def __init__(
        self,
        folder: CheckpointFolder,
        identity: Mapping[str, str],
        now: Callable[[], Kept],
        arrays: Mapping[str, npt.NDArray[Any]] | None = None,
    ) -> None:
        self.folder = folder
        self._identity, self._now = identity, now
        self._arrays = arrays or {}
        self._note: Part | None = None
        self._noted_at = -float("inf")
        self._cut: Models | None = None
        self._held: tuple[SavedIndex, list[Part], list[Part]] | None = None

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

    def hold(self) -> None:
        """Write nothing any more but what there is at this moment: what comes is not what a whole run has."""
        if self._held is None:
            self._held = self._taken(is_over=False)

    def write(self, is_over: bool = False, must: bool = False) -> None:
        """Write the training as it is, but for a group that was cut."""
        self.folder.write(*(self._held or self._taken(is_over)), must=must)

    def _taken(self, is_over: bool) -> tuple[SavedIndex, list[Part], list[Part]]:
        now = self._now()
        starts = now.starts or []
        index = SavedIndex(
            self._identity,
            tuple((group.models, group.reason) for group in now.groups),
            None if now.starts is None else tuple(group.models for group in starts),
            is_over=is_over and self._cut is None,
            more=now.more,
            arrays=self._arrays,
        )
        groups = [(group.models, self._saved(group)) for group in now.groups]
        return index, groups, [(group.models, group.save()) for group in starts]

    def _saved(self, group: KeptGroup) -> SavedGroup | None:
        if group.models != self._cut:
            return group.save()
        if self._note is not None and self._note[0] == self._cut:
            return self._note[1]
        return self.folder.group(group.models)
