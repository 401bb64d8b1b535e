"""The kernels of the Numba backend: the loops that numba compiles, and the arrays they take."""

from gradstep.backends.numba.kernels.arrays import (
    LANES,
    OUTPUTS,
    PANEL,
    ROWS,
    SIGMOID,
    SOFTMAX,
    STRIDE,
    Images,
    Network,
    Rows,
    Workspace,
)
from gradstep.backends.numba.kernels.passes import GROUP, add_gradient, figures, train, write_scores
from gradstep.backends.numba.kernels.threads import GATE, GIVEN_UP

__all__ = [
    "GATE",
    "GIVEN_UP",
    "GROUP",
    "LANES",
    "OUTPUTS",
    "PANEL",
    "ROWS",
    "SIGMOID",
    "SOFTMAX",
    "STRIDE",
    "Images",
    "Network",
    "Rows",
    "Workspace",
    "add_gradient",
    "figures",
    "train",
    "write_scores",
]
