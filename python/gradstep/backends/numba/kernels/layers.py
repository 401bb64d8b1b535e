"""The pieces of an update and of an evaluation, for some rows or some inputs of a batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradstep.backends.numba.kernels.arrays import (
    LANES,
    ONE,
    OUTPUTS,
    PANEL,
    ROWS,
    SOFTMAX,
    STRIDE,
    STRIP,
    ZERO,
    Array,
    Index,
    Network,
    Rows,
)
from gradstep.backends.numba.kernels.compiling import compiled
from gradstep.backends.numba.kernels.vectors import (
    add_products,
    outputs_by_strip,
    outputs_by_vector,
    prefetch,
    rows_by_strip,
    rows_by_vector,
    standardize,
)


@compiled
def panel_width(inputs: Index, panel: Index) -> Index:
    """Return the columns of a panel to be walked: its inputs, rounded up to full vectors."""
    width = min(PANEL, inputs - panel * PANEL)
    return (width + LANES - ONE) // LANES * LANES


@compiled
def read(rows: Rows, number: Index, panel: Index, to: Array, at: Index) -> None:
    """Read, convert and standardise a panel of a row."""
    first = panel * PANEL
    start = number * rows.step + first
    count = min(PANEL, np.uint64(rows.mean.size) - first)
    if rows.bytes.size:
        standardize(rows.bytes, start, rows.mean, rows.inverse, first, count, to, at)
    elif rows.singles.size:
        standardize(rows.singles, start, rows.mean, rows.inverse, first, count, to, at)
    else:
        standardize(rows.doubles, start, rows.mean64, rows.inverse64, first, count, to, at)


@compiled
def ask(rows: Rows, numbers: Array, panel: Index, part: Index, parts: Index) -> None:
    """Ask memory for a panel of a part of the numbered rows."""
    first, size = panel * PANEL, np.uint64(numbers.size)
    count = min(PANEL, np.uint64(rows.mean.size) - first)
    for r in range(size * part // parts, size * (part + ONE) // parts):
        start = np.uint64(numbers[r]) * rows.step + first
        if rows.bytes.size:
            prefetch(rows.bytes, start, count)
        elif rows.singles.size:
            prefetch(rows.singles, start, count)
        else:
            prefetch(rows.doubles, start, count)


@compiled
def forward_upper(
    net: Network, own: Array, values: Array, sums: Array, capacity: Index, begin: Index, end: Index
) -> None:
    """Go from the first layer's output to the scores, for the rows ``begin <= r < end`` of a batch."""
    for layer in range(1, net.inputs.size):
        rectify(net, layer, values, sums, capacity, begin, end)
        start, biases = net.sums[layer], net.biases[layer]
        for o in range(net.padded[layer]):
            for r in range(begin, end):
                sums[start + o * capacity + r] = own[biases + o]
        padded, weights, inputs = net.padded[layer], net.weights[layer], net.values[layer]
        for panel in range(net.panels[layer]):
            width = panel_width(net.inputs[layer], panel)
            for r in range(begin, end, ROWS):
                x = inputs + (panel * capacity + r) * STRIDE
                for o in range(ZERO, padded, OUTPUTS):
                    w = weights + (panel * padded + o) * STRIDE
                    add_products(values, x, own, w, width, sums, start + o * capacity + r, capacity)


