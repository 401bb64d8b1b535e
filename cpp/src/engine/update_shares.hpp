// Who updates what where threads share out all weights anew: pieces of all layers, by what they cost.
// Why so: docs/adr/0040.
#pragma once

#include <algorithm>
#include <vector>

#include "engine/network.hpp"
#include "engine/update.hpp"

namespace gradstep {

// Inputs and column groups of a layer of a model that one thread updates: a slice of them, and of the first
// layer a single group.
struct UpdateTask {
    Index layer;
    Index model;
    Index slice;
    Span inputs;
    Groups groups;

    bool has_bias() const { return slice == 0 && groups.g0 == 0; }
};

// The tasks of every thread, so that all of them have about as much to do.
template <class T>
std::vector<std::vector<UpdateTask>> update_shares(const Kernels<T>& kernels, const Network<T>& network,
                                                   Index m, int team) {
    std::vector<UpdateTask> tasks;
    std::vector<Index> ends;  // what the tasks up to each cost together
    Index cost = 0;
    const auto add = [&](UpdateTask task) {
        const LayerShape& shape = network.shape(task.layer);
        for (Index group = task.groups.g0; group < task.groups.g1; ++group)
            cost += kernels.run(shape.in, shape.out, task.inputs, group).count;
        tasks.push_back(task);
        ends.push_back(cost);
    };
    for (Index l = 0; l < network.depth(); ++l) {
        const LayerShape& shape = network.shape(l);
        const Index together = l == 0 ? 1 : shape.groups, length = slice_length(shape.in);
        for (Index model = 0; model < m; ++model)
            for (Index i0 = 0; i0 < shape.in; i0 += length)
                for (Index group = 0; group < shape.groups; group += together)
                    add({.layer = l,
                         .model = model,
                         .slice = i0 / length,
                         .inputs = {i0, std::min(i0 + length, shape.in)},
                         .groups = {group, group + together}});
    }
    std::vector<std::vector<UpdateTask>> shares(static_cast<std::size_t>(team));
    for (std::size_t task = 0; task < tasks.size(); ++task) {
        // By the middle of what a task costs.
        const Index middle = ends[task] + (task > 0 ? ends[task - 1] : 0);
        const Index thread = std::min<Index>(middle * team / (2 * cost), team - 1);
        shares[static_cast<std::size_t>(thread)].push_back(tasks[task]);
    }
    return shares;
}

}  // namespace gradstep
