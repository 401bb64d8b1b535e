// Rows on their way into a batch: read where they lie, converted, standardised.
#pragma once

#include "vector.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

inline Index row_at(const std::int32_t* which, Index first, Index r) {
    return which ? static_cast<Index>(which[r]) : first + r;
}

// Rows of a shuffled batch lie anywhere: they are asked for this many rows before they are read.
constexpr Index kRowsAhead = 12;
constexpr Index kCacheLine = 64;

inline void ask_for(const void* from, Index bytes) {
    for (Index at = 0; at < bytes; at += kCacheLine) __builtin_prefetch(static_cast<const char*>(from) + at);
}

template <class T>
void prefetch(const Rows<T>& rows, const std::int32_t* which, Index b, Index i0, Index i1) {
    const Index size = rows.type == RowType::uint8 ? 1 : rows.type == RowType::float32 ? 4 : 8;
    const char* data = static_cast<const char*>(rows.X) + i0 * size;
    for (Index r = 0; r < b; ++r) ask_for(data + which[r] * rows.stride * size, (i1 - i0) * size);
}

// Arithmetic in Wide, the wider of the element's type and the network's.
template <class T, class Element, class Wide>
void gather_as(T* X__bi, Index ldx, const Rows<T>& rows, const Wide* mean, const Wide* inverse_scale,
               const std::int32_t* which, Index first, Index b, Index i0, Index i1) {
    const Element* data = static_cast<const Element*>(rows.X);
    const Index length = i1 - i0;
    mean += i0;
    inverse_scale += i0;
    for (Index r = 0; r < b; ++r) {
        if (r + kRowsAhead < b)
            ask_for(data + row_at(which, first, r + kRowsAhead) * rows.stride + i0,
                    length * static_cast<Index>(sizeof(Element)));
        const Element* __restrict__ from = data + row_at(which, first, r) * rows.stride + i0;
        T* __restrict__ to = X__bi + r * ldx;
        for (Index i = 0; i < length; ++i)
            to[i] = static_cast<T>((static_cast<Wide>(from[i]) - mean[i]) * inverse_scale[i]);
        for (Index i = length; i < round_up<T>(length); ++i) to[i] = T(0);
    }
}

template <class T>
void gather(T* X__bi, Index ldx, const Rows<T>& rows, const std::int32_t* which, Index first, Index b,
            Index i0, Index i1) {
    switch (rows.type) {
        case RowType::uint8:
            return gather_as<T, std::uint8_t, T>(X__bi, ldx, rows, rows.mean_T, rows.inverse_scale_T, which,
                                                 first, b, i0, i1);
        case RowType::float32:
            return gather_as<T, float, T>(X__bi, ldx, rows, rows.mean_T, rows.inverse_scale_T, which, first,
                                          b, i0, i1);
        case RowType::float64:
            return gather_as<T, double, double>(X__bi, ldx, rows, rows.mean, rows.inverse_scale, which, first,
                                                b, i0, i1);
    }
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
