// How a team of threads is cut into groups that train models of their own.
// Why so: docs/adr/0015.
#pragma once

#include <algorithm>
#include <deque>

#include "engine/shard.hpp"

namespace gradstep {

inline Index ceiling(Index a, Index b) { return (a + b - 1) / b; }

// Into how many groups of equal teams a team is cut, each with a share of the models: so that the longest
// takes least. Threads of one group share out the inputs and wait for each other at every update, which costs
// a quarter.
inline int thread_groups_of(Index m, int team) {
    const auto time = [=](int groups) {
        const int threads = team / groups;
        return static_cast<double>(ceiling(m, groups)) / threads * (threads > 1 ? 1.25 : 1.0);
    };
    int best = 1;
    for (int groups = 2; groups <= std::min<Index>(m, team); ++groups)
        if (team % groups == 0 && time(groups) < time(best)) best = groups;
    return best;
}

// Threads that train some models. Weights and slots go through the caches twice an update: where they would
// be too many, there are several shards, trained one after the other.
template <class T>
class ThreadGroup {
public:
    // The models `own` of all, by `threads` threads.
    ThreadGroup(const Models<T>& models, const Rows<T>& rows, const Network<T>& network, Slice own,
                Index most_rows, int threads, std::optional<Images> images)
        : threads_(threads) {
        constexpr Index kShardBytes = 5 << 19;
        const Index count = own.end - own.begin;
        const Index blocks = checked_product(count, 1 + network.slots());
        const Index bytes = checked_product(blocks, models.layers.parameters * Index{sizeof(T)});
        const Index shards = std::clamp(ceiling(bytes, kShardBytes), Index{1}, count);
        for (Index shard = 0; shard < shards; ++shard) {
            const Slice part(count, shard, shards);
            shards_.emplace_back(models, rows, network, Slice(own.begin + part.begin, own.begin + part.end),
                                 most_rows, threads, images);
        }
    }

    int threads() const { return threads_; }

    // By one thread, before all the others begin, and after all of them ended.
    void begin(const TrainingState<T>& state, Packed packed) {
        for (ModelShard<T>& shard : shards_) shard.begin(state, packed);
    }
    void end(const TrainingState<T>& state) const {
        for (const ModelShard<T>& shard : shards_) shard.end(state);
    }

    // Some updates, by every thread.
    void train(const LocatedRange& range, Slice updates, int thread) {
        for (ModelShard<T>& shard : shards_) shard.train(range, updates, thread);
    }

private:
    const int threads_;
    std::deque<ModelShard<T>> shards_;
};

}  // namespace gradstep
