// One update of m models on one batch, in three phases with a barrier after the first two:
//
//     A  first layer forward: tasks are (input block, model, column group); a thread gathers the
//        blocks of its own tasks and keeps them for phase C
//     B  all else forward, loss, backward: each thread has its rows of the batch
//     C  updates: the same tasks as in A, and slices of the upper layers
//
// Work is shared out by thread number, but every number is the same whoever computes it.
#pragma once

#include <cmath>
#include <vector>

#include "gradstep/buffer.hpp"
#include "gradstep/parallel.hpp"
#include "network.hpp"

namespace gradstep {

// new W = W_factor * W + gradient_factor * dW, new b = b_factor * b + gradient_factor * db.
template <class T>
struct Coefficients {
    T W_factor;
    T b_factor;
    T gradient_factor;
};

// Rows which[0..rows) of the data set.
struct Batch {
    const std::int32_t* which = nullptr;
    Index rows = 0;
};

template <class T>
class Step {
public:
    Step(const Models<T>& models, const Rows<T>& rows, const Network<T>& network, Index most_rows, int team)
        : k_(*models.kernels), rows_(rows), network_(network), m_(models.m), most_rows_(most_rows),
          blocks_(rows.d), A_(network, m_, most_rows), dZ_(network, m_, most_rows),
          partials_(checked_product(blocks_.count * m_ * network.shape(0).width, most_rows)),
          losses_(m_ * most_rows), correct_(m_ * most_rows), one_(1) {
        one_[0] = T(1);
        for (Index l = 0; l < network.depth(); ++l) {
            const LayerShape& shape = network.shape(l);
            // Phase B of the first layer needs no W^T: nothing lies below it.
            transposed_.emplace_back(l == 0 ? 0 : m_ * k_.panel_size(shape.out, shape.in));
        }
        for (int thread = 0; thread < team; ++thread) {
            const Share tasks(first_layer_tasks(), thread, team);
            tiles_.emplace_back(checked_product(tile_size(), blocks_of(tasks)));
        }
        for (Index model = 0; model < m_; ++model)
            for (Index l = 1; l < network.depth(); ++l) transpose(l, model, 0, network.shape(l).in);
    }

    // The batch is rows which[0..b), or the first b rows when `which` is null.
    void forward_first(const std::int32_t* which, Index b, const std::uint8_t* active, int thread, int team) {
        const LayerShape& shape = network_.shape(0);
        each_first_layer_task(
            thread, team, [&](Index block, Index model, Index group, T* tile, bool first_visit) {
                const Index i0 = blocks_.begin(block), i1 = blocks_.end(block);
                if (first_visit) k_.gather(tile, blocks_.width(), rows_, which, 0, b, i0, i1);
                if (!active[model]) return;
                k_.product(partial(block, model), shape.width, tile, blocks_.width(), b,
                           network_.panel(0, model), shape.in, shape.out, i0, i1, group, group + 1, false);
            });
    }

    void forward_backward(const std::int32_t* which, Index b, const std::uint8_t* active, int thread,
                          int team) {
        const Share share(b, thread, team);
        const Index r0 = share.begin, count = share.end - share.begin;
        if (count == 0) return;
        const Index top = network_.depth() - 1;
        for (Index model = 0; model < m_; ++model) {
            if (!active[model]) continue;
            const LayerShape& first = network_.shape(0);
            const Index at = r0 * first.width;
            k_.finish(A_.of(0, model) + at, first.width, partial(0, model) + at, blocks_.count,
                      partial_distance(), network_.bias(0, model), count, first.out, top > 0);
            forward_upper(k_, network_, A_, model, r0, share.end);
            const LayerShape& last = network_.shape(top);
            k_.softmax(losses_.data() + model * most_rows_ + r0, correct_.data() + model * most_rows_ + r0,
                       dZ_.of(top, model) + r0 * last.width, A_.of(top, model) + r0 * last.width, last.width,
                       count, last.out, rows_, which ? which + r0 : nullptr, r0,
                       1.0 / static_cast<double>(b));
            backward(model, r0, count);
        }
    }

    // Mean loss of the batch just seen; the same on every thread that asks after phase B.
    double batch_loss(Index model, Index b) const {
        double sum = 0;
        for (Index r = 0; r < b; ++r) sum += losses_[model * most_rows_ + r];
        return sum / static_cast<double>(b);
    }

    // Writes the new parameters to `to`, which may be the network that the step reads. The rows of the
    // next batch are asked for meanwhile.
    void update(const Network<T>& to, const Coefficients<T>* coefficients, Index b, Batch next,
                const std::uint8_t* active, int thread, int team) {
        each_first_layer_task(thread, team,
                              [&](Index block, Index model, Index group, T* tile, bool first_visit) {
                                  if (active[model])
                                      update_block(to, coefficients[model], b, first_visit ? next : Batch{},
                                                   block, model, group, tile);
                              });
        update_upper(to, coefficients, b, active, thread, team);
    }

private:
    static constexpr Index kSlice = 64;  // inputs that are updated at a time

    Index first_layer_tasks() const { return blocks_.count * m_ * network_.shape(0).groups; }
    Index tile_size() const { return checked_product(most_rows_, blocks_.width()); }
    Index partial_distance() const { return m_ * most_rows_ * network_.shape(0).width; }
    T* partial(Index block, Index model) const {
        return partials_.data() + block * partial_distance() + model * most_rows_ * network_.shape(0).width;
    }
    Index blocks_of(Share tasks) const {
        const Index per_block = m_ * network_.shape(0).groups;
        return tasks.begin == tasks.end ? 0 : (tasks.end - 1) / per_block - tasks.begin / per_block + 1;
    }

