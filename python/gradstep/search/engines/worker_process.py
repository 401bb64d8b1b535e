"""One process that does tasks, and the pipe to it: of what dies, the pipe tells at once."""

from __future__ import annotations

import contextlib
import pickle
import signal
import traceback
from collections.abc import Hashable
from multiprocessing.connection import Connection
from typing import Any

from gradstep.errors import ExecutorError, GradstepError
from gradstep.search.engines.protocol import Call
from gradstep.search.engines.worker import name
from gradstep.utils import text

# Seconds that a process may take to start: it imports this package.
_START_SECONDS = 120.0


class WorkerProcess:
    """A process and the pipe to it.

    Attributes
    ----------
    ticket : hashable, or None
        Of the task that it has.
    """

    def __init__(self, context: Any) -> None:
        self.pipe: Connection
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True, name="gradstep worker")
        self._process.start()
        theirs.close()
        self.ticket: Hashable | None = None
        self._has_started = False

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"process {self._process.pid}"

    def wait_for_start(self) -> None:
        """Raise ExecutorError unless the process is ready in time."""
        if self._has_started:
            return
        try:
            if self.pipe.poll(_START_SECONDS):
                self.pipe.recv_bytes()
                self._has_started = True
                return
            reason = f"took longer than {_START_SECONDS:.0f} seconds"
        except (EOFError, OSError):
            reason = f"ended {how_it_ended(self.end())}"
        raise ExecutorError(
            f"a process of `executor` {reason} before it was ready. A script has to begin its work below "
            f'`if __name__ == "__main__":`, for each process imports it'
        )

    def send(self, call: Call) -> None:
        """Send a task; what cannot be sent since the process is dead, is noticed when it is waited for."""
        pickled = pickle.dumps(call, protocol=5)
        with contextlib.suppress(OSError):
            self.pipe.send_bytes(pickled)

    def receive(self) -> tuple[Any, BaseException | None] | None:
        """Return what the task came to, and what it raised; None where the process has but started."""
        received = self.pipe.recv_bytes()
        if not self._has_started:
            self._has_started = True
            return None
        report, error = pickle.loads(received)
        return report, error

    def end(self) -> int | None:
        """End the process at once; return its exit code."""
        if self._process.is_alive():
            # One that is dead has a code of its own, which comes a moment after its pipe has closed.
            self._process.join(0.0 if self.ticket is not None else 0.2)
        self._process.kill()
        self._process.join()
        self.pipe.close()
        code: int | None = self._process.exitcode
        return code


def _serve(pipe: Connection) -> None:
    """Do tasks until nobody sends any more."""
    # Ctrl-C goes to all processes of a terminal: who has started this one decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(EOFError, OSError):
        pipe.send_bytes(b"")
        while True:
            answer: tuple[Any, BaseException | None]
            received = pipe.recv_bytes()
            try:
                function, args = pickle.loads(received)
                answer = function(*args), None
            except BaseException as error:
                if not isinstance(error, GradstepError):
                    error.add_note(f"in {name()}:\n{traceback.format_exc()}")
                answer = None, error
            del received
            pipe.send_bytes(_pickled(answer))


def _pickled(answer: tuple[Any, BaseException | None]) -> bytes:
    """Return an answer as bytes; where an error cannot be pickled and read again, its text."""
    pickled = pickle.dumps(answer, protocol=5) if answer[1] is None else b""
    if answer[1] is not None:
        try:
            pickled = pickle.dumps(answer, protocol=5)
            pickle.loads(pickled)
        except Exception:
            told = f"{type(answer[1]).__name__}: {text.given(str(answer[1]))}"
            pickled = pickle.dumps((None, ExecutorError(told)), protocol=5)
    return pickled


def how_it_ended(code: int | None) -> str:
    """Return how a process ended, in words."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"by {signal.Signals(-code).name}"
    return f"with exit code {code}"
