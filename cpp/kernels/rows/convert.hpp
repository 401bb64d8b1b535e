// One vector of a row's elements as numbers that can be standardised: in the wider of their type and the
// network's. From bytes by instructions that have to be named, since compilers take them apart one by one.
// (The masks are all ones: GCC warns of the forms without one.)
//
// Why so: docs/adr/0012 and docs/adr/0016.
#pragma once

#include "simd/vector.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

template <class T, class Element>
struct Elements;

// No wider than the network's numbers.
template <class T>
struct PlainElements {
    static constexpr bool kScales = true;
    typedef T Number;
    typedef Vector<T> Numbers;
    static GRADSTEP_INLINE const T* mean(const Rows<T>& rows) { return rows.mean_T; }
    static GRADSTEP_INLINE const T* inverse_scale(const Rows<T>& rows) { return rows.inverse_scale_T; }
    static GRADSTEP_INLINE Numbers numbers(const T* from) { return load(from); }
    static GRADSTEP_INLINE Vector<T> rounded(Numbers x) { return x; }
};

template <>
struct Elements<float, float> : PlainElements<float> {
    static GRADSTEP_INLINE Numbers read(const float* from) { return load(from); }
};

template <>
struct Elements<double, double> : PlainElements<double> {
    static GRADSTEP_INLINE Numbers read(const double* from) { return load(from); }
};

template <>
struct Elements<double, float> : PlainElements<double> {
    static GRADSTEP_INLINE Numbers read(const float* from) {
        return __builtin_convertvector(load_half(from), Vector<double>);
    }
};

template <>
struct Elements<float, std::uint8_t> : PlainElements<float> {
    static GRADSTEP_INLINE Numbers read(const std::uint8_t* from) {
#if defined(__AVX512F__)
        return _mm512_maskz_cvtepi32_ps(
            0xffff,
            _mm512_maskz_cvtepu8_epi32(0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#elif defined(__AVX2__)
        return _mm256_cvtepi32_ps(
            _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
#else
        return Numbers{float(from[0]), float(from[1]), float(from[2]), float(from[3])};
#endif
    }
};

template <>
struct Elements<double, std::uint8_t> : PlainElements<double> {
    static GRADSTEP_INLINE Numbers read(const std::uint8_t* from) {
#if defined(__AVX512F__)
        return _mm512_maskz_cvtepi32_pd(
            0xff, _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
#elif defined(__AVX2__)
        std::int32_t four;
        __builtin_memcpy(&four, from, sizeof(four));
        return _mm256_cvtepi32_pd(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(four)));
#else
        return Numbers{double(from[0]), double(from[1])};
#endif
    }
};

struct TwoVectors {
    Vector<double> low, high;
};
GRADSTEP_INLINE void keep_in_register(TwoVectors&) {}
GRADSTEP_INLINE TwoVectors operator-(TwoVectors a, TwoVectors b) { return {a.low - b.low, a.high - b.high}; }
GRADSTEP_INLINE TwoVectors operator*(TwoVectors a, TwoVectors b) { return {a.low * b.low, a.high * b.high}; }

template <>
struct Elements<float, double> {
    static constexpr bool kScales = true;
    typedef double Number;
    typedef TwoVectors Numbers;
    static GRADSTEP_INLINE const double* mean(const Rows<float>& rows) { return rows.mean; }
    static GRADSTEP_INLINE const double* inverse_scale(const Rows<float>& rows) { return rows.inverse_scale; }
    static GRADSTEP_INLINE Numbers numbers(const double* from) {
        return {load(from), load(from + kLanes<double>)};
    }
    static GRADSTEP_INLINE Numbers read(const double* from) { return numbers(from); }
    static GRADSTEP_INLINE Vector<float> rounded(Numbers x) {
        const HalfVector<float> halves[] = {__builtin_convertvector(x.low, HalfVector<float>),
                                            __builtin_convertvector(x.high, HalfVector<float>)};
        Vector<float> both;
        __builtin_memcpy(&both, halves, sizeof(both));
        return both;
    }
};

// Bytes of rows whose scale is in the weights already: only the mean is taken away.
struct UnscaledByte {
    std::uint8_t byte;
};

template <class T>
struct Elements<T, UnscaledByte> : PlainElements<T> {
    static constexpr bool kScales = false;
    static GRADSTEP_INLINE Vector<T> read(const UnscaledByte* from) {
        return Elements<T, std::uint8_t>::read(&from->byte);
    }
};

// The first `count` elements of a vector, fewer than it has; no others are read.
template <class T, class Element>
GRADSTEP_INLINE auto read_first(const Element* from, Index count) {
    Element copy[kLanes<T>] = {};
    for (Index lane = 0; lane < count; ++lane) copy[lane] = from[lane];
    return Elements<T, Element>::read(copy);
}

#if defined(__AVX512F__)
// A copy would be written by elements and read as a vector, which has to wait for all of them.
template <>
GRADSTEP_INLINE auto read_first<float>(const float* from, Index count) {
    return Vector<float>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), from));
}

template <>
GRADSTEP_INLINE auto read_first<double>(const double* from, Index count) {
    return Vector<double>(_mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << count) - 1), from));
}
#endif

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
