"""What Python calls: training and evaluation, by one thread of a team.

An update has two phases, with a meeting of all threads after each:

    A  forward, losses, backward: a thread has its rows of the batch, which it reads and keeps
    B  gradients of the weights and the rule's steps: a thread has its inputs and outputs of all layers

Work is shared out by thread number, but every number is the same whoever computes it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from gradstep.backends.numba.kernels import threads
from gradstep.backends.numba.kernels.arrays import (
    LANES,
    ONE,
    OUTPUTS,
    PANEL,
    ROWS,
    STRIDE,
    STRIP,
    ZERO,
    Array,
    Batch,
    Block,
    Crew,
    Index,
    Models,
    Network,
    PackedRows,
    Place,
    Portion,
    Workspace,
)
from gradstep.backends.numba.kernels.compiling import compiled, entry
from gradstep.backends.numba.kernels.formulas import (
    Outputs,
    call_activate,
    call_change,
    call_descend,
    call_judge,
)
from gradstep.backends.numba.kernels.reading import call_read
from gradstep.backends.numba.kernels.vectors import Weights, add_products, weigh_outputs, weigh_rows

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


class Step(NamedTuple):
    """What an update does to a model, by a column of numbers and the next one for biases."""

    weights: Array
    slots: Array
    numbers: Array
    column: Index
    sums: Array  # dS of the batch
    gradient: Array  # room for dW
    capacity: Index
    count: Index  # rows of the batch


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
def inputs_of(net: Network, layer: Index, work: Workspace, model: int, panel: Index, r: Index) -> Place:
    """Return where a panel of row r of a layer's input is."""
    if layer == 0:
        return Place(work.tiles, ((panel * work.capacity if work.trains else ZERO) + r) * STRIDE)
    return Place(work.values[model], net.values[layer] + (panel * work.capacity + r) * STRIDE)


@compiled
def forward(
    net: Network, rows: PackedRows, work: Workspace, models: Models, batch: Batch, block: Block, crew: Crew
) -> None:
    """Compute the scores of some rows of a batch, for every model that is finite."""
    finite = models.finite[crew.thread]
    for layer in range(np.uint64(net.inputs.size)):
        for model in range(len(finite)):
            if finite[model]:
                start_layer(net, layer, work, models, model, block)
        for panel in range(net.panels[layer]):
            for low in range(ZERO, net.padded[layer], GROUP):
                part = part_of(net, layer, panel, low)
                for r in range(block.begin, block.end, ROWS):
                    if layer == 0 and low == 0:
                        end, tile = min(r + ROWS, block.end), inputs_of(net, layer, work, 0, panel, r)
                        room = work.room[crew.thread]
                        call_read(rows.read, (rows.source, batch, r, end, panel, tile, room))
                    for model in range(len(finite)):
                        if finite[model]:
                            x = inputs_of(net, layer, work, model, panel, r)
                            sums = Place(work.sums[model], net.sums[layer] + r)
                            multiply(part, x, models.parameters[model], sums, block.capacity)


@compiled
def start_layer(
    net: Network, layer: Index, work: Workspace, models: Models, model: int, block: Block
) -> None:
    """Make a layer's inputs of the outputs below, and begin its outputs with the biases."""
    own, sums = models.parameters[model], work.sums[model]
    if layer > 0:
        below = layer - ONE
        z, a = (
            Outputs(sums, net.sums[below], net.outputs[below]),
            Place(work.values[model], net.values[layer]),
        )
        call_activate(net.activations[below], (z, a, block, models.activation_numbers[model, below]))
    for o in range(net.padded[layer]):
        start, bias = net.sums[layer] + o * block.capacity, own[net.biases[layer] + o]
        for r in range(block.begin, block.end):
            sums[start + r] = bias


@compiled
def multiply(part: Part, x: Place, own: Array, sums: Place, capacity: Index) -> None:
    """Add the products of ROWS rows of x and a part of the weights to the sums of its outputs."""
    for o in range(part.low, part.high, OUTPUTS):
        w, to = Place(own, part.weights + o * STRIDE), Place(sums.array, sums.start + o * capacity)
        add_products(x, w, part.width, to, capacity)


