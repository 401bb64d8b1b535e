// How a team of threads is cut into groups that train models of their own.
// Why so: docs/adr/0015.
#pragma once

#include <algorithm>
#include <deque>

#include "engine/shard.hpp"

namespace gradstep {

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

// Members of a team that train some models. Weights and slots go through the caches twice an update: where
// they would be too many, there are several shards, trained one after the other.
template <class T>
class ThreadGroup {
public:
    // The models `own` of all, by `members` of the team.
    ThreadGroup(const Models<T>& models, const Rows<T>& rows, const Network<T>& network, Slice own,
                Index most_rows, Slice members, std::optional<Images> images)
        : members_(members) {
        constexpr Index kShardBytes = 5 << 19;
        const Index count = own.end - own.begin;
        const Index kept = models.limits.value ? 1 : 0;  // gradients
        const Index blocks = checked_product(count, 1 + network.slots() + kept);
        const Index bytes = checked_product(blocks, models.layers.parameters * Index{sizeof(T)});
        const Index shards = std::clamp(ceiling(bytes, kShardBytes), Index{1}, count);
        for (Index shard = 0; shard < shards; ++shard) {
            const Slice part(count, shard, shards);
            shards_.emplace_back(models, rows, network, Slice(own.begin + part.begin, own.begin + part.end),
                                 most_rows, static_cast<int>(members.end - members.begin), images);
        }
    }

    // What `thread` of a crew, who share out a team evenly, does of the group: its members, counted from the
    // group's first one; how many of the crew work on the group; and whether it is the first of them.
    struct Part {
        Slice members;
        int crew;
        bool leads;
    };
    Part part_of(int team, int thread, int crew) const {
        const Slice own(team, thread, crew);
        const auto thread_of = [=](Index member) {
            return static_cast<int>(((member + 1) * crew - 1) / team);
        };
        const int first = thread_of(members_.begin), last = thread_of(members_.end - 1);
        return {{std::max(own.begin, members_.begin) - members_.begin,
                 std::min(own.end, members_.end) - members_.begin},
                last - first + 1,
                thread == first};
    }

    // Makes room for batches of so many elements, of sparse rows.
    void reserve(Index elements) {
        for (ModelShard<T>& shard : shards_) shard.reserve(elements);
    }

    // Makes room for the sums of so many parts.
    void reserve_parts(Index parts) {
        for (ModelShard<T>& shard : shards_) shard.reserve_parts(parts);
    }

    // By one thread, before all the others begin, and after all of them ended.
    void begin(const TrainingState<T>& state, Index parts) {
        for (ModelShard<T>& shard : shards_) shard.begin(state, parts);
    }
    void end(const TrainingState<T>& state) {
        for (ModelShard<T>& shard : shards_) shard.end(state);
    }

    // Whether the network has these parameters of all models already, as far as they are the group's; and
    // that it has others from now on.
    bool has(const T* parameters) const {
        return std::all_of(shards_.begin(), shards_.end(),
                           [=](const ModelShard<T>& shard) { return shard.has(parameters); });
    }
    void forget() {
        for (ModelShard<T>& shard : shards_) shard.forget();
    }

    // Some updates, by every thread that has a part.
    void train(const LocatedRange& range, Slice updates, const Part& part) {
        for (ModelShard<T>& shard : shards_) shard.train(range, updates, part.members, part.crew);
    }

private:
    const Slice members_;
    std::deque<ModelShard<T>> shards_;
};

}  // namespace gradstep
