// Packed weights. The outputs of W (in, out) are cut into column groups of up to kGroupVectors
// vectors; a group holds its inputs one after the other, each a row of whole vectors, so that a
// product streams through it. Columns beyond `out` are zero.
#pragma once

#include "vector.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

constexpr Index kGroupVectors = kRegisters == 32 ? 4 : 2;

template <class T>
constexpr Index kGroupColumns = kGroupVectors * kLanes<T>;

template <class T>
inline Index column_groups(Index out) {
    return (out + kGroupColumns<T> - 1) / kGroupColumns<T>;
}

// One column group: where it starts in the panel and how many columns it has, real and padded.
struct Group {
    Index start;
    Index first;
    Index columns;
    Index width;
};

template <class T>
inline Group group_of(Index g, Index in, Index out) {
    const Index first = g * kGroupColumns<T>;
    const Index columns = smaller(out - first, kGroupColumns<T>);
    return {first * in, first, columns, round_up<T>(columns)};
}

template <class T>
Index padded(Index out) {
    return round_up<T>(out);
}

template <class T>
Index panel_size(Index in, Index out) {
    return in * round_up<T>(out);
}

template <class T>
void pack(T* panel, const T* W__io, Index in, Index out) {
    for (Index g = 0; g < column_groups<T>(out); ++g) {
        const Group group = group_of<T>(g, in, out);
        for (Index i = 0; i < in; ++i) {
            T* row = panel + group.start + i * group.width;
            for (Index o = 0; o < group.width; ++o)
                row[o] = o < group.columns ? W__io[i * out + group.first + o] : T(0);
        }
    }
}

template <class T>
void unpack(T* W__io, const T* panel, Index in, Index out) {
    for (Index g = 0; g < column_groups<T>(out); ++g) {
        const Group group = group_of<T>(g, in, out);
        for (Index i = 0; i < in; ++i)
            for (Index o = 0; o < group.columns; ++o)
                W__io[i * out + group.first + o] = panel[group.start + i * group.width + o];
    }
}

template <class T>
void transpose(T* panel__oi, const T* panel__io, Index in, Index out, Index i0, Index i1) {
    for (Index h = i0 / kGroupColumns<T>; h * kGroupColumns<T> < i1; ++h) {
        const Group to = group_of<T>(h, out, in);
        const Index begin = to.first > i0 ? to.first : i0;
        const Index end = smaller(to.first + to.columns, i1);
        for (Index g = 0; g < column_groups<T>(out); ++g) {
            const Group from = group_of<T>(g, in, out);
            for (Index o = 0; o < from.columns; ++o) {
                T* row = panel__oi + to.start + (from.first + o) * to.width;
                for (Index i = begin; i < end; ++i)
                    row[i - to.first] = panel__io[from.start + i * from.width + o];
            }
        }
    }
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
