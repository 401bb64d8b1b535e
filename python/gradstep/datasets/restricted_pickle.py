"""Reads the pickles of CIFAR-10's official batches, and runs nothing but what puts their arrays together.

The SHA-256 of a file decides before this reader sees a byte of it (see `cifar10_files`): the names below are
the second lock, not the first.
"""

from __future__ import annotations

import io
import pickle
from typing import Any

import numpy as np

from gradstep.errors import CorruptFileError

# What the batches name, as Python 2 and the NumPy of their day called it.
_NAMES: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _BatchUnpickler(pickle.Unpickler):
    """Knows the names of the batches and no other."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise pickle.UnpicklingError(f"it names '{module}.{name}'; nothing was run")
        return _NAMES[module, name]


def read_batch(data: bytes, name: str) -> dict[bytes, Any]:
    """Read the bytes of one batch, whose hash has been checked; `name` is the file's, for messages.

    Raises
    ------
    CorruptFileError
        On a name to import that the official batches do not have, and on what is no pickle of a dictionary.
    """
    whose = f"{name} must be an official CIFAR-10 batch, but"
    try:
        batch = _BatchUnpickler(io.BytesIO(data), encoding="bytes").load()
    # Of damaged pickles the module raises whatever their opcodes run into.
    except Exception as error:
        raise CorruptFileError(f"{whose} {error}") from error
    if not isinstance(batch, dict):
        raise CorruptFileError(f"{whose} it is not one dictionary")
    return batch
