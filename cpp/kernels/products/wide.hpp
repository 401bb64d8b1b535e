// Products of wide groups, lanes along the outputs. A tile has M rows and V vectors of columns; all
// M * V accumulators live in registers while one chain runs over `length` steps:
//
//     product: Z__bo = X__bi W__io      rows are rows of the batch, the chain runs over inputs
//     update:  dW__io = X__bi^T dZ__bo  rows are inputs, the chain runs over rows of the batch
//
// so both are acc[row][column] += left(row, step) * right(step, column), with other strides.
//
// Why so: docs/adr/0004 and docs/adr/0017.
#pragma once

#include "products/panels.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

// Rows of a tile V vectors wide: accumulators, V right-hand vectors and a broadcast must fit.
constexpr Index tile_rows(Index V) { return (kRegisters - 2 - V) / V < 14 ? (kRegisters - 2 - V) / V : 14; }

template <class T, int M, int V>
struct Accumulators {
    Vector<T> acc[M][V];

    GRADSTEP_INLINE void run(const T* left, Index row_stride, Index step_stride, const T* right,
                             Index right_stride, Index length) {
        repeat<M, V>([&](int r, int v) GRADSTEP_LAMBDA { acc[r][v] = Vector<T>{}; });
        for (Index step = 0; step < length; ++step) {
            Vector<T> columns[V];
            repeat<V>([&](int v) GRADSTEP_LAMBDA {
                columns[v] = load(right + v * kLanes<T>);
                keep_in_register(columns[v]);
            });
            repeat<M>([&](int r) GRADSTEP_LAMBDA {
                Vector<T> x = all_lanes(left[r * row_stride]);
                if constexpr (V > 1) keep_in_register(x);
                repeat<V>([&](int v) GRADSTEP_LAMBDA { acc[r][v] += x * columns[v]; });
            });
            left += step_stride;
            right += right_stride;
        }
    }
};

template <class T>
struct WideProduct {
    Tile<T> Z;
    Tile<const T> X;
    Tile<const T> W;
    Index inputs;
    bool add;

    template <int M, int V>
    inline void tile(Index row) const {
        Accumulators<T, M, V> t;
        t.run(X.data + row * X.ld, X.ld, 1, W.data, W.ld, inputs);
        T* z = Z.data + row * Z.ld;
        if (add)
            repeat<M, V>([&](int r, int v)
                             GRADSTEP_LAMBDA { t.acc[r][v] += load(z + r * Z.ld + v * kLanes<T>); });
        repeat<M, V>([&](int r, int v)
                         GRADSTEP_LAMBDA { store<T>(z + r * Z.ld + v * kLanes<T>, t.acc[r][v]); });
    }
};

template <class T>
struct WideUpdate {
    T* to;
    const T* from;
    Index ldw;
    T a;
    T c;
    Tile<const T> X;
    Tile<const T> dZ;
    Index rows;

    template <int M, int V>
    inline void tile(Index input) const {
        Accumulators<T, M, V> t;
        t.run(X.data + input, 1, X.ld, dZ.data, dZ.ld, rows);
        repeat<M, V>([&](int r, int v) GRADSTEP_LAMBDA {
            const Index place = (input + r) * ldw + v * kLanes<T>;
            store<T>(to + place, stepped<T>(a, load(from + place), c * t.acc[r][v]));
        });
    }
};

// Runs the tile of M rows; the ladder turns a number known at run time into a template argument.
template <int M, int V, class Task>
inline void tile_of(Index rows, const Task& task, Index first) {
    if constexpr (M > 1) {
        if (rows < M) return tile_of<M - 1, V>(rows, task, first);
    }
    task.template tile<M, V>(first);
}

// Covers `count` rows by tiles of nearly equal heights, so that no thin tile is left at the end.
template <int V, class Task>
void cover(const Task& task, Index count) {
    constexpr int M = static_cast<int>(tile_rows(V));
    Index left = ceiling(count, M);
    for (Index first = 0; first < count; --left) {
        const Index rows = ceiling(count - first, left);
        tile_of<M, V>(rows, task, first);
        first += rows;
    }
}

template <class Task>
inline void cover_group(const Task& task, Index vectors, Index count) {
    if (vectors == 1) return cover<1>(task, count);
    if (vectors == 2) return cover<2>(task, count);
    if constexpr (kGroupVectors == 4) {
        if (vectors == 3) return cover<3>(task, count);
        cover<4>(task, count);
    }
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
