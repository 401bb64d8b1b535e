"""The formulas of losses, activations and rules in loops over rows, compiled apart.

The formulas are those of `gradstep.nn` and of users; nothing here knows one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba.core.errors import NumbaError

from gradstep.backends.numba.kernels import reading
from gradstep.backends.numba.kernels.arrays import (
    PANEL,
    STRIDE,
    ZERO,
    Array,
    Block,
    Index,
    PackedRows,
    Place,
    read_only,
)
from gradstep.backends.numba.kernels.compiling import apart, compiled
from gradstep.nn.activations import Activation
from gradstep.nn.losses import Loss
from gradstep.nn.rules import Rule

Concept = type[Loss] | type[Activation] | type[Rule]


class Outputs(NamedTuple):
    """Outputs of a layer, that of unit o in row r at ``array[start + o * capacity + r]``."""

    array: Array
    start: Index
    units: Index


def _formula(*values: Any) -> Any:
    """Stand in for a formula in the text of a loop."""


of = slope = share = parts = row = step = slots_at = numbers_at = keep_slots = _formula
LABELS = INDICATORS = False

_BLOCK = Block(ZERO, ZERO, ZERO)


def _outputs(kind: Any) -> Outputs:
    return Outputs(np.empty(0, kind), ZERO, ZERO)


def _place(kind: Any, dimensions: int = 1) -> Place:
    return Place(np.empty((0,) * dimensions, kind), ZERO)


def _rows(kind: Any) -> PackedRows:
    labels, values, weight = np.empty(0, np.int32), np.empty((0, 0), kind), np.empty((0, 0))
    return PackedRows(reading.arguments(kind)[0], ZERO, *map(read_only, (labels, values, weight)))


@apart(lambda kind: (_outputs(kind), _place(kind), _BLOCK, kind.type(0)))
def activate(z: Outputs, a: Place, block: Block, number: Any) -> None:
    """Write a layer's activations into panels."""
    for o in range(z.units):
        start, to = z.start + o * block.capacity, a.start + in_panels(o, block.capacity)
        for r in range(block.begin, block.end):
            a.array[to + r * STRIDE] = of(z.array[start + r], number)


@apart(lambda kind: (_outputs(kind), _place(kind), _place(kind), _BLOCK, kind.type(0)))
def descend(dz: Outputs, a: Place, da: Place, block: Block, number: Any) -> None:
    """Write the gradient of what goes into activations `a`, from that of the activations."""
    for o in range(dz.units):
        start, place = dz.start + o * block.capacity, in_panels(o, block.capacity)
        for r in range(block.begin, block.end):
            at = place + r * STRIDE
            dz.array[start + r] = da.array[da.start + at] * slope(a.array[a.start + at], number)


@compiled
def in_panels(o: Index, capacity: Index) -> Index:
    """Return where column o of the first row lies in panels."""
    return (o // PANEL) * capacity * STRIDE + o % PANEL


@apart(
    lambda kind: (
        *(_outputs(kind), _BLOCK, read_only(np.empty(0, np.int32)), _rows(kind)),
        *(0, np.empty((0, 0)), kind.type(0), 0.0),
    )
)
def judge(
    scores: Outputs,
    block: Block,
    numbers: Array,
    rows: PackedRows,
    model: int,
    found: Array,
    number: Any,
    divisor: float,
) -> None:
    """Judge the numbered rows; turn scores into the gradient of their losses by a divisor that is not 0."""
    k, kind = scores.units, scores.array.dtype.type
    for r in range(block.begin, block.end):
        this, start = np.uint64(numbers[r]), scores.start + r
        weight = rows.weight[min(model, len(rows.weight) - 1), this]
        label = np.uint64(rows.labels[this]) if LABELS else k
        # As in NumPy the highest score is NaN if there is one, and that of the first of equals.
        best: Index = ZERO
        top, all_right = scores.array[start], INDICATORS
        for o in range(k):
            s = scores.array[start + o * block.capacity]
            if top == top and not s <= top:
                best, top = o, s
        a = b = 0.0
        for o in range(k):
            s = scores.array[start + o * block.capacity]
            y = kind(share(kind(o == label), kind(k), number)) if LABELS else rows.values[this, o]
            first, second = parts(s, y, top)
            a += first
            b += second
            all_right = all_right and (s > 0) == (y > 0.5)
        found[0, r] = row(a, b, np.int64(k)) * weight
        found[1, r] = weight if all_right or best == label else 0.0
        if divisor > 0:
            part = kind(weight / divisor)
            for o in range(k):
                at = start + o * block.capacity
                y = kind(share(kind(o == label), kind(k), number)) if LABELS else rows.values[this, o]
                scores.array[at] = part * kind(slope(scores.array[at], y, top, kind(a), kind(k)))


@apart(
    lambda kind: (
        *(np.empty(0, kind), np.empty((0, 0), kind), ZERO, _place(kind)),
        *(ZERO, ZERO, _place(kind, 2)),
    )
)
def change(w: Array, slots: Array, at: Index, dw: Place, rows: Index, count: Index, numbers: Place) -> None:
    """Do a step of `count` weights of each of some rows, STRIDE apart, by a column of numbers."""
    given = numbers_at(numbers.array, numbers.start)
    for j in range(rows):
        for i in range(count):
            place = at + j * STRIDE + i
            gradient = dw.array[dw.start + j * STRIDE + i]
            w[place], kept = step(w[place], gradient, slots_at(slots, place), given)
            keep_slots(slots, place, kept)


@cache
def _column(count: int) -> tuple[Callable[..., Any], Callable[..., None]]:
    """Return what reads the first `count` elements of a column as a tuple, and what writes them."""
    if count == 0:
        return (lambda array, column: ()), (lambda array, column, values: None)
    last, (read_before, write_before) = count - 1, map(compiled, _column(count - 1))

    def write(array: Array, column: Index, values: tuple[Any, ...]) -> None:
        write_before(array, column, values)
        array[last, column] = values[last]

    return (lambda array, column: (*read_before(array, column), array[last, column])), write


def _is_label(is_label: Any, k: Any, number: Any) -> Any:
    """Stand in for `share` of a loss whose targets are no labels."""
    return is_label


def addresses(concept: Concept, kind: np.dtype[Any]) -> tuple[int, ...]:
    """Return where the loops of a concept are, for arithmetic in `kind`.

    That is `judge` of a loss, `activate` and `descend` of an activation, `change` of a rule.
    """
    if issubclass(concept, Activation):
        return activate.address(kind, of=concept.of), descend.address(kind, slope=concept.slope)
    if issubclass(concept, Rule):
        (read, write), (given, _) = _column(concept.slots), _column(len(concept.numbers))
        return (change.address(kind, step=concept.step, slots_at=read, keep_slots=write, numbers_at=given),)
    formulas = {"parts": concept.parts, "row": concept.row, "slope": concept.slope}
    formulas["share"] = concept.share if concept.takes == "labels" else _is_label
    labels, indicators = concept.takes == "labels", concept.takes == "indicators"
    return (judge.address(kind, **formulas, LABELS=labels, INDICATORS=indicators),)


def can_compile(concept: Concept) -> bool:
    """Tell whether numba makes something of a concept's formulas, as it does of all that are gradstep's."""
    if concept.__module__.startswith("gradstep."):
        return True
    try:
        return bool(addresses(concept, np.dtype(np.float32)))
    except (NumbaError, NotImplementedError, TypeError):
        return False
