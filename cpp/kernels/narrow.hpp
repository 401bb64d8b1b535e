// Products of narrow layers, lanes along the inputs: no lane idles however few the outputs are.
//
//     product: M rows by K columns of accumulators; each is summed over its lanes at the end, in a
//              fixed order
//     update:  K columns by V vectors of inputs, the chains run over rows of the batch
#pragma once

#include "panels.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

// Rows of a product's tile and vectors of an update's: twice kGroupOutputs accumulators where they fit.
constexpr int kNarrowTile = kRegisters == 32 ? 2 : 1;

// Lanes are summed by halves, the upper onto the lower, until 16 bytes are left; these are summed for
// several accumulators at once.
template <class T>
using Short = typename VectorOf<T, 16>::type;

// The lower or upper half of a vector, by 64-bit words; through memory it would cost more than the sum.
template <class T, int Bytes>
inline typename VectorOf<T, Bytes / 2>::type half(typename VectorOf<T, Bytes>::type v, int upper) {
    const auto w = reinterpret_cast<typename VectorOf<long long, Bytes>::type>(v);
    if constexpr (Bytes == 64) {
        const auto low = __builtin_shufflevector(w, w, 0, 1, 2, 3),
                   high = __builtin_shufflevector(w, w, 4, 5, 6, 7);
        return reinterpret_cast<typename VectorOf<T, 32>::type>(upper ? high : low);
    } else {
        const auto low = __builtin_shufflevector(w, w, 0, 1), high = __builtin_shufflevector(w, w, 2, 3);
        return reinterpret_cast<typename VectorOf<T, 16>::type>(upper ? high : low);
    }
}

template <class T, int Bytes>
inline Short<T> halved(typename VectorOf<T, Bytes>::type v) {
    if constexpr (Bytes == 16) {
        return v;
    } else {
        return halved<T, Bytes / 2>(half<T, Bytes>(v, 0) + half<T, Bytes>(v, 1));
    }
}

inline void sum_lanes(float* sums, const Short<float>* s) {
    typedef int Mask __attribute__((vector_size(16)));
    const Short<float> ab =
        __builtin_shuffle(s[0], s[1], Mask{0, 4, 1, 5}) + __builtin_shuffle(s[0], s[1], Mask{2, 6, 3, 7});
    const Short<float> cd =
        __builtin_shuffle(s[2], s[3], Mask{0, 4, 1, 5}) + __builtin_shuffle(s[2], s[3], Mask{2, 6, 3, 7});
    const Short<float> all =
        __builtin_shuffle(ab, cd, Mask{0, 1, 4, 5}) + __builtin_shuffle(ab, cd, Mask{2, 3, 6, 7});
    __builtin_memcpy(sums, &all, sizeof(all));
}

inline void sum_lanes(double* sums, const Short<double>* s) {
    for (int i = 0; i < 4; ++i) sums[i] = s[i][0] + s[i][1];
}

template <class T>
struct NarrowProduct {
    T* Z;
    Index ldz;
    const T* X;
    Index ldx;
    const T* W;
    Index vectors;
    bool add;

    template <int K, int M>
    inline void tile(Index row) const {
        Vector<T> acc[M][K] = {};
        const T* x = X + row * ldx;
        const T* w = W;
        for (Index v = 0; v < vectors; ++v, x += kLanes<T>, w += K * kLanes<T>) {
            Vector<T> inputs[M];
            for (int r = 0; r < M; ++r) inputs[r] = load(x + r * ldx);
            for (int o = 0; o < K; ++o) {
                Vector<T> weights = load(w + o * kLanes<T>);
                keep_in_register(weights);
                for (int r = 0; r < M; ++r) acc[r][o] += inputs[r] * weights;
            }
        }
        for (int r = 0; r < M; ++r) finish<K>(Z + (row + r) * ldz, acc[r]);
    }

    // Inlined by force: in a call the accumulators would go through memory.
    template <int K>
    __attribute__((always_inline)) inline void finish(T* z, const Vector<T>* acc) const {
        constexpr int kAtOnce = 4;
        T sums[(K + kAtOnce - 1) / kAtOnce * kAtOnce];
        for (int o = 0; o < K; o += kAtOnce) {
            Short<T> parts[kAtOnce] = {};
            for (int i = 0; i < kAtOnce && o + i < K; ++i) parts[i] = halved<T, kVectorBytes>(acc[o + i]);
            sum_lanes(sums + o, parts);
        }
        for (int o = 0; o < K; ++o) z[o] = add ? z[o] + sums[o] : sums[o];
    }
};

template <class T>
struct NarrowUpdate {
    T* to;
    const T* from;
    T a;
    T c;
    const T* X;
    Index ldx;
    const T* dZ;
    Index ldz;
    Index rows;

    template <int K, int V>
    inline void tile(Index vector) const {
        Vector<T> acc[V][K] = {};
        const T* x = X + vector * kLanes<T>;
        const T* dz = dZ;
        for (Index r = 0; r < rows; ++r, x += ldx, dz += ldz) {
            Vector<T> inputs[V];
            for (int v = 0; v < V; ++v) inputs[v] = load(x + v * kLanes<T>);
            for (int o = 0; o < K; ++o)
                for (int v = 0; v < V; ++v) acc[v][o] += inputs[v] * dz[o];
        }
        for (int v = 0; v < V; ++v)
            for (int o = 0; o < K; ++o) {
                const Index place = ((vector + v) * K + o) * kLanes<T>;
                store<T>(to + place, a * load(from + place) + c * acc[v][o]);
            }
    }
};

// Covers `count` rows or vectors, two at a time where the registers allow it.
template <int K, class Task>
void cover_columns(const Task& task, Index count) {
    Index at = 0;
    for (; at + kNarrowTile <= count; at += kNarrowTile) task.template tile<K, kNarrowTile>(at);
    for (; at < count; ++at) task.template tile<K, 1>(at);
}

template <int K, class Task>
inline void cover_narrow(const Task& task, Index columns, Index count) {
    if constexpr (K > 1) {
        if (columns < K) return cover_narrow<K - 1>(task, columns, count);
    }
    cover_columns<K>(task, count);
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
