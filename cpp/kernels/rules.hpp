// The rules by which weights are updated, element by element: from a weight w, its slots and its gradient, by
// numbers that are given for every update. To add one is to write its struct and to name it in `Rules`.
//
// A rule gets g = dW + decay * w, where `decay` is the first of its numbers: the update's tiles write g for a
// run of weights that stays in the first cache, then `apply` goes over weights, slots and g:
//
//     for each vector of the run:   w = step(w, g, slots, numbers)
//
// But for one that is done `with_product`, whose g is dW.
//
// All sums of two products are `stepped`, so that a weight has the same bits wherever it lies in a run. What
// is zero with a gradient of zero, as padding is, stays so.
//
// Why so: docs/adr/0004 and docs/adr/0021.
#pragma once

#include "simd/math.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

// w = keep w + scale g: so plain that the backward product does it on its way, unless g is to be clipped.
struct Descent {
    static constexpr const char* name = "descent";
    static constexpr Index slots = 0;
    static constexpr bool with_product = true;

    template <class T>
    struct Numbers {
        T keep, scale;
    };

    template <class T>
    static GRADSTEP_INLINE Vector<T> step(Vector<T> w, Vector<T> g, Vector<T>*, const Numbers<T>& n) {
        return stepped<T>(n.keep, w, n.scale * g);
    }
};

// v = mu v + a g;  w = shrink w + b v + c g
struct Momentum {
    static constexpr const char* name = "momentum";
    static constexpr Index slots = 1;
    static constexpr bool with_product = false;

    template <class T>
    struct Numbers {
        T decay, mu, a, shrink, b, c;
    };

    template <class T>
    static GRADSTEP_INLINE Vector<T> step(Vector<T> w, Vector<T> g, Vector<T>* slot, const Numbers<T>& n) {
        Vector<T>& v = slot[0];
        v = stepped<T>(n.mu, v, n.a * g);
        return stepped<T>(n.shrink, w, stepped<T>(n.b, v, n.c * g));
    }
};

// m = b1 m + r1 g;  v = b2 v + r2 g^2;  w = shrink w - rate m / (sqrt(v) + epsilon)
struct Adam {
    static constexpr const char* name = "adam";
    static constexpr Index slots = 2;
    static constexpr bool with_product = false;

    template <class T>
    struct Numbers {
        T decay, b1, r1, b2, r2, shrink, rate, epsilon;
    };

    template <class T>
    static GRADSTEP_INLINE Vector<T> step(Vector<T> w, Vector<T> g, Vector<T>* slot, const Numbers<T>& n) {
        Vector<T>&m = slot[0], &v = slot[1];
        m = stepped<T>(n.b1, m, n.r1 * g);
        v = stepped<T>(n.b2, v, n.r2 * g * g);
        return stepped<T>(n.shrink, w, -(n.rate * m / (square_root(v) + n.epsilon)));
    }
};

using Rules = TypeList<Descent, Momentum, Adam>;

// One run of weights, whole vectors; slot s lies (s + 1) * stride behind them.
template <class T, class Rule>
void apply(T* W, Index stride, const T* g, Index count, const T* numbers) {
    typename Rule::template Numbers<T> n;
    __builtin_memcpy(&n, numbers, sizeof(n));
    for (Index i = 0; i < count; i += kLanes<T>) {
        Vector<T> slots[Rule::slots + 1];  // no array has no elements
        for (Index s = 0; s < Rule::slots; ++s) slots[s] = load(W + (s + 1) * stride + i);
        store<T>(W + i, Rule::step(load(W + i), load(g + i), slots, n));
        for (Index s = 0; s < Rule::slots; ++s) store<T>(W + (s + 1) * stride + i, slots[s]);
    }
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