@compiled
def rectify(
    net: Network, layer: int, values: Array, sums: Array, capacity: Index, begin: Index, end: Index
) -> None:
    """Write max(output, 0) of the layer below into the values of a layer."""
    start, to = net.sums[layer - 1], net.values[layer]
    for o in range(net.inputs[layer]):
        place = to + (o // PANEL) * capacity * STRIDE + o % PANEL
        for r in range(begin, end):
            s = sums[start + o * capacity + r]
            # NaN passes, as it does in numpy.maximum.
            values[place + r * STRIDE] = 0 if s < 0 else s


@compiled
def row_loss(
    net: Network, sums: Array, start: Index, distance: Index, label: Index
) -> tuple[float, bool, float]:
    """Return a row's loss, whether its label scores highest, and what makes the sums probabilities.

    The sums are left such that, divided by that number, they are. As in NumPy, NaN counts as the
    highest score and the first of equals is it.
    """
    k = net.outputs[-1]
    best: Index = ZERO
    top = sums[start]
    for o in range(ONE, k):
        s = sums[start + o * distance]
        if top == top and not s <= top:
            best, top = o, s
    if net.loss == SOFTMAX:
        loss, total = softmax(sums, start, distance, k, label, top)
    else:
        loss, total = sigmoid(sums, start, distance, k, label), 1.0
    return loss, best == label, total


@compiled
def softmax(
    sums: Array, start: Index, distance: Index, k: Index, label: Index, top: Any
) -> tuple[float, float]:
    """Return log(sum(exp(s))) - s[label], shifted by the highest score, and the sum; leave exp in sums."""
    of_label = sums[start + label * distance] - top
    total = 0.0
    for o in range(k):
        e = np.exp(sums[start + o * distance] - top)
        sums[start + o * distance] = e
        total += e
    return math.log(total) - of_label, total


@compiled
def sigmoid(sums: Array, start: Index, distance: Index, k: Index, label: Index) -> float:
    """Return the mean over the classes of log(1 + exp(t)), and leave sigmoid(s) in sums.

    t is -s for the label and s for the others, so that nothing cancels.
    """
    one, total = sums.dtype.type(1), 0.0
    for o in range(k):
        s = sums[start + o * distance]
        e = np.exp(-abs(s))
        sums[start + o * distance] = (one if s > 0 else e) / (one + e)
        t = -s if o == label else s
        # 0 * t is NaN where the score is not finite.
        total += max(t, 0.0) + math.log1p(e) + 0.0 * t
    return float(total / k)


@compiled
def judge(
    net: Network, rows: Rows, model: Index, numbers: Array, sums: Array, capacity: Index,
    begin: Index, end: Index, n: int, losses: Array, hits: Array,
) -> None:  # fmt: skip
    """Write weighted losses and hits of some rows of a batch, and turn their scores into dS."""
    k, start, kind = net.outputs[-1], net.sums[-1], sums.dtype.type
    # A mean over the classes has its gradient divided by their number.
    classes = ONE if net.loss == SOFTMAX else k
    for r in range(begin, end):
        number = np.uint64(numbers[r])
        label, weight = np.uint64(rows.y[number]), rows.weight[model * rows.weights_apart + number]
        loss, hit, total = row_loss(net, sums, start + r, capacity, label)
        losses[r], hits[r] = loss * weight, hit * weight
        share, whole = kind(weight / n / classes), kind(total)
        for o in range(k):
            one = kind(1) if o == label else kind(0)
            at = start + o * capacity + r
            sums[at] = (sums[at] / whole - one) * share
        for o in range(k, net.padded[-1]):
            sums[start + o * capacity + r] = 0


@compiled
def backward(
    net: Network, own: Array, values: Array, sums: Array, delta: Array, capacity: Index,
    begin: Index, end: Index,
) -> None:  # fmt: skip
    """Go from dS of the last layer to dS of the first, for the rows ``begin <= r < end`` of a batch."""
    zero, one = own.dtype.type(0), own.dtype.type(1)
    for layer in range(net.inputs.size - 1, 0, -1):
        padded, outputs, dS = net.padded[layer], net.outputs[layer], net.sums[layer]
        for panel in range(net.panels[layer]):
            width, w = panel_width(net.inputs[layer], panel), net.weights[layer] + panel * padded * STRIDE
            for r in range(begin, end, ROWS):
                to, c, i = (panel * capacity + r) * STRIDE, dS + r, ZERO
                while i + STRIP <= width:
                    rows_by_strip(delta, to + i, zero, one, own, w + i, outputs, sums, c, ONE, capacity)
                    i += STRIP
                while i < width:
                    rows_by_vector(delta, to + i, zero, one, own, w + i, outputs, sums, c, ONE, capacity)
                    i += LANES
        below, inputs = net.sums[layer - 1], net.inputs[layer]
        for o in range(net.padded[layer - 1]):
            place = (o // PANEL) * capacity * STRIDE + o % PANEL
            for r in range(begin, end):
                at = place + r * STRIDE
                passes = o < inputs and values[net.values[layer] + at] > 0
                sums[below + o * capacity + r] = delta[at] if passes else zero


@compiled
def update(
    net: Network, layer: Index, panel: Index, low: Index, high: Index, target: Array, keep: Any, scale: Any,
    x: Array, x_start: Index, sums: Array, capacity: Index, count: Index, rows: Rows, following: Array,
) -> None:  # fmt: skip
    """Do W = keep * W + scale * dW for a panel of inputs and the outputs ``low <= o < high``.

    With the first panel go the biases, b = b + scale * db. Memory is asked for the panel of the
    following rows meanwhile, a part at a time: it is slow to answer, and takes few questions at once.
    """
    width, dS = panel_width(net.inputs[layer], panel), net.sums[layer]
    w = net.weights[layer] + panel * net.padded[layer] * STRIDE
    i = ZERO
    while i < width:
        if i % STRIP == 0:
            ask(rows, following, panel, i // STRIP, (width + STRIP - ONE) // STRIP)
        for o in range(low, high, OUTPUTS):
            to, c = w + o * STRIDE + i, dS + o * capacity
            if i + STRIP <= width:
                outputs_by_strip(target, to, keep, scale, x, x_start + i, count, sums, c, capacity, ONE)
            else:
                outputs_by_vector(target, to, keep, scale, x, x_start + i, count, sums, c, capacity, ONE)
        i += STRIP if i + STRIP <= width else LANES
    if panel == 0:
        for o in range(low, high):
            total = target.dtype.type(0)
            for r in range(count):
                total += sums[dS + o * capacity + r]
            target[net.biases[layer] + o] += scale * total
