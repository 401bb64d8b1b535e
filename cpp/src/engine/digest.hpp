// By what many bytes are recognised without a copy of them: parameters and slots between two calls
// (docs/adr/0021).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "gradstep/core.hpp"

namespace gradstep {

// Eight chains over every eighth word. A step is one to one in the word and in what came before, so a change
// of one word of a chain is always seen; of several, all but once in 2**64 times.
using Digest = std::array<std::uint64_t, 8>;

inline Digest digest_of(const void* bytes, std::size_t count) {
    constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15u;
    const char* from = static_cast<const char*>(bytes);
    Digest chains{1, 2, 3, 4, 5, 6, 7, 8};
    const auto take = [&](const Digest& words) {
        for (std::size_t i = 0; i < words.size(); ++i) {
            chains[i] = (chains[i] ^ words[i]) * kOdd;
            chains[i] ^= chains[i] >> 32;
        }
    };
    Digest words{};
    for (; count >= sizeof(words); from += sizeof(words), count -= sizeof(words)) {
        std::memcpy(words.data(), from, sizeof(words));
        take(words);
    }
    if (count > 0) {  // the rest, and zeros
        words = {};
        std::memcpy(words.data(), from, count);
        take(words);
    }
    return chains;
}

// Numbers that are held elsewhere in another form: whether some are they is told by their digest.
template <class T>
class Held {
public:
    bool are(const T* numbers, Index count) const { return digest_ && *digest_ == of(numbers, count); }
    void hold(const T* numbers, Index count) { digest_ = of(numbers, count); }
    void forget() { digest_.reset(); }

private:
    static Digest of(const T* numbers, Index count) {
        return digest_of(numbers, sizeof(T) * static_cast<std::size_t>(count));
    }
    std::optional<Digest> digest_;
};

}  // namespace gradstep
