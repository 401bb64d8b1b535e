"""What Python calls: training and evaluation, by one thread of a team.

An update has two phases, with a meeting of all threads after each:

    A  forward, losses, backward: a thread has its rows of the batch, which it reads and keeps
    B  gradients of the weights and the rule's steps: a thread has its inputs and outputs of all layers

Where gradients are clipped, B keeps them, and the steps are a phase of their own. Work is shared out by
thread number, but every number is the same whoever computes it.
"""

from __future__ import annotations

import math

import numpy as np

from gradstep.backends.numba.kernels import threads
from gradstep.backends.numba.kernels.arrays import (
    ONE,
    OUTPUTS,
    PANEL,
    ROWS,
    STRIDE,
    ZERO,
    Array,
    Batch,
    Block,
    Crew,
    Index,
    PackedGroup,
    Place,
    Portion,
)
from gradstep.backends.numba.kernels.changes import (
    Update,
    average_model,
    change_by_kept,
    change_model,
    keep_model,
)
from gradstep.backends.numba.kernels.compiling import compiled, entry
from gradstep.backends.numba.kernels.dropping import Coin, Ends, drop
from gradstep.backends.numba.kernels.formulas import activate, descend, judge
from gradstep.backends.numba.kernels.parts import GROUP, Part, inputs_of, outputs_of, part_of, share
from gradstep.backends.numba.kernels.reading import read
from gradstep.backends.numba.kernels.vectors import add_products, weigh_rows

# What is compiled apart is called by address.
call_read, call_activate, call_judge = read.call, activate.call, judge.call
call_descend = descend.call


@compiled
def forward(group: PackedGroup, batch: Batch, block: Block, crew: Crew) -> None:
    """Compute the scores of some rows of a batch, for every model that is finite."""
    net, rows = group.net, group.rows
    finite, room = group.models.finite[crew.thread], group.work.room[crew.thread]
    for layer in range(np.uint64(net.inputs.size)):
        for model in range(len(finite)):
            if finite[model]:
                start_layer(group, layer, model, batch, block)
        for panel in range(net.panels[layer]):
            for low in range(ZERO, net.padded[layer], GROUP):
                part = part_of(net, layer, panel, low)
                for r in range(block.begin, block.end, ROWS):
                    if layer == 0 and low == 0:
                        ends, x = (r, min(r + ROWS, block.end)), inputs_of(group, ZERO, 0, panel, r)
                        call_read(rows.read, (rows.source, batch, *ends, panel, x, room))
                        drop_panel(group, part, 0, batch, ends, x, x)
                    for model in range(len(finite)):
                        if finite[model]:
                            multiply(group, part, model, r)


@compiled
def start_layer(group: PackedGroup, layer: Index, model: int, batch: Batch, block: Block) -> None:
    """Make a layer's inputs of the outputs below, and begin its outputs with the biases."""
    net, models, sums = group.net, group.models, group.work.sums[model]
    if layer > 0:
        below, a = layer - ONE, Place(group.work.values[model], net.values[layer])
        z, number = outputs_of(group, below, model), models.numbers[model, below]
        call_activate(net.activations[below], (z, a, block, number))
        drop_inputs(group, layer, model, batch, block, a, Place(group.work.kept[model], a.start))
    for o in range(net.padded[layer]):
        start, bias = net.sums[layer] + o * block.capacity, models.parameters[model, net.biases[layer] + o]
        for r in range(block.begin, block.end):
            sums[start + r] = bias


@compiled
def drop_inputs(
    group: PackedGroup, layer: Index, model: int, batch: Batch, block: Block, values: Place, to: Place
) -> None:
    """Write rows of a hidden layer's outputs, or of their gradient, without what the update leaves out."""
    ends = (block.begin, block.end)
    for panel in range(group.net.panels[layer]):
        part, at = part_of(group.net, layer, panel, ZERO), (panel * block.capacity + block.begin) * STRIDE
        from_, into = Place(values.array, values.start + at), Place(to.array, to.start + at)
        drop_panel(group, part, model, batch, ends, from_, into)


