#include <algorithm>
#include <random>
#include <vector>

#include "check.hpp"
#include "gradstep/sort.hpp"

namespace gradstep::tests {
namespace {

using Words = std::vector<std::uint64_t>;

void check_sorted(Words words) {
    Words expected = words;
    std::sort(expected.begin(), expected.end());
    sort_words(words.data(), static_cast<Index>(words.size()));
    CHECK(words == expected);
}

TEST(words_are_sorted) {
    std::mt19937_64 draw(1);
    for (const std::size_t n : {0u, 1u, 2u, 24u, 25u, 100u, 1000u, 70000u}) {
        Words even(n), narrow(n), equal(n, 7), descending(n);
        for (std::size_t i = 0; i < n; ++i) {
            even[i] = draw();
            narrow[i] = draw() >> 40;  // all in one bucket
            descending[i] = ~std::uint64_t{0} - i;
        }
        for (const Words& words : {even, narrow, equal, descending}) check_sorted(words);
    }
}

}  // namespace
}  // namespace gradstep::tests
