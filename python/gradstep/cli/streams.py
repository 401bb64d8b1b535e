"""Standard output and error, whatever they are: a terminal, a full disk, closed, or without a reader."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path

from gradstep.utils.text import printable


@contextmanager
def writable() -> Iterator[None]:
    """Have streams that take any text: a closed one goes nowhere, and letters without a code are escaped."""
    with ExitStack() as stack:
        # Python has None for a stream that was closed before it began.
        for name, redirect in (("stdout", redirect_stdout), ("stderr", redirect_stderr)):
            stream = getattr(sys, name)
            if stream is None:
                nowhere = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
                stack.enter_context(redirect(nowhere))
            elif isinstance(stream, io.TextIOWrapper):
                stack.callback(_set_errors, stream, stream.errors)
                _set_errors(stream, "backslashreplace")
        yield


def say(kind: str, message: object, status: int) -> int:
    """Write one line to standard error and return `status`."""
    line = printable(" ".join(str(message).split()))
    with suppress(OSError):  # nobody is there to be told
        print(f"gradstep: {kind}: {line}", file=sys.stderr)
    return status


@contextmanager
def logged(name: str) -> Iterator[None]:
    """Write to standard error what a logger is told inside the block, a line each."""
    logger, handler = logging.getLogger(name), logging.StreamHandler()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)


def flush(status: int) -> int:
    """Write what standard output still holds, and return the exit status, which is not 0 where that fails."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has gone, as of `gradstep train | head`
        _lead_nowhere()
        return status or 1
    except OSError as error:
        _lead_nowhere()
        return status or say("error", f"standard output: {error.strerror or error}", 2)
    return status


def _lead_nowhere() -> None:
    """Drop what standard output still holds, for Python would try to write it once more at its end."""
    with suppress(OSError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, sys.stdout.fileno())
        os.close(descriptor)


def _set_errors(stream: io.TextIOWrapper, errors: str | None) -> None:
    with suppress(OSError, ValueError):  # what it holds cannot be written, or it was closed
        stream.reconfigure(errors=errors)
