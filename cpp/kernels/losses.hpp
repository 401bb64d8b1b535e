// The losses of rows of scores, and their gradients. To add one is to write its struct and to name it in
// `Losses`. Its `row` takes the scores and the target of one row, a label or values, and writes the gradient
// times `factor` to ds, unless that is null.
//
// A row's scores are whole vectors; lanes behind the last output count for nothing, and their gradient is 0.
// Nothing is clipped: a score that is not finite makes the row's loss not finite.
//
// Why so: docs/adr/0005, docs/adr/0006 and docs/adr/0021.
#pragma once

#include "rows/gather.hpp"
#include "simd/math.hpp"
#include "simd/reduce.hpp"

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
    Integers<T> inside;  // lanes of the last vector that are outputs

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

// The k values of a row, of which `readable` elements and no more lie in memory; zero behind the last.
template <class T>
struct RowValues {
    const T* y;
    Index k;
    Index readable;

    inline Vector<T> at(Index v) const {
        const Index first = v * kLanes<T>;
        if (first + kLanes<T> <= readable) {
            const Vector<T> x = load(y + first);
            return lanes_before<T>(k, first) ? x : Vector<T>{};
        }
        Vector<T> x{};
        for (Index lane = 0; lane < k - first; ++lane) x[lane] = y[first + lane];
        return x;
    }
};

// A row's loss is log(inner) + rest: the logarithms of many rows are taken together.
struct RowLoss {
    double inner;
    double rest;
    bool is_hit;
};

// Cross-entropy of softmax and q, (1 - eps) of which is the label's and eps shared by all classes. Shifted by
// the highest score it is log(sum(exp(s - top))) + sum(q * (top - s)), and nothing cancels. Its gradient is
// softmax - q.
struct Softmax {
    static constexpr const char* name = "softmax";
    static constexpr TargetKind targets = TargetKind::labels;
    static constexpr Index numbers = 1;  // eps, the label smoothing

    template <class T>
    static inline RowLoss row(const RowScores<T>& scores, Index label, T* ds, double factor,
                              const double* smoothing) {
        const T top = scores.top();
        Vector<T> total{};
        for (Index v = 0; v < scores.vectors; ++v) {
            const Vector<T> e = exponential<T>(scores.at(v, -__builtin_inff()) - top);
            total += e + T(0) * scores.at(v, T(0));  // NaN where a score is not finite
            if (ds) store<T>(ds + v * kLanes<T>, e);
        }
        const T sum = sum_of_lanes<T>(total);
        const double eps = smoothing[0];
        double rest = static_cast<double>(top - scores.s[label]);
        if (eps != 0) {
            const T share = static_cast<T>(eps / static_cast<double>(scores.k));
            rest = (1 - eps) * rest + static_cast<double>(below_top(scores, top, share));
            if (ds) take_share(ds, scores, sum * share);
        }
        if (ds) gradient(ds, scores.vectors, label, sum, static_cast<T>(1 - eps), static_cast<T>(factor));
        return {static_cast<double>(sum), rest, scores.is_answer(label, top)};
    }

private:
    template <class T>
    static inline T below_top(const RowScores<T>& scores, T top, T share) {
        Vector<T> total{};
        for (Index v = 0; v < scores.vectors; ++v) total += share * (top - scores.at(v, top));
        return sum_of_lanes<T>(total);
    }

    template <class T>
    static inline void take_share(T* ds, const RowScores<T>& scores, T share) {
        for (Index v = 0; v < scores.vectors; ++v) {
            const Vector<T> e = load(ds + v * kLanes<T>);
            store<T>(ds + v * kLanes<T>, lanes_before<T>(scores.k, v * kLanes<T>) ? e - share : e);
        }
    }

    template <class T>
    static inline void gradient(T* ds, Index vectors, Index label, T sum, T of_label, T factor) {
        const T inverse = T(1) / sum;
        ds[label] -= of_label * sum;
        for (Index v = 0; v < vectors; ++v)
            store<T>(ds + v * kLanes<T>, load(ds + v * kLanes<T>) * inverse * factor);
    }
};

