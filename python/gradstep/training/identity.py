"""What a training is, as text: what must be as it was for one to be the same."""

from __future__ import annotations

import platform
from collections.abc import Iterable

from gradstep import backends
from gradstep._version import __version__
from gradstep.plan.settings import Settings


def of_machine(settings: Iterable[Settings]) -> dict[str, str]:
    """Return what the bits of trainings follow from beside settings and rows: version and instruction set.

    Raises
    ------
    BackendUnavailableError
        A backend that is asked for is not there.
    """
    found = [backends.get(name) for name in dict.fromkeys(own.backend for own in settings)]
    names = dict.fromkeys(backend.name for backend in found)
    sets = dict.fromkeys(str(getattr(backend, "isa", platform.machine())) for backend in found)
    return {
        "gradstep version": __version__,
        "backend": ", ".join(names),
        "instruction set": ", ".join(sets),
    }
