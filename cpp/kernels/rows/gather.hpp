// Rows on their way into a batch: read where they lie, converted, standardised.
// Why so: docs/adr/0012.
#pragma once

#include "rows/convert.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

inline Index number_of(RowNumbers rows, Index r) {
    return rows.indices ? static_cast<Index>(rows.indices[r]) : rows.first + r;
}

// Rows that were asked for long ago have left the first cache again: they are asked for so many rows before
// they are read.
constexpr Index kRowsAhead = 4;
constexpr Index kCacheLine = 64;

inline void prefetch_lines(const void* from, Index bytes) {
    for (Index at = 0; at < bytes; at += kCacheLine) __builtin_prefetch(static_cast<const char*>(from) + at);
}

// Into the second cache alone: the first is in use until then.
inline void prefetch_lines_early(const void* from, Index bytes) {
    for (Index at = 0; at < bytes; at += kCacheLine)
        __builtin_prefetch(static_cast<const char*>(from) + at, 0, 2);
}

template <class T>
void prefetch(const Rows<T>& rows, const RowNumbers& numbers, Span inputs) {
    if (rows.sparse()) return;  // where elements lie is not known
    const Index size = rows.type == RowType::uint8 ? 1 : rows.type == RowType::float32 ? 4 : 8;
    const char* data = static_cast<const char*>(rows.X) + inputs.i0 * size;
    for (Index r = 0; r < numbers.count; ++r)
        prefetch_lines_early(data + number_of(numbers, r) * rows.stride * size,
                             (inputs.i1 - inputs.i0) * size);
}

// Inputs i0 <= i < i1 of M rows, read vector by vector, standardised and written to their places.
template <class T, class Element, int M>
struct RowReader {
    using Of = Elements<T, Element>;
    const Element* from[M];
    T* to[M];
    const typename Of::Number* mean;
    const typename Of::Number* inverse_scale;

    // read(r) gives the elements of row r.
    template <class Read>
    GRADSTEP_INLINE void standardise(const Read& read, Index i, Vector<T>* inputs) const {
        auto shift = Of::numbers(mean + i);
        keep_in_register(shift);
        if constexpr (Of::kScales) {
            auto factor = Of::numbers(inverse_scale + i);
            keep_in_register(factor);
            repeat<M>([&](int r) GRADSTEP_LAMBDA { inputs[r] = Of::rounded((read(r) - shift) * factor); });
        } else {
            repeat<M>([&](int r) GRADSTEP_LAMBDA { inputs[r] = Of::rounded(read(r) - shift); });
        }
    }

    GRADSTEP_INLINE void take(Index i, Vector<T>* inputs) const {
        standardise([&](int r) GRADSTEP_LAMBDA { return Of::read(from[r] + i); }, i, inputs);
        repeat<M>([&](int r) GRADSTEP_LAMBDA { store(to[r] + i, inputs[r]); });
    }

    // The last `count` inputs, fewer than a vector: what lies behind them in memory is not ours to read.
    inline void take_last(Index i, Index count, Vector<T>* inputs) const {
        standardise([&](int r) GRADSTEP_LAMBDA { return read_first<T>(from[r] + i, count); }, i, inputs);
        const Integers<T> inside = lane_numbers<T>() < static_cast<typename IntegerOf<T>::type>(count);
        for (int r = 0; r < M; ++r) {
            inputs[r] = inside ? inputs[r] : Vector<T>{};
            store(to[r] + i, inputs[r]);
        }
    }
};

// The reader of rows r ... r + M - 1 of a batch, whose inputs go to X__bi; what lies `ahead` is asked for.
template <int M, class T, class Element>
GRADSTEP_INLINE RowReader<T, Element, M> reader_of(const Element* X, const Incoming<T>& from, Index r,
                                                   Tile<T> X__bi, Span inputs) {
    using Of = Elements<T, Element>;
    const Rows<T>& rows = from.rows;
    RowReader<T, Element, M> reader{{}, {}, Of::mean(rows) + inputs.i0, nullptr};
    if constexpr (Of::kScales) reader.inverse_scale = Of::inverse_scale(rows) + inputs.i0;
    repeat<M>([&](int m) GRADSTEP_LAMBDA {
        reader.from[m] = X + number_of(from.numbers, r + m) * rows.stride + inputs.i0;
        reader.to[m] = X__bi.data + m * X__bi.ld;
        const Index bytes = (inputs.i1 - inputs.i0) * static_cast<Index>(sizeof(Element));
        if (from.ahead)
            prefetch_lines(reader.from[m] + from.ahead, bytes);
        else if (r + m + kRowsAhead < from.numbers.count)
            prefetch_lines(X + number_of(from.numbers, r + m + kRowsAhead) * rows.stride + inputs.i0, bytes);
    });
    return reader;
}

// f(X) with X of its own type.
template <class T, class F>
inline void with_elements(const Rows<T>& rows, F&& f) {
    switch (rows.type) {
        case RowType::uint8:
            if (!rows.inverse_scale_T) return f(static_cast<const UnscaledByte*>(rows.X));
            return f(static_cast<const std::uint8_t*>(rows.X));
        case RowType::float32:
            return f(static_cast<const float*>(rows.X));
        case RowType::float64:
            return f(static_cast<const double*>(rows.X));
    }
}

template <class T>
void gather(Tile<T> X__bi, const Incoming<T>& from, Span inputs) {
    const Index count = inputs.i1 - inputs.i0;
    with_elements(from.rows, [&](auto X) {
        for (Index r = 0; r < from.numbers.count; ++r) {
            const auto reader =
                reader_of<1>(X, from, r, Tile<T>{X__bi.data + r * X__bi.ld, X__bi.ld}, inputs);
            Vector<T> one[1];
            Index i = 0;
            for (; i + kLanes<T> <= count; i += kLanes<T>) reader.take(i, one);
            if (i < count) reader.take_last(i, count - i, one);
        }
    });
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
