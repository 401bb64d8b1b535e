// By what many bytes are recognised without a copy of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gradstep {

// Four chains over every fourth word. A step is one to one in the word and in what came before, so a change
// of one word of a chain is always seen; of several, all but once in 2**64 times.
using Digest = std::array<std::uint64_t, 4>;

inline Digest digest_of(const void* bytes, std::size_t count) {
    constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15u;
    constexpr std::size_t kWord = sizeof(std::uint64_t), kStep = 4 * kWord;
    const char* at = static_cast<const char*>(bytes);
    Digest chains{1, 2, 3, 4};
    const auto take = [&](std::size_t here) {
        for (std::size_t chain = 0; chain < 4; ++chain) {
            std::uint64_t word = 0;
            const std::size_t from = here + chain * kWord;
            if (from < count) std::memcpy(&word, at + from, count - from < kWord ? count - from : kWord);
            std::uint64_t mixed = (chains[chain] ^ word) * kOdd;
            chains[chain] = mixed ^ (mixed >> 32);
        }
    };
    for (std::size_t here = 0; here < count; here += kStep) take(here);
    return chains;
}

}  // namespace gradstep
