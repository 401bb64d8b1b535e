// The two matrix products of a layer, and what is done with the second, each column group in its own layout.
// Why so: docs/adr/0012, docs/adr/0016 and docs/adr/0019.
#pragma once

#include "products/narrow.hpp"
#include "products/sparse.hpp"
#include "products/wide.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

template <class T, class Source>
inline void narrow_product(Tile<T> Z__bo, const Source& X, Index b, const T* panel, const Group& group,
                           Span inputs, bool add) {
    const NarrowProduct<T, Source> task{
        {Z__bo.data + group.first, Z__bo.ld}, X, panel, ceiling(inputs.i1 - inputs.i0, kLanes<T>), add};
    cover_narrow<kGroupOutputs>(task, group.columns, b);
}

template <class T>
void product(Tile<T> Z__bo, Tile<const T> X__bi, Index b, const Weights<const T>& W, Span inputs,
             Groups groups, bool add) {
    const Panel<T> layout(W.in, W.out);
    for (Index g = groups.g0; g < groups.g1; ++g) {
        const Group group = layout.group(g);
        const T* panel = W.panel + layout.place(group, inputs.i0, 0);
        if (group.narrow) {
            narrow_product(Z__bo, GatheredInputs<T>{X__bi}, b, panel, group, inputs, add);
            continue;
        }
        const WideProduct<T> task{
            {Z__bo.data + group.first, Z__bo.ld}, X__bi, {panel, group.step}, inputs.i1 - inputs.i0, add};
        cover_group(task, group.step / kLanes<T>, b);
    }
}

template <class T>
void backward(Tile<T> dA__bi, Tile<const T> dZ__bo, Index b, const Weights<const T>& W, const T* transposed) {
    const Panel<T> layout(W.in, W.out);
    if (layout.wide_groups > 0)
        return product(dA__bi, dZ__bo, b, Weights<const T>{transposed, W.out, W.in}, Span{0, W.out},
                       Groups{0, column_groups<T>(W.out, W.in)}, false);
    for (Index g = 0; g < layout.groups(); ++g) {
        const Group group = layout.group(g);
        // Vector by vector of inputs, a narrow group is a wide one of W^T.
        for (Index i = 0; i < W.in; i += kLanes<T>)
            cover<1>(WideProduct<T>{{dA__bi.data + i, dA__bi.ld},
                                    {dZ__bo.data + group.first, dZ__bo.ld},
                                    {W.panel + layout.place(group, i, 0), kLanes<T>},
                                    group.columns,
                                    g > 0},
                     b);
    }
}

template <class T>
void gather_product(Tile<T> Z__bo, Tile<T> X__bi, bool keep, const Incoming<T>& from,
                    const Weights<const T>& W, Span inputs, Groups groups, bool add) {
    const Panel<T> layout(W.in, W.out);
    const Group group = layout.group(groups.g0);
    const Index b = from.numbers.count;
    // The last inputs may be less than a vector, and what lies behind them is not for a product to read.
    if (!group.narrow || (inputs.i1 - inputs.i0) % kLanes<T> != 0) {
        gather(X__bi, from, inputs);
    } else {
        with_elements(from.rows, [&]<class Element>(const Element* X) {
            const IncomingInputs<T, Element> incoming{X, from, X__bi, inputs,
                                                      keep || groups.g0 + 1 < groups.g1};
            narrow_product(Z__bo, incoming, b, W.panel + layout.place(group, inputs.i0, 0), group, inputs,
                           add);
        });
        ++groups.g0;
    }
    product(Z__bo, Tile<const T>{X__bi.data, X__bi.ld}, b, W, inputs, groups, add);
}

// The gradient's linear step for one column group; `to` and `from` are where its run begins.
template <class T>
void update_run(T* to, const T* from, const LinearStep<T>& step, const Inputs<T>& X__bi, Tile<const T> dZ__bo,
                Index b, Span inputs, const Group& group) {
    const Tile<const T> dZ{dZ__bo.data + group.first, dZ__bo.ld};
    const Index count = inputs.i1 - inputs.i0;
    const auto narrow = [&](const auto& columns) {
        cover_narrow<kGroupOutputs>(
            NarrowUpdate<T, std::remove_cvref_t<decltype(columns)>>{to, from, step, columns, dZ, b},
            group.columns, ceiling(count, kLanes<T>));
    };
    if (X__bi.lines.starts)
        sparse_update(to, from, step, X__bi.lines, dZ, count, group);
    else if (!group.narrow)
        cover_group(WideUpdate<T>{to, from, group.step, step.a, step.c, X__bi.tile, dZ, b},
                    group.step / kLanes<T>, count);
    else if (X__bi.rows)
        narrow(RowColumns<T>{*X__bi.rows, X__bi.numbers, inputs.i0});
    else
        narrow(TileColumns<T>{X__bi.tile});
}

// A step's panels, from where the run at `place` begins.
template <class T>
inline LinearStep<T> step_at(LinearStep<T> step, Index i0, Index place) {
    if (step.scaling.factor) step.scaling.factor += i0;
    if (step.scaling.panel) step.scaling.panel += place;
    return step;
}

template <class T>
void update(T* to, const Weights<const T>& W, const LinearStep<T>& step, const Inputs<T>& X__bi,
            Tile<const T> dZ__bo, Index b, Span inputs, Groups groups) {
    const Panel<T> layout(W.in, W.out);
    for (Index g = groups.g0; g < groups.g1; ++g) {
        const Group group = layout.group(g);
        const Index place = layout.place(group, inputs.i0, 0);
        update_run(to + place, W.panel + place, step_at(step, inputs.i0, place), X__bi, dZ__bo, b, inputs,
                   group);
    }
}

template <class T>
void gradient(T* to, const Weights<const T>& W, const LinearStep<T>& step, const Inputs<T>& X__bi,
              Tile<const T> dZ__bo, Index b, Span inputs, Index group) {
    const Panel<T> layout(W.in, W.out);
    const Group columns = layout.group(group);
    update_run(to, W.panel + layout.place(columns, inputs.i0, 0), step_at(step, inputs.i0, 0), X__bi, dZ__bo,
               b, inputs, columns);
}

// Where few outputs use an input, to scale it would take a tenth of the time. And to convert bytes once more
// costs less than to keep floats of four times their size in a cache, as long as one column group reads them.
template <class T>
bool prefers_unscaled(RowType type, Index in, Index out) {
    const Panel<T> layout(in, out);
    return type == RowType::uint8 && layout.groups() == 1 && layout.group(0).narrow && in % kLanes<T> == 0;
}

template <class T>
void rescale(const Scaling<T>& to, const Weights<const T>& W, Span inputs) {
    const Panel<T> layout(W.in, W.out);
    const Group group = layout.group(0);  // the only one, and narrow
    for (Index i = inputs.i0; i < inputs.i1; i += kLanes<T>) {
        const Vector<T> factor = load(to.factor + i);
        const Index place = layout.place(group, i, 0);
        for (Index at = place; at < place + group.step; at += kLanes<T>)
            store<T>(to.panel + at, factor * load(W.panel + at));
    }
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
