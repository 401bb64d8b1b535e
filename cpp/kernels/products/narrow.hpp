// Products of narrow groups, lanes along the inputs: no lane idles however few the outputs are.
//
//     product: M rows by K columns of accumulators; each is summed over its lanes at the end, in a
//              fixed order
//     update:  K columns by V vectors of inputs, the chains run over rows of the batch
//
// One tile of a product, where x and W are vectors of inputs:
//
//     for each vector v of inputs:
//         read x[0..M) of the next v          converts bytes, say, which takes longer than a step
//         for each column o, row r:   acc[r][o] += x[r] * W[v][o]
//     Z[r][o] = sum over the lanes of acc[r][o]
//
// Where inputs come from is a template argument of both: a tile, or rows of a data set as they are read.
//
// Why so: docs/adr/0004, docs/adr/0012, docs/adr/0016 and docs/adr/0017.
#pragma once

#include "products/panels.hpp"
#include "rows/gather.hpp"
#include "simd/reduce.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

// Rows of a product's tile of K columns, vectors of an update's: their accumulators, their inputs of this
// step and the next, and a weight must fit.
constexpr int narrow_tile(int K) { return (kRegisters - 1) / (K + 2); }

// Inputs of a product's rows: a tile that has been gathered ...
template <class T>
struct GatheredInputs {
    Tile<const T> X;

    template <int M>
    struct Reader {
        const T* x;
        Index ldx;
        GRADSTEP_INLINE void take(Index i, Vector<T>* inputs) const {
            repeat<M>([&](int r) GRADSTEP_LAMBDA { inputs[r] = load(x + r * ldx + i); });
        }
    };

    template <int M>
    GRADSTEP_INLINE Reader<M> reader(Index row) const {
        return {X.data + row * X.ld, X.ld};
    }
};

// ... or one that is gathered by being read.
template <class T, class Element>
struct IncomingInputs {
    const Element* data;
    const Incoming<T>& from;
    Tile<T> X;
    Span inputs;
    bool keep;  // or let rows overwrite each other, where nobody reads them again

    template <int M>
    GRADSTEP_INLINE RowReader<T, Element, M> reader(Index row) const {
        return reader_of<M>(data, from, row, Tile<T>{keep ? X.data + row * X.ld : X.data, X.ld}, inputs);
    }
};

template <class T, class Source>
struct NarrowProduct {
    Tile<T> Z;
    Source X;
    const T* W;
    Index vectors;
    bool add;

    template <int K, int M>
    inline void tile(Index row) const {
        Vector<T> acc[M][K] = {};
        const auto reader = X.template reader<M>(row);
        const T* w = W;
        const auto multiply = [&](const Vector<T>* x) GRADSTEP_LAMBDA {
            repeat<K>([&](int o) GRADSTEP_LAMBDA {
                Vector<T> weights = load(w + o * kLanes<T>);
                keep_in_register(weights);
                repeat<M>([&](int r) GRADSTEP_LAMBDA { acc[r][o] += x[r] * weights; });
            });
            w += K * kLanes<T>;
        };
        // Inputs are read one step before they are used: to convert them takes longer than a step.
        Vector<T> x[M], next[M];
        reader.take(0, x);
        for (Index v = 1; v < vectors; ++v) {
            reader.take(v * kLanes<T>, next);
            multiply(x);
            repeat<M>([&](int r) GRADSTEP_LAMBDA { x[r] = next[r]; });
        }
        multiply(x);
        repeat<M>([&](int r) GRADSTEP_LAMBDA { sum_lanes<T, K>(Z.data + (row + r) * Z.ld, acc[r], add); });
    }
};

// Inputs of an update's vectors, row by row: of a tile that has been gathered ...
template <class T>
struct TileColumns {
    Tile<const T> X;

    template <int V>
    struct Reader {
        const T* x;
        Index ldx;
        GRADSTEP_INLINE void take(Index r, Vector<T>* inputs) const {
            repeat<V>([&](int v) GRADSTEP_LAMBDA { inputs[v] = load(x + r * ldx + v * kLanes<T>); });
        }
    };

