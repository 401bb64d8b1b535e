"""The options that keep a training in a folder, and let it go on from there."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gradstep.cli import options
from gradstep.errors import InvalidParameterError

if TYPE_CHECKING:
    from gradstep import Checkpoint


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_argument_group("checkpoint")
    group.add_argument(
        "--checkpoint",
        metavar="FOLDER",
        help="keep the training in a folder while it runs, made where it is not there",
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on with what the folder of --checkpoint holds, to the bit as if it had never stopped; where "
        "it is empty, begin",
    )
    group.add_argument(
        "--checkpoint-every",
        type=options.number,
        metavar="SECONDS",
        help="how often the folder is written (default: 60)",
    )


def of(arguments: argparse.Namespace) -> Checkpoint | None:
    """Return the checkpoint that is asked for, checked before any data is loaded.

    Raises
    ------
    InvalidParameterError
        There is no folder to go on from or to write to so often, or it is none.
    """
    import gradstep

    folder, every = arguments.checkpoint, arguments.checkpoint_every
    if folder is not None:
        return gradstep.Checkpoint(folder, **({} if every is None else {"every": every}))
    for flag, is_given in (("--resume", arguments.resume), ("--checkpoint-every", every is not None)):
        if is_given:
            raise InvalidParameterError(f"{flag} goes with --checkpoint, which names the folder")
    return None
