// By what many bytes are recognised without a copy of them: parameters and slots between two calls
// (docs/adr/0021).
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
    const char* from = static_cast<const char*>(bytes);
    Digest chains{1, 2, 3, 4};
    for (Digest words{}; count > 0;) {
        const std::size_t now = count < sizeof(words) ? count : sizeof(words);
        if (now < sizeof(words)) words = {};
        std::memcpy(words.data(), from, now);
        for (std::size_t i = 0; i < words.size(); ++i) {
            chains[i] = (chains[i] ^ words[i]) * kOdd;
            chains[i] ^= chains[i] >> 32;
        }
        from += now;
        count -= now;
    }
    return chains;
}

}  // namespace gradstep
