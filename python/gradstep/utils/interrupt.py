"""Ctrl-C as a question that training asks, so that it stops at the boundary of an update."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether Ctrl-C was pressed; an instance is a backend's ``should_stop``."""

    def __init__(self) -> None:
        self.requested = False

    def __call__(self) -> bool:
        """Return whether training should stop."""
        return self.requested

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Take the signal: note the first, raise KeyboardInterrupt at any further one."""
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True


@contextmanager
def deferred() -> Iterator[Interrupt]:
    """Note Ctrl-C instead of raising, inside the ``with`` block.

    Only in the main thread, which alone gets signals, and only in place of Python's own
    handler: one that the program has installed stays in charge.
    """
    interrupt = Interrupt()
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if not ours:
        yield interrupt
        return
    try:
        signal.signal(signal.SIGINT, interrupt.handle)
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
