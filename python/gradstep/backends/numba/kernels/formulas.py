"""The formulas of losses, activations and rules in loops over rows, compiled apart.

The formulas are those of `gradstep.nn` and of users; nothing here knows one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba.core.errors import NumbaError

from gradstep.backends.numba.kernels import arrays, reading
from gradstep.backends.numba.kernels.arrays import PANEL, STRIDE, ZERO, Array, Block, Index, PackedRows, Place
from gradstep.backends.numba.kernels.compiling import Apart, compiled
from gradstep.nn.activations import Activation
from gradstep.nn.losses import Loss
from gradstep.nn.rules import Rule
from gradstep.plan.network import Objective


class Outputs(NamedTuple):
    """Outputs of a layer, that of unit o in row r at ``array[start + o * capacity + r]``."""

    array: Array
    start: Index
    units: Index


def _formula(*values: Any) -> Any:
    """Stand in for a formula in the text of a loop."""


of = slope = share = parts = row = step = slots_at = numbers_at = keep_slots = _formula
LABELS = INDICATORS = False


def activate(z: Outputs, a: Place, block: Block, number: Any) -> None:
    """Write a layer's activations into panels."""
    for o in range(z.units):
        start, to = z.start + o * block.capacity, a.start + in_panels(o, block.capacity)
        for r in range(block.begin, block.end):
            a.array[to + r * STRIDE] = of(z.array[start + r], number)


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


def judge(
    scores: Outputs,
    block: Block,
    numbers: Array,
    rows: PackedRows,
    model: int,
    found: Array,
    number: Any,
    n: Index,
) -> None:
    """Judge the numbered rows; turn scores into the gradient of their mean loss if they are n and not 0."""
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
        if n > 0:
            part = kind(weight / n)
            for o in range(k):
                at = start + o * block.capacity
                y = kind(share(kind(o == label), kind(k), number)) if LABELS else rows.values[this, o]
                scores.array[at] = part * kind(slope(scores.array[at], y, top, kind(a), kind(k)))


def change(
    w: Array, slots: Array, at: Index, dw: Place, rows: Index, count: Index, numbers: Array, column: Index
) -> None:
    """Do a step of `count` weights of each of some rows, STRIDE apart, by a column of the rule's numbers."""
    given = numbers_at(numbers, column)
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


def _arguments(kind: Any) -> dict[str, tuple[Any, ...]]:
    flat, table, number = np.empty(0, kind), np.empty((0, 0), kind), kind.type(0)
    outputs, place, block = Outputs(flat, ZERO, ZERO), Place(flat, ZERO), Block(ZERO, ZERO, ZERO)
    order, doubles = arrays.read_only(np.empty(0, np.int32)), np.empty((0, 0))
    source, read = reading.arguments(kind)[0], ZERO
    rows = PackedRows(source, read, order, arrays.read_only(table), arrays.read_only(doubles))
    return {
        "activate": (outputs, place, block, number),
        "descend": (outputs, place, place, block, number),
        "judge": (outputs, block, order, rows, 0, doubles, number, ZERO),
        "change": (flat, table, ZERO, place, ZERO, ZERO, table, ZERO),
    }


def _apart(loop: Callable[..., None]) -> Apart:
    return Apart(loop, lambda kind: _arguments(kind)[loop.__name__])


_activate, _descend, _judge, _change = (_apart(each) for each in (activate, descend, judge, change))
call_activate, call_descend, call_judge, call_change = (
    apart.call for apart in (_activate, _descend, _judge, _change)
)


def activation_addresses(activation: type[Activation], kind: npt.DTypeLike) -> tuple[int, int]:
    """Return where `activate` and `descend` are for an activation, and for arithmetic in `kind`."""
    return _activate.address(kind, of=activation.of), _descend.address(kind, slope=activation.slope)


def loss_address(loss: type[Loss], kind: npt.DTypeLike) -> int:
    """Return where `judge` is for a loss."""
    formulas = {"parts": loss.parts, "row": loss.row, "slope": loss.slope}
    if loss.takes == "labels":
        return _judge.address(kind, **formulas, share=loss.share, LABELS=True)
    return _judge.address(kind, **formulas, share=_is_label, INDICATORS=loss.takes == "indicators")


def _is_label(is_label: Any, k: Any, number: Any) -> Any:
    """Stand in for `share` of a loss whose targets are no labels."""
    return is_label


def rule_address(rule: type[Rule], kind: npt.DTypeLike) -> int:
    """Return where `change` is for a rule."""
    (read, write), (given, _) = _column(rule.slots), _column(len(rule.numbers))
    return _change.address(kind, step=rule.step, slots_at=read, keep_slots=write, numbers_at=given)


def lacking(objective: Objective, rule: type[Rule] | None) -> list[str]:
    """Return the names of what numba cannot compile; all that is gradstep's it can."""
    concepts: list[tuple[Any, Callable[..., Any]]] = [(type(objective.loss), loss_address)]
    concepts += [(type(activation), activation_addresses) for activation in objective.activations[0]]
    concepts += [] if rule is None else [(rule, rule_address)]
    lacked = []
    for concept, address in dict.fromkeys(concepts):
        if not concept.__module__.startswith("gradstep."):
            try:
                address(concept, np.float32)
            except (NumbaError, NotImplementedError, TypeError):
                lacked.append(concept.name)
    return lacked
