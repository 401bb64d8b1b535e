"""The kernels of the Numba backend: the loops that numba compiles, and the arrays they take.

Every matrix that a product reads lies in panels of ``PANEL`` inputs, ``[panel][row][STRIDE]``, zero
behind the last input; the pad of 16 keeps rows of 2**n elements out of the same cache sets. Both
products vectorise along the inputs, so ten classes waste no lanes: `add_products` takes dot
products of 2 rows with up to 4 outputs, `add_rows` adds up to 4 rows to 2 others. Hence rows and
outputs are padded to even numbers; the pads hold zeros. All rows go through the same instructions,
so a row's result does not depend on its place in the batch.

Indices are uint64 on purpose: numba then leaves out its test for negative ones, and with constant
distances between rows LLVM sees that they do not overlap. Both are needed for vector code.
A module that numba caches must hold all that its functions call: only this file's changes are seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit

Array = npt.NDArray[Any]
Index = Any  # a np.uint64; type checkers take the numbers of a range for int
Function = TypeVar("Function", bound=Callable[..., Any])

ZERO, ONE, TWO, FOUR = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(4)
PANEL = np.uint64(256)
STRIDE = np.uint64(PANEL + 16)
STRIDE2, STRIDE3 = np.uint64(2 * STRIDE), np.uint64(3 * STRIDE)
# Inputs of a panel are walked in multiples of this, so that loops over full vectors have no tail.
LANES = np.uint64(16)


class Network(NamedTuple):
    """Sizes and places of l layers, each an array of shape (l,), uint64.

    A model's packed parameters are W as panels (panels, padded, STRIDE), then b (padded,), of the
    first layer, of the second, ...
    """

    inputs: Array
    outputs: Array
    padded: Array  # outputs, rounded up to an even number
    panels: Array  # of inputs
    weights: Array  # start of W in a model's packed parameters
    biases: Array  # start of b there
    values: Array  # start of the layer's input in Workspace.values


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
    weight: Array  # (n,), float64


class Workspace(NamedTuple):
    """Scratch for batches of up to `capacity` rows (even), in the type of the parameters."""

    values: Array  # input of every layer, panels (panels, capacity, STRIDE)
    delta: Array  # gradient of one layer's input, the same layout
    sums: Array  # a layer's output or its gradient dS (capacity, padded)
    steps: Array  # -learning_rate * dS, transposed (padded, capacity)
    capacity: np.uint64


def _probe() -> None:
    """Stand in for all functions of this file."""


def _can_cache() -> bool:
    """Tell whether numba finds a folder it can write compiled code to."""
    try:
        njit(cache=True)(_probe)
    except RuntimeError:  # "cannot cache function ...: no locator available for file ..."
        return False
    return True


_CACHE = _can_cache()


def compiled(function: Function) -> Function:
    """Compile at the first call; sums may be reordered, but infinities and NaN are kept."""
    decorate = njit(nogil=True, cache=_CACHE, error_model="numpy", fastmath={"reassoc", "contract", "nsz"})
    return cast(Function, decorate(function))


@compiled
def even(count: Index) -> Index:
    """Round up to a multiple of 2."""
    return count + (count & ONE)


@compiled
def panel_width(inputs: Index, panel: Index) -> Index:
    """Return the elements of a panel to be walked: its inputs, rounded up to full vectors."""
    width = min(PANEL, inputs - panel * PANEL)
    return (width + LANES - ONE) // LANES * LANES


@compiled
def clear(y: Array, start: Index, count: Index) -> None:
    """Set y[start:start + count] to zero (numba compiles the slice far more slowly)."""
    for i in range(start, start + count):
        y[i] = 0


@compiled
def add4(y: Array, at: Index, a: Any, b: Any, c: Any, d: Any) -> None:
    """Add 4 numbers to y[at:at + 4]."""
    y[at] += a
    y[at + ONE] += b
    y[at + TWO] += c
    y[at + TWO + ONE] += d


@compiled
def products24(x: Array, w: Array, width: Index, xi: Index, wi: Index,
               sums: Array, si: Index, distance: Index) -> None:  # fmt: skip
    """Add the dot products of 2 rows at x[xi] with 4 outputs at w[wi] to sums."""
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = x.dtype.type(0)
    for i in range(width):
        xa, xb = x[xi + i], x[xi + STRIDE + i]
        w0, w1, w2, w3 = w[wi + i], w[wi + STRIDE + i], w[wi + STRIDE2 + i], w[wi + STRIDE3 + i]
        a0 += xa * w0
        a1 += xa * w1
        a2 += xa * w2
        a3 += xa * w3
        b0 += xb * w0
        b1 += xb * w1
        b2 += xb * w2
        b3 += xb * w3
    add4(sums, si, a0, a1, a2, a3)
    add4(sums, si + distance, b0, b1, b2, b3)


@compiled
def products22(x: Array, w: Array, width: Index, xi: Index, wi: Index,
               sums: Array, si: Index, distance: Index) -> None:  # fmt: skip
    """Add the dot products of 2 rows at x[xi] with 2 outputs at w[wi] to sums."""
    a0 = a1 = b0 = b1 = x.dtype.type(0)
    for i in range(width):
        xa, xb = x[xi + i], x[xi + STRIDE + i]
        w0, w1 = w[wi + i], w[wi + STRIDE + i]
        a0 += xa * w0
        a1 += xa * w1
        b0 += xb * w0
        b1 += xb * w1
    sums[si] += a0
    sums[si + ONE] += a1
    sums[si + distance] += b0
    sums[si + distance + ONE] += b1


@compiled
def add_products(net: Network, layer: int, parameters: Array, work: Workspace, rows: Index) -> None:
    """Do sums += values @ W of a layer, for an even number of rows."""
    inputs, outputs, sums = net.inputs[layer], net.padded[layer], work.sums
    for panel in range(net.panels[layer]):
        width = panel_width(inputs, panel)
        for r in range(ZERO, rows, TWO):
            xi = net.values[layer] + (panel * work.capacity + r) * STRIDE
            wi = net.weights[layer] + panel * outputs * STRIDE
            o = ZERO
            while o + FOUR <= outputs:
                at = r * outputs + o
                products24(work.values, parameters, width, xi, wi + o * STRIDE, sums, at, outputs)
                o += FOUR
            if o < outputs:
                at = r * outputs + o
                products22(work.values, parameters, width, xi, wi + o * STRIDE, sums, at, outputs)


@compiled
def rows24(y: Array, x: Array, width: Index, yi: Index, xi: Index,
           c: Array, ci: Index, distance: Index) -> None:  # fmt: skip
    """Add 4 rows at x[xi] to 2 rows at y[yi], with the coefficients c[ci:ci + 4] for the first."""
    a0, a1, a2, a3 = c[ci], c[ci + ONE], c[ci + TWO], c[ci + TWO + ONE]
    ci += distance
    b0, b1, b2, b3 = c[ci], c[ci + ONE], c[ci + TWO], c[ci + TWO + ONE]
    for i in range(width):
        x0, x1, x2, x3 = x[xi + i], x[xi + STRIDE + i], x[xi + STRIDE2 + i], x[xi + STRIDE3 + i]
        ya, yb = y[yi + i], y[yi + STRIDE + i]
        y[yi + i] = ya + a0 * x0 + a1 * x1 + a2 * x2 + a3 * x3
        y[yi + STRIDE + i] = yb + b0 * x0 + b1 * x1 + b2 * x2 + b3 * x3


@compiled
def rows22(y: Array, x: Array, width: Index, yi: Index, xi: Index,
           c: Array, ci: Index, distance: Index) -> None:  # fmt: skip
    """Add 2 rows at x[xi] to 2 rows at y[yi], with the coefficients c[ci:ci + 2] for the first."""
    a0, a1 = c[ci], c[ci + ONE]
    ci += distance
    b0, b1 = c[ci], c[ci + ONE]
    for i in range(width):
        x0, x1 = x[xi + i], x[xi + STRIDE + i]
        ya, yb = y[yi + i], y[yi + STRIDE + i]
        y[yi + i] = ya + a0 * x0 + a1 * x1
        y[yi + STRIDE + i] = yb + b0 * x0 + b1 * x1


@compiled
def add_rows(
    inputs: Index, panels: Index,
    y: Array, y_start: Index, y_rows: Index, y_count: Index, keep: Any,
    x: Array, x_start: Index, x_rows: Index, x_count: Index,
    c: Array, distance: Index,
) -> None:  # fmt: skip
    """Do y = keep * y + c @ x: y has y_count of the y_rows in its panels, x likewise, all even."""
    for panel in range(panels):
        width = panel_width(inputs, panel)
        y_panel, x_panel = y_start + panel * y_rows * STRIDE, x_start + panel * x_rows * STRIDE
        if keep == 0:
            clear(y, y_panel, y_count * STRIDE)
        elif keep != 1:
            for i in range(y_panel, y_panel + y_count * STRIDE):
                y[i] *= keep
        s = ZERO
        while s + FOUR <= x_count:
            for r in range(ZERO, y_count, TWO):
                xi, yi = x_panel + s * STRIDE, y_panel + r * STRIDE
                rows24(y, x, width, yi, xi, c, r * distance + s, distance)
            s += FOUR
        if s < x_count:
            for r in range(ZERO, y_count, TWO):
                xi, yi = x_panel + s * STRIDE, y_panel + r * STRIDE
                rows22(y, x, width, yi, xi, c, r * distance + s, distance)


@compiled
def convert(flat: Array, step: Index, mean: Array, inverse: Array, numbers: Array, work: Workspace) -> None:
    """Write (x - mean) * inverse of the numbered rows into the values of the first layer."""
    d, values = np.uint64(mean.size), work.values
    for r in range(np.uint64(numbers.size)):
        row = np.uint64(numbers[r]) * step
        for panel in range((d + PANEL - ONE) // PANEL):
            first, to = panel * PANEL, (panel * work.capacity + r) * STRIDE
            for i in range(min(PANEL, d - first)):
                x = mean.dtype.type(flat[row + first + i])
                values[to + i] = (x - mean[first + i]) * inverse[first + i]


@compiled
def gather(net: Network, rows: Rows, numbers: Array, work: Workspace) -> None:
    """Read, convert and standardise the numbered rows into the batch, and clear the row behind.

    So nothing depends on what a former batch left there, not even the sign of a zero.
    """
    if rows.bytes.size:
        convert(rows.bytes, rows.step, rows.mean, rows.inverse, numbers, work)
    elif rows.singles.size:
        convert(rows.singles, rows.step, rows.mean, rows.inverse, numbers, work)
    else:
        convert(rows.doubles, rows.step, rows.mean64, rows.inverse64, numbers, work)
    count = np.uint64(numbers.size)
    if even(count) > count:
        for panel in range(net.panels[0]):
            clear(work.values, (panel * work.capacity + count) * STRIDE, STRIDE)


@compiled
def rectify(net: Network, layer: int, work: Workspace, rows: Index) -> None:
    """Write max(sums, 0) of a layer into the values of the next, for an even number of rows."""
    outputs, padded = net.outputs[layer], net.padded[layer]
    for r in range(rows):
        for o in range(outputs):
            s = work.sums[r * padded + o]
            panel, i = o // PANEL, o % PANEL
            to = net.values[layer + 1] + (panel * work.capacity + r) * STRIDE + i
            # NaN passes, as it does in numpy.maximum.
            work.values[to] = 0 if s < 0 else s


@compiled
def forward(net: Network, parameters: Array, work: Workspace, count: Index) -> None:
    """Compute the scores of the batch into work.sums (count, padded)."""
    layers = net.inputs.size
    for layer in range(layers):
        padded, biases = net.padded[layer], net.biases[layer]
        for r in range(even(count)):
            for o in range(padded):
                work.sums[r * padded + o] = parameters[biases + o]
        add_products(net, layer, parameters, work, even(count))
        if layer + 1 < layers:
            rectify(net, layer, work, even(count))


@compiled
def row_loss(sums: Array, start: Index, k: Index, label: Index) -> tuple[float, bool, float]:
    """Return a row's loss, whether its label scores highest, and sum(exp); leave exp in sums.

    The loss is log(sum(exp(s))) - s[label], shifted by the maximum. As in NumPy, NaN counts as the
    maximum and the first of equals is it.
    """
    best: Index = ZERO
    top = sums[start]
    for o in range(ONE, k):
        s = sums[start + o]
        if top == top and not s <= top:
            best, top = o, s
    of_label = sums[start + label] - top
    total = 0.0
    for o in range(k):
        e = np.exp(sums[start + o] - top)
        sums[start + o] = e
        total += e
    return math.log(total) - of_label, best == label, total


@compiled
def batch_loss(net: Network, rows: Rows, numbers: Array, work: Workspace, n: int) -> tuple[float, float]:
    """Return the sum of weight * loss of a batch and of its correct rows; turn its scores into dS."""
    k, padded, sums = net.outputs[-1], net.padded[-1], work.sums
    count = np.uint64(numbers.size)
    loss = correct = 0.0
    for r in range(count):
        start, number = r * padded, numbers[r]
        label = np.uint64(rows.y[number])
        row, hit, total = row_loss(sums, start, k, label)
        loss += row * rows.weight[number]
        correct += hit * rows.weight[number]
        share, whole = sums.dtype.type(rows.weight[number] / n), sums.dtype.type(total)
        for o in range(k):
            sums[start + o] /= whole
        sums[start + label] -= 1
        for o in range(k):
            sums[start + o] *= share
    clear(sums, count * padded, (even(count) - count) * padded)
    return loss, correct


@compiled
def through_relu(net: Network, layer: int, work: Workspace, count: Index) -> None:
    """Turn the gradient of a layer's input into dS of the layer below: zero where the input is."""
    padded = net.padded[layer - 1]
    for r in range(even(count)):
        for i in range(padded):
            at = ((i // PANEL) * work.capacity + r) * STRIDE + i % PANEL
            passes = work.values[net.values[layer] + at] > 0  # never in a pad
            work.sums[r * padded + i] = work.delta[at] if passes else 0


@compiled
def backward(
    net: Network, parameters: Array, target: Array, work: Workspace, count: Index, keep: Any, scale: Any
) -> None:
    """Do W = keep * W + scale * dW and b = b + scale * db in `target`, from dS in work.sums.

    `target` may be the parameters themselves: a layer's W is read before it is changed.
    """
    rows, steps = even(count), work.steps
    for layer in range(net.inputs.size - 1, -1, -1):
        inputs, panels, padded = net.inputs[layer], net.panels[layer], net.padded[layer]
        weights, biases, zero = net.weights[layer], net.biases[layer], parameters.dtype.type(0)
        if layer > 0:
            add_rows(inputs, panels, work.delta, ZERO, work.capacity, rows, zero,
                     parameters, weights, padded, padded, work.sums, padded)  # fmt: skip
        for o in range(padded):
            total = zero
            for r in range(rows):
                step = scale * work.sums[r * padded + o]
                steps[o * work.capacity + r] = step
                total += step
            target[biases + o] += total
        add_rows(inputs, panels, target, weights, padded, padded, keep,
                 work.values, net.values[layer], work.capacity, rows, steps, work.capacity)  # fmt: skip
        if layer > 0:
            through_relu(net, layer, work, count)


@compiled
def train(
    net: Network, rows: Rows, work: Workspace, parameters: Array, l2: Array,
    order: Array, starts: Array, rates: Array, first: int, last: int, t: int,
    updates: Array, finite: Array, sums: Array,
) -> None:  # fmt: skip
    """Do the updates first <= i < last of a stretch that begins with update t, in place.

    Add the loss, the correct rows and all rows of the batches to sums (3, m).
    """
    kind = parameters.dtype.type
    for i in range(first, last):
        numbers = order[starts[i] : starts[i + 1]]
        count = np.uint64(numbers.size)
        gather(net, rows, numbers, work)
        for model in range(len(parameters)):
            if not finite[model]:
                continue
            own, rate = parameters[model], rates[model, i]
            forward(net, own, work, count)
            loss, correct = batch_loss(net, rows, numbers, work, numbers.size)
            if not math.isfinite(loss):
                finite[model] = False
                continue
            backward(net, own, own, work, count, kind(1 - 2 * rate * l2[model]), kind(-rate))
            updates[model] = t + i + 1
            sums[0, model] += loss
            sums[1, model] += correct
            sums[2, model] += numbers.size


@compiled
def add_gradient(
    net: Network, rows: Rows, work: Workspace, parameters: Array, order: Array, n: int, gradient: Array
) -> None:
    """Add the part of the ordered rows, of n, to the gradient of every model's loss (packed)."""
    one = parameters.dtype.type(1)
    capacity = np.int64(work.capacity)
    for start in range(0, order.size, capacity):
        numbers = order[start : start + capacity]
        count = np.uint64(numbers.size)
        gather(net, rows, numbers, work)
        for model in range(len(parameters)):
            forward(net, parameters[model], work, count)
            batch_loss(net, rows, numbers, work, n)
            backward(net, parameters[model], gradient[model], work, count, one, one)


@compiled
def add_figures(
    net: Network, rows: Rows, work: Workspace, parameters: Array, order: Array, loss: Array, correct: Array
) -> None:
    """Add the weighted losses and hits of the ordered rows to loss and correct (m,)."""
    k, padded = net.outputs[-1], net.padded[-1]
    capacity = np.int64(work.capacity)
    for start in range(0, order.size, capacity):
        numbers = order[start : start + capacity]
        gather(net, rows, numbers, work)
        for model in range(len(parameters)):
            forward(net, parameters[model], work, np.uint64(numbers.size))
            for r, number in enumerate(numbers):
                row = row_loss(work.sums, np.uint64(r) * padded, k, np.uint64(rows.y[number]))
                loss[model] += row[0] * rows.weight[number]
                correct[model] += row[1] * rows.weight[number]


@compiled
def write_scores(
    net: Network, rows: Rows, work: Workspace, parameters: Array, order: Array, scores: Array
) -> None:
    """Write the scores of the ordered rows into scores (m, n, k)."""
    k, padded = net.outputs[-1], net.padded[-1]
    capacity = np.int64(work.capacity)
    for start in range(0, order.size, capacity):
        numbers = order[start : start + capacity]
        gather(net, rows, numbers, work)
        for model in range(len(parameters)):
            forward(net, parameters[model], work, np.uint64(numbers.size))
            for r, number in enumerate(numbers):
                for o in range(k):
                    scores[model, number, o] = work.sums[np.uint64(r) * padded + o]
