"""The products, written as LLVM's vector code.

numba leaves it to LLVM to find vectors, and LLVM vectorises the innermost loop alone. Products are
fast when a tile of sums stays in registers over a whole loop, so these are spelled out here. A
function below writes one such loop nest when numba compiles its caller; loops in Python unroll.

The order of an element's sum depends on the machine's vectors and on the panel's width, never on
where in a tile the element lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from gradstep.backends.numba.kernels.arrays import OUTPUTS, ROWS, STRIDE, STRIP
from gradstep.backends.numba.kernels.compiling import call_llvm, emitted

Value = Any  # of llvmlite, which has no types

CACHE_LINE = 64


class Emitter:
    """Writes vector code of one element type for the machine that numba compiles for."""

    context: Any
    builder: Any
    element: Any
    size: int
    lanes: int
    type: Any
    sums: int

    def __init__(self, context: Any, builder: Any, array: Any) -> None:
        self.context, self.builder = context, builder
        self.element = context.get_value_type(array.dtype)
        self.size = array.dtype.bitwidth // 8
        triple, _, features = context.codegen().magic_tuple()
        wide = "+avx512f" in features
        register = 64 if wide else 32 if "+avx2" in features else 16
        many = wide or triple.startswith(("aarch64", "arm64"))
        self.lanes = max(4, register // self.size)
        self.type = ir.VectorType(self.element, self.lanes)
        #: Sums that fit in the registers, with room for what is multiplied.
        self.sums = (20 if many else 10) * register // (self.lanes * self.size)

    def index(self, number: int) -> Value:
        """Return a constant index."""
        return ir.Constant(ir.IntType(64), number)

    def pointer(self, kind: Any, place: Value, *offsets: Value) -> Value:
        """Return the address of an element, the sum of `offsets` behind a `Place` of numba's type `kind`."""
        array = self.builder.extract_value(place, 0)
        data = self.context.make_array(kind.types[0])(self.context, self.builder, array).data
        for offset in (self.builder.extract_value(place, 1), *offsets):
            data = self.builder.gep(data, [offset])
        return data

    def load(self, pointer: Value, lanes: int = 0) -> Value:
        """Load a vector from any element's address."""
        vector = ir.VectorType(self.element, lanes or self.lanes)
        return self.builder.load(self.builder.bitcast(pointer, vector.as_pointer()), align=1)

    def store(self, vector: Value, pointer: Value) -> None:
        """Store a vector to any element's address."""
        self.builder.store(vector, self.builder.bitcast(pointer, vector.type.as_pointer()), align=1)

    def splat(self, scalar: Value) -> Value:
        """Return a vector of equal numbers."""
        undefined = ir.Constant(self.type, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
        return self.shuffle(first, undefined, [0] * self.lanes)

    def shuffle(self, a: Value, b: Value, places: Sequence[int]) -> Value:
        """Pick elements of a and, counted on, of b."""
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), list(places))
        return self.builder.shuffle_vector(a, b, mask)

    def registers(self, count: int) -> list[Value]:
        """Return so many sums, zero so far; LLVM keeps them in registers."""
        allocate: Any = cgutils.alloca_once_value
        return [allocate(self.builder, ir.Constant(self.type, [0.0] * self.lanes)) for _ in range(count)]

    def add_product(self, a: Value, b: Value, total: Value) -> None:
        """Add a * b to one of the sums, rounded once where the machine can."""
        name = f"llvm.fmuladd.v{self.lanes}f{8 * self.size}"
        new = call_llvm(self.builder, name, self.type, a, b, self.builder.load(total))
        self.builder.store(new, total)

    def loop(self, begin: Value, end: Value, step: int) -> Any:
        """Begin ``for i in range(begin, end, step)``, a context that gives (i, count)."""
        loop: Any = cgutils.for_range_slice
        return loop(self.builder, begin, end, self.index(step))

    def sums_of_four(self, a: Value, b: Value, c: Value, d: Value) -> Value:
        """Return the sums of the elements of four vectors, as one vector of four."""

        def pairs(a: Value, b: Value) -> Value:
            """Add neighbours: of four elements of a and four of b come two and two."""
            fours = range(0, self.lanes, 4)
            even = [four + i for four in fours for i in (0, 2, self.lanes, self.lanes + 2)]
            return self.builder.fadd(self.shuffle(a, b, even), self.shuffle(a, b, [i + 1 for i in even]))

        total, lanes = pairs(pairs(a, b), pairs(c, d)), self.lanes
        while lanes > 4:
            lanes //= 2
            low, high = range(lanes), range(lanes, 2 * lanes)
            total = self.builder.fadd(self.shuffle(total, total, low), self.shuffle(total, total, high))
        return total


