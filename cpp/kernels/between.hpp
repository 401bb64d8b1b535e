// What happens between a layer's products: partial sums, bias, and activations there and back.
// Why so: docs/adr/0012 and docs/adr/0019.
#pragma once

#include "simd/vector.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

template <class T>
void add(T* to, const T* a, const T* b, Index count) {
    for (Index i = 0; i < count; i += kLanes<T>) store<T>(to + i, load(a + i) + load(b + i));
}

template <class T>
void add_bias(Tile<T> Z__bo, const T* sums, const T* bias, Index b, Index out) {
    for (Index r = 0; r < b; ++r)
        for (Index o = 0; o < out; o += kLanes<T>) {
            const Index place = r * Z__bo.ld + o;
            store<T>(Z__bo.data + place, load(sums + place) + load(bias + o));
        }
}

// What an activation makes of 0 need not be 0, as padding must.
template <class T, class Function>
void add_bias_activate(Tile<T> Z__bo, const T* sums, const T* bias, Index b, Index out, T number) {
    for (Index r = 0; r < b; ++r)
        for (Index o = 0; o < out; o += kLanes<T>) {
            const Index place = r * Z__bo.ld + o;
            Vector<T> a = Function::of(load(sums + place) + load(bias + o), number);
            if (o + kLanes<T> > out) a = lanes_before<T>(out, o) ? a : Vector<T>{};
            store<T>(Z__bo.data + place, a);
        }
}

template <class T, class Function>
void times_slope(Tile<T> dA__bi, const T* A__bi, Index b, Index in, T number) {
    for (Index r = 0; r < b; ++r)
        for (Index i = 0; i < in; i += kLanes<T>) {
            const Index place = r * dA__bi.ld + i;
            store<T>(dA__bi.data + place,
                     Function::times_slope(load(dA__bi.data + place), load(A__bi + place), number));
        }
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
