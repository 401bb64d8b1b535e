"""The folder in which a training is kept: an index, and a file for every group that it names.

``training.safetensors`` is the index. What it names is whole: the files of groups are written before it and
never again under the same name, it takes the place of the older index in one step, and only then are files
removed that it does not name. Whoever is killed on this way leaves the older index and its files. All are
files of `gradstep.storage.container`; nothing in them is run when they are read.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from gradstep.errors import (
    CheckpointError,
    CheckpointWarning,
    CorruptFileError,
    GradstepError,
    InvalidParameterError,
)
from gradstep.plan.checkpoint import Checkpoint
from gradstep.storage import group_file
from gradstep.storage.container import Arrays, check_version, pack, unpack
from gradstep.storage.saved import Models, SavedGroup, SavedIndex
from gradstep.utils.files import expanded, lock, open_regular, write_atomically
from gradstep.utils.log import of_room
from gradstep.utils.processes import in_words
from gradstep.utils.text import given
from gradstep.utils.warn import warn

_log = of_room(__name__)

#: Version of the format that this module writes, and the only one that it reads.
VERSION = 1

# An index names every trial and what is its own: some 20 values each, and no array beside them.
_MOST_VALUES = 2_000_000

_INDEX, _LOCK = "training.safetensors", "training.lock"
_GROUP = re.compile(r"group-(\d+)\.safetensors")
#: Models and what they have come to, None where they have not begun.
Part = tuple[Models, SavedGroup | None]

_UNREADABLE = (ArithmeticError, GradstepError, LookupError, RecursionError, TypeError, ValueError)


class CheckpointFolder:
    """A folder that one training is kept in.

    Attributes
    ----------
    path : Path
    begun : SavedIndex, or None
        What the folder holds, where it goes on.

    It is one process's, and one training's, until it is closed, which is what a ``with`` does.
    """

    def __init__(self, path: Path, every: float, whose: str) -> None:
        self.path = path
        self.begun: SavedIndex | None = None
        self._every, self._whose = every, whose
        self._last = time.monotonic()
        # By the models of a group, and whether a rung began so: its file, and the mark of what is in that.
        self._files: dict[tuple[Models, bool], tuple[str, Any]] = {}
        self._next = 0
        self._is_broken = False
        self._lock: int | None = None

    @classmethod
    def open(cls, checkpoint: Checkpoint, resume: bool, whose: str) -> Self:
        """Open a folder, or make it.

        Parameters
        ----------
        checkpoint : Checkpoint
        resume : bool
            Whether a training that is in it goes on.
        whose : str
            What trains, as "Trainer.fit", in messages.

        Raises
        ------
        CheckpointError
            There is a training in it, and none is to go on, or one of another kind, or one that runs.
        CorruptFileError
            What is in it was damaged.
        OSError
            It cannot be made or read.
        """
        path = expanded(checkpoint.folder, "`folder` of Checkpoint")
        path.mkdir(parents=True, exist_ok=True)
        own = cls(path, float(checkpoint.every), whose)
        try:
            own._begin(resume)
        except BaseException:
            own.close()
            raise
        return own

    def _begin(self, resume: bool) -> None:
        whose = self._whose
        self._lock, other = lock(self.path / _LOCK, in_words())
        if other:
            raise CheckpointError(
                f"the folder of `checkpoint` of {whose.partition('.')[0]} must be for one training at a "
                f"time, and {other} keeps one in it: give another folder, or wait, got {str(self.path)!r}"
            )
        if (self.path / _INDEX).exists():
            if not resume:
                raise CheckpointError(
                    f"the folder of `checkpoint` of {whose.partition('.')[0]} holds a training already: "
                    f"{whose}(..., resume=True) goes on with it; for another one give an empty folder, got "
                    f"{str(self.path)!r}"
                )
            self._read_index()
            self._check_kind()

    def close(self) -> None:
        """Let others keep trainings in the folder."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def is_due(self) -> bool:
        """Whether the training is to be written again."""
        return time.monotonic() - self._last >= self._every

    def _check_kind(self) -> None:
        found = self.begun.more.get("kind") if self.begun else None
        if found != self._whose:
            raise CheckpointError(
                f"the folder {str(self.path)!r} holds a training that {found} began, which {self._whose} "
                f"cannot go on with; give an empty folder"
            )

    def check(self, identity: Mapping[str, str]) -> None:
        """Raise CheckpointError where the folder holds another training than the one with this identity."""
        if self.begun is None:
            return
        before = self.begun.identity
        for name in dict.fromkeys((*before, *identity)):
            was, now = before.get(name), identity.get(name)
            if was != now:
                raise CheckpointError(
                    f"the folder {str(self.path)!r} holds another training than {self._whose}: "
                    f"{_named(name)} was {_shown(was)}, got {_shown(now)}; give that, or an empty folder"
                )

    def group(self, models: Models, is_start: bool = False) -> SavedGroup | None:
        """Return what is kept of a group, or of where it was when a rung began; None where it has not begun.

        Raises
        ------
        CorruptFileError
            Its file was damaged, or is not there.
        """
        key = models, is_start
        if key not in self._files:
            return None
        name, _ = self._files[key]
        group: SavedGroup = self._decoded(name, group_file.decode)
        self._files[key] = name, group.mark
        return group

    def write(
        self,
        index: SavedIndex,
        groups: Sequence[Part],
        starts: Sequence[Part] = (),
        must: bool = False,
    ) -> None:
        """Write a training in one step; what of it was not changed stays as it is.

        Parameters
        ----------
        index : SavedIndex
            Its groups are those that are given beside it.
        groups : sequence of pairs
            The models of every group, and what it has come to, None where it has not begun.
        starts : sequence of pairs
            Likewise where groups were when a rung began.
        must : bool, default=False
            Whether an error is raised. By default a warning tells it, once: the training is worth more.
        """
        try:
            self._write(index, groups, starts)
            self._is_broken = False
        except OSError as error:
            if must:
                raise
            if not self._is_broken:
                warn(
                    f"the training could not be kept in {str(self.path)!r}, and goes on; what was kept "
                    f"before is whole: {error}",
                    CheckpointWarning,
                )
            self._is_broken = True
        self._last = time.monotonic()

    def _write(self, index: SavedIndex, groups: Sequence[Part], starts: Sequence[Part]) -> None:
        files: dict[tuple[Models, bool], tuple[str, Any]] = {}
        of_groups, of_starts = (
            [(models, self._write_group((models, is_start), group, files)) for models, group in parts]
            for is_start, parts in ((False, groups), (True, starts))
        )
        reasons = dict(index.groups)
        header = {
            "version": VERSION,
            "identity": dict(index.identity),
            "is_over": index.is_over,
            "groups": [[models, reasons[models], file] for models, file in of_groups],
            "starts": None if index.starts is None else of_starts,
            "more": {"kind": self._whose, **index.more},
        }
        write_atomically(self.path / _INDEX, pack(header, dict(index.arrays)))
        self._files = files
        self._remove_others()
        _log.debug("%s holds %d groups", self.path, len(files))

    def _write_group(
        self,
        key: tuple[Models, bool],
        group: SavedGroup | None,
        files: dict[tuple[Models, bool], tuple[str, Any]],
    ) -> str | None:
        """Write a group unless it is as it was; return the name of its file, and note it in `files`."""
        if group is None:
            return None
        before = self._files.get(key)
        if before is None or before[1] != group.mark:
            header, arrays = group_file.encode(group)
            before = f"group-{self._next}.safetensors", group.mark
            self._next += 1
            write_atomically(self.path / before[0], pack({"version": VERSION, **header}, arrays))
        files[key] = before
        return before[0]

    def _remove_others(self) -> None:
        named = {name for name, _ in self._files.values()}
        for path in self.path.iterdir():
            if _GROUP.fullmatch(path.name) and path.name not in named:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _read_index(self) -> None:
        def decode(header: Mapping[str, Any], arrays: Arrays) -> SavedIndex:
            starts = header.get("starts")
            return SavedIndex(
                {str(key): str(value) for key, value in header["identity"].items()},
                tuple((self._found(keys, name), str(reason)) for keys, reason, name in header["groups"]),
                None if starts is None else tuple(self._found(keys, name, True) for keys, name in starts),
                is_over=bool(header["is_over"]),
                more=dict(header["more"]),
                arrays=arrays,
            )

        self.begun = self._decoded(_INDEX, decode)
        numbers = [_GROUP.fullmatch(path.name) for path in self.path.iterdir()]
        self._next = max((int(found[1]) for found in numbers if found), default=-1) + 1

    def _found(self, keys: Sequence[Sequence[Any]], name: str | None, is_start: bool = False) -> Models:
        """Take note of the file of a group, and return its models."""
        models = tuple((int(trial), int(fold)) for trial, fold in keys)
        if name is not None:
            self._files[models, is_start] = str(name), None
        return models

    def _decoded(self, name: str, decode: Callable[[Mapping[str, Any], Arrays], Any]) -> Any:
        """Return what a file of the folder says."""
        path = self.path / Path(name).name
        try:
            with open_regular(path) as file:
                header, arrays = unpack(file, _MOST_VALUES)
            check_version(header, VERSION)
            return decode(header, arrays)
        except (*_UNREADABLE, FileNotFoundError) as error:
            reason = str(error) or type(error).__name__
            raise CorruptFileError(f"{path} is not a whole part of a training: {reason}") from error


def require_own_start(owner: str, warm_start: bool) -> None:
    """Raise InvalidParameterError where a training that is kept would begin with the weights of another."""
    if warm_start:
        raise InvalidParameterError(
            f"`warm_start` of {owner} must be False with a `checkpoint`, which does not know the weights "
            f"that it would begin with, got True"
        )


def _named(name: str) -> str:
    """Return the name of a parameter, perhaps of a trial, as messages have it; of anything else as it is."""
    own, of, whose = name.partition(" of ")
    return f"`{own}`{of}{whose}" if own.isidentifier() else name


def _shown(value: str | None) -> str:
    return "not there" if value is None else given(value) if len(value) > 200 else value
