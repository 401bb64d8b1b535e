// What this instruction set does at most: arithmetic that waits for nothing, and memory that is only read.
// Shares of it are what docs/adr/0012 and docs/adr/0017 judge by.
#pragma once

#include "simd/vector.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

// Chains that do not wait for each other: more than can be under way in two pipes of latency 5, or in four
// of latency 4 on 64-bit Arm. With a and b they fill the registers of the narrower sets.
#if defined(__aarch64__)
constexpr int kChains = 28;
#else
constexpr int kChains = 14;
#endif

template <class T>
Index multiply_adds(T* sum, T a, T b, Index rounds) {
    const Vector<T> as = all_lanes(a), bs = all_lanes(b);
    Vector<T> x[kChains];
    // No two alike, or one would be computed for all.
#pragma GCC unroll 28
    for (int chain = 0; chain < kChains; ++chain) x[chain] = all_lanes(static_cast<T>(chain));
    for (Index round = 0; round < rounds; ++round) {
#pragma GCC unroll 28
        for (int chain = 0; chain < kChains; ++chain) x[chain] = x[chain] * as + bs;
    }
    T total = 0;
#pragma GCC unroll 28
    for (int chain = 0; chain < kChains; ++chain)
        for (Index lane = 0; lane < kLanes<T>; ++lane) total += x[chain][lane];
    *sum = total;
    return 2 * kChains * kLanes<T> * rounds;
}

template <class T>
T read(const T* from, Index count) {
    constexpr int kSums = 8;
    constexpr Index kStep = kSums * kLanes<T>;
    Vector<T> sums[kSums] = {};
    const Index whole = count / kStep * kStep;
    for (Index i = 0; i < whole; i += kStep)
        for (int v = 0; v < kSums; ++v) sums[v] += load(from + i + v * kLanes<T>);
    T total = 0;
    for (int v = 0; v < kSums; ++v)
        for (Index lane = 0; lane < kLanes<T>; ++lane) total += sums[v][lane];
    for (Index i = whole; i < count; ++i) total += from[i];
    return total;
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
