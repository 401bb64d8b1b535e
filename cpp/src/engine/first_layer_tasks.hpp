// The first layer of m models cut into tasks, and which thread has which of them.
// Why so: docs/adr/0012 and docs/adr/0014.
#pragma once

#include <vector>

#include "gradstep/parallel.hpp"

namespace gradstep {

// One column group of one model on one block of inputs.
struct FirstLayerTask {
    Index block;
    Index model;
    Index group;
};

enum class Order { forwards, backwards };

class FirstLayerTasks {
public:
    FirstLayerTasks(Index blocks, Index m, Index groups, int team)
        : blocks_(blocks), groups_(groups), per_block_(m * groups), team_(team) {}

    // f(task, its block counted from the thread's first one, whether no task of the block came before it) of
    // all tasks of a thread.
    template <class F>
    void each(int thread, Order order, F&& f) const {
        const Slice tasks = of(thread);
        for (Index i = tasks.begin; i < tasks.end; ++i) {
            const Index task = order == Order::forwards ? i : tasks.begin + tasks.end - 1 - i;
            const Index block = task / per_block_;
            const bool first_visit = task == tasks.begin || task % per_block_ == 0;
            f(FirstLayerTask{block, task % per_block_ / groups_, task % groups_},
              block - tasks.begin / per_block_, first_visit);
        }
    }

    // The blocks of which a thread has a task.
    Slice seen(int thread) const {
        const Slice tasks = of(thread);
        const Index begin = tasks.begin / per_block_;
        return {begin, tasks.begin == tasks.end ? begin : (tasks.end - 1) / per_block_ + 1};
    }

    // Those of which it has every task, thread by thread.
    std::vector<Slice> owned() const {
        std::vector<Slice> owned;
        for (int thread = 0; thread < team_; ++thread) {
            const Slice tasks = of(thread);
            owned.emplace_back((tasks.begin + per_block_ - 1) / per_block_, tasks.end / per_block_);
        }
        return owned;
    }

    // Those that it has seen, or the first of them alone, thread by thread.
    std::vector<Slice> seen_by_all(bool first_alone) const {
        std::vector<Slice> blocks;
        for (int thread = 0; thread < team_; ++thread) {
            const Slice all = seen(thread);
            blocks.emplace_back(all.begin, first_alone && all.begin < all.end ? all.begin + 1 : all.end);
        }
        return blocks;
    }

private:
    Slice of(int thread) const { return {blocks_ * per_block_, thread, team_}; }

    Index blocks_;
    Index groups_;
    Index per_block_;
    int team_;
};

}  // namespace gradstep