// Mean over the outputs of log(1 + exp(t)), where t is -s for the outputs that should be positive and s for
// the others: nothing cancels. The gradient is sigmoid(t) / k, with a minus for the positive ones.
template <class T, class Positive>
inline double cross_entropies(const RowScores<T>& scores, T* ds, double factor, Positive&& positive) {
    constexpr T nowhere = T(2) * Format<T>::kLeast;  // its exp is 0
    const double k = static_cast<double>(scores.k);
    const T share = static_cast<T>(factor / k);
    Vector<T> total{};
    for (Index v = 0; v < scores.vectors; ++v) {
        const Vector<T> s = scores.at(v, nowhere), zero{};
        const Integers<T> is_positive = positive(v, s);
        const Vector<T> t = is_positive ? -s : s;
        const Vector<T> e = exponential<T>(t > zero ? -t : t);
        // 0 * t is NaN where t is not finite.
        total += larger<T>(t, zero) + log_of_one_plus<T>(e) + T(0) * t;
        if (!ds) continue;
        const Vector<T> p = (t > zero ? all_lanes<T>(1) : e) / (T(1) + e);
        store<T>(ds + v * kLanes<T>, (is_positive ? -p : p) * share);
    }
    return static_cast<double>(sum_of_lanes<T>(total)) / k;
}

// One class against all others, of each output.
struct Sigmoid {
    static constexpr const char* name = "sigmoid";
    static constexpr TargetKind targets = TargetKind::labels;
    static constexpr Index numbers = 0;

    template <class T>
    static inline RowLoss row(const RowScores<T>& scores, Index label, T* ds, double factor, const double*) {
        typedef typename IntegerOf<T>::type Int;
        const double loss = cross_entropies<T>(scores, ds, factor, [&](Index v, Vector<T>) GRADSTEP_LAMBDA {
            return lane_numbers<T>() == static_cast<Int>(label - v * kLanes<T>);
        });
        return {1.0, loss, scores.is_answer(label, scores.top())};
    }
};

// Half the mean over the outputs of (s - y)^2; its gradient is (s - y) / k.
struct Squared {
    static constexpr const char* name = "squared";
    static constexpr TargetKind targets = TargetKind::values;
    static constexpr Index numbers = 0;

    template <class T>
    static inline RowLoss row(const RowScores<T>& scores, const RowValues<T>& values, T* ds, double factor,
                              const double*) {
        const double k = static_cast<double>(scores.k);
        const T share = static_cast<T>(factor / k);
        Vector<T> total{};
        for (Index v = 0; v < scores.vectors; ++v) {
            const Vector<T> error = scores.at(v, T(0)) - values.at(v);
            total += error * error;
            if (ds) store<T>(ds + v * kLanes<T>, error * share);
        }
        return {1.0, static_cast<double>(sum_of_lanes<T>(total)) / (2 * k), false};
    }
};

// Any outputs at once: those whose value is above 1/2.
struct Multilabel {
    static constexpr const char* name = "multilabel";
    static constexpr TargetKind targets = TargetKind::values;
    static constexpr Index numbers = 0;

    template <class T>
    static inline RowLoss row(const RowScores<T>& scores, const RowValues<T>& values, T* ds, double factor,
                              const double*) {
        Integers<T> wrong{};
        const double loss = cross_entropies<T>(scores, ds, factor, [&](Index v, Vector<T> s) GRADSTEP_LAMBDA {
            const Integers<T> is_positive = values.at(v) > T(0.5);
            wrong |= is_positive ^ (s > Vector<T>{});
            return is_positive;
        });
        bool is_hit = true;
        for (Index lane = 0; lane < kLanes<T>; ++lane) is_hit = is_hit && wrong[lane] == 0;
        return {1.0, loss, is_hit};
    }
};

// Half the Poisson deviance, mean over the outputs of exp(s) - y s + (y log(y) - y); its gradient is
// (exp(s) - y) / k. What is left of numbers that nearly cancel is right in float32, being computed in
// float64. An exp that T does not hold is infinite, and so is the loss.
struct Poisson {
    static constexpr const char* name = "poisson";
    static constexpr TargetKind targets = TargetKind::values;
    static constexpr Index numbers = 0;

