// Rows on their way into a batch: read where they lie, converted, standardised.
#pragma once

#include "elements.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

// Rows which[0..count), or first + 0..count when `which` is null.
struct RowNumbers {
    const std::int32_t* which;
    Index first;
    Index count;

    inline Index operator[](Index r) const { return which ? static_cast<Index>(which[r]) : first + r; }
};

// Rows that were asked for long ago have left the first cache again: they are asked for so many rows before
// they are read.
constexpr Index kRowsAhead = 4;
constexpr Index kCacheLine = 64;

inline void ask_for(const void* from, Index bytes) {
    for (Index at = 0; at < bytes; at += kCacheLine) __builtin_prefetch(static_cast<const char*>(from) + at);
}

// Into the second cache alone: the first is in use until then.
inline void ask_early_for(const void* from, Index bytes) {
    for (Index at = 0; at < bytes; at += kCacheLine)
        __builtin_prefetch(static_cast<const char*>(from) + at, 0, 2);
}

template <class T>
void prefetch(const Rows<T>& rows, const std::int32_t* which, Index b, Index i0, Index i1) {
    const Index size = rows.type == RowType::uint8 ? 1 : rows.type == RowType::float32 ? 4 : 8;
    const char* data = static_cast<const char*>(rows.X) + i0 * size;
    for (Index r = 0; r < b; ++r) ask_early_for(data + which[r] * rows.stride * size, (i1 - i0) * size);
}

// Inputs i0 <= i < i1 of M rows, read vector by vector, standardised and written to their places.
template <class T, class Element, int M>
struct RowReader {
    using Of = Elements<T, Element>;
    const Element* from[M];
    T* to[M];
    const typename Of::Number* mean;
    const typename Of::Number* inverse_scale;

    GRADSTEP_INLINE void standardise(const Element* const* elements, Index i, Vector<T>* inputs) const {
        auto shift = Of::numbers(mean + i);
        keep_in_register(shift);
        if constexpr (Of::kScales) {
            auto factor = Of::numbers(inverse_scale + i);
            keep_in_register(factor);
            repeat<M>([&](int r) GRADSTEP_LAMBDA {
                inputs[r] = Of::rounded((Of::read(elements[r]) - shift) * factor);
            });
        } else {
            repeat<M>([&](int r) GRADSTEP_LAMBDA { inputs[r] = Of::rounded(Of::read(elements[r]) - shift); });
        }
    }

    GRADSTEP_INLINE void take(Index i, Vector<T>* inputs) const {
        const Element* elements[M];
        repeat<M>([&](int r) GRADSTEP_LAMBDA { elements[r] = from[r] + i; });
        standardise(elements, i, inputs);
        repeat<M>([&](int r) GRADSTEP_LAMBDA { store(to[r] + i, inputs[r]); });
    }

    // The last `count` inputs, fewer than a vector: what lies behind them in memory is not ours to read.
    inline void take_last(Index i, Index count, Vector<T>* inputs) const {
        Element copies[M][kLanes<T>] = {};
        const Element* elements[M];
        for (int r = 0; r < M; ++r) {
            for (Index lane = 0; lane < count; ++lane) copies[r][lane] = from[r][i + lane];
            elements[r] = copies[r];
        }
        standardise(elements, i, inputs);
        const Integers<T> inside = lane_numbers<T>() < static_cast<typename IntegerOf<T>::type>(count);
        for (int r = 0; r < M; ++r) {
            inputs[r] = inside ? inputs[r] : Vector<T>{};
            store(to[r] + i, inputs[r]);
        }
    }
};

// The reader of rows r ... r + M - 1 of a batch; what lies `ahead` is asked for.
template <int M, class T, class Element>
GRADSTEP_INLINE RowReader<T, Element, M> reader_of(const Element* X, const Rows<T>& rows, RowNumbers numbers,
                                                   Index r, T* X__bi, Index ldx, Index i0, Index i1,
                                                   Index ahead) {
    using Of = Elements<T, Element>;
    RowReader<T, Element, M> reader{{}, {}, Of::mean(rows) + i0, nullptr};
    if constexpr (Of::kScales) reader.inverse_scale = Of::inverse_scale(rows) + i0;
    repeat<M>([&](int m) GRADSTEP_LAMBDA {
        reader.from[m] = X + numbers[r + m] * rows.stride + i0;
        reader.to[m] = X__bi + m * ldx;
        const Index bytes = (i1 - i0) * static_cast<Index>(sizeof(Element));
        if (ahead)
            ask_for(reader.from[m] + ahead, bytes);
        else if (r + m + kRowsAhead < numbers.count)
            ask_for(X + numbers[r + m + kRowsAhead] * rows.stride + i0, bytes);
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
void gather(T* X__bi, Index ldx, const Rows<T>& rows, const std::int32_t* which, Index first, Index b,
            Index i0, Index i1, Index ahead) {
    with_elements(rows, [&](auto X) {
        for (Index r = 0; r < b; ++r) {
            const auto reader =
                reader_of<1>(X, rows, RowNumbers{which, first, b}, r, X__bi + r * ldx, ldx, i0, i1, ahead);
            Vector<T> inputs[1];
            Index i = 0;
            for (; i + kLanes<T> <= i1 - i0; i += kLanes<T>) reader.take(i, inputs);
            if (i < i1 - i0) reader.take_last(i, i1 - i0 - i, inputs);
        }
    });
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
