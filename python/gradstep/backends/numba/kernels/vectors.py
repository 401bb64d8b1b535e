"""The inner loops, written as LLVM's vector code.

numba leaves it to LLVM to find vectors, and LLVM vectorises the innermost loop alone. Products are
fast when a tile of sums stays in registers over a whole loop, so these are spelled out here. A
function below writes one such loop nest when numba compiles its caller; loops in Python unroll.

The order of an element's sum depends on the machine's vectors and on the panel's width, never on
where in a tile the element lies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types

from gradstep.backends.numba.kernels.arrays import LANES, OUTPUTS, ROWS, STRIDE, STRIP
from gradstep.backends.numba.kernels.compiling import call_llvm, emitted

Value = Any  # of llvmlite, which has no types
Body = Callable[[Value, list[Value]], list[Value]]

CACHE_LINE = 64


class Emitter:
    """Writes vector code of one element type for the machine that numba compiles for."""

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

    def zero(self) -> Value:
        """Return a vector of zeros."""
        return ir.Constant(self.type, [0.0] * self.lanes)

    def pointer(self, array: Any, value: Value, *offsets: Value) -> Value:
        """Return the address of an element of an array, the sum of `offsets` from its first."""
        data = self.context.make_array(array)(self.context, self.builder, value).data
        for offset in offsets:
            data = self.builder.gep(data, [offset])
        return data

    def load(self, pointer: Value, lanes: int = 0) -> Value:
        """Load a vector from any element's address."""
        vector = ir.VectorType(pointer.type.pointee, lanes or self.lanes)
        return self.builder.load(self.builder.bitcast(pointer, vector.as_pointer()), align=1)

    def store(self, vector: Value, pointer: Value) -> None:
        """Store a vector to any element's address."""
        self.builder.store(vector, self.builder.bitcast(pointer, vector.type.as_pointer()), align=1)

    def cast(self, vector: Value, element: Value) -> Value:
        """Return unsigned integers, or floats of either length, as a vector of floats."""
        new, old = ir.VectorType(element, vector.type.count), vector.type.element
        if isinstance(old, ir.IntType):
            return self.builder.uitofp(vector, new)
        if isinstance(old, ir.FloatType):
            return vector if new.element == old else self.builder.fpext(vector, new)
        return vector if new.element == old else self.builder.fptrunc(vector, new)

    def splat(self, scalar: Value) -> Value:
        """Return a vector of equal numbers."""
        undefined = ir.Constant(self.type, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
        return self.shuffle(first, undefined, [0] * self.lanes)

    def shuffle(self, a: Value, b: Value, places: Sequence[int]) -> Value:
        """Pick elements of a and, counted on, of b."""
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), list(places))
        return self.builder.shuffle_vector(a, b, mask)

    def multiply_add(self, a: Value, b: Value, c: Value) -> Value:
        """Return a * b + c, rounded once where the machine can."""
        name = f"llvm.fmuladd.v{self.lanes}f{8 * self.size}"
        return call_llvm(self.builder, name, self.type, a, b, c)

    def loop(self, begin: Value, end: Value, step: int, values: list[Value], body: Body) -> list[Value]:
        """Write ``for i in range(begin, end, step): values = body(i, values)`` and return the values."""
        builder, before = self.builder, self.builder.block
        head, inside, behind = (builder.append_basic_block(name) for name in ("head", "inside", "behind"))
        builder.branch(head)
        builder.position_at_end(head)
        i = builder.phi(end.type)
        i.add_incoming(begin, before)
        kept = [builder.phi(value.type) for value in values]
        for phi, value in zip(kept, values, strict=True):
            phi.add_incoming(value, before)
        builder.cbranch(builder.icmp_unsigned("<", i, end), inside, behind)
        builder.position_at_end(inside)
        new = body(i, kept)
        i.add_incoming(builder.add(i, self.index(step)), builder.block)
        for phi, value in zip(kept, new, strict=True):
            phi.add_incoming(value, builder.block)
        builder.branch(head)
        builder.position_at_end(behind)
        return kept

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
def add_products(
    typing: Any, x: Any, xi: Any, w: Any, wi: Any, width: Any, sums: Any, si: Any, distance: Any
) -> Any:
    """Do ``sums[si + o * distance + r] += x[r] @ w[o]`` for ROWS rows r at x[xi], OUTPUTS rows o at w[wi].

    Rows lie STRIDE apart; their first `width` elements are multiplied.
    """
    signature = types.void(x, types.uint64, w, types.uint64, types.uint64, sums, types.uint64, types.uint64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, xi, w, wi, width, sums, si, distance = arguments
        emit, array = Emitter(context, builder, signature.args[0]), signature.args[0]
        x_rows = [emit.pointer(array, x, xi, emit.index(r * int(STRIDE))) for r in range(int(ROWS))]
        at_once = max(1, emit.sums // int(ROWS))
        for first in range(0, int(OUTPUTS), at_once):
            outputs = range(first, min(first + at_once, int(OUTPUTS)))
            w_rows = [emit.pointer(array, w, wi, emit.index(o * int(STRIDE))) for o in outputs]

            def multiply(i: Value, totals: list[Value], w_rows: list[Value] = w_rows) -> list[Value]:
                xs = [emit.load(builder.gep(row, [i])) for row in x_rows]
                ws = [emit.load(builder.gep(row, [i])) for row in w_rows]
                pairs = [(x, w) for w in ws for x in xs]
                return [emit.multiply_add(x, w, c) for (x, w), c in zip(pairs, totals, strict=True)]

            totals = [emit.zero()] * (len(w_rows) * len(x_rows))
            totals = emit.loop(emit.index(0), width, emit.lanes, totals, multiply)
            for number, o in enumerate(outputs):
                four = emit.sums_of_four(*totals[number * 4 : number * 4 + 4])
                place = emit.pointer(array, sums, si, builder.mul(distance, emit.index(o)))
                emit.store(builder.fadd(emit.load(place, 4), four), place)
        return context.get_dummy_value()

    return signature, generate


def _weighted_rows(rows: int, columns: int) -> Any:
    """Return an intrinsic that makes `rows` rows of `columns` columns, each a weighted sum of others."""

    @emitted
    def weighted_rows(
        typing: Any, y: Any, yi: Any, keep: Any, scale: Any, x: Any, xi: Any, count: Any,
        c: Any, ci: Any, of_y: Any, of_x: Any,
    ) -> Any:  # fmt: skip
        index = types.uint64
        signature = types.void(y, index, y.dtype, y.dtype, x, index, index, c, index, index, index)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            y, yi, keep, scale, x, xi, count, c, ci, of_y, of_x = arguments
            emit, array = Emitter(context, builder, signature.args[0]), signature.args[0]
            cs = [emit.pointer(array, c, ci, builder.mul(of_y, emit.index(j))) for j in range(rows)]
            nothing = builder.fcmp_ordered("==", keep, ir.Constant(emit.element, 0.0))
            keep, scale = emit.splat(keep), emit.splat(scale)
            vectors, at_once = columns // emit.lanes, max(1, emit.sums // rows)
            x_start = emit.pointer(array, x, xi)
            for first in range(0, vectors, at_once):
                places = [emit.index(v * emit.lanes) for v in range(first, min(first + at_once, vectors))]

                def add(s: Value, totals: list[Value], places: list[Value] = places) -> list[Value]:
                    row = builder.gep(x_start, [builder.mul(s, emit.index(int(STRIDE)))])
                    xs = [emit.load(builder.gep(row, [place])) for place in places]
                    at = builder.mul(s, of_x)
                    weights = [emit.splat(builder.load(builder.gep(start, [at]))) for start in cs]
                    pairs = [(weight, x) for weight in weights for x in xs]
                    return [emit.multiply_add(w, x, t) for (w, x), t in zip(pairs, totals, strict=True)]

                zeros = [emit.zero()] * (rows * len(places))
                totals = emit.loop(emit.index(0), count, 1, zeros, add)
                for number, total in enumerate(totals):
                    j, place = divmod(number, len(places))
                    row = emit.pointer(array, y, yi, emit.index(j * int(STRIDE)))
                    at = builder.gep(row, [places[place]])
                    kept = builder.select(nothing, emit.zero(), builder.fmul(keep, emit.load(at)))
                    emit.store(emit.multiply_add(scale, total, kept), at)
            return context.get_dummy_value()

        return signature, generate

    return weighted_rows


@emitted
def standardize(
    typing: Any, flat: Any, start: Any, mean: Any, inverse: Any, first: Any, count: Any, to: Any, at: Any
) -> Any:
    """Do ``to[at + i] = (flat[start + i] - mean[first + i]) * inverse[first + i]`` for i < count.

    It is computed in the type of the mean.
    """
    index = types.uint64
    signature = types.void(flat, index, mean, mean, index, index, to, index)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        flat, start, mean, inverse, first, count, to, at = arguments
        emit = Emitter(context, builder, signature.args[6])
        x_start = emit.pointer(signature.args[0], flat, start)
        means, inverses = (emit.pointer(signature.args[2], array, first) for array in (mean, inverse))
        to_start = emit.pointer(signature.args[6], to, at)

        def convert(lanes: int) -> Body:
            def body(i: Value, nothing: list[Value]) -> list[Value]:
                x, mean, inverse = (
                    emit.load(builder.gep(pointer, [i]), lanes) for pointer in (x_start, means, inverses)
                )
                number = builder.fsub(emit.cast(x, mean.type.element), mean)
                number = builder.fmul(number, inverse)
                emit.store(emit.cast(number, emit.element), builder.gep(to_start, [i]))
                return nothing

            return body

        full = builder.and_(count, emit.index(-emit.lanes))
        emit.loop(emit.index(0), full, emit.lanes, [], convert(emit.lanes))
        emit.loop(full, count, 1, [], convert(1))
        return context.get_dummy_value()

    return signature, generate


# y[j] = keep * y[j] + scale * sum of c[ci + j * of_y + s * of_x] * x[s] over s < count, for rows j at
# y[yi], rows s at x[xi], STRIDE apart. Where keep is 0, y may hold anything.
outputs_by_strip = _weighted_rows(int(OUTPUTS), int(STRIP))
outputs_by_vector = _weighted_rows(int(OUTPUTS), int(LANES))
rows_by_strip = _weighted_rows(int(ROWS), int(STRIP))
rows_by_vector = _weighted_rows(int(ROWS), int(LANES))


@emitted
def prefetch(typing: Any, array: Any, at: Any, count: Any) -> Any:
    """Ask memory for ``array[at : at + count]``; nothing happens behind the array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        emit, array = Emitter(context, builder, signature.args[0]), signature.args[0]
        start = emit.pointer(array, *arguments[:2])

        def ask(i: Value, nothing: list[Value]) -> list[Value]:
            address = builder.bitcast(builder.gep(start, [i]), ir.IntType(8).as_pointer())
            read, to_all_levels, data = (ir.Constant(ir.IntType(32), number) for number in (0, 3, 1))
            call_llvm(builder, "llvm.prefetch", ir.VoidType(), address, read, to_all_levels, data)
            return nothing

        emit.loop(emit.index(0), arguments[2], CACHE_LINE // emit.size, [], ask)
        return context.get_dummy_value()

    return types.void(array, types.uint64, types.uint64), generate