    template <int V>
    GRADSTEP_INLINE Reader<V> reader(Index i) const {
        return {X.data + i, X.ld};
    }
};

// ... or of the rows themselves, bytes read anew where they lie and not scaled.
template <class T>
struct RowColumns {
    const Rows<T>& of;
    RowNumbers numbers;
    Index first;  // input

    template <int V>
    struct Reader {
        const UnscaledByte* x;
        Index stride;
        RowNumbers numbers;
        Vector<T> mean[V];

        GRADSTEP_INLINE void take(Index r, Vector<T>* inputs) const {
            const UnscaledByte* from = x + number_of(numbers, r) * stride;
            repeat<V>([&](int v) GRADSTEP_LAMBDA {
                inputs[v] = Elements<T, UnscaledByte>::read(from + v * kLanes<T>) - mean[v];
            });
        }
    };

    template <int V>
    GRADSTEP_INLINE Reader<V> reader(Index i) const {
        Reader<V> reader{static_cast<const UnscaledByte*>(of.X) + first + i, of.stride, numbers, {}};
        repeat<V>([&](int v)
                      GRADSTEP_LAMBDA { reader.mean[v] = load(of.mean_T + first + i + v * kLanes<T>); });
        return reader;
    }
};

// The linear step of a vector of inputs and K columns, by their dW; all panels begin where `to` does.
template <int K, class T>
GRADSTEP_INLINE void write_narrow(T* to, const T* from, const LinearStep<T>& step, Index vector,
                                  const Vector<T>* dW) {
    const Vector<T> factor =
        step.scaling.factor ? load(step.scaling.factor + vector * kLanes<T>) : all_lanes<T>(1);
    const Vector<T> rate = step.c * factor;
    repeat<K>([&](int o) GRADSTEP_LAMBDA {
        const Index place = (vector * K + o) * kLanes<T>;
        const Vector<T> W = stepped<T>(step.a, load(from + place), rate * dW[o]);
        store<T>(to + place, W);
        if (step.scaling.panel) store<T>(step.scaling.panel + place, factor * W);
    });
}

template <class T, class Columns>
struct NarrowUpdate {
    T* to;
    const T* from;
    LinearStep<T> step;  // its panels begin where `to` does
    Columns X;
    Tile<const T> dZ;
    Index rows;

    template <int K, int V>
    inline void tile(Index vector) const {
        Vector<T> acc[V][K] = {};
        const auto reader = X.template reader<V>(vector * kLanes<T>);
        const T* dz = dZ.data;
        const auto multiply = [&](const Vector<T>* inputs) GRADSTEP_LAMBDA {
            repeat<K>([&](int o) GRADSTEP_LAMBDA {
                Vector<T> error = all_lanes(dz[o]);
                keep_in_register(error);
                repeat<V>([&](int v) GRADSTEP_LAMBDA { acc[v][o] += inputs[v] * error; });
            });
            dz += dZ.ld;
        };
        // As in the product, a step ahead.
        Vector<T> inputs[V], next[V];
        reader.take(0, inputs);
        for (Index r = 1; r < rows; ++r) {
            reader.take(r, next);
            multiply(inputs);
            repeat<V>([&](int v) GRADSTEP_LAMBDA { inputs[v] = next[v]; });
        }
        multiply(inputs);
        repeat<V>([&](int v) GRADSTEP_LAMBDA { write<K>(vector + v, acc[v]); });
    }

    template <int K>
    GRADSTEP_INLINE void write(Index vector, const Vector<T>* acc) const {
        write_narrow<K>(to, from, step, vector, acc);
    }
};

// Covers rows or vectors at <= ... < count, M at a time; what is left by halves of that.
template <int K, int M, class Task>
void cover_columns(const Task& task, Index at, Index count) {
    for (; at + M <= count; at += M) task.template tile<K, M>(at);
    if constexpr (M > 1) cover_columns<K, M / 2>(task, at, count);
}

template <int K, class Task>
inline void cover_narrow(const Task& task, Index columns, Index count) {
    if constexpr (K > 1) {
        if (columns < K) return cover_narrow<K - 1>(task, columns, count);
    }
    cover_columns<K, narrow_tile(K)>(task, 0, count);
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
