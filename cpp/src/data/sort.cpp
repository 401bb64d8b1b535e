// One pass into buckets by the first bits, then a few words each.
// Why so: docs/adr/0003.
#include "gradstep/sort.hpp"

#include <algorithm>
#include <bit>
#include <vector>

namespace gradstep {
namespace {

// By insertion: of a handful, most of which are in place.
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
    constexpr Index kFew = 24;
    if (n <= kFew) return sort_few(words, words + n);
    const int bits = std::min(16, static_cast<int>(std::bit_width(static_cast<std::uint64_t>(n))) - 1);
    const int shift = 64 - bits;
    std::vector<Index> ends(std::size_t{1} << bits);
    for (Index i = 0; i < n; ++i) ++ends[words[i] >> shift];
    Index before = 0;
    for (Index& end : ends) end = before += end;
    std::vector<std::uint64_t> sorted(static_cast<std::size_t>(n));
    for (Index i = n; i-- > 0;) sorted[static_cast<std::size_t>(--ends[words[i] >> shift])] = words[i];
    for (std::size_t bucket = 0; bucket < ends.size(); ++bucket) {
        const Index begin = ends[bucket], end = bucket + 1 < ends.size() ? ends[bucket + 1] : n;
        if (end - begin > kFew)
            std::sort(sorted.data() + begin, sorted.data() + end);
        else if (end - begin > 1)
            sort_few(sorted.data() + begin, sorted.data() + end);
    }
    std::copy(sorted.begin(), sorted.end(), words);
}

}  // namespace gradstep