@emitted
def add_products(typing: Any, x: Any, w: Any, width: Any, sums: Any, distance: Any) -> Any:
    """Do ``sums[o * distance + r] += x[r] @ w[o]`` for ROWS rows r of x and OUTPUTS rows o of w, all Places.

    Rows lie STRIDE apart; their first `width` elements are multiplied.
    """
    signature = types.void(x, w, types.uint64, sums, types.uint64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (x_kind, w_kind, _, sums_kind, _), (x, w, width, sums, distance) = signature.args, arguments
        emit = Emitter(context, builder, x_kind.types[0])
        x_rows = [emit.pointer(x_kind, x, emit.index(r * int(STRIDE))) for r in range(int(ROWS))]
        at_once = max(1, emit.sums // int(ROWS))
        for first in range(0, int(OUTPUTS), at_once):
            outputs = range(first, min(first + at_once, int(OUTPUTS)))
            w_rows = [emit.pointer(w_kind, w, emit.index(o * int(STRIDE))) for o in outputs]
            totals = emit.registers(len(w_rows) * len(x_rows))
            with emit.loop(emit.index(0), width, emit.lanes) as (i, _):
                x_vectors = [emit.load(builder.gep(row, [i])) for row in x_rows]
                w_vectors = [emit.load(builder.gep(row, [i])) for row in w_rows]
                pairs = [(a, b) for b in w_vectors for a in x_vectors]
                for (a, b), total in zip(pairs, totals, strict=True):
                    emit.add_product(a, b, total)
            for number, o in enumerate(outputs):
                four = emit.sums_of_four(*map(builder.load, totals[number * 4 : number * 4 + 4]))
                place = emit.pointer(sums_kind, sums, builder.mul(distance, emit.index(o)))
                emit.store(builder.fadd(emit.load(place, 4), four), place)
        return context.get_dummy_value()

    return signature, generate


def _weighted_rows(rows: int, across: bool) -> Any:
    """Return what does ``y[j] = sum of c[j, s] * x[s] over s < count`` for so many rows j.

    y and x are Places of rows STRIDE apart, whose first `columns` elements are summed up, whole vectors.
    c[j, s] is ``c[j * distance + s]``, or ``c[s * distance + j]`` where c lies across.
    """

    @emitted
    def weighted_rows(typing: Any, y: Any, columns: Any, x: Any, count: Any, c: Any, distance: Any) -> Any:
        signature = types.void(y, types.uint64, x, types.uint64, c, types.uint64)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            (y_kind, _, x_kind, _, c_kind, _), (y, columns, x, count, c, distance) = signature.args, arguments
            emit, zero = Emitter(context, builder, y_kind.types[0]), ir.Constant(ir.IntType(64), 0)
            of_y, of_x = (emit.index(1), distance) if across else (distance, emit.index(1))
            starts = [emit.pointer(c_kind, c, builder.mul(of_y, emit.index(j))) for j in range(rows)]
            # A power of 2, so that a strip is a whole number of them.
            at_once = min(1 << (emit.sums // rows).bit_length() - 1, int(STRIP) // emit.lanes)
            middle = builder.and_(columns, emit.index(-at_once * emit.lanes))
            for vectors, begin, end in ((at_once, zero, middle), (1, middle, columns)):
                with emit.loop(begin, end, vectors * emit.lanes) as (i, _):
                    places = [builder.add(i, emit.index(v * emit.lanes)) for v in range(vectors)]
                    totals = emit.registers(rows * vectors)
                    with emit.loop(zero, count, 1) as (s, _):
                        row = emit.pointer(x_kind, x, builder.mul(s, emit.index(int(STRIDE))))
                        xs = [emit.load(builder.gep(row, [place])) for place in places]
                        at = builder.mul(s, of_x)
                        weights = [emit.splat(builder.load(builder.gep(start, [at]))) for start in starts]
                        pairs = [(weight, vector) for weight in weights for vector in xs]
                        for (weight, vector), total in zip(pairs, totals, strict=True):
                            emit.add_product(weight, vector, total)
                    for number, total in enumerate(totals):
                        j, place = divmod(number, vectors)
                        to = emit.pointer(y_kind, y, emit.index(j * int(STRIDE)), places[place])
                        emit.store(builder.load(total), to)
            return context.get_dummy_value()

        return signature, generate

    return weighted_rows


weigh_outputs = _weighted_rows(int(OUTPUTS), across=False)
weigh_rows = _weighted_rows(int(ROWS), across=True)


@emitted
def prefetch(typing: Any, place: Any, count: Any) -> Any:
    """Ask memory for `count` bytes from a Place on; nothing happens behind the array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit = Emitter(context, builder, types.float32[:])
        start = emit.pointer(signature.args[0], arguments[0])
        read, to_all_levels, data = (ir.Constant(ir.IntType(32), number) for number in (0, 3, 1))
        with emit.loop(emit.index(0), arguments[1], CACHE_LINE) as (i, _):
            line = builder.gep(start, [i])
            call_llvm(builder, "llvm.prefetch", ir.VoidType(), line, read, to_all_levels, data)
        return context.get_dummy_value()

    return types.void(place, types.uint64), generate
