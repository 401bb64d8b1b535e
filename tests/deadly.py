"""Learning rates that do something to the process that asks for them, unless it is a test's own."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Deadly:
    """A rate of 0.1 that from the first time it is asked is the end of its process, or of its patience.

    Parameters
    ----------
    folder : str
        Every death leaves a file there.
    most : int
        Deaths, after which nothing happens any more.
    how : {"dies", "hangs", "memory"}
    after : float
        Seconds before it happens: who watches over a process may give up one that dies as it begins.
    """

    folder: str
    most: int
    how: str = "dies"
    home: int = 0
    after: float = 0.0

    def __post_init__(self) -> None:
        self.home = self.home or os.getpid()

    @property
    def deaths(self) -> int:
        return len(list(Path(self.folder).iterdir()))

    def __call__(self, update: int) -> float:
        if os.getpid() != self.home and self._takes_a_death():
            time.sleep(self.after)
            if self.how == "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.how == "memory":
                raise MemoryError("no more")
            threading.Event().wait(1000)
        return 0.1

    def _takes_a_death(self) -> bool:
        """Take a death that no other process can take as well; False where none is left."""
        for number in range(self.deaths, self.most):
            try:
                Path(self.folder, str(number)).touch(exist_ok=False)
            except FileExistsError:
                continue
            return True
        return False


def cannot_open(parcel: object) -> bool:
    """Say that the file of a parcel cannot be read here, as on a machine that does not share the folder."""
    return False
