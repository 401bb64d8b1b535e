"""What engines share whose workers see the files of this process."""

from __future__ import annotations

import time

from gradstep.search.engines.parcels import Parcel
from gradstep.search.engines.worker import Agreement, greet


class FileEngine:
    """Workers that open a parcel by its file, and look for another file that asks them to stop.

    Of each that is lost it is told which task it had.
    """

    _parcel: Parcel | None = None

    @property
    def lost(self) -> int:
        """None: of each it is told what it had."""
        return 0

    def now(self) -> float:
        """Return the time in seconds."""
        return time.monotonic()

    def agree(self) -> Agreement:
        """Return what this process is: its workers are on this machine, or refuse what they cannot do."""
        return Agreement.among([greet()])

    def share(self, parcel: Parcel) -> None:
        """Learn what tasks are about; workers read it from its file."""
        self._parcel = parcel

    def halt(self) -> None:
        """Ask what runs to stop: tasks look for a file."""
        if self._parcel is not None:
            self._parcel.stop.touch()

    def release(self) -> None:
        """Let go what still runs for a search that is over."""
        self._parcel = None
