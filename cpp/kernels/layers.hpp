// What happens to a layer's products: partial sums, bias, ReLU forward and back, softmax.
#pragma once

#include "gather.hpp"
#include "vector.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

template <class T>
void finish(T* Z__bo, Index ldz, const T* partials, Index count, Index distance, const T* bias, Index b,
            Index out, bool relu) {
    const Vector<T> zero{};
    for (Index r = 0; r < b; ++r)
        for (Index o = 0; o < out; o += kLanes<T>) {
            const Index place = r * ldz + o;
            Vector<T> z = load(partials + place);
            for (Index p = 1; p < count; ++p) z += load(partials + p * distance + place);
            z += load(bias + o);
            // Not max(z, 0): a NaN must reach the loss, which is where divergence is seen.
            store<T>(Z__bo + place, relu ? (z < zero ? zero : z) : z);
        }
}

template <class T>
void mask(T* dA__bi, const T* A__bi, Index ld, Index b, Index in) {
    const Vector<T> zero{};
    for (Index r = 0; r < b; ++r)
        for (Index i = 0; i < in; i += kLanes<T>) {
            const Index place = r * ld + i;
            store<T>(dA__bi + place, load(A__bi + place) > zero ? load(dA__bi + place) : zero);
        }
}

inline float exponential(float x) { return __builtin_expf(x); }
inline double exponential(double x) { return __builtin_exp(x); }

template <class T>
void softmax(double* losses, double* correct, T* dS__bo, const T* S__bo, Index lds, Index b, Index k,
             const Rows<T>& rows, const std::int32_t* which, Index first, double scale) {
    for (Index r = 0; r < b; ++r) {
        const Index row = row_at(which, first, r);
        const Index label = rows.y[row];
        const double weight = rows.weight ? rows.weight[row] : 1.0;
        const T* s = S__bo + r * lds;
        Index best = 0;
        for (Index o = 1; o < k; ++o)
            if (s[o] > s[best]) best = o;
        T sum = 0;
        if (!dS__bo) {
            for (Index o = 0; o < k; ++o) sum += exponential(s[o] - s[best]);
        } else {
            T* ds = dS__bo + r * lds;
            for (Index o = 0; o < k; ++o) sum += ds[o] = exponential(s[o] - s[best]);
            const T inverse = T(1) / sum, factor = static_cast<T>(weight * scale);
            for (Index o = 0; o < k; ++o) ds[o] = (ds[o] * inverse - (o == label ? T(1) : T(0))) * factor;
        }
        losses[r] =
            (__builtin_log(static_cast<double>(sum)) - static_cast<double>(s[label] - s[best])) * weight;
        correct[r] = best == label ? weight : 0.0;
    }
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
