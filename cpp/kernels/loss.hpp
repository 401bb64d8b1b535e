// Cross-entropy of softmax, and its gradient. A row's scores are whole vectors; lanes behind the last class
// count as classes of probability zero.
#pragma once

#include "gather.hpp"
#include "lanes.hpp"
#include "math.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

template <class T>
inline Vector<T> larger(Vector<T> a, Vector<T> b) {
    return a > b ? a : b;
}

// Of one row: the sum of exp(s - top), which is left in e, and the label's own s - top.
template <class T>
struct RowSoftmax {
    const T* s;
    Index vectors;
    Integers<T> inside;  // lanes of the last vector that are classes

    inline Vector<T> scores(Index v, T elsewhere) const {
        const Vector<T> x = load(s + v * kLanes<T>);
        return v + 1 < vectors ? x : inside ? x : all_lanes<T>(elsewhere);
    }

    inline T top() const {
        Vector<T> most = scores(0, -__builtin_inff());
        for (Index v = 1; v < vectors; ++v) most = larger<T>(most, scores(v, -__builtin_inff()));
        return fold_lanes<T>(most, larger<T>)[0];
    }

    inline T exponentials(T* e, T top) const {
        Vector<T> sum{};
        for (Index v = 0; v < vectors; ++v) {
            const Vector<T> each = exponential<T>(scores(v, -__builtin_inff()) - top);
            sum += each;
            if (e) store<T>(e + v * kLanes<T>, each);
        }
        return fold_lanes<T>(sum, [](Vector<T> a, Vector<T> b) { return a + b; })[0];
    }

    // As in NumPy, the first of several highest scores is the answer.
    inline bool is_answer(Index label, T top) const {
        if (s[label] != top) return false;
        for (Index o = 0; o < label; ++o)
            if (s[o] == top) return false;
        return true;
    }
};

template <class T>
inline void softmax_gradient(T* ds, Index vectors, Index label, T sum, T factor) {
    const T inverse = T(1) / sum;
    ds[label] -= sum;
    for (Index v = 0; v < vectors; ++v)
        store<T>(ds + v * kLanes<T>, load(ds + v * kLanes<T>) * inverse * factor);
}

template <class T>
void softmax(double* losses, double* correct, T* dS__bo, const T* S__bo, Index lds, Index b, Index k,
             const Rows<T>& rows, const std::int32_t* which, Index first, double scale) {
    constexpr Index kRowsAtOnce = 64;
    const RowNumbers numbers{which, first, b};
    const Index vectors = round_up<T>(k) / kLanes<T>, last = k - (vectors - 1) * kLanes<T>;
    const Integers<T> inside = lane_numbers<T>() < static_cast<typename IntegerOf<T>::type>(last);
    double sums[kRowsAtOnce], of_label[kRowsAtOnce], weights[kRowsAtOnce];
    for (Index r0 = 0; r0 < b; r0 += kRowsAtOnce) {
        const Index count = smaller(kRowsAtOnce, b - r0);
        for (Index i = 0; i < count; ++i) {
            const Index r = r0 + i, row = numbers[r], label = rows.y[row];
            const RowSoftmax<T> scores{S__bo + r * lds, vectors, inside};
            T* ds = dS__bo ? dS__bo + r * lds : nullptr;
            const T top = scores.top(), sum = scores.exponentials(ds, top);
            weights[i] = rows.weight ? rows.weight[row] : 1.0;
            sums[i] = static_cast<double>(sum);
            of_label[i] = static_cast<double>(scores.s[label] - top);
            correct[r] = scores.is_answer(label, top) ? weights[i] : 0.0;
            if (ds) softmax_gradient(ds, vectors, label, sum, static_cast<T>(weights[i] * scale));
        }
        for (Index i = count; i < kRowsAtOnce; ++i) sums[i] = 1.0;
        for (Index i = 0; i < count; i += kLanes<double>) store<double>(sums + i, logarithm(load(sums + i)));
        for (Index i = 0; i < count; ++i) losses[r0 + i] = (sums[i] - of_label[i]) * weights[i];
    }
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
