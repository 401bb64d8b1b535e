// exp and logs for whole vectors, within two units in the last place. Polynomials are Taylor's: on the
// reduced ranges the first term left out is below half a unit. The formulas of losses and activations are
// made of these (docs/adr/0021).
#pragma once

#include "simd/vector.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

template <class T>
struct Format;

template <>
struct Format<float> {
    static constexpr int kMantissa = 23, kTerms = 8, kLog1pLast = 13;
    static constexpr float kLeast = -87.33654f;  // exp of less is no normal number
    static constexpr float kMost = 88.02969f;  // largest whose power of two has an exponent
    static constexpr float kLargest = __FLT_MAX__;
    static constexpr float kLn2High = 0.693145752f, kLn2Low = 1.42860677e-06f;
};

template <>
struct Format<double> {
    static constexpr int kMantissa = 52, kTerms = 14, kLog1pLast = 31;
    static constexpr double kLeast = -708.3964185322641;
    static constexpr double kMost = 709.0895657128241;
    static constexpr double kLargest = __DBL_MAX__;
    static constexpr double kLn2High = 0.6931471803691238, kLn2Low = 1.9082149292705877e-10;
};

template <class T>
inline Integers<T> bits_of(Vector<T> x) {
    return reinterpret_cast<Integers<T>>(x);
}

constexpr double factorial(int i) { return i < 2 ? 1.0 : i * factorial(i - 1); }

// x as log(power) + r, with a power of two that is a normal number and |r| of log(2) / 2 at most.
template <class T>
struct Reduced {
    Vector<T> r;
    Vector<T> power;
};

template <class T>
GRADSTEP_INLINE Reduced<T> reduced(Vector<T> x) {
    using F = Format<T>;
    typedef typename IntegerOf<T>::type Int;
    constexpr T log2e = static_cast<T>(1.4426950408889634);
    // Added to a small number, this leaves its nearest integer in the lowest bits.
    constexpr T rounder = static_cast<T>(3) * static_cast<T>(Int(1) << (F::kMantissa - 1));
    const Vector<T> rounded = x * log2e + rounder;
    const Vector<T> n = rounded - rounder;
    const Vector<T> r = x - n * F::kLn2High - n * F::kLn2Low;
    const Integers<T> power = (bits_of<T>(rounded) << F::kMantissa) + (bits_of<T>(all_lanes<T>(1)));
    return {r, reinterpret_cast<Vector<T>>(power)};
}

// exp(x): 0 below the normal numbers, the largest power behind the last one, NaN of NaN.
template <class T>
inline Vector<T> exponential(Vector<T> x) {
    using F = Format<T>;
    const Vector<T> least = all_lanes<T>(F::kLeast), most = all_lanes<T>(F::kMost);
    const Integers<T> vanishes = x < least;
    x = vanishes ? least : x;
    x = x > most ? most : x;
    const auto [r, power] = reduced<T>(x);
    Vector<T> e = all_lanes<T>(static_cast<T>(1.0 / factorial(F::kTerms - 1)));
    for (int i = F::kTerms - 2; i >= 0; --i) e = e * r + static_cast<T>(1.0 / factorial(i));
    e *= power;
    return vanishes ? Vector<T>{} : e;
}

// exp(x) - 1 of x <= 0, NaN of NaN; no digit is lost where x is small.
template <class T>
inline Vector<T> exponential_minus_one(Vector<T> x) {
    using F = Format<T>;
    const Vector<T> least = all_lanes<T>(F::kLeast);
    const auto [r, power] = reduced<T>(x < least ? least : x);
    Vector<T> series = all_lanes<T>(static_cast<T>(1.0 / factorial(F::kTerms - 1)));
    for (int i = F::kTerms - 2; i >= 2; --i) series = series * r + static_cast<T>(1.0 / factorial(i));
    const Vector<T> of_r = r + r * r * series;
    return power * of_r + (power - T(1));
}

// log(x) of positive normal numbers, NaN of NaN.
inline Vector<double> logarithm(Vector<double> x) {
    using F = Format<double>;
    constexpr double rounder = 3.0 * static_cast<double>(std::int64_t(1) << (F::kMantissa - 1));
    const Integers<double> of_root = bits_of<double>(all_lanes<double>(0.7071067811865476));
    const Integers<double> from_root = bits_of<double>(x) - of_root;
    const Integers<double> exponent = from_root >> F::kMantissa;
    const Integers<double> mantissa = from_root - (exponent << F::kMantissa) + of_root;
    const Vector<double> n =
        reinterpret_cast<Vector<double>>(exponent + bits_of<double>(all_lanes<double>(rounder))) - rounder;
    const Vector<double> m = reinterpret_cast<Vector<double>>(mantissa);  // sqrt(1/2) <= m < sqrt(2)
    // log(m) = 2 artanh(s)
    const Vector<double> s = (m - 1.0) / (m + 1.0), s2 = s * s;
    constexpr int last = 21;
    Vector<double> series = all_lanes<double>(1.0 / last);
    for (int i = last - 2; i > 1; i -= 2) series = series * s2 + 1.0 / i;
    const Vector<double> log_m = 2.0 * s + 2.0 * s * s2 * series;
    return n * F::kLn2High + (log_m + n * F::kLn2Low) + 0.0 * x;
}

// log(1 + x) of 0 <= x <= 1, NaN of NaN: 2 artanh(s) with s <= 1/3, and no digit is lost where x is small.
template <class T>
inline Vector<T> log_of_one_plus(Vector<T> x) {
    constexpr int last = Format<T>::kLog1pLast;
    const Vector<T> s = x / (T(2) + x), s2 = s * s;
    Vector<T> series = all_lanes<T>(static_cast<T>(1.0 / last));
    for (int i = last - 2; i > 1; i -= 2) series = series * s2 + static_cast<T>(1.0 / i);
    return T(2) * s + T(2) * s * s2 * series;
}

// sqrt(x), rounded as the standard wants it.
GRADSTEP_INLINE Vector<float> square_root(Vector<float> x) {
#if defined(__AVX512F__)
    return _mm512_maskz_sqrt_ps(0xffff, x);
#elif defined(__AVX2__)
    return _mm256_sqrt_ps(x);
#elif defined(__SSE2__)
    return _mm_sqrt_ps(x);
#else
    for (Index lane = 0; lane < kLanes<float>; ++lane) x[lane] = __builtin_sqrtf(x[lane]);
    return x;
#endif
}

GRADSTEP_INLINE Vector<double> square_root(Vector<double> x) {
#if defined(__AVX512F__)
    return _mm512_maskz_sqrt_pd(0xff, x);
#elif defined(__AVX2__)
    return _mm256_sqrt_pd(x);
#elif defined(__SSE2__)
    return _mm_sqrt_pd(x);
#else
    for (Index lane = 0; lane < kLanes<double>; ++lane) x[lane] = __builtin_sqrt(x[lane]);
    return x;
#endif
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
