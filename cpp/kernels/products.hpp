// The two matrix products of a layer, each column group in its own layout.
#pragma once

#include "layers.hpp"
#include "narrow.hpp"
#include "wide.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

template <class T, class Inputs>
inline void narrow_product(T* Z__bo, Index ldz, const Inputs& X, Index b, const T* panel,
                           const Panel<T>& layout, Index i0, Index i1, const Group& group, bool add) {
    const NarrowProduct<T, Inputs> task{
        Z__bo + group.first, ldz, X, panel + layout.place(group, i0, 0), ceiling(i1 - i0, kLanes<T>), add};
    cover_narrow<kGroupOutputs>(task, group.columns, b);
}

template <class T>
void product(T* Z__bo, Index ldz, const T* X__bi, Index ldx, Index b, const T* panel, Index in, Index out,
             Index i0, Index i1, Index g0, Index g1, bool add) {
    const Panel<T> layout(in, out);
    for (Index g = g0; g < g1; ++g) {
        const Group group = layout.group(g);
        if (group.narrow) {
            narrow_product(Z__bo, ldz, GatheredInputs<T>{X__bi, ldx}, b, panel, layout, i0, i1, group, add);
            continue;
        }
        const WideProduct<T> task{
            Z__bo + group.first, ldz,     X__bi, ldx, panel + layout.place(group, i0, 0),
            group.step,          i1 - i0, add};
        cover_group(task, group.step / kLanes<T>, b);
    }
}

template <class T>
void backward(T* dA__bi, const T* A__bi, Index ld, const T* dZ__bo, Index ldz, Index b, const T* panel,
              const T* transposed, Index in, Index out) {
    const Panel<T> layout(in, out);
    if (layout.wide_groups > 0)
        product(dA__bi, ld, dZ__bo, ldz, b, transposed, out, in, 0, out, 0, column_groups<T>(out, in), false);
    else
        for (Index g = 0; g < layout.groups(); ++g) {
            const Group group = layout.group(g);
            // Vector by vector of inputs, a narrow group is a wide one of W^T.
            for (Index i = 0; i < in; i += kLanes<T>)
                cover<1>(WideProduct<T>{dA__bi + i, ld, dZ__bo + group.first, ldz,
                                        panel + layout.place(group, i, 0), kLanes<T>, group.columns, g > 0},
                         b);
        }
    mask(dA__bi, A__bi, ld, b, in);
}

template <class T>
void gather_product(T* Z__bo, Index ldz, T* X__bi, Index ldx, bool keep, const Rows<T>& rows,
                    const std::int32_t* which, Index first, Index b, const T* panel, Index in, Index out,
                    Index i0, Index i1, Index ahead, Index g0, Index g1, bool add) {
    const Panel<T> layout(in, out);
    const Group group = layout.group(g0);
    // The last inputs may be less than a vector, and what lies behind them is not for a product to read.
    if (!group.narrow || (i1 - i0) % kLanes<T> != 0) {
        gather(X__bi, ldx, rows, which, first, b, i0, i1, ahead);
    } else {
        with_elements(rows, [&]<class Element>(const Element* X) {
            const IncomingInputs<T, Element> inputs{X,  rows,  {which, first, b},  X__bi, ldx, i0,
                                                    i1, ahead, keep || g0 + 1 < g1};
            narrow_product(Z__bo, ldz, inputs, b, panel, layout, i0, i1, group, add);
        });
        ++g0;
    }
    product(Z__bo, ldz, X__bi, ldx, b, panel, in, out, i0, i1, g0, g1, add);
}

// Inputs i0 <= i < i1 of a column group; column `column` of X is input i0.
template <class T, class Columns>
inline void narrow_update(T* to, const T* from, T a, T c, Scaling<T> scaling, const Columns& X, Index column,
                          const T* dZ__bo, Index ldz, const Panel<T>& layout, Index i0, Index i1,
                          const Group& group) {
    const Index start = layout.place(group, i0, 0);
    if (scaling.panel) scaling.panel += start;
    const NarrowUpdate<T, Columns> task{to + start, from + start,         a,  c, scaling, X, column,
                                        i0,         dZ__bo + group.first, ldz};
    cover_narrow<kGroupOutputs>(task, group.columns, ceiling(i1 - i0, kLanes<T>));
}

template <class T>
void update(T* to, const T* from, T a, T c, Scaling<T> scaling, const T* X__bi, Index ldx, const T* dZ__bo,
            Index ldz, Index b, Index in, Index out, Index i0, Index i1, Index g0, Index g1) {
    const Panel<T> layout(in, out);
    for (Index g = g0; g < g1; ++g) {
        const Group group = layout.group(g);
        if (group.narrow) {
            narrow_update(to, from, a, c, scaling, TileColumns<T>{X__bi, ldx, b}, 0, dZ__bo, ldz, layout, i0,
                          i1, group);
            continue;
        }
        const Index start = layout.place(group, i0, 0);
        const WideUpdate<T> task{to + start, from + start, group.step,           a,   c,
                                 X__bi,      ldx,          dZ__bo + group.first, ldz, b};
        cover_group(task, group.step / kLanes<T>, i1 - i0);
    }
}

// Where few outputs use an input, to scale it would take a tenth of the time. And to convert bytes once more
// costs less than to keep floats of four times their size in a cache, as long as one column group reads them.
template <class T>
bool takes_unscaled(RowType type, Index in, Index out) {
    const Panel<T> layout(in, out);
    return type == RowType::uint8 && layout.groups() == 1 && layout.group(0).narrow && in % kLanes<T> == 0;
}

template <class T>
void reread_update(T* to, const T* from, T a, T c, Scaling<T> scaling, const Rows<T>& rows,
                   const std::int32_t* which, const T* dZ__bo, Index ldz, Index b, Index in, Index out,
                   Index i0, Index i1) {
    const RowColumns<T> X{static_cast<const UnscaledByte*>(rows.X), rows, {which, 0, b}, b};
    const Panel<T> layout(in, out);
    narrow_update(to, from, a, c, scaling, X, i0, dZ__bo, ldz, layout, i0, i1, layout.group(0));
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