@compiled
def drop_panel(
    group: PackedGroup, part: Part, model: int, batch: Batch, ends: Ends, values: Place, to: Place
) -> None:
    """Do so for a panel of the rows between `ends`."""
    if batch.drop_keys.size:
        layer, models = part.layer, group.models
        coin = Coin(batch.drop_keys[layer], models.limits[model, layer], models.scales[model, layer])
        drop(to, values, coin, ends, part.panel * PANEL, part.width)


@compiled
def multiply(group: PackedGroup, part: Part, model: int, r: Index) -> None:
    """Add the products of ROWS rows from r on and a part of the weights to its outputs."""
    x, z = inputs_of(group, part.layer, model, part.panel, r), outputs_of(group, part.layer, model)
    for o in range(part.low, part.high, OUTPUTS):
        w = Place(group.models.parameters[model], part.weights + o * STRIDE)
        to = Place(z.array, z.start + o * group.work.capacity + r)
        add_products(x, w, part.width, to, group.work.capacity)


@compiled
def judge_rows(group: PackedGroup, model: int, batch: Batch, block: Block, divisor: float) -> None:
    """Write weighted losses and hits of some rows of a batch; turn scores into dS if the divisor is not 0."""
    last = np.uint64(group.net.inputs.size) - ONE
    scores, found = outputs_of(group, last, model), group.work.judged[model]
    number = group.models.numbers[model, last]
    call_judge(group.net.loss, (scores, block, batch.places, group.rows, model, found, number, divisor))
    clear_padding(group, last, model, block)


@compiled
def clear_padding(group: PackedGroup, layer: Index, model: int, block: Block) -> None:
    """Let outputs that are none have no gradient."""
    z = outputs_of(group, layer, model)
    for o in range(z.units, group.net.padded[layer]):
        for r in range(block.begin, block.end):
            z.array[z.start + o * block.capacity + r] = 0


@compiled
def backward(group: PackedGroup, model: int, batch: Batch, block: Block) -> None:
    """Go from dS of the last layer to dS of the first."""
    net, own, delta = group.net, group.models.parameters[model], group.work.delta
    for number_of_layer in range(net.inputs.size - 1, 0, -1):
        layer = np.uint64(number_of_layer)
        below, z = layer - ONE, outputs_of(group, layer, model)
        for panel in range(net.panels[layer]):
            part = part_of(net, layer, panel, ZERO)
            for r in range(block.begin, block.end, ROWS):
                to, w = Place(delta, (panel * block.capacity + r) * STRIDE), Place(own, part.weights)
                weigh_rows(to, part.width, w, z.units, Place(z.array, z.start + r), block.capacity)
        da, a = Place(delta, ZERO), Place(group.work.values[model], net.values[layer])
        drop_inputs(group, layer, model, batch, block, da, da)
        dz, number = outputs_of(group, below, model), group.models.numbers[model, below]
        call_descend(net.slopes[below], (dz, a, da, block, number))
        clear_padding(group, below, model, block)


