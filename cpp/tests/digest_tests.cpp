#include <cstddef>
#include <utility>
#include <vector>

#include "check.hpp"
#include "engine/digest.hpp"

namespace gradstep::tests {

namespace {

TEST(a_digest_sees_every_change) {
    for (const std::size_t count : {1u, 4u, 7u, 8u, 63u, 64u, 65u, 200u}) {
        std::vector<unsigned char> bytes(count, 0);
        const Digest whole = digest_of(bytes.data(), count);
        CHECK(digest_of(bytes.data(), count) == whole);
        for (std::size_t at = 0; at < count; ++at)
            for (const int bit : {1, 128}) {
                bytes[at] ^= static_cast<unsigned char>(bit);
                CHECK(digest_of(bytes.data(), count) != whole);
                bytes[at] ^= static_cast<unsigned char>(bit);
            }
    }
    CHECK(digest_of(nullptr, 0) == digest_of(nullptr, 0));
    // Two floats that change places, in one chain and in two.
    for (const std::size_t apart : {1u, 2u, 16u}) {
        std::vector<float> numbers(32, 1.0f);
        numbers[0] = 2.0f;
        const Digest before = digest_of(numbers.data(), sizeof(float) * numbers.size());
        std::swap(numbers[0], numbers[apart]);
        CHECK(digest_of(numbers.data(), sizeof(float) * numbers.size()) != before);
    }
}

}  // namespace
}  // namespace gradstep::tests
