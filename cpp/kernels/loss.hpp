// Losses of rows of scores, and their gradients. A row's scores are whole vectors; lanes behind the last
// class count as classes of probability zero.
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

template <class T>
inline T sum_of_lanes(Vector<T> x) {
    return fold_lanes<T>(x, [](Vector<T> a, Vector<T> b) { return a + b; })[0];
}

template <class T>
struct RowScores {
    const T* s;
    Index k;
    Index vectors;
    Integers<T> inside;  // lanes of the last vector that are classes

    inline Vector<T> at(Index v, T elsewhere) const {
        const Vector<T> x = load(s + v * kLanes<T>);
        return v + 1 < vectors ? x : inside ? x : all_lanes<T>(elsewhere);
    }

    inline T top() const {
        Vector<T> most = at(0, -__builtin_inff());
        for (Index v = 1; v < vectors; ++v) most = larger<T>(most, at(v, -__builtin_inff()));
        return fold_lanes<T>(most, larger<T>)[0];
    }

    // As in NumPy, the first of several highest scores is the answer.
    inline bool is_answer(Index label, T top) const {
        if (s[label] != top) return false;
        for (Index o = 0; o < label; ++o)
            if (s[o] == top) return false;
        return true;
    }
};

// A row's loss is log(inner) + rest: the logarithms of many rows are taken together.
struct RowLoss {
    double inner;
    double rest;
};

// Cross-entropy of softmax, shifted by the highest score: log(sum(exp(s - top))) - (s[label] - top).
template <class T>
struct Softmax {
    static inline RowLoss of(const RowScores<T>& scores, Index label, T top, T* ds, double factor) {
        Vector<T> total{};
        for (Index v = 0; v < scores.vectors; ++v) {
            const Vector<T> e = exponential<T>(scores.at(v, -__builtin_inff()) - top);
            total += e;
            if (ds) store<T>(ds + v * kLanes<T>, e);
        }
        const T sum = sum_of_lanes<T>(total);
        if (ds) gradient(ds, scores.vectors, label, sum, static_cast<T>(factor));
        return {static_cast<double>(sum), static_cast<double>(top - scores.s[label])};
    }

    static inline void gradient(T* ds, Index vectors, Index label, T sum, T factor) {
        const T inverse = T(1) / sum;
        ds[label] -= sum;
        for (Index v = 0; v < vectors; ++v)
            store<T>(ds + v * kLanes<T>, load(ds + v * kLanes<T>) * inverse * factor);
    }
};

// Mean over the classes of log(1 + exp(t)), where t is -s for the label and s for the others: nothing
// cancels. The gradient is sigmoid(t) / k, with a minus for the label.
template <class T>
struct Sigmoid {
    static inline RowLoss of(const RowScores<T>& scores, Index label, T, T* ds, double factor) {
        typedef typename IntegerOf<T>::type Int;
        constexpr T nowhere = T(2) * Format<T>::kLeast;  // its exp is 0
        const double k = static_cast<double>(scores.k);
        const T share = static_cast<T>(factor / k);
        Vector<T> total{};
        for (Index v = 0; v < scores.vectors; ++v) {
            const Integers<T> is_label = lane_numbers<T>() == static_cast<Int>(label - v * kLanes<T>);
            const Vector<T> s = scores.at(v, nowhere), t = is_label ? -s : s, zero{};
            const Vector<T> e = exponential<T>(t > zero ? -t : t);
            // 0 * t is NaN where t is not finite.
            total += larger<T>(t, zero) + log_of_one_plus<T>(e) + T(0) * t;
            if (!ds) continue;
            const Vector<T> p = (t > zero ? all_lanes<T>(1) : e) / (T(1) + e);
            store<T>(ds + v * kLanes<T>, (is_label ? -p : p) * share);
        }
        return {1.0, static_cast<double>(sum_of_lanes<T>(total)) / k};
    }
};

template <class T, class Kind>
void losses_of_rows(double* losses, double* correct, T* dS__bo, const T* S__bo, Index lds, Index b, Index k,
                    const std::int32_t* y, const double* weight, const std::int32_t* which, Index first,
                    double scale) {
    constexpr Index kRowsAtOnce = 64;
    const RowNumbers numbers{which, first, b};
    const Index vectors = round_up<T>(k) / kLanes<T>, last = k - (vectors - 1) * kLanes<T>;
    const Integers<T> inside = lane_numbers<T>() < static_cast<typename IntegerOf<T>::type>(last);
    double inner[kRowsAtOnce], rest[kRowsAtOnce], weights[kRowsAtOnce];
    for (Index r0 = 0; r0 < b; r0 += kRowsAtOnce) {
        const Index count = smaller(kRowsAtOnce, b - r0);
        for (Index i = 0; i < count; ++i) {
            const Index r = r0 + i, row = numbers[r], label = y[row];
            const RowScores<T> scores{S__bo + r * lds, k, vectors, inside};
            const T top = scores.top();
            weights[i] = weight ? weight[row] : 1.0;
            correct[r] = scores.is_answer(label, top) ? weights[i] : 0.0;
            T* ds = dS__bo ? dS__bo + r * lds : nullptr;
            const RowLoss loss = Kind::of(scores, label, top, ds, weights[i] * scale);
            inner[i] = loss.inner;
            rest[i] = loss.rest;
        }
        for (Index i = count; i < kRowsAtOnce; ++i) inner[i] = 1.0;
        for (Index i = 0; i < count; i += kLanes<double>)
            store<double>(inner + i, logarithm(load(inner + i)));
        for (Index i = 0; i < count; ++i) losses[r0 + i] = (inner[i] + rest[i]) * weights[i];
    }
}

template <class T>
void loss(Loss kind, double* losses, double* correct, T* dS__bo, const T* S__bo, Index lds, Index b, Index k,
          const std::int32_t* y, const double* weight, const std::int32_t* which, Index first, double scale) {
    const auto of_rows =
        kind == Loss::softmax ? losses_of_rows<T, Softmax<T>> : losses_of_rows<T, Sigmoid<T>>;
    of_rows(losses, correct, dS__bo, S__bo, lds, b, k, y, weight, which, first, scale);
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
