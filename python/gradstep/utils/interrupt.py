"""Ctrl-C as a question that training asks, so that it stops at the boundary of an update.

What trains runs inside `deferred`. A first press is noted there and a second one raises KeyboardInterrupt at
once. Whoever trains many times in a row does so in one block around all of it: the blocks inside share its
interrupt, so that one press ends the whole and nothing that was done is lost. Loops that know nothing of
this are of two kinds. Those of other libraries that are known to be loops get a KeyboardInterrupt as soon as
the training that was stopped has put its model in place. In any other one the second of two presses within a
second raises, whichever training of the same loop it meets.
"""

from __future__ import annotations

import inspect
import signal
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

#: Seconds after a press that ended a training within which the next one is meant for the loop around it.
#: What comes sooner is the same press, delivered twice or held down.
AGAIN = (0.2, 1.0)

# Modules that call `fit` many times. A pipeline calls it once.
_LOOPS = (
    "dask_ml",
    "hyperopt",
    "joblib",
    "optuna",
    "ray",
    "skopt",
    "sklearn.calibration",
    "sklearn.ensemble",
    "sklearn.feature_selection",
    "sklearn.inspection",
    "sklearn.model_selection",
    "sklearn.multiclass",
    "sklearn.multioutput",
    "sklearn.semi_supervised",
)


# What may stand between a training and whoever asked for it.
_PASSED = ("contextlib", "gradstep", "sklearn")


class Interrupt:
    """Whether Ctrl-C was pressed; an instance is a backend's ``should_stop``.

    Attributes
    ----------
    requested : bool
        Whether it was pressed.
    """

    # When a press last ended the training of a block, and for whom.
    _obeyed_at = -float("inf")
    _obeyed_for: FrameType | None = None
    requested: bool

    def __init__(self, block: object | None = None) -> None:
        self.requested = False
        # As long as its block runs: what is raised between two lines can leave the handler in place.
        self._block = None if block is None else weakref.ref(block)
        self._pressed_at = 0.0
        self._was_obeyed = False
        self._caller: FrameType | None = None

    def __call__(self) -> bool:
        """Return whether training should stop."""
        self._was_obeyed |= self.requested
        return self.requested

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Take the signal: note the first, raise KeyboardInterrupt at any further one."""
        now = time.monotonic()
        is_again = AGAIN[0] <= now - Interrupt._obeyed_at <= AGAIN[1] and (
            self._caller is Interrupt._obeyed_for
        )
        if not self.is_in_charge or self.requested or is_again:
            # Here and not where the block ends: this exception may come between any two lines of that.
            self.hand_back()
            raise KeyboardInterrupt
        self.requested = True
        self._pressed_at = now

    @property
    def is_in_charge(self) -> bool:
        """Whether Ctrl-C is noted here: no longer once a second one has raised."""
        return Interrupt.in_charge() is self

    def take_over(self) -> None:
        """Put this in place of Python's own handler."""
        if time.monotonic() - Interrupt._obeyed_at > AGAIN[1]:
            Interrupt.forget()
        self._caller = _loop_of_caller()
        signal.signal(signal.SIGINT, self.handle)

    def hand_back(self) -> None:
        """Put Python's own handler in its place again."""
        if _handler() is self:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def pass_on(self) -> None:
        """Raise KeyboardInterrupt where a press that was noted is meant for the loop of another library."""
        if self.requested and _is_inside_a_loop():
            raise KeyboardInterrupt
        if self._was_obeyed:
            Interrupt._obeyed_at, Interrupt._obeyed_for = self._pressed_at, self._caller

    @classmethod
    def in_charge(cls) -> Interrupt | None:
        """Return the interrupt of the block around this line, if there is one."""
        found = _handler()
        return found if found is not None and found._block is not None and found._block() else None

    @classmethod
    def forget(cls) -> None:
        """Forget that a press has ended a training: the next one is a first one."""
        cls._obeyed_at, cls._obeyed_for = -float("inf"), None


class _Block:
    """Stands for a block that notes Ctrl-C, as long as it runs."""


def _handler() -> Interrupt | None:
    """Return the interrupt that a press would reach."""
    owner = getattr(signal.getsignal(signal.SIGINT), "__self__", None)
    return owner if isinstance(owner, Interrupt) else None


@contextmanager
def deferred() -> Iterator[Interrupt]:
    """Note Ctrl-C instead of raising, inside the ``with`` block.

    Only in the main thread, which alone gets signals, and only in place of Python's own handler: one that the
    program has installed stays in charge. A block inside another one shares its interrupt.
    """
    if threading.current_thread() is not threading.main_thread():
        yield Interrupt()
        return
    outer = Interrupt.in_charge()
    is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler or _handler() is not None
    if outer is not None or not is_ours:
        yield outer or Interrupt()
        return
    block = _Block()
    own = Interrupt(block)
    try:
        own.take_over()
        yield own
    finally:
        own.hand_back()
    own.pass_on()


def _is_inside_a_loop() -> bool:
    """Whether one of the callers is a library that calls `fit` many times."""
    return any(_is_of(frame, _LOOPS) for frame in _frames())


def _loop_of_caller() -> FrameType | None:
    """Return where a loop would be: the outermost of the callers that are next to each other in one file."""
    found: FrameType | None = None
    for frame in _frames():
        if found is None and _is_of(frame, _PASSED):
            continue
        if found is not None and frame.f_code.co_filename != found.f_code.co_filename:
            break
        found = frame
    return found


def _frames() -> Iterator[FrameType]:
    frame = inspect.currentframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_of(frame: FrameType, modules: tuple[str, ...]) -> bool:
    name = str(frame.f_globals.get("__name__", ""))
    return any(name == module or name.startswith(f"{module}.") for module in modules)
