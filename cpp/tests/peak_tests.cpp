#include <vector>

#include "check.hpp"
#include "gradstep/dispatch.hpp"
#include "gradstep/parallel.hpp"
#include "gradstep/peak.hpp"

namespace gradstep::tests {
namespace {

// Lanes of a vector of T.
template <class T>
Index lanes(const std::string& isa) {
    const Index bytes = isa.starts_with("avx512") ? 64 : isa == "avx2" ? 32 : 16;
    return bytes / static_cast<Index>(sizeof(T));
}

template <class T>
void test_multiply_adds(const std::string& isa) {
    const Kernels<T>& kernels = kernels_of<T>(isa);
    T sum = -1, sum_at_start = -1;
    CHECK(kernels.multiply_adds(&sum_at_start, 1, 1, 0) == 0);
    for (const Index rounds : {1, 2, 1000}) {
        const Index operations = kernels.multiply_adds(&sum, 1, 1, rounds);
        // Every x = 1 * x + 1 makes the sum 1 larger.
        CHECK(static_cast<Index>(sum - sum_at_start) == operations / 2);
#if defined(__aarch64__)
        CHECK(operations == 2 * 28 * lanes<T>(isa) * rounds);
#else
        CHECK(operations == 2 * 14 * lanes<T>(isa) * rounds);
#endif
    }
    kernels.multiply_adds(&sum, 2, 3, 2);  // 2 * (2 * x + 3) + 3
    const Index values = kernels.multiply_adds(&sum_at_start, 1, 0, 1) / 2;
    CHECK(sum == 4 * sum_at_start + static_cast<T>(9 * values));
}

template <class T>
void test_read(const std::string& isa) {
    const Kernels<T>& kernels = kernels_of<T>(isa);
    const Index step = 8 * lanes<T>(isa);
    for (const Index count : {Index{0}, Index{1}, step - 1, step, step + 1, 3 * step + 7, Index{5000}}) {
        std::vector<T> numbers(static_cast<std::size_t>(count));
        for (Index i = 0; i < count; ++i)
            numbers[static_cast<std::size_t>(i)] = static_cast<T>(2 * i + 1 - count % 5);
        // The first n odd numbers add up to n^2; small whole numbers leave no rounding.
        CHECK(kernels.read(numbers.data(), count) == static_cast<T>(count * count - count * (count % 5)));
    }
}

void test_peak(const std::string& isa) {
    test_multiply_adds<float>(isa);
    test_multiply_adds<double>(isa);
    test_read<float>(isa);
    test_read<double>(isa);
    const Speeds speeds = measure(kernels_of<float>(isa), 2);
    CHECK(speeds.n_threads == team_size(2));
    for (const Speed& speed : {speeds.one, speeds.all}) {
        CHECK(speed.operations > 0 && speed.operations < 1e18);
        CHECK(speed.bytes > 0 && speed.bytes < 1e18);
    }
    const Speeds alone = measure(kernels_of<float>(isa), 1);
    CHECK(alone.n_threads == 1);
    CHECK(alone.all.operations == alone.one.operations);
    CHECK(alone.all.bytes == alone.one.bytes);
}

TEST(peaks_are_measured) {
    for (const std::string& isa : isas_usable()) test_peak(isa);
}

}  // namespace
}  // namespace gradstep::tests
