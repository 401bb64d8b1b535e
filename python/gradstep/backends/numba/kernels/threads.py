"""What threads that run one kernel together need: atomic numbers, and a barrier made of them.

numba has no atomics for the CPU, so two of LLVM's are written out here.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numba import types

from gradstep.backends.numba.kernels.arrays import Array, Index
from gradstep.backends.numba.kernels.compiling import compiled, emitted

# Places in a gate, an int64 array of GATE elements; each number has a cache line of its own.
ARRIVED, GENERATION, GIVEN_UP, GATE = 0, 16, 32, 48

# Looks at a number before the processor is offered to others.
SPINS = 2000


def _element(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Return the address of ``array[place]``, the first two arguments."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.gep(array.data, [arguments[1]])


@emitted
def add(typing: Any, array: Any, place: Any, value: Any) -> Any:
    """Add to ``array[place]``, and return what it was."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _element(context, builder, signature, arguments)
        return builder.atomic_rmw("add", pointer, arguments[2], "acq_rel")

    return types.int64(array, types.int64, types.int64), generate


@emitted
def load(typing: Any, array: Any, place: Any) -> Any:
    """Return ``array[place]``; what was written before it was added to can be seen from then on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_element(context, builder, signature, arguments), "acquire", 8)

    return types.int64(array, types.int64), generate


# Offers the processor to other threads, where a function that does is sure to be found.
offer = types.ExternalFunction("sched_yield", types.int32()) if os.name == "posix" else compiled(lambda: None)


@compiled
def meet(gate: Array, team: Index) -> bool:
    """Wait until all threads of the team are here; tell whether they came.

    False when one of them has given up, which it does before its first meeting or never.
    """
    if team == 1:
        return True
    generation = load(gate, GENERATION)
    if add(gate, ARRIVED, 1) == np.int64(team) - 1:
        add(gate, ARRIVED, -np.int64(team))
        add(gate, GENERATION, 1)
        return True
    looks = 0
    while load(gate, GENERATION) == generation:
        # All may have met and one be back in Python by now, where it can fail.
        if load(gate, GIVEN_UP) != 0:
            return bool(load(gate, GENERATION) != generation)
        looks += 1
        if looks > SPINS:
            offer()
    return True
