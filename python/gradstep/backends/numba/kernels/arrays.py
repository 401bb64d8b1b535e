"""The arrays that the kernels take.

Every matrix whose rows are multiplied lies in panels of ``PANEL`` columns, ``[panel][row][STRIDE]``,
zero behind the last column; the pad of 16 keeps rows of 2**n elements out of the same cache sets. W
lies there transposed, a row for each output, so that vectors run along the inputs and ten classes
waste no lanes. Scores and their gradients lie the other way, ``[output][row]``, as the products
leave them. Rows are walked in fours and outputs in fives; what lies behind the last row may be
anything, and touches nothing else.

Indices are uint64 on purpose: numba then leaves out its test for negative ones.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Index = Any  # a np.uint64; type checkers take the numbers of a range for int

ZERO, ONE = np.uint64(0), np.uint64(1)
PANEL = np.uint64(256)
STRIDE = np.uint64(PANEL + 16)
# Columns of a panel are walked in multiples of this: a whole number of any machine's vectors.
LANES = np.uint64(16)
STRIP = np.uint64(4 * LANES)
ROWS, OUTPUTS = np.uint64(4), np.uint64(5)
SOFTMAX, SIGMOID = np.int64(0), np.int64(1)


class Network(NamedTuple):
    """Sizes and places of l layers, each an array of shape (l,), uint64, and the loss.

    A model's packed parameters are W as panels (panels, padded, STRIDE), then b (padded,), of the
    first layer, of the second, ...
    """

    inputs: Array
    outputs: Array
    padded: Array  # outputs, rounded up to a multiple of OUTPUTS
    panels: Array  # of inputs
    weights: Array  # start of W in a model's packed parameters
    biases: Array  # start of b there
    values: Array  # start of the layer's input in a row of Workspace.values; the first layer has none
    sums: Array  # start of the layer's output in a row of Workspace.sums
    loss: np.int64  # SOFTMAX or SIGMOID


class Rows(NamedTuple):
    """The rows of a problem where they lie: one of three flat arrays, the other two are empty."""

    bytes: Array  # uint8
    singles: Array  # float32
    doubles: Array  # float64
    step: np.uint64  # elements from a row to the next
    mean: Array  # (d,), type of the parameters
    inverse: Array  # (d,), 1 / scale
    mean64: Array  # the same in float64, for rows of float64
    inverse64: Array
    y: Array  # (n,), int32
    weight: Array  # (n,) for each model, or for all, float64
    weights_apart: np.uint64  # elements from a model's weights to the next one's; 0 where all share them


class Images(NamedTuple):
    """What rows are where they are to be augmented, and a place where each thread makes a panel of one.

    Of the places one is of the rows' own type, ``threads * PANEL`` elements; the others are empty.
    """

    height: Index  # a np.int64
    width: Index
    edge: bool
    bytes: Array
    singles: Array
    doubles: Array


class Workspace(NamedTuple):
    """Scratch for batches of up to `capacity` rows (a multiple of ROWS), in the type of the parameters.

    Training has a row of `values` and `sums` for each model, evaluation one for each thread and model.
    """

    tiles: Array  # rows as the first layer reads them: in training whole panels of a batch, one for
    # each thread that reads it; in evaluation ROWS of a panel for each thread
    partials: Array  # (m, panels * padded * capacity): scores of the first layer, panel by panel
    values: Array  # inputs of all layers but the first, panels (panels, capacity, STRIDE)
    sums: Array  # outputs of all layers (padded, capacity), and then their gradients dS
    delta: Array  # gradient of one layer's input, in the layout of values
    losses: Array  # (m, capacity), float64: weight * loss of every row
    hits: Array  # (m, capacity), float64: weight of every row whose label scores highest
    capacity: np.uint64