    template <class F>
    void each_first_layer_task(int thread, int team, F&& f) {
        const Share tasks(first_layer_tasks(), thread, team);
        const Index groups = network_.shape(0).groups, per_block = m_ * groups;
        for (Index task = tasks.begin; task < tasks.end; ++task) {
            const Index block = task / per_block;
            T* tile = tiles_[static_cast<std::size_t>(thread)].data() +
                      (block - tasks.begin / per_block) * tile_size();
            const bool first_visit = task == tasks.begin || task % per_block == 0;
            f(block, task % per_block / groups, task % groups, tile, first_visit);
        }
    }

    // Slice by slice, with a share of the next batch's rows asked for before each: memory is slow to
    // answer and takes few questions at a time.
    void update_block(const Network<T>& to, const Coefficients<T>& c, Index b, Batch next, Index block,
                      Index model, Index group, const T* tile) {
        const LayerShape& shape = network_.shape(0);
        const Index begin = blocks_.begin(block), end = blocks_.end(block);
        const Index slices = (end - begin + kSlice - 1) / kSlice;
        for (Index slice = 0; slice < slices; ++slice) {
            const Index i0 = begin + slice * kSlice, i1 = i0 + kSlice < end ? i0 + kSlice : end;
            const Index r0 = next.rows * slice / slices, r1 = next.rows * (slice + 1) / slices;
            k_.prefetch(rows_, next.which + r0, r1 - r0, begin, end);
            k_.update(to.panel(0, model), network_.panel(0, model), c.W_factor, c.gradient_factor,
                      tile + (i0 - begin), blocks_.width(), dZ_.of(0, model), shape.width, b, shape.in,
                      shape.out, i0, i1, group, group + 1);
        }
        if (block == 0 && group == 0) update_bias(to, 0, model, c, b);
    }

    void backward(Index model, Index r0, Index count) {
        for (Index l = network_.depth() - 1; l > 0; --l) {
            const LayerShape& shape = network_.shape(l);
            const Index below = network_.shape(l - 1).width;
            T* dA = dZ_.of(l - 1, model) + r0 * below;
            k_.product(dA, below, dZ_.of(l, model) + r0 * shape.width, shape.width, count,
                       transposed(l, model), shape.out, shape.in, 0, shape.out, 0,
                       k_.column_groups(shape.out, shape.in), false);
            k_.mask(dA, A_.of(l - 1, model) + r0 * below, below, count, shape.in);
        }
    }

    void update_upper(const Network<T>& to, const Coefficients<T>* coefficients, Index b,
                      const std::uint8_t* active, int thread, int team) {
        for (Index l = 1; l < network_.depth(); ++l) {
            const LayerShape& shape = network_.shape(l);
            const Index below = network_.shape(l - 1).width, slices = (shape.in + kSlice - 1) / kSlice;
            const Share share(m_ * slices, thread, team);
            for (Index task = share.begin; task < share.end; ++task) {
                const Index model = task / slices, slice = task % slices;
                if (!active[model]) continue;
                const Coefficients<T>& c = coefficients[model];
                const Index i0 = slice * kSlice, i1 = i0 + kSlice < shape.in ? i0 + kSlice : shape.in;
                k_.update(to.panel(l, model), network_.panel(l, model), c.W_factor, c.gradient_factor,
                          A_.of(l - 1, model) + i0, below, dZ_.of(l, model), shape.width, b, shape.in,
                          shape.out, i0, i1, 0, shape.groups);
                if (slice == 0) update_bias(to, l, model, c, b);
                if (&to == &network_) transpose(l, model, i0, i1);
            }
        }
    }

    // A bias is the weight of an input that is always 1: a layer (1, out), with column groups of its own.
    void update_bias(const Network<T>& to, Index l, Index model, const Coefficients<T>& c, Index b) {
        const LayerShape& shape = network_.shape(l);
        k_.update(to.bias(l, model), network_.bias(l, model), c.b_factor, c.gradient_factor, one_.data(), 0,
                  dZ_.of(l, model), shape.width, b, 1, shape.out, 0, 1, 0, k_.column_groups(1, shape.out));
    }

    T* transposed(Index l, Index model) const {
        const LayerShape& shape = network_.shape(l);
        return transposed_[static_cast<std::size_t>(l)].data() + model * k_.panel_size(shape.out, shape.in);
    }
    void transpose(Index l, Index model, Index i0, Index i1) {
        const LayerShape& shape = network_.shape(l);
        k_.transpose(transposed(l, model), network_.panel(l, model), shape.in, shape.out, i0, i1);
    }

    const Kernels<T>& k_;
    const Rows<T>& rows_;
    const Network<T>& network_;
    Index m_;
    Index most_rows_;
    InputBlocks blocks_;
    Activations<T> A_;
    Activations<T> dZ_;
    Buffer<T> partials_;  // (blocks, m, b, width) scores of the first layer, block by block
    Buffer<double> losses_;  // (m, b)
    Buffer<double> correct_;  // (m, b)
    Buffer<T> one_;
    std::vector<Buffer<T>> transposed_;  // per layer, (m, panel of W^T)
    std::vector<Buffer<T>> tiles_;  // per thread, (blocks, b, width) gathered rows
};

}  // namespace gradstep