@compiled
def judge(
    net: Network, rows: PackedRows, work: Workspace, models: Models, model: int, batch: Batch, block: Block
) -> None:
    """Write weighted losses and hits of some rows of a batch, and in training turn their scores into dS."""
    scores = Outputs(work.sums[model], net.sums[-1], net.outputs[-1])
    n = np.uint64(batch.numbers.size) if work.trains else ZERO
    found, number = work.judged[model], models.loss_numbers[model]
    call_judge(net.loss, (scores, block, batch.numbers, rows, model, found, number, n))
    clear_padding(net, np.uint64(net.inputs.size) - ONE, work, model, block)


@compiled
def clear_padding(net: Network, layer: Index, work: Workspace, model: int, block: Block) -> None:
    """Let outputs that are none have no gradient."""
    for o in range(net.outputs[layer], net.padded[layer]):
        for r in range(block.begin, block.end):
            work.sums[model, net.sums[layer] + o * block.capacity + r] = 0


@compiled
def backward(net: Network, work: Workspace, models: Models, model: int, block: Block) -> None:
    """Go from dS of the last layer to dS of the first."""
    own, sums, delta, kind = models.parameters[model], work.sums[model], work.delta, work.delta.dtype.type
    for below in range(net.inputs.size - 2, -1, -1):
        layer = np.uint64(below + 1)
        for panel in range(net.panels[layer]):
            part = part_of(net, layer, panel, ZERO)
            for r in range(block.begin, block.end, ROWS):
                to, w = Place(delta, (panel * block.capacity + r) * STRIDE), Place(own, part.weights)
                dS = Weights(sums, net.sums[layer] + r, ONE, block.capacity)
                weigh_rows(to, part.width, kind(0), kind(1), w, net.outputs[layer], dS)
        dz = Outputs(sums, net.sums[below], net.outputs[below])
        a, number = Place(work.values[model], net.values[layer]), models.activation_numbers[model, below]
        call_descend(net.slopes[below], (dz, a, Place(delta, ZERO), block, number))
        clear_padding(net, layer - ONE, work, model, block)


