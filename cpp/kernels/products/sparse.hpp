// Products of rows that are mostly zero. Only elements that are told of are multiplied, in the order in which
// the dense products take them: a sum that leaves out terms of exactly zero has the bits of the sum with
// them.
//
//     product: for each row, element x of input i:      acc[o] += x * W[i][o]
//     update:  for each input, element x of row r:      acc[o] += x * dZ[r][o]
//
// In narrow groups, whose lanes run along the inputs, an element is a vector that is zero but for one lane.
//
// Why so: docs/adr/0004 and docs/adr/0029.
#pragma once

#include "products/narrow.hpp"
#include "products/wide.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

// x in one lane, zero in all others.
template <class T>
GRADSTEP_INLINE Vector<T> in_lane(T x, Index lane) {
    const Integers<T> is_lane = lane_numbers<T>() == static_cast<typename IntegerOf<T>::type>(lane);
    return is_lane ? all_lanes(x) : Vector<T>{};
}

// V vectors of outputs: the sum over the elements of a line of x times what lies at their places of `right`,
// `ld` elements apart.
template <class T, int V>
struct SparseSum {
    Vector<T> acc[V];

    GRADSTEP_INLINE void run(const SparseLines<T>& lines, Index line, const T* right, Index ld) {
        repeat<V>([&](int v) GRADSTEP_LAMBDA { acc[v] = Vector<T>{}; });
        for (Index e = lines.starts[line]; e < lines.starts[line + 1]; ++e) {
            Vector<T> x = all_lanes(lines.values[e]);
            if constexpr (V > 1) keep_in_register(x);
            const T* columns = right + lines.places[e] * ld;
            repeat<V>([&](int v) GRADSTEP_LAMBDA { acc[v] += x * load(columns + v * kLanes<T>); });
        }
    }
};

template <class T, int V>
void sparse_wide_product(Tile<T> Z, const SparseLines<T>& X, Index b, const T* W, bool add) {
    for (Index r = 0; r < b; ++r) {
        if (add && X.starts[r] == X.starts[r + 1]) continue;
        SparseSum<T, V> sum;
        sum.run(X, r, W, V * kLanes<T>);
        T* z = Z.data + r * Z.ld;
        if (add) repeat<V>([&](int v) GRADSTEP_LAMBDA { sum.acc[v] += load(z + v * kLanes<T>); });
        repeat<V>([&](int v) GRADSTEP_LAMBDA { store<T>(z + v * kLanes<T>, sum.acc[v]); });
    }
}

template <class T, int V>
void sparse_wide_update(T* to, const T* from, const LinearStep<T>& step, const SparseLines<T>& X,
                        Tile<const T> dZ, Index count) {
    for (Index i = 0; i < count; ++i) {
        SparseSum<T, V> sum;
        sum.run(X, i, dZ.data, dZ.ld);
        repeat<V>([&](int v) GRADSTEP_LAMBDA {
            const Index place = (i * V + v) * kLanes<T>;
            store<T>(to + place, stepped<T>(step.a, load(from + place), step.c * sum.acc[v]));
        });
    }
}

template <class T, int K>
void sparse_narrow_product(Tile<T> Z, const SparseLines<T>& X, Index b, const T* W, bool add) {
    for (Index r = 0; r < b; ++r) {
        if (add && X.starts[r] == X.starts[r + 1]) continue;
        Vector<T> acc[K] = {};
        for (Index e = X.starts[r]; e < X.starts[r + 1]; ++e) {
            const Index i = X.places[e];
            const Vector<T> x = in_lane(X.values[e], i % kLanes<T>);
            const T* w = W + i / kLanes<T> * K * kLanes<T>;
            repeat<K>([&](int o) GRADSTEP_LAMBDA { acc[o] += x * load(w + o * kLanes<T>); });
        }
        sum_lanes<T, K>(Z.data + r * Z.ld, acc, add);
    }
}

template <class T, int K>
void sparse_narrow_update(T* to, const T* from, const LinearStep<T>& step, const SparseLines<T>& X,
                          Tile<const T> dZ, Index count) {
    for (Index i = 0; i < count; i += kLanes<T>) {
        Vector<T> acc[K] = {};
        for (Index lane = 0; lane < smaller(kLanes<T>, count - i); ++lane)
            for (Index e = X.starts[i + lane]; e < X.starts[i + lane + 1]; ++e) {
                const Vector<T> x = in_lane(X.values[e], lane);
                const T* dz = dZ.data + X.places[e] * dZ.ld;
                repeat<K>([&](int o) GRADSTEP_LAMBDA { acc[o] += x * all_lanes(dz[o]); });
            }
        write_narrow<K>(to, from, step, i / kLanes<T>, acc);
    }
}

// f(a constant with the value of `count`), which is from 1 to Most.
template <int Most, class F>
inline void with_constant(Index count, F&& f) {
    if constexpr (Most > 1) {
        if (count < Most) return with_constant<Most - 1>(count, f);
    }
    f(std::integral_constant<int, Most>{});
}

template <class T>
void sparse_product(Tile<T> Z__bo, const SparseLines<T>& X__bi, Index b, const Weights<const T>& W,
                    Span inputs, Groups groups, bool add) {
    const Panel<T> layout(W.in, W.out);
    for (Index g = groups.g0; g < groups.g1; ++g) {
        const Group group = layout.group(g);
        const T* panel = W.panel + layout.place(group, inputs.i0, 0);
        const Tile<T> Z{Z__bo.data + group.first, Z__bo.ld};
        if (group.narrow)
            with_constant<kGroupOutputs>(
                group.columns, [&](auto K) { sparse_narrow_product<T, K>(Z, X__bi, b, panel, add); });
        else
            with_constant<kGroupVectors>(group.step / kLanes<T>,
                                         [&](auto V) { sparse_wide_product<T, V>(Z, X__bi, b, panel, add); });
    }
}

// The gradient's linear step for one column group and `count` inputs; `to`, `from` and the lines are where
// they begin.
template <class T>
void sparse_update(T* to, const T* from, const LinearStep<T>& step, const SparseLines<T>& X, Tile<const T> dZ,
                   Index count, const Group& group) {
    if (group.narrow)
        with_constant<kGroupOutputs>(
            group.columns, [&](auto K) { sparse_narrow_update<T, K>(to, from, step, X, dZ, count); });
    else
        with_constant<kGroupVectors>(group.step / kLanes<T>,
                                     [&](auto V) { sparse_wide_update<T, V>(to, from, step, X, dZ, count); });
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
