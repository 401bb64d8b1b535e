"""Loggers, one for each room of the package: ``gradstep.search``, ``gradstep.datasets``, ...

Nothing is shown unless a program asks for it, as by ``logging.basicConfig(level="INFO")``: what began and
what it came to is told by INFO, what happened on the way by DEBUG.
"""

from __future__ import annotations

import logging

_PACKAGE = __name__.partition(".")[0]

# Without a handler of some kind Python writes what is more than INFO to standard error.
logging.getLogger(_PACKAGE).addHandler(logging.NullHandler())


def of_room(module: str) -> logging.Logger:
    """Return the logger of the room that a module is in.

    >>> of_room("gradstep.search.engines.dask").name
    'gradstep.search'
    """
    return logging.getLogger(".".join(module.split(".")[:2]))