@compiled
def change(net: Network, work: Workspace, model: int, step: Step, crew: Crew) -> None:
    """Phase B: change the thread's parts of a model."""
    for layer in range(np.uint64(net.inputs.size)):
        groups = (net.padded[layer] + GROUP - ONE) // GROUP
        begin, end = share(net.panels[layer] * groups, crew)
        for task in range(begin, end):
            part = part_of(net, layer, task // groups, task % groups * GROUP)
            change_weights(net, part, inputs_of(net, layer, work, model, part.panel, ZERO), step)
            if part.panel == 0:
                change_biases(net, part, step)


@compiled
def change_weights(net: Network, part: Part, x: Place, step: Step) -> None:
    """Change a part of W as the rule says, its gradient being dS @ x."""
    inputs, outputs = net.inputs[part.layer] - part.panel * PANEL, net.outputs[part.layer]
    keep, scale = step.gradient.dtype.type(0), step.gradient.dtype.type(1)
    if net.fused:
        keep, scale = step.numbers[0, step.column], step.numbers[1, step.column]
    for i in range(ZERO, part.width, STRIP):
        x_strip, columns = Place(x.array, x.start + i), min(STRIP, part.width - i)
        for o in range(part.low, part.high, OUTPUTS):
            at = part.weights + o * STRIDE + i
            to = Place(step.weights, at) if net.fused else Place(step.gradient, ZERO)
            dS = Weights(step.sums, net.sums[part.layer] + o * step.capacity, step.capacity, ONE)
            weigh_outputs(to, columns, keep, scale, x_strip, step.count, dS)
            if not net.fused:
                do_step(net, step, at, min(OUTPUTS, outputs - o), min(columns, inputs - i), step.column)


@compiled
def change_biases(net: Network, part: Part, step: Step) -> None:
    """Change biases likewise."""
    for o in range(part.low, min(part.high, net.outputs[part.layer])):
        total, dS = step.gradient.dtype.type(0), net.sums[part.layer] + o * step.capacity
        for r in range(step.count):
            total += step.sums[dS + r]
        step.gradient[0] = total
        do_step(net, step, net.biases[part.layer] + o, ONE, ONE, step.column + ONE)


@compiled
def do_step(net: Network, step: Step, at: Index, rows: Index, count: Index, column: Index) -> None:
    """Let the rule change some weights or biases by the gradient that was written."""
    gradient = Place(step.gradient, ZERO)
    call_change(net.rule, (step.weights, step.slots, at, gradient, rows, count, step.numbers, column))


@entry
def train(
    net: Network, rows: PackedRows, work: Workspace, models: Models, portion: Portion, crew: Crew
) -> None:
    """Do the updates of a portion, in place, and add to `Models.sums`.

    Nobody begins before everyone is there, those of other lanes included.
    """
    if not threads.meet(crew.gate, crew.everyone):
        return
    finite = models.finite[crew.thread]
    for i in range(portion.first, portion.last):
        batch = batch_of(portion, i)
        count = np.uint64(batch.numbers.size)
        begin, end = share((count + ROWS - ONE) // ROWS, crew)
        block = Block(work.capacity, begin * ROWS, min(end * ROWS, count))
        forward(net, rows, work, models, batch, block, crew)
        for model in range(len(finite)):
            if finite[model]:
                judge(net, rows, work, models, model, batch, block)
                backward(net, work, models, model, block)
        if not threads.meet(crew.gate, crew.team):
            return
        for model in range(len(finite)):
            if finite[model]:
                finite[model] = conclude(net, work, models, model, portion, i, crew)
        if not threads.meet(crew.gate, crew.team):
            return


@compiled
def batch_of(portion: Portion, i: int) -> Batch:
    """Return the rows of an update, and of the one after it if that is of the portion."""
    begin, end, behind = portion.starts[i], portion.starts[i + 1], portion.starts[min(i + 2, portion.last)]
    return Batch(portion.order[begin:end], portion.draws[begin:end], portion.order[end:behind])


@compiled
def conclude(
    net: Network, work: Workspace, models: Models, model: int, portion: Portion, i: int, crew: Crew
) -> bool:
    """Change a model and its sums, unless its loss is not finite; tell whether it is."""
    count = portion.starts[i + 1] - portion.starts[i]
    loss, hits = sums_of(work, model, count)
    if not math.isfinite(loss):
        return False
    changed, slots, numbers = models.changed[model], models.slots[model], portion.numbers[model]
    sums, room = work.sums[model], work.gradient[crew.thread]
    step = Step(changed, slots, numbers, np.uint64(2 * i), sums, room, work.capacity, np.uint64(count))
    change(net, work, model, step, crew)
    if crew.thread == 0:
        models.updates[model] = portion.t0 + i + 1
        models.sums[0, model] += loss
        models.sums[1, model] += hits
        models.sums[2, model] += count
    return True


@compiled
def sums_of(work: Workspace, model: int, count: int) -> tuple[float, float]:
    """Return the sums of the rows' losses and hits, in their order."""
    loss = hits = 0.0
    for r in range(count):
        loss += work.judged[model, 0, r]
        hits += work.judged[model, 1, r]
    return loss, hits


@entry
def evaluate(
    net: Network,
    rows: PackedRows,
    work: Workspace,
    models: Models,
    portion: Portion,
    judged: Array,
    scores: Array,
    crew: Crew,
) -> None:
    """Judge the chunks first <= i < last of a portion; threads take the next one that is left.

    Losses and hits go into `judged` (2, m, chunks), and scores into `scores` (m, n, k), if they have room.
    """
    alone, chunk = Crew(crew.gate, crew.everyone, ZERO, ONE), portion.first + threads.take(crew.gate)
    while chunk < portion.last:
        batch, begin, end = batch_of(portion, chunk), portion.starts[chunk], portion.starts[chunk + 1]
        block = Block(work.capacity, ZERO, np.uint64(end - begin))
        forward(net, rows, work, models, batch, block, alone)
        for model in range(len(models.parameters)):
            if judged.size:
                judge(net, rows, work, models, model, batch, block)
                judged[0, model, chunk], judged[1, model, chunk] = sums_of(work, model, end - begin)
            if scores.size:
                write_scores(net, work, model, scores[model, begin:end])
        chunk = portion.first + threads.take(crew.gate)


@compiled
def write_scores(net: Network, work: Workspace, model: int, to: Array) -> None:
    """Copy the scores of all rows of a chunk, (rows, k)."""
    for r in range(np.uint64(len(to))):
        for o in range(net.outputs[-1]):
            to[r, o] = work.sums[model, net.sums[-1] + o * work.capacity + r]
