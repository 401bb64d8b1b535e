// The activation kernels alone, against the functions of the standard library over a dense range.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "check.hpp"
#include "gradstep/buffer.hpp"
#include "gradstep/dispatch.hpp"
#include "oracle.hpp"

namespace gradstep::tests {
namespace {

using Long = long double;
constexpr Long kL = 1.0507009873554805L, kA = 1.6732632423543772L;

Long wanted(const std::string& name, Long z, Long c) {
    if (name == "tanh") return std::tanh(z);
    if (name == "logistic") return 1 / (1 + std::exp(-z));
    if (name == "selu") return z > 0 ? kL * z : kL * kA * std::expm1(z);
    return static_cast<Long>(
        oracle_activations().at(name).of(static_cast<double>(z), static_cast<double>(c)));
}

// Of both signs, from next to nothing to what saturates, and some that lie closer together.
template <class T>
std::vector<T> arguments() {
    std::vector<T> all{T(0)};
    for (double size = 1e-30; size < 1e4; size *= 1.03) {
        all.push_back(static_cast<T>(size));
        all.push_back(static_cast<T>(-size));
    }
    for (int i = -4000; i <= 4000; ++i) all.push_back(static_cast<T>(i * 0.005));
    return all;
}

// f(kernels, activation) for every activation of every set and both types.
template <class F>
void each_activation(F&& f) {
    for (const std::string& isa : isas_usable()) {
        for (const auto& one : kernels_of<float>(isa).activations) f(kernels_of<float>(isa), one);
        for (const auto& one : kernels_of<double>(isa).activations) f(kernels_of<double>(isa), one);
    }
}

TEST(activations_are_right_to_a_few_ulps) {
    each_activation([]<class T>(const Kernels<T>& kernels, const Activation<T>& activation) {
        const std::vector<T> z = arguments<T>();
        const Index out = static_cast<Index>(z.size()), width = kernels.padded(out);
        const Buffer<T> sums(width), bias(width), A(width);
        std::copy(z.begin(), z.end(), sums.data());
        const T number = T(0.01);
        activation.add_bias_activate({A.data(), width}, sums.data(), bias.data(), 1, out, number);
        double ulps = 0;
        for (Index o = 0; o < out; ++o) {
            const Long right = wanted(activation.name, static_cast<Long>(z[static_cast<std::size_t>(o)]),
                                      static_cast<Long>(number));
            // exp is 0 below the normal numbers.
            const Long unit = std::numeric_limits<T>::epsilon() * std::abs(right) +
                              static_cast<Long>(std::numeric_limits<T>::min());
            ulps = std::max(ulps, static_cast<double>(std::abs(static_cast<Long>(A[o]) - right) / unit));
        }
        CHECK(ulps < 4);
    });
}

TEST(slopes_are_those_of_the_oracle) {
    each_activation([]<class T>(const Kernels<T>& kernels, const Activation<T>& activation) {
        const ActivationOracle& oracle = oracle_activations().at(activation.name);
        const std::vector<T> z = arguments<T>();
        const Index out = static_cast<Index>(z.size()), width = kernels.padded(out);
        const Buffer<T> sums(width), bias(width), A(width), dA(width);
        std::copy(z.begin(), z.end(), sums.data());
        for (Index o = 0; o < out; ++o) dA[o] = T(-1.5);
        const T number = T(0.01);
        activation.add_bias_activate({A.data(), width}, sums.data(), bias.data(), 1, out, number);
        activation.times_slope({dA.data(), width}, A.data(), 1, out, number);
        double furthest = 0;
        for (Index o = 0; o < out; ++o) {
            if (sums[o] == 0) continue;  // where some have no slope
            const double right =
                -1.5 * oracle.slope(static_cast<double>(sums[o]), static_cast<double>(number));
            furthest = std::max(furthest, std::abs(static_cast<double>(dA[o]) - right));
        }
        CHECK(furthest < 8 * static_cast<double>(std::numeric_limits<T>::epsilon()));
    });
}

// Of any width, rows at a distance, with a bias; and what is no number stays none.
TEST(padding_stays_zero_and_nan_stays_nan) {
    each_activation([]<class T>(const Kernels<T>& kernels, const Activation<T>& activation) {
        for (const Index out : {1, 2, 7, 8, 15, 16, 17, 33, 64}) {
            constexpr Index b = 3;
            const Index padded = kernels.padded(out), width = padded + kernels.padded(1);
            const Buffer<T> sums(b * width), bias(padded), A(b * width), dA(b * width);
            for (Index r = 0; r < b; ++r)
                for (Index o = 0; o < out; ++o) {
                    sums[r * width + o] = static_cast<T>(r - 1) + static_cast<T>(o) / T(9);
                    dA[r * width + o] = T(1);
                }
            for (Index o = 0; o < out; ++o) bias[o] = T(0.25);
            sums[width + out - 1] = std::numeric_limits<T>::quiet_NaN();
            activation.add_bias_activate({A.data(), width}, sums.data(), bias.data(), b, out, T(0.01));
            CHECK(std::isnan(A[width + out - 1]));
            activation.times_slope({dA.data(), width}, A.data(), b, out, T(0.01));
            bool is_zero = true, is_right = true;
            for (Index r = 0; r < b; ++r)
                for (Index o = 0; o < padded; ++o) {
                    const Index place = r * width + o;
                    if (o >= out)
                        is_zero = is_zero && A[place] == 0 && dA[place] == 0;
                    else if (place != width + out - 1)
                        is_right = is_right &&
                                   std::abs(static_cast<double>(A[place]) -
                                            oracle_activations()
                                                .at(activation.name)
                                                .of(static_cast<double>(sums[place] + bias[o]), 0.01)) < 1e-5;
                }
            CHECK(is_zero && is_right);
        }
    });
}

}  // namespace
}  // namespace gradstep::tests
