"""Where the work of a thread lies: parts of layers, and the inputs and outputs that they are between."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gradstep.backends.numba.kernels.arrays import (
    LANES,
    ONE,
    OUTPUTS,
    PANEL,
    STRIDE,
    STRIP,
    ZERO,
    Crew,
    Index,
    Network,
    PackedGroup,
    Place,
)
from gradstep.backends.numba.kernels.compiling import compiled
from gradstep.backends.numba.kernels.formulas import Outputs

# Outputs of a panel that are one task.
GROUP = np.uint64(2 * OUTPUTS)


class Part(NamedTuple):
    """Weights of a layer from a panel of inputs to the outputs ``low <= o < high``."""

    layer: Index
    panel: Index
    low: Index
    high: Index
    width: Index  # columns of the panel to be walked: its inputs, rounded up to full vectors
    weights: Index  # where the panel's weights begin


class Stretch(NamedTuple):
    """Parameters in `rows` rows STRIDE apart, of `count` each, the first of them at `at`."""

    at: Index
    rows: Index
    count: Index


@compiled
def share(total: Index, crew: Crew) -> tuple[Index, Index]:
    """Return the begin and end of a thread's part of ``range(total)``."""
    return total * crew.thread // crew.team, total * (crew.thread + ONE) // crew.team


@compiled
def part_of(net: Network, layer: Index, panel: Index, low: Index) -> Part:
    """Return up to GROUP outputs of a panel."""
    inputs, high = min(PANEL, net.inputs[layer] - panel * PANEL), min(low + GROUP, net.padded[layer])
    weights = net.weights[layer] + panel * net.padded[layer] * STRIDE
    return Part(layer, panel, low, high, (inputs + LANES - ONE) // LANES * LANES, weights)


@compiled
def inputs_of(group: PackedGroup, layer: Index, model: int, panel: Index, r: Index) -> Place:
    """Return where a panel of row r of a layer's input is."""
    work = group.work
    if layer == 0:
        return Place(work.tiles, ((panel * work.capacity if work.trains else ZERO) + r) * STRIDE)
    return Place(work.kept[model], group.net.values[layer] + (panel * work.capacity + r) * STRIDE)


@compiled
def outputs_of(group: PackedGroup, layer: Index, model: int) -> Outputs:
    """Return a layer's outputs."""
    return Outputs(group.work.sums[model], group.net.sums[layer], group.net.outputs[layer])


@compiled
def stretch_of(group: PackedGroup, part: Part, i: Index) -> Stretch:
    """Return the weights of a part from a strip of inputs, those from i on."""
    net = group.net
    at, rows = part.weights + part.low * STRIDE + i, min(part.high, net.outputs[part.layer]) - part.low
    columns = min(STRIP, part.width - i)
    return Stretch(at, rows, min(columns, net.inputs[part.layer] - part.panel * PANEL - i))


@compiled
def stretch_of_biases(group: PackedGroup, part: Part) -> Stretch:
    """Return the biases of a part's outputs."""
    net = group.net
    return Stretch(net.biases[part.layer] + part.low, ONE, min(part.high, net.outputs[part.layer]) - part.low)
