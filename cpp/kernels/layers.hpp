// What happens to a layer's products: partial sums, bias, ReLU forward and back.
#pragma once

#include "vector.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

template <class T>
void add(T* to, const T* a, const T* b, Index count) {
    for (Index i = 0; i < count; i += kLanes<T>) store<T>(to + i, load(a + i) + load(b + i));
}

template <class T>
void finish(T* Z__bo, Index ldz, const T* sums, const T* bias, Index b, Index out, bool relu) {
    const Vector<T> zero{};
    for (Index r = 0; r < b; ++r)
        for (Index o = 0; o < out; o += kLanes<T>) {
            const Vector<T> z = load(sums + r * ldz + o) + load(bias + o);
            // Not max(z, 0): a NaN must reach the loss, which is where divergence is seen.
            store<T>(Z__bo + r * ldz + o, relu ? (z < zero ? zero : z) : z);
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

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