@entry
def train(group: PackedGroup, portion: Portion, crew: Crew) -> None:
    """Do the updates of a portion, in place, and add to `Models.sums`.

    Nobody begins before everyone is there, those of other lanes included.
    """
    if not threads.meet(crew.gate, crew.everyone):
        return
    finite = group.models.finite[crew.thread]
    for i in range(portion.first, portion.last):
        batch = batch_of(portion, i)
        count = np.uint64(batch.places.size)
        begin, end = share((count + ROWS - ONE) // ROWS, crew)
        block = Block(group.work.capacity, begin * ROWS, min(end * ROWS, count))
        forward(group, batch, block, crew)
        for model in range(len(finite)):
            divisor = portion.divisors[model, i]
            if finite[model] and divisor > 0:
                judge_rows(group, model, batch, block, divisor)
                backward(group, model, batch, block)
        if not threads.meet(crew.gate, crew.team):
            return
        for model in range(len(finite)):
            if finite[model]:
                finite[model] = conclude(group, model, portion, i, crew)
        if group.models.most.size > 0:
            if not threads.meet(crew.gate, crew.team):
                return
            for model in range(len(finite)):
                if finite[model] and portion.divisors[model, i] > 0:
                    change_by_kept(group, model, update_of(portion, model, i), crew)
        if not threads.meet(crew.gate, crew.team):
            return


@compiled
def batch_of(portion: Portion, i: int) -> Batch:
    """Return the rows of an update, and of the one after it if that is of the portion."""
    begin, end, behind = portion.starts[i], portion.starts[i + 1], portion.starts[min(i + 2, portion.last)]
    places, in_X = portion.places[begin:end], portion.in_X[begin:end]
    return Batch(places, in_X, portion.draws[begin:end], portion.in_X[end:behind], portion.drop_keys[i])


@compiled
def conclude(group: PackedGroup, model: int, portion: Portion, i: int, crew: Crew) -> bool:
    """Change a model or keep its gradient, and its sums, unless its loss is not finite; say if it is."""
    models, count = group.models, portion.starts[i + 1] - portion.starts[i]
    divisor = portion.divisors[model, i]
    if not divisor > 0:
        average_model(group, model, update_of(portion, model, i), crew)
        if crew.thread == 0:
            models.updates[model] = portion.t0 + i + 1
        return True
    loss, hits = sums_of(group, model, count)
    if not math.isfinite(loss):
        return False
    if models.most.size > 0:
        keep_model(group, model, np.uint64(count), update_of(portion, model, i), crew)
    else:
        change_model(group, model, np.uint64(count), update_of(portion, model, i), crew)
    if crew.thread == 0:
        models.updates[model] = portion.t0 + i + 1
        models.sums[0, model] += loss * (count / divisor)
        models.sums[1, model] += hits
        models.sums[2, model] += count
    return True


@compiled
def update_of(portion: Portion, model: int, i: int) -> Update:
    """Return what an update of a model goes by."""
    numbers, place, nothing = portion.numbers[model], np.uint64(2 * i), portion.numbers.dtype.type(0)
    return Update(
        Place(numbers, place),
        Place(numbers, place + ONE),
        portion.decays[model, i] if portion.decays.size > 0 else nothing,
        portion.shares[model, i] if portion.shares.size > 0 else nothing,
        portion.penalties[model, i] * (portion.starts[i + 1] - portion.starts[i]),
    )


@compiled
def sums_of(group: PackedGroup, model: int, count: int) -> tuple[float, float]:
    """Return the sums of the rows' losses and hits, in their order."""
    loss = hits = 0.0
    for r in range(count):
        loss += group.work.judged[model, 0, r]
        hits += group.work.judged[model, 1, r]
    return loss, hits


@entry
def evaluate(group: PackedGroup, portion: Portion, judged: Array, scores: Array, crew: Crew) -> None:
    """Judge the thread's share of the chunks first <= i < last of a portion.

    Losses and hits go into `judged` (2, m, chunks), and scores into `scores` (m, n, k), if they have room.
    """
    alone, last = Crew(crew.gate, crew.everyone, ZERO, ONE), np.uint64(group.net.inputs.size) - ONE
    begin, end = share(np.uint64(portion.last - portion.first), crew)
    for chunk in range(portion.first + np.int64(begin), portion.first + np.int64(end)):
        batch = batch_of(portion, chunk)
        block = Block(group.work.capacity, ZERO, np.uint64(batch.places.size))
        forward(group, batch, block, alone)
        for model in range(len(group.models.parameters)):
            if judged.size:
                judge_rows(group, model, batch, block, 0.0)
                judged[0, model, chunk], judged[1, model, chunk] = sums_of(group, model, batch.places.size)
            if scores.size:
                z, to = outputs_of(group, last, model), scores[model, portion.starts[chunk] :]
                for r in range(block.end):
                    for o in range(z.units):
                        to[r, o] = z.array[z.start + o * block.capacity + r]
