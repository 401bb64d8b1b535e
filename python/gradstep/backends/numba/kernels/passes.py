"""What Python calls: training, figures, gradient and scores, by one thread of a team.

An update has three phases, with a meeting of all threads after the first two:

    A  first layer forward: a thread reads its panels of the batch, and keeps them for C
    B  all else forward, losses, backward: a thread has its rows of the batch
    C  updates: the same panels as in A, and shares of the upper layers

Work is shared out by thread number, but every number is the same whoever computes it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradstep.backends.numba.kernels import threads
from gradstep.backends.numba.kernels.arrays import (
    ONE,
    OUTPUTS,
    ROWS,
    STRIDE,
    ZERO,
    Array,
    Images,
    Index,
    Network,
    Rows,
    Workspace,
)
from gradstep.backends.numba.kernels.augment import read_moved
from gradstep.backends.numba.kernels.compiling import SOURCES, compiled, entry
from gradstep.backends.numba.kernels.layers import (
    backward,
    forward_upper,
    judge,
    panel_width,
    read,
    row_loss,
    update,
)
from gradstep.backends.numba.kernels.vectors import add_products

# Outputs of the first layer that are one task.
GROUP = np.uint64(2 * OUTPUTS)


@compiled
def share(total: Index, thread: Index, team: Index) -> tuple[Index, Index]:
    """Return the begin and end of a thread's part of ``range(total)``."""
    return total * thread // team, total * (thread + ONE) // team


@compiled
def groups(padded: Index) -> Index:
    """Return the number of tasks that a panel is."""
    return (padded + GROUP - ONE) // GROUP


@compiled
def behind(padded: Index, begin: Index, end: Index) -> Index:
    """Return the panel behind those of the tasks from begin to end."""
    return (end + groups(padded) - ONE) // groups(padded) if begin < end else begin // groups(padded)


@compiled
def own_outputs(padded: Index, panel: Index, begin: Index, end: Index) -> tuple[Index, Index]:
    """Return the first output of a panel that belongs to the tasks from begin to end, and the one behind."""
    before = panel * groups(padded)
    low = begin - before if begin > before else ZERO
    return low * GROUP, min((end - before) * GROUP, padded)


