// Sums of squares of weights, for the penalty in a running cost.
// Why so: docs/adr/0027.
#pragma once

#include "rows/convert.hpp"
#include "simd/reduce.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

// In double, of whole vectors of T, in sums that do not wait for each other.
template <class T>
double sum_of_squares(const T* from, Index count) {
    constexpr int kSums = 4;
    constexpr Index kStep = kLanes<double>;
    Vector<double> sums[kSums] = {};
    const auto add = [&](int which, Index i) GRADSTEP_LAMBDA {
        const Vector<double> w = Elements<double, T>::read(from + i);
        sums[which] += w * w;
    };
    Index i = 0;
    for (; i + kSums * kStep <= count; i += kSums * kStep)
        repeat<kSums>([&](int which) GRADSTEP_LAMBDA { add(which, i + which * kStep); });
    for (; i < count; i += kStep) add(0, i);
    const Vector<double> total = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    return fold_lanes<double>(total, [](Vector<double> a, Vector<double> b) { return a + b; })[0];
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
