"""What a training is, as text: what must be as it was for one to be the same."""

from __future__ import annotations

import platform
from collections.abc import Iterable

from gradstep import backends
from gradstep._version import __version__


def of_machine(names: Iterable[str]) -> dict[str, str]:
    """Return what the bits of trainings follow from beside settings and rows: version and instruction set.

    `names` are what they ask for as `backend`.

    Raises
    ------
    BackendUnavailableError
        A backend that is asked for is not there.
    """
    found = [backends.get(name) for name in dict.fromkeys(names)]
    used = dict.fromkeys(backend.name for backend in found)
    sets = dict.fromkeys(str(getattr(backend, "isa", platform.machine())) for backend in found)
    return {
        "gradstep version": __version__,
        "backend": ", ".join(used),
        "instruction set": ", ".join(sets),
    }
