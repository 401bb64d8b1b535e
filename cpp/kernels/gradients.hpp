// What is done with a run of gradients before a rule takes it, and with a run of weights behind it.
// Why so: docs/adr/0032.
#pragma once

#include "simd/vector.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

// Elements larger than `most` become so large, and those below its negative likewise; no number stays none.
template <class T>
void clip(T* g, Index count, T most) {
    const Vector<T> high = all_lanes<T>(most), low = -high;
    for (Index i = 0; i < count; i += kLanes<T>) {
        Vector<T> x = load(g + i);
        x = x > high ? high : x;
        store<T>(g + i, x < low ? low : x);
    }
}

template <class T>
void scale(T* to, const T* from, Index count, T factor) {
    for (Index i = 0; i < count; i += kLanes<T>) store<T>(to + i, factor * load(from + i));
}

// From the nearer end, so that an average of equal weights is these weights, however small its share of them
// is, and one that takes them whole is, too.
template <class T>
void average(T* mean, const T* W, Index count, T share) {
    const bool is_far = share >= T(0.5);
    const T step = is_far ? share - 1 : share;
    for (Index i = 0; i < count; i += kLanes<T>) {
        const Vector<T> from = load(mean + i), to = load(W + i);
        store<T>(mean + i, stepped<T>(step, to - from, is_far ? to : from));
    }
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
