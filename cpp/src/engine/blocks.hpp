// The inputs of the first layer cut into blocks, and the sums of what the blocks give, added in a fixed
// order.
// Why so: docs/adr/0004 and docs/adr/0012.
#pragma once

#include <vector>

#include "gradstep/buffer.hpp"
#include "gradstep/kernels.hpp"
#include "gradstep/parallel.hpp"

namespace gradstep {

// Blocks of a length that depends on d alone, so that no result depends on who computed which.
struct InputBlocks {
    Index count;
    Index length;
    Index d;

    InputBlocks(Index inputs, Index longest) : d(inputs) {
        constexpr Index kUnit = 16;
        count = (d + longest - 1) / longest;
        length = ((d + count - 1) / count + kUnit - 1) / kUnit * kUnit;
        count = (d + length - 1) / length;
    }
    Index begin(Index block) const { return block * length; }
    Span span(Index block) const { return {begin(block), end(block)}; }
    Index end(Index block) const { return begin(block) + length < d ? begin(block) + length : d; }
    // Distance between rows of a gathered tile; one line more than the block, so that rows do not
    // fall into the same cache sets.
    Index width() const { return length + 16; }
};

// Partial scores of every block, and their sum over the blocks: by halves, the same tree of additions for any
// team. What lies within one thread's blocks that thread adds up before the others look.
template <class T>
class BlockSums {
public:
    // `owned[thread]` are the blocks that a thread computes alone; there are `phases` sets of partial scores.
    BlockSums(const Kernels<T>& kernels, Index blocks, Index elements, const std::vector<Slice>& owned,
              Index phases)
        : kernels_(kernels), blocks_(blocks), elements_(elements), own_(owned.size()),
          partials_(checked_product(checked_product(phases, blocks), elements)) {
        root_ = plan(0, blocks, owned).place;
        for (std::size_t thread = 0; thread < owned.size(); ++thread)
            scratch_.emplace_back(checked_product(static_cast<Index>(shared_.size()), elements));
    }

    T* of(Index phase, Index block) const { return partials_.data() + (phase * blocks_ + block) * elements_; }

    // Adds up what this thread computed, for `count` elements.
    void add_own(Index phase, int thread, Index begin, Index count) const {
        for (const Addition& a : own_[static_cast<std::size_t>(thread)]) add(a, phase, thread, begin, count);
    }

    // The sum over all blocks of `count` elements, from what all threads left.
    const T* total(Index phase, int thread, Index begin, Index count) const {
        for (const Addition& a : shared_) add(a, phase, thread, begin, count);
        return at(root_, phase, thread) + begin;
    }

private:
    // Places of sums: that of a block's partial scores, or, below 0, one of a thread's own.
    struct Addition {
        Index to, a, b;
    };
    struct Sum {
        Index place;
        int owner;  // or kNobody
    };
    static constexpr int kNobody = -1;

    Sum plan(Index begin, Index end, const std::vector<Slice>& owned) {
        if (end - begin == 1) {
            for (std::size_t thread = 0; thread < owned.size(); ++thread)
                if (owned[thread].begin <= begin && begin < owned[thread].end)
                    return {begin, static_cast<int>(thread)};
            return {begin, kNobody};
        }
        const Index middle = (begin + end) / 2;
        const Sum low = plan(begin, middle, owned), high = plan(middle, end, owned);
        if (low.owner == high.owner && low.owner != kNobody) {
            own_[static_cast<std::size_t>(low.owner)].push_back({low.place, low.place, high.place});
            return low;
        }
        const Index place = -1 - static_cast<Index>(shared_.size());
        shared_.push_back({place, low.place, high.place});
        return {place, kNobody};
    }

    T* at(Index place, Index phase, int thread) const {
        if (place >= 0) return of(phase, place);
        return scratch_[static_cast<std::size_t>(thread)].data() + (-1 - place) * elements_;
    }
    void add(const Addition& a, Index phase, int thread, Index begin, Index count) const {
        kernels_.add(at(a.to, phase, thread) + begin, at(a.a, phase, thread) + begin,
                     at(a.b, phase, thread) + begin, count);
    }

    const Kernels<T>& kernels_;
    Index blocks_;
    Index elements_;
    std::vector<std::vector<Addition>> own_;  // by thread
    std::vector<Addition> shared_;            // what nobody can add alone
    Index root_ = 0;
    Buffer<T> partials_;             // (phases, blocks, elements)
    std::vector<Buffer<T>> scratch_;  // by thread, (shared, elements)
};

}  // namespace gradstep
