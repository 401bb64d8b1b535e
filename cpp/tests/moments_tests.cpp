#include <random>
#include <vector>

#include "check.hpp"
#include "gradstep/moments.hpp"

namespace gradstep::tests {
namespace {

// Rows of 254 and 255 alone come nearest to what 32 bits hold.
void check_sums(Index n, Index d, unsigned least) {
    const Index stride = d + 5;
    std::mt19937 random(9);
    std::vector<std::uint8_t> X(static_cast<std::size_t>(n > 0 ? (n - 1) * stride + d : 0));
    for (std::uint8_t& x : X) x = static_cast<std::uint8_t>(least + random() % (256 - least));
    std::vector<std::uint64_t> wanted(static_cast<std::size_t>(2 * d)), given(wanted);
    for (Index r = 0; r < n; ++r)
        for (Index i = 0; i < d; ++i) {
            const std::uint64_t x = X[static_cast<std::size_t>(r * stride + i)];
            wanted[static_cast<std::size_t>(i)] += x;
            wanted[static_cast<std::size_t>(d + i)] += x * x;
        }
    for (const int n_threads : {1, 2, 5}) {
        sums_of_bytes(X.data(), n, d, stride, given.data(), n_threads);
        CHECK(given == wanted);
    }
}

TEST(sums_of_bytes_are_exact) {
    for (const Index n : {0, 1, 3, 1000})
        for (const Index d : {1, 16, 3071, 3072, 3073}) check_sums(n, d, 0);
    for (const Index n : {65535, 65536, 65537, 140000}) check_sums(n, 3, 254);
}

}  // namespace
}  // namespace gradstep::tests
