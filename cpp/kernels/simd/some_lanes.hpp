// The first lanes of a vector: what lies behind the end of an array is not ours to read or to write.
// Why so: docs/adr/0018.
#pragma once

#include "simd/vector.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

#if defined(__AVX512F__)

using Lanes = __mmask8;

// `count` lanes out of kLanes<double>, all if there are more.
inline Lanes first_lanes(Index count) {
    return static_cast<Lanes>((1u << smaller(kLanes<double>, count)) - 1);
}

// Zero in the other lanes.
GRADSTEP_INLINE HalfVector<float> load_lanes(const float* from, Lanes lanes) {
    return (HalfVector<float>)_mm256_maskz_loadu_ps(lanes, from);
}
GRADSTEP_INLINE Vector<double> load_lanes(const double* from, Lanes lanes) {
    return _mm512_maskz_loadu_pd(lanes, from);
}
GRADSTEP_INLINE void store_lanes(float* to, HalfVector<float> v, Lanes lanes) {
    _mm256_mask_storeu_ps(to, lanes, v);
}
GRADSTEP_INLINE void store_lanes(double* to, Vector<double> v, Lanes lanes) {
    _mm512_mask_storeu_pd(to, lanes, v);
}

#else

using Lanes = Index;

inline Lanes first_lanes(Index count) { return smaller(kLanes<double>, count); }

GRADSTEP_INLINE HalfVector<float> load_lanes(const float* from, Lanes lanes) {
    HalfVector<float> v{};
    for (Index lane = 0; lane < lanes; ++lane) v[lane] = from[lane];
    return v;
}
GRADSTEP_INLINE Vector<double> load_lanes(const double* from, Lanes lanes) {
    Vector<double> v{};
    for (Index lane = 0; lane < lanes; ++lane) v[lane] = from[lane];
    return v;
}
GRADSTEP_INLINE void store_lanes(float* to, HalfVector<float> v, Lanes lanes) {
    for (Index lane = 0; lane < lanes; ++lane) to[lane] = v[lane];
}
GRADSTEP_INLINE void store_lanes(double* to, Vector<double> v, Lanes lanes) {
    for (Index lane = 0; lane < lanes; ++lane) to[lane] = v[lane];
}

#endif

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
