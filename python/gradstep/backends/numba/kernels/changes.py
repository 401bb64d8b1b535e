"""What becomes of gradients: steps of the rule, at once or, where they are clipped, when all are there."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from gradstep.backends.numba.kernels.arrays import (
    ONE,
    OUTPUTS,
    STRIDE,
    STRIP,
    ZERO,
    Array,
    Crew,
    Index,
    PackedGroup,
    Place,
)
from gradstep.backends.numba.kernels.compiling import compiled
from gradstep.backends.numba.kernels.formulas import change
from gradstep.backends.numba.kernels.parts import (
    GROUP,
    Part,
    Stretch,
    inputs_of,
    outputs_of,
    part_of,
    share,
    stretch_of,
    stretch_of_biases,
)
from gradstep.backends.numba.kernels.vectors import weigh_outputs

call_change = change.call


class Update(NamedTuple):
    """What a step of a model goes by."""

    of_weights: Place  # numbers of the rule
    of_biases: Place
    decay: Any  # of weights, in a gradient that is clipped
    share: Any  # that the average takes
    penalty: float  # of the sum of squares of the weights before, in the running loss


@compiled
def change_model(group: PackedGroup, model: int, count: Index, update: Update, crew: Crew) -> None:
    """Phase B: change the thread's parts of a model, by the gradient of a batch of so many rows."""
    net, gradient, first = group.net, Place(group.work.gradient[crew.thread], ZERO), ZERO
    for layer in range(np.uint64(net.inputs.size)):
        tasks = (net.padded[layer] + GROUP - ONE) // GROUP
        begin, end = share(net.panels[layer] * tasks, crew)
        for task in range(begin, end):
            part = part_of(net, layer, task // tasks, task % tasks * GROUP)
            note_squares(group, part, model, first + task, update.penalty)
            for i in range(ZERO, part.width, STRIP):
                stretch = stretch_of(group, part, i)
                weigh_stretch(group, part, model, count, i, gradient)
                change_stretch(group, model, stretch, gradient, update.of_weights, update.share)
            if part.panel == 0:
                stretch = stretch_of_biases(group, part)
                sum_stretch(group, part, model, count, gradient)
                change_stretch(group, model, stretch, gradient, update.of_biases, update.share)
        first += net.panels[layer] * tasks


@compiled
def note_squares(group: PackedGroup, part: Part, model: int, place: Index, penalty: float) -> None:
    """Add what the weights of a part, which has a place of its own, are to the running loss."""
    if penalty != 0:
        group.models.penalties[model, place] += penalty * squares_of(group, part, model)


@compiled
def squares_of(group: PackedGroup, part: Part, model: int) -> float:
    """Return the sum of squares of a part of W, in chains that do not wait for each other."""
    w, a, b, c, d = group.models.parameters[model], 0.0, 0.0, 0.0, 0.0
    for o in range(part.low, part.high):
        start = part.weights + o * STRIDE
        for i in range(start, start + part.width, np.uint64(4)):
            a += np.float64(w[i]) ** 2
            b += np.float64(w[i + ONE]) ** 2
            c += np.float64(w[i + np.uint64(2)]) ** 2
            d += np.float64(w[i + np.uint64(3)]) ** 2
    return (a + b) + (c + d)


@compiled
def weigh_stretch(
    group: PackedGroup, part: Part, model: int, count: Index, i: Index, gradient: Place
) -> None:
    """Write the gradient of a part's weights from a strip of inputs: dW is dS @ x."""
    x, z = inputs_of(group, part.layer, model, part.panel, ZERO), outputs_of(group, part.layer, model)
    strip, columns = Place(x.array, x.start + i), min(STRIP, part.width - i)
    for o in range(part.low, part.high, OUTPUTS):
        dS = Place(z.array, z.start + o * group.work.capacity)
        to = Place(gradient.array, gradient.start + (o - part.low) * STRIDE)
        weigh_outputs(to, columns, strip, count, dS, group.work.capacity)


@compiled
def sum_stretch(group: PackedGroup, part: Part, model: int, count: Index, gradient: Place) -> None:
    """Write the gradient of a part's biases."""
    z = outputs_of(group, part.layer, model)
    for o in range(part.low, min(part.high, z.units)):
        total = z.array.dtype.type(0)
        for r in range(count):
            total += z.array[z.start + o * group.work.capacity + r]
        gradient.array[gradient.start + o - part.low] = total


@compiled
def change_stretch(
    group: PackedGroup, model: int, stretch: Stretch, gradient: Place, numbers: Place, share_of_average: Any
) -> None:
    """Change parameters as the rule says, and then their average."""
    w, slots = group.models.changed[model], group.models.slots[model]
    call_change(group.net.rule, (w, slots, stretch.at, gradient, stretch.rows, stretch.count, numbers))
    if share_of_average != 0:
        average_stretch(w, slots[len(slots) - 1], stretch, share_of_average)


@compiled
def average_stretch(w: Array, mean: Array, stretch: Stretch, part: Any) -> None:
    """Let an average take a share of new parameters, from the nearer end: as equal ones they stay."""
    near = part < w.dtype.type(0.5)
    step = part if near else part - w.dtype.type(1)
    for j in range(stretch.rows):
        for i in range(stretch.count):
            place = stretch.at + j * STRIDE + i
            way = w[place] - mean[place]
            mean[place] = (mean[place] if near else w[place]) + step * way


@compiled
def average_model(group: PackedGroup, model: int, update: Update, crew: Crew) -> None:
    """Let the average of the thread's parts of a model, whose step is passed over, take its share."""
    net, w, slots = group.net, group.models.changed[model], group.models.slots[model]
    if update.share == 0:
        return
    for layer in range(np.uint64(net.inputs.size)):
        tasks = (net.padded[layer] + GROUP - ONE) // GROUP
        begin, end = share(net.panels[layer] * tasks, crew)
        for task in range(begin, end):
            part = part_of(net, layer, task // tasks, task % tasks * GROUP)
            for i in range(ZERO, part.width, STRIP):
                average_stretch(w, slots[len(slots) - 1], stretch_of(group, part, i), update.share)
            if part.panel == 0:
                average_stretch(w, slots[len(slots) - 1], stretch_of_biases(group, part), update.share)


@compiled
def keep_model(group: PackedGroup, model: int, count: Index, update: Update, crew: Crew) -> None:
    """Phase B where gradients are clipped: keep the thread's parts, until it is known how long they all are.

    Each task has a place of its own for the sum of its squares, so that they are added up in one order.
    """
    net, gradient, first = group.net, Place(group.work.gradient[crew.thread], ZERO), ZERO
    nothing = group.models.parameters.dtype.type(0)  # biases do not decay
    for layer in range(np.uint64(net.inputs.size)):
        tasks = (net.padded[layer] + GROUP - ONE) // GROUP
        begin, end = share(net.panels[layer] * tasks, crew)
        for task in range(begin, end):
            part, squares = part_of(net, layer, task // tasks, task % tasks * GROUP), 0.0
            note_squares(group, part, model, first + task, update.penalty)
            for i in range(ZERO, part.width, STRIP):
                weigh_stretch(group, part, model, count, i, gradient)
                squares += keep_stretch(group, model, stretch_of(group, part, i), gradient, update.decay)
            if part.panel == 0:
                sum_stretch(group, part, model, count, gradient)
                squares += keep_stretch(group, model, stretch_of_biases(group, part), gradient, nothing)
            group.work.squares[model, first + task] = squares
        first += net.panels[layer] * tasks


@compiled
def keep_stretch(group: PackedGroup, model: int, stretch: Stretch, gradient: Place, decay: Any) -> float:
    """Keep gradients of the cost, clipped by their values; return the sum of their squares."""
    w, kept = group.models.parameters[model], group.work.clipped[model]
    most = w.dtype.type(group.models.most[model, 0])
    squares = 0.0
    for j in range(stretch.rows):
        for i in range(stretch.count):
            place = stretch.at + j * STRIDE + i
            g = gradient.array[gradient.start + j * STRIDE + i] + decay * w[place]
            # What is no number stays none.
            g = most if g > most else g
            g = -most if g < -most else g
            kept[place] = g
            squares += np.float64(g) * np.float64(g)
    return squares


@compiled
def change_by_kept(group: PackedGroup, model: int, update: Update, crew: Crew) -> None:
    """Phase C: change the thread's parts of a model by the gradients that were kept, made short enough."""
    net, gradient = group.net, Place(group.work.gradient[crew.thread], ZERO)
    factor = shortening(group, model)
    for layer in range(np.uint64(net.inputs.size)):
        tasks = (net.padded[layer] + GROUP - ONE) // GROUP
        begin, end = share(net.panels[layer] * tasks, crew)
        for task in range(begin, end):
            part = part_of(net, layer, task // tasks, task % tasks * GROUP)
            for i in range(ZERO, part.width, STRIP):
                stretch = stretch_of(group, part, i)
                shorten_stretch(group, model, stretch, gradient, factor)
                change_stretch(group, model, stretch, gradient, update.of_weights, update.share)
            if part.panel == 0:
                stretch = stretch_of_biases(group, part)
                shorten_stretch(group, model, stretch, gradient, factor)
                change_stretch(group, model, stretch, gradient, update.of_biases, update.share)


@compiled
def shortening(group: PackedGroup, model: int) -> float:
    """Return what a model's gradient is multiplied by, so that its norm is no larger than it may be."""
    squares, most = 0.0, group.models.most[model, 1]
    for task in range(group.work.squares.shape[1]):
        squares += group.work.squares[model, task]
    norm = math.sqrt(squares)
    return most / norm if norm > most else 1.0


@compiled
def shorten_stretch(group: PackedGroup, model: int, stretch: Stretch, gradient: Place, factor: float) -> None:
    """Write gradients that were kept times a factor."""
    kept = group.work.clipped[model]
    by = kept.dtype.type(factor)
    for j in range(stretch.rows):
        for i in range(stretch.count):
            gradient.array[gradient.start + j * STRIDE + i] = by * kept[stretch.at + j * STRIDE + i]
