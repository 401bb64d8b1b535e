// The two matrix products of a layer, in the layout that its sizes have.
#pragma once

#include "narrow.hpp"
#include "wide.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

template <class T>
void product(T* Z__bo, Index ldz, const T* X__bi, Index ldx, Index b, const T* panel, Index in, Index out,
             Index i0, Index i1, Index g0, Index g1, bool add) {
    const Panel<T> layout(in, out);
    for (Index g = g0; g < g1; ++g) {
        const Group group = layout.group(g);
        T* Z = Z__bo + group.first;
        const T* W = panel + layout.place(group, i0, 0);
        if (layout.narrow) {
            const NarrowProduct<T> task{Z, ldz, X__bi, ldx, W, ceiling(i1 - i0, kLanes<T>), add};
            cover_narrow<kGroupOutputs>(task, group.columns, b);
        } else {
            const WideProduct<T> task{Z, ldz, X__bi, ldx, W, group.step, i1 - i0, add};
            cover_group(task, group.step / kLanes<T>, b);
        }
    }
}

template <class T>
void update(T* to, const T* from, T a, T c, const T* X__bi, Index ldx, const T* dZ__bo, Index ldz, Index b,
            Index in, Index out, Index i0, Index i1, Index g0, Index g1) {
    const Panel<T> layout(in, out);
    for (Index g = g0; g < g1; ++g) {
        const Group group = layout.group(g);
        const Index start = layout.place(group, i0, 0);
        const T* dZ = dZ__bo + group.first;
        if (layout.narrow) {
            const NarrowUpdate<T> task{to + start, from + start, a, c, X__bi, ldx, dZ, ldz, b};
            cover_narrow<kGroupOutputs>(task, group.columns, ceiling(i1 - i0, kLanes<T>));
        } else {
            const WideUpdate<T> task{to + start, from + start, group.step, a, c, X__bi, ldx, dZ, ldz, b};
            cover_group(task, group.step / kLanes<T>, i1 - i0);
        }
    }
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
