// Numbers too small to be normal: zero to the kernels, on every thread, and for who calls them what they
// were.
#include <cmath>
#include <limits>
#include <string>

#include "check.hpp"
#include "fixture.hpp"
#include "system/flush_to_zero.hpp"

namespace gradstep::tests {
namespace {

template <class T>
bool has_subnormals(const std::vector<T>& numbers) {
    for (const T number : numbers)
        if (std::fpclassify(number) == FP_SUBNORMAL) return true;
    return false;
}

// Half of a number that is only just normal.
template <class T>
T half_of_least() {
    volatile T least = std::numeric_limits<T>::min();
    return least / 2;
}

template <class T>
void test_training(const std::string& isa, const std::string& rule, bool hidden) {
    Case c = hidden ? Case{40, 20, {33}, 3, 2, 8} : Case{40, 20, {}, 3, 2, 8};
    c.rule = rule;
    Fixture<T, float> f(c);
    for (std::size_t i = 0; i < f.parameters.size(); i += 3) f.parameters[i] = half_of_least<T>();
    CHECK(has_subnormals(f.parameters));
    const Outcome<T> alone = outcome(f, isa, f.range(), 1);
    CHECK(alone.finite[0] == 1);
    CHECK(!FlushToZero::kSupported || !has_subnormals(alone.parameters));
    CHECK(!FlushToZero::kSupported || !has_subnormals(alone.slots));
    for (const int n_threads : {2, 7}) CHECK(outcome(f, isa, f.range(), n_threads) == alone);
    CHECK(half_of_least<T>() > 0);
}

TEST(training_takes_subnormals_for_zero) {
    for (const std::string& isa : isas_usable())
        for (const auto& rule : kernels_of<float>(isa).rules)
            for (const bool hidden : {false, true}) {
                test_training<float>(isa, rule.name, hidden);
                test_training<double>(isa, rule.name, hidden);
            }
}

TEST(a_mode_ends_with_its_scope) {
    {
        const FlushToZero outer;
        CHECK(!FlushToZero::kSupported || half_of_least<float>() == 0);
        {
            const FlushToZero inner;
        }
        CHECK(!FlushToZero::kSupported || half_of_least<float>() == 0);
    }
    CHECK(half_of_least<float>() > 0);
}

}  // namespace
}  // namespace gradstep::tests
