// One pass into buckets by the first bits, then by insertion.
// Why so: docs/adr/0003.
#include "gradstep/sort.hpp"

#include <algorithm>
#include <bit>
#include <memory>
#include <vector>

namespace gradstep {
namespace {

// By insertion: of a handful, or of words that are a few places from their own at most.
void sort_few(std::uint64_t* begin, std::uint64_t* end) {
    for (std::uint64_t* at = begin + 1; at < end; ++at) {
        const std::uint64_t word = *at;
        std::uint64_t* to = at;
        for (; to > begin && to[-1] > word; --to) *to = to[-1];
        *to = word;
    }
}

}  // namespace

void sort_words(std::uint64_t* words, Index n) {
    // As many as rows at most, whose numbers have 31 bits.
    using Place = std::uint32_t;
    constexpr Place kFew = 24;
    if (n <= kFew) return sort_few(words, words + n);
    const int bits = std::min(16, static_cast<int>(std::bit_width(static_cast<std::uint64_t>(n))) - 1);
    const int shift = 64 - bits;
    std::vector<Place> begins((std::size_t{1} << bits) + 1);
    for (Index i = 0; i < n; ++i) ++begins[words[i] >> shift];
    Place before = 0, most = 0;
    for (Place& begin : begins) {
        most = std::max(most, begin);
        begin = before += begin;
    }
    const auto sorted = std::make_unique_for_overwrite<std::uint64_t[]>(static_cast<std::size_t>(n));
    for (Index i = n; i-- > 0;) sorted[--begins[words[i] >> shift]] = words[i];
    for (std::size_t bucket = 0; most > kFew && bucket + 1 < begins.size(); ++bucket)
        if (begins[bucket + 1] - begins[bucket] > kFew)
            std::sort(&sorted[begins[bucket]], sorted.get() + begins[bucket + 1]);
    // No word passes the end of its bucket: over all of them there is nothing to be told about buckets.
    sort_few(sorted.get(), sorted.get() + n);
    std::copy_n(sorted.get(), n, words);
}

}  // namespace gradstep
