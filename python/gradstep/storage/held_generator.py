"""The random numbers of a training that is kept: where they began, if nobody gave a seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from sklearn.utils import check_random_state

from gradstep.errors import InvalidParameterError
from gradstep.storage.container import Arrays
from gradstep.storage.saved import SavedIndex


@dataclass(frozen=True)
class HeldGenerator:
    """A random state as it was when a training began.

    Attributes
    ----------
    random_state : int or RandomState
        What the training draws from: a seed as it was given, else a generator that is where it was then.
    more : dict
        What a folder has of it, as JSON has it; nothing of a seed, which is a parameter.
    arrays : dict of str to ndarray
        Likewise.
    """

    random_state: Any
    more: dict[str, Any] = field(default_factory=dict)
    arrays: Arrays = field(default_factory=dict)

    @classmethod
    def of(cls, random_state: Any, begun: SavedIndex | None, whose: str) -> Self:
        """Return that of a training of `whose`, which has begun before where there is an index of it.

        Raises
        ------
        InvalidParameterError
            It is a generator that no folder can hold.
        """
        if isinstance(random_state, (int, np.integer)):
            return cls(random_state)
        generator = check_random_state(random_state)
        state: Any = generator.get_state()
        if isinstance(state, dict):
            raise InvalidParameterError(
                f"`random_state` of {whose} with a checkpoint must be an int, None or a RandomState of "
                f"MT19937, got one of {state['bit_generator']}"
            )
        if begun is not None:
            place, has_gauss, gauss = begun.more["generator"]
            state = ("MT19937", begun.arrays["generator"], int(place), int(has_gauss), float(gauss))
            generator = np.random.RandomState()
            generator.set_state(state)
        more = {"generator": [int(state[2]), int(state[3]), float(state[4])]}
        return cls(generator, more, {"generator": np.array(state[1], dtype=np.uint32)})
