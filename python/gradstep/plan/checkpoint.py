"""Where a training is kept while it runs, and how often."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gradstep.utils.constraints import NUMBER, Constraint, above, check
from gradstep.utils.names import KnownParameters

# What a repr has of where an object lies in memory.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")

_FOLDER = Constraint(
    "the path of a folder",
    lambda value: isinstance(value, (str, os.PathLike)) and value != "",
    (3, None, b"x", ""),
)


@dataclass(frozen=True)
class Checkpoint(KnownParameters):
    """A folder in which a training is kept while it runs, so that `fit(..., resume=True)` goes on from there.

    What is in the folder is whole at any moment: the process may be killed, the machine may go down, the disk
    may be full. A training that went on is, to the bit, the one that was never interrupted: weights, history,
    table and scores; also with another number of threads. Of an interrupted one at most `every` seconds, and
    what came since the last evaluation, are done again. A disk that fails while it trains is told by a
    CheckpointWarning, and the training goes on. The file has nothing that is run when it is read.

    Not kept is what callbacks keep for themselves. A folder is for one training, and one process at a time.

    Parameters
    ----------
    folder : str or path-like
        Made where it is not there; without a training in it `fit` begins one.
    every : float, default=60
        Seconds after which the training is written at its next evaluation, > 0.

    Examples
    --------
    >>> Checkpoint("runs/first", every=30)
    Checkpoint(folder='runs/first', every=30)
    """

    folder: str | os.PathLike[str]
    every: float = 60

    def __post_init__(self) -> None:
        check("Checkpoint", "folder", self.folder, (_FOLDER,))
        check("Checkpoint", "every", self.every, (NUMBER, above(0)))


def as_text(value: Any) -> str:
    """Return a text that equal values share: of a function its name, for nothing more can be told of it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{as_text(key)}: {as_text(own)}" for key, own in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(as_text, value)) + "]"
    return _ADDRESS.sub("", repr(value))
