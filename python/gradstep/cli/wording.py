"""Messages about parameters in the words of the command line."""

from __future__ import annotations

import re

from gradstep.cli import data
from gradstep.cli.options import TASKS, estimator_options, task_of


def in_options(message: str) -> str:
    """Return a message about parameters of a loader or an estimator as one about their options.

    >>> in_options("`l2` of Trainer must be >= 0, got -1.0")
    '--l2 must be >= 0, got -1.0'
    >>> in_options("more `epochs`, or loss='multilabel'")
    'more --epochs, or --loss multilabel'
    >>> in_options("`checkpoint` of Sweep holds a training: Sweep.fit(..., resume=True) goes on")
    '--checkpoint holds a training: --resume goes on'
    """
    message = data.in_options(message)
    owners = "|".join([*TASKS.values(), "Sweep"])
    message = re.sub(rf"^`(\w+)` of (?:{owners})\b", lambda found: "--" + found[1].replace("_", "-"), message)
    message = re.sub(r"^`every` of Checkpoint\b", "--checkpoint-every", message)
    message = re.sub(rf"`checkpoint` of (?:{owners})\b", "--checkpoint", message)
    message = re.sub(r"\b\w+\.fit\(\.\.\., resume=True\)", "--resume", message)
    message = re.sub(r"\b(?:Trainer|Regressor)\.fit\b", "gradstep train", message)
    message = message.replace("Sweep.fit", "gradstep sweep")
    message = re.sub(r"`(\w+)`(?! of )|\b(\w+)='(\w+)'", _as_option, message)
    message = message.replace("must be None,", "must be none,")
    message = re.sub(r"by `validation_fraction` of \w+ or an eval_set", "by --validation", message)
    return re.sub(r"\bit is for (\w+)$", lambda found: f"it is for --task {task_of(found[1])}", message)


def _as_option(found: re.Match[str]) -> str:
    """Return a parameter in a message, with its value if it has one, as its option if there is one."""
    option = estimator_options().get(found[1] or found[2])
    if option is None:
        return found[0]
    return option.flag if found[3] is None else f"{option.flag} {found[3]}"
