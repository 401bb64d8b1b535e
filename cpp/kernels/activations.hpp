// The activations of hidden layers, on vectors: `of(z)`, and a gradient `times_slope` where the output is a,
// so that nothing but the output is kept. To add one is to write its struct and to name it in `Activations`.
//
// A NaN stays one: it must reach the loss, which is where divergence is seen.
//
// Why so: docs/adr/0006 and docs/adr/0021.
#pragma once

#include "simd/math.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

// max(z, 0)
struct Relu {
    static constexpr const char* name = "relu";
    static constexpr Index numbers = 0;

    template <class T>
    static GRADSTEP_INLINE Vector<T> of(Vector<T> z, T) {
        return z < Vector<T>{} ? Vector<T>{} : z;
    }
    template <class T>
    static GRADSTEP_INLINE Vector<T> times_slope(Vector<T> da, Vector<T> a, T) {
        return a > Vector<T>{} ? da : Vector<T>{};
    }
};

// tanh(z) = -e / (e + 2) with e = exp(-2 z) - 1, of z >= 0
struct Tanh {
    static constexpr const char* name = "tanh";
    static constexpr Index numbers = 0;

    template <class T>
    static GRADSTEP_INLINE Vector<T> of(Vector<T> z, T) {
        const Integers<T> is_positive = z > Vector<T>{};
        const Vector<T> e = exponential_minus_one<T>(T(2) * (is_positive ? -z : z));
        const Vector<T> negative = e / (e + T(2));
        return is_positive ? -negative : negative;
    }
    template <class T>
    static GRADSTEP_INLINE Vector<T> times_slope(Vector<T> da, Vector<T> a, T) {
        return da * (T(1) - a * a);
    }
};

// 1 / (1 + exp(-z))
struct Logistic {
    static constexpr const char* name = "logistic";
    static constexpr Index numbers = 0;

    template <class T>
    static GRADSTEP_INLINE Vector<T> of(Vector<T> z, T) {
        const Integers<T> is_positive = z > Vector<T>{};
        const Vector<T> e = exponential<T>(is_positive ? -z : z);
        return (is_positive ? all_lanes<T>(1) : e) / (T(1) + e);
    }
    template <class T>
    static GRADSTEP_INLINE Vector<T> times_slope(Vector<T> da, Vector<T> a, T) {
        return da * (a * (T(1) - a));
    }
};

// z
struct Identity {
    static constexpr const char* name = "identity";
    static constexpr Index numbers = 0;

    template <class T>
    static GRADSTEP_INLINE Vector<T> of(Vector<T> z, T) {
        return z;
    }
    template <class T>
    static GRADSTEP_INLINE Vector<T> times_slope(Vector<T> da, Vector<T>, T) {
        return da;
    }
};

// z, and c z below 0; 0 <= c < 1
struct LeakyRelu {
    static constexpr const char* name = "leaky_relu";
    static constexpr Index numbers = 1;

    template <class T>
    static GRADSTEP_INLINE Vector<T> of(Vector<T> z, T c) {
        return z < Vector<T>{} ? c * z : z;
    }
    template <class T>
    static GRADSTEP_INLINE Vector<T> times_slope(Vector<T> da, Vector<T> a, T c) {
        return a > Vector<T>{} ? da : c * da;
    }
};

// L z, and L A (exp(z) - 1) below 0
struct Selu {
    static constexpr const char* name = "selu";
    static constexpr Index numbers = 0;
    static constexpr double L = 1.0507009873554805, A = 1.6732632423543772;

    template <class T>
    static GRADSTEP_INLINE Vector<T> of(Vector<T> z, T) {
        const Integers<T> is_positive = z > Vector<T>{};
        const Vector<T> e = exponential_minus_one<T>(is_positive ? Vector<T>{} : z);
        return is_positive ? static_cast<T>(L) * z : static_cast<T>(L * A) * e;
    }
    template <class T>
    static GRADSTEP_INLINE Vector<T> times_slope(Vector<T> da, Vector<T> a, T) {
        return da * (a > Vector<T>{} ? all_lanes<T>(static_cast<T>(L)) : a + static_cast<T>(L * A));
    }
};

using Activations = TypeList<Relu, Tanh, Logistic, Identity, LeakyRelu, Selu>;

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
