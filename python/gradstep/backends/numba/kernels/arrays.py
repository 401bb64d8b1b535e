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


class Place(NamedTuple):
    """Where something begins in an array."""

    array: Array
    start: Index


class Block(NamedTuple):
    """Rows ``begin <= r < end`` of a batch in arrays for `capacity` of them."""

    capacity: Index
    begin: Index
    end: Index


class Network(NamedTuple):
    """Sizes and places of l layers, each an array of shape (l,), uint64, and addresses of formulas.

    A model's packed parameters are W as panels (panels, padded, STRIDE), then b (padded,), of the
    first layer, of the second, ... Slots lie in the same way.
    """

    inputs: Array
    outputs: Array
    padded: Array  # outputs, rounded up to a multiple of OUTPUTS
    panels: Array  # of inputs
    weights: Array  # start of W in a model's packed parameters
    biases: Array  # start of b there
    values: Array  # start of the layer's input in a row of Workspace.values; the first layer has none
    sums: Array  # start of the layer's output in a row of Workspace.sums
    activations: Array  # (l - 1,), of every hidden layer
    slopes: Array  # (l - 1,)
    loss: Index
    rule: Index


class Source(NamedTuple):
    """Rows where they lie, as bytes; what reads them knows their type."""

    bytes: Array  # flat, uint8
    size: Index  # bytes of an element
    step: Index  # elements from a row to the next
    starts: Array  # (rows + 1,), uint64: where the elements of sparse rows begin; else empty, as columns
    columns: Array  # int32, of every element of sparse rows
    scaling: Array  # (2 * d,) as bytes: mean and 1 / scale, in the wider of rows' and parameters' type
    inputs: Index  # d
    height: Index  # of images that are augmented, a np.int64
    width: Index
    edge: bool


class PackedRows(NamedTuple):
    """The rows of a data set, and what they are judged by: labels or values; the others are empty."""

    source: Source
    read: Index  # address
    labels: Array  # (n,), int32
    values: Array  # (n, k), type of the parameters
    weight: Array  # (m, n), or (1, n) for all models, float64


class Workspace(NamedTuple):
    """Scratch for m models and batches of up to `capacity` rows, in the type of the parameters."""

    capacity: Index  # a multiple of ROWS
    trains: bool
    tiles: Array  # rows as the first layer reads them, panels (panels, capacity, STRIDE); else of one panel
    room: Array  # (threads, bytes of a panel): images on their way, uint8
    values: Array  # (m, ...): outputs of all hidden layers, panels likewise
    kept: Array  # the same array, or where units are dropped what the layers above read
    sums: Array  # (m, ...): outputs of all layers (padded, capacity), and then their gradients dS
    delta: Array  # gradient of one layer's input, in the layout of values
    gradient: Array  # (threads, GROUP * STRIDE): dW of what a rule changes next
    clipped: Array  # (m, ...), packed: gradients that are clipped; of no length where none are
    squares: Array  # (m, tasks), float64: sums of their squares, each of a task of phase B
    judged: Array  # (m, 2, capacity), float64: weight * loss of rows, and weight of those answered right


class Models(NamedTuple):
    """What m models are, and what updates change."""

    parameters: Array  # (m, ...), packed
    changed: Array  # parameters, or where gradients are added up
    slots: Array  # (m, slots, ...), packed; the last is the average, where there is one
    most: Array  # (m, 2), float64: values and norms of gradients that are clipped; or (0, 2)
    numbers: Array  # (m, l), type of the parameters: of the activations, and last of the loss
    updates: Array  # (m,), int64
    finite: Array  # (threads, m), bool: each thread has a row of its own
    sums: Array  # (3, m), float64: of losses, of the weights of hits, of rows
    penalties: Array  # (m, parts of the weights), float64: what they add to the sums of losses
    limits: Array  # (m, l), int32, of dropout; those of the rows are the same for all models
    scales: Array  # (m, l), type of the parameters, likewise


class PackedGroup(NamedTuple):
    """Models that are trained or evaluated together, and all that stays as it is from batch to batch."""

    net: Network
    rows: PackedRows
    work: Workspace
    models: Models


class Portion(NamedTuple):
    """The updates first <= i < last of a range that begins with update t0; see `UpdateRange`."""

    places: Array  # (rows,), int32: in the data set
    in_X: Array  # (rows,), int32
    draws: Array  # (rows, 3), int16; no rows where images stay as they are
    starts: Array  # (updates + 1,), int64
    drop_keys: Array  # (updates, l), uint64; no columns where nothing is dropped
    numbers: Array  # (m, r, 2 * updates), type of the parameters: of weights, of biases, of weights, ...
    divisors: Array  # (m, updates), float64: of sums over the rows of a batch, 0 to pass it over
    penalties: Array  # (m, updates), float64: of the sum of squares of weights in the running loss
    decays: Array  # (m, updates), type of the parameters: of weights in gradients that are clipped, or (m, 0)
    shares: Array  # (m, updates), type of the parameters: of weights in averages, or (m, 0)
    first: int
    last: int
    t0: int


class Batch(NamedTuple):
    """The rows of an update, or of a part of an evaluation."""

    places: Array
    in_X: Array
    draws: Array
    following: Array  # where the rows lie that come next, which memory is asked for
    drop_keys: Array  # (l,), or none


class Crew(NamedTuple):
    """A thread and those that it works with, between meetings at a gate."""

    gate: Array
    everyone: Index  # threads that begin together, those with other models included
    thread: Index
    team: Index


def read_only(array: Array) -> Array:
    """Return a read-only view: numba compiles anew for arrays that may and may not be written."""
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view
