"""Errors of a call inside another one, told in the words of what the user called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gradstep.errors import GradstepError

#: What an estimator calls its own training in messages.
FITS = ("Trainer.fit", "Regressor.fit")


@contextmanager
def in_words_of(outer: str, *inner: str) -> Iterator[None]:
    """Let errors of the block name what the user called in place of what that calls in turn."""
    try:
        yield
    except GradstepError as error:
        if error.args and isinstance(error.args[0], str):
            said = error.args[0]
            for name in inner:
                said = said.replace(f" of {name}", f" of {outer}")
            error.args = (said, *error.args[1:])
        raise