@compiled
def forward_first(
    net: Network, rows: Rows, images: Images, work: Workspace, parameters: Array,
    numbers: Array, coins: Array, finite: Array, thread: Index, team: Index,
) -> None:  # fmt: skip
    """Phase A: write the thread's part of every model's partial scores."""
    padded, capacity, tile = net.padded[0], work.capacity, work.tiles
    begin, end = share(net.panels[0] * groups(padded), thread, team)
    for panel in range(begin // groups(padded), behind(padded, begin, end)):
        at = (panel + thread) * capacity * STRIDE
        low, high = own_outputs(padded, panel, begin, end)
        width = panel_width(net.inputs[0], panel)
        for model in range(len(parameters)):
            for i in range((panel * padded + low) * capacity, (panel * padded + high) * capacity):
                work.partials[model, i] = 0
        for r in range(ZERO, np.uint64(numbers.size), ROWS):
            for row in range(r, min(r + ROWS, np.uint64(numbers.size))):
                number, to = np.uint64(numbers[row]), at + row * STRIDE
                if coins.size:
                    read_moved(rows, images, number, coins[row], panel, tile, to, thread)
                else:
                    read(rows, number, panel, tile, to)
            for model in range(len(parameters)):
                if finite[model]:
                    own, partials = parameters[model], work.partials[model]
                    for o in range(low, high, OUTPUTS):
                        w = net.weights[0] + (panel * padded + o) * STRIDE
                        to = (panel * padded + o) * capacity + r
                        add_products(tile, at + r * STRIDE, own, w, width, partials, to, capacity)


@compiled
def forward_backward(
    net: Network, rows: Rows, work: Workspace, parameters: Array, numbers: Array, finite: Array,
    n: int, thread: Index, team: Index,
) -> None:  # fmt: skip
    """Phase B: from the partial scores of the thread's rows to dS of all layers."""
    count, capacity, padded = np.uint64(numbers.size), work.capacity, net.padded[0]
    first, last = share((count + ROWS - ONE) // ROWS, thread, team)
    begin, end = first * ROWS, min(last * ROWS, count)
    for model in range(len(parameters)):
        if not finite[model]:
            continue
        own, values, sums = parameters[model], work.values[model], work.sums[model]
        partials = work.partials[model]
        for o in range(padded):
            for r in range(begin, end):
                sums[o * capacity + r] = own[net.biases[0] + o]
            for panel in range(net.panels[0]):
                for r in range(begin, end):
                    sums[o * capacity + r] += partials[(panel * padded + o) * capacity + r]
        forward_upper(net, own, values, sums, capacity, begin, end)
        losses, hits = work.losses[model], work.hits[model]
        judge(net, rows, np.uint64(model), numbers, sums, capacity, begin, end, n, losses, hits)
        backward(net, own, values, sums, work.delta, capacity, begin, end)


@compiled
def change(
    net: Network, rows: Rows, work: Workspace, target: Array, model: int, keep: Any, scale: Any,
    count: Index, following: Array, thread: Index, team: Index,
) -> None:  # fmt: skip
    """Phase C: do W = keep * W + scale * dW and b = b + scale * db in the thread's part of a model."""
    padded, capacity, sums = net.padded[0], work.capacity, work.sums[model]
    begin, end = share(net.panels[0] * groups(padded), thread, team)
    for panel in range(begin // groups(padded), behind(padded, begin, end)):
        at = (panel + thread) * capacity * STRIDE
        low, high = own_outputs(padded, panel, begin, end)
        asked = following if model == 0 else following[:0]
        update(
            net, ZERO, panel, low, high, target, keep, scale,
            work.tiles, at, sums, capacity, count, rows, asked,
        )  # fmt: skip
    for layer in range(ONE, np.uint64(net.inputs.size)):
        fives, values = net.padded[layer] // OUTPUTS, work.values[model]
        begin, end = share(net.panels[layer] * fives, thread, team)
        for task in range(begin, end):
            panel, low = task // fives, task % fives * OUTPUTS
            x = net.values[layer] + panel * capacity * STRIDE
            update(
                net, layer, panel, low, low + OUTPUTS, target, keep, scale,
                values, x, sums, capacity, count, rows, following[:0],
            )  # fmt: skip


@entry
def train(
    net: Network, rows: Rows, images: Images, work: Workspace, parameters: Array, l2: Array,
    order: Array, coins: Array, starts: Array, rates: Array, first: int, last: int, t: int,
    updates: Array, finite: Array, sums: Array, gate: Array, everyone: Index, thread: Index, team: Index,
    sources: int = SOURCES,
) -> None:  # fmt: skip
    """Do the updates first <= i < last of a stretch that begins with update t, in place.

    Add the loss, the correct rows and all rows of the batches to sums (3, m). Of `finite`, every
    thread has a row of its own. Nobody begins before `everyone` is there, those of other lanes included.
    Of the coins (rows, 3) there are none where rows stay as they are.
    """
    if not threads.meet(gate, np.uint64(everyone)):
        return
    kind, finite = parameters.dtype.type, finite[thread]
    thread, team = np.uint64(thread), np.uint64(team)
    for i in range(first, last):
        numbers = order[starts[i] : starts[i + 1]]
        following = order[starts[i + 1] : starts[min(i + 2, last)]]
        count = np.uint64(numbers.size)
        thrown = coins[starts[i] : starts[i + 1]]
        forward_first(net, rows, images, work, parameters, numbers, thrown, finite, thread, team)
        if not threads.meet(gate, team):
            return
        forward_backward(net, rows, work, parameters, numbers, finite, numbers.size, thread, team)
        if not threads.meet(gate, team):
            return
        for model in range(len(parameters)):
            if not finite[model]:
                continue
            loss = correct = 0.0
            for r in range(count):
                loss += work.losses[model, r]
                correct += work.hits[model, r]
            if not math.isfinite(loss):
                finite[model] = False
                continue
            rate = rates[model, i]
            keep, scale = kind(1 - 2 * rate * l2[model]), kind(-rate)
            change(net, rows, work, parameters[model], model, keep, scale, count, following, thread, team)
            if thread == 0:
                updates[model] = t + i + 1
                sums[0, model] += loss
                sums[1, model] += correct
                sums[2, model] += numbers.size


@entry
def add_gradient(
    net: Network, rows: Rows, images: Images, work: Workspace, parameters: Array, finite: Array,
    order: Array, coins: Array, n: int, gradient: Array, sources: int = SOURCES,
) -> None:  # fmt: skip
    """Add the part of the ordered rows, of n, to the gradient of every model's loss (packed)."""
    one, capacity = parameters.dtype.type(1), np.int64(work.capacity)
    for start in range(0, order.size, capacity):
        numbers = order[start : start + capacity]
        forward_first(net, rows, images, work, parameters, numbers, coins, finite, ZERO, ONE)
        forward_backward(net, rows, work, parameters, numbers, finite, n, ZERO, ONE)
        for model in range(len(parameters)):
            change(
                net, rows, work, gradient[model], model, one, one, np.uint64(numbers.size),
                order[:0], ZERO, ONE,
            )  # fmt: skip


@compiled
def forward(
    net: Network, rows: Rows, work: Workspace, parameters: Array, start: Index, count: Index, thread: Index
) -> None:
    """Compute the scores of `count` rows from `start` on in the thread's rows of the workspace."""
    padded, capacity, m = net.padded[0], work.capacity, len(parameters)
    tile, at = work.tiles, thread * ROWS * STRIDE
    for model in range(m):
        sums = work.sums[thread * np.uint64(m) + np.uint64(model)]
        for o in range(padded):
            for r in range(count):
                sums[o * capacity + r] = parameters[model, net.biases[0] + o]
    for panel in range(net.panels[0]):
        width = panel_width(net.inputs[0], panel)
        for r in range(ZERO, count, ROWS):
            for row in range(r, min(r + ROWS, count)):
                read(rows, start + row, panel, tile, at + (row - r) * STRIDE)
            for model in range(m):
                own, sums = parameters[model], work.sums[thread * np.uint64(m) + np.uint64(model)]
                for o in range(ZERO, padded, OUTPUTS):
                    w = net.weights[0] + (panel * padded + o) * STRIDE
                    add_products(tile, at, own, w, width, sums, o * capacity + r, capacity)
    for model in range(m):
        row = thread * np.uint64(m) + np.uint64(model)
        forward_upper(net, parameters[model], work.values[row], work.sums[row], capacity, ZERO, count)


@entry
def figures(
    net: Network, rows: Rows, work: Workspace, parameters: Array, first: int, last: int,
    losses: Array, hits: Array, gate: Array, thread: Index, team: Index, sources: int = SOURCES,
) -> None:  # fmt: skip
    """Write the weighted losses and hits of the chunks first <= c < last of rows, each (m, chunks).

    A chunk is `capacity` rows. Threads take the next one that is left.
    """
    start, capacity, m = net.sums[-1], work.capacity, len(parameters)
    thread, chunk = np.uint64(thread), first + threads.add(gate, threads.NEXT, 1)
    while chunk < last:
        row = np.uint64(chunk) * capacity
        count = min(capacity, np.uint64(rows.y.size) - row)
        forward(net, rows, work, parameters, row, count, thread)
        for model in range(m):
            sums = work.sums[thread * np.uint64(m) + np.uint64(model)]
            loss = correct = 0.0
            for r in range(count):
                weight = rows.weight[np.uint64(model) * rows.weights_apart + row + r]
                one = row_loss(net, sums, start + r, capacity, np.uint64(rows.y[row + r]))
                loss += one[0] * weight
                correct += one[1] * weight
            losses[model, chunk], hits[model, chunk] = loss, correct
        chunk = first + threads.add(gate, threads.NEXT, 1)


@entry
def write_scores(
    net: Network, rows: Rows, work: Workspace, parameters: Array, first: int, last: int,
    scores: Array, gate: Array, thread: Index, team: Index, sources: int = SOURCES,
) -> None:  # fmt: skip
    """Write the scores of the chunks first <= c < last of rows into scores (m, n, k)."""
    k, start, capacity, m = net.outputs[-1], net.sums[-1], work.capacity, len(parameters)
    thread, chunk = np.uint64(thread), first + threads.add(gate, threads.NEXT, 1)
    while chunk < last:
        row = np.uint64(chunk) * capacity
        count = min(capacity, np.uint64(rows.y.size) - row)
        forward(net, rows, work, parameters, row, count, thread)
        for model in range(m):
            sums = work.sums[thread * np.uint64(m) + np.uint64(model)]
            for r in range(count):
                for o in range(k):
                    scores[model, row + r, o] = sums[start + o * capacity + r]
        chunk = first + threads.add(gate, threads.NEXT, 1)