    template <class T>
    static inline RowLoss row(const RowScores<T>& scores, const RowValues<T>& values, T* ds, double factor,
                              const double*) {
        constexpr T nowhere = static_cast<T>(2 * Format<double>::kLeast);  // its exp is 0
        const double k = static_cast<double>(scores.k), share = factor / k;
        Vector<double> total{};
        for (Index v = 0; v < scores.vectors; ++v) {
            T s[kLanes<T>], y[kLanes<T>], gradient[kLanes<T>];
            store<T>(s, scores.at(v, nowhere));
            store<T>(y, values.at(v));
            for (Index o = 0; o < kLanes<T>; o += kLanes<double>) {
                const Vector<double> score = doubles(s + o), value = doubles(y + o);
                const Vector<double> e = exponential_of<T>(score);
                total += e - value * score + own_share(value);
                store_rounded(gradient + o, (e - value) * share);
            }
            if (ds) store<T>(ds + v * kLanes<T>, load(gradient));
        }
        return {1.0, sum_of_lanes<double>(total) / k, false};
    }

private:
    // exp(s), infinite where it is above the numbers of T.
    template <class T>
    static inline Vector<double> exponential_of(Vector<double> s) {
        // In two steps where the power of two alone would be too large.
        const Integers<double> is_large = s > Format<double>::kMost - 1;
        Vector<double> e = exponential<double>(is_large ? s - 1.0 : s);
        e = is_large ? e * 2.718281828459045 : e;
        return e > static_cast<double>(Format<T>::kLargest) ? all_lanes<double>(__builtin_inf()) : e;
    }

    static inline Vector<double> own_share(Vector<double> y) {
        const Integers<double> counts = y > 0.0;
        const Vector<double> terms = y * logarithm(counts ? y : all_lanes<double>(1)) - y;
        return counts ? terms : Vector<double>{};
    }

    static GRADSTEP_INLINE Vector<double> doubles(const double* from) { return load(from); }
    static GRADSTEP_INLINE Vector<double> doubles(const float* from) {
        return __builtin_convertvector(load_half(from), Vector<double>);
    }
    static GRADSTEP_INLINE void store_rounded(double* to, Vector<double> x) { store<double>(to, x); }
    static GRADSTEP_INLINE void store_rounded(float* to, Vector<double> x) {
        const HalfVector<float> rounded = __builtin_convertvector(x, HalfVector<float>);
        __builtin_memcpy(to, &rounded, sizeof(rounded));
    }
};

using Losses = TypeList<Softmax, Sigmoid, Squared, Multilabel, Poisson>;

// What a row is to be judged by.
template <class Kind, class T>
GRADSTEP_INLINE auto target_of(const Rows<T>& rows, Index row, Index k) {
    if constexpr (Kind::targets == TargetKind::labels)
        return static_cast<Index>(rows.labels[row]);
    else
        return RowValues<T>{rows.values + row * k, k, (rows.n - row) * k};
}

template <class T, class Kind>
void judge(const Judged<T>& to, Tile<const T> S__bo, Index k, const Rows<T>& rows, const double* weight,
           const RowNumbers& of, const double* numbers, double scale) {
    constexpr Index kRowsAtOnce = 64;
    const Index vectors = round_up<T>(k) / kLanes<T>;
    const Integers<T> inside = lanes_before<T>(k, (vectors - 1) * kLanes<T>);
    double inner[kRowsAtOnce], rest[kRowsAtOnce], weights[kRowsAtOnce];
    for (Index r0 = 0; r0 < of.count; r0 += kRowsAtOnce) {
        const Index count = smaller(kRowsAtOnce, of.count - r0);
        for (Index i = 0; i < count; ++i) {
            const Index r = r0 + i, row = number_of(of, r);
            const RowScores<T> scores{S__bo.data + r * S__bo.ld, k, vectors, inside};
            weights[i] = weight ? weight[row] : 1.0;
            T* ds = to.dS ? to.dS + r * S__bo.ld : nullptr;
            const RowLoss loss =
                Kind::row(scores, target_of<Kind>(rows, row, k), ds, weights[i] * scale, numbers);
            to.hits[r] = loss.is_hit ? weights[i] : 0.0;
            inner[i] = loss.inner;
            rest[i] = loss.rest;
        }
        for (Index i = count; i < kRowsAtOnce; ++i) inner[i] = 1.0;
        for (Index i = 0; i < count; i += kLanes<double>)
            store<double>(inner + i, logarithm(load(inner + i)));
        for (Index i = 0; i < count; ++i) to.losses[r0 + i] = (inner[i] + rest[i]) * weights[i];
    }
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
