// One update of m models on one batch, in three phases:
//
//     A  first layer forward: tasks are (input block, model, column group); a thread gathers the
//        blocks of its own tasks and keeps them for phase C
//     B  all else forward, loss, backward. With hidden layers each thread has its rows of the batch, and
//        there is a barrier behind; without, every thread does all rows for itself, which costs less
//        than to wait once more
//     C  updates: the same tasks as in A, and slices of the upper layers
//
// with a barrier between A and B. Work is shared out by thread number, but every number is the same whoever
// computes it.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "blocks.hpp"
#include "gradstep/buffer.hpp"
#include "gradstep/parallel.hpp"
#include "network.hpp"
#include "staging.hpp"

namespace gradstep {

// new W = W_factor * W + gradient_factor * dW, new b = b_factor * b + gradient_factor * db.
template <class T>
struct Coefficients {
    T W_factor;
    T b_factor;
    T gradient_factor;
};

struct BatchSums {
    double loss;
    double correct;
};

template <class T>
class Step {
public:
    Step(const Models<T>& models, const Rows<T>& rows, const Network<T>& network, Index most_rows, int team,
         std::optional<Images> images = std::nullopt)
        : k_(*models.kernels), rows_(rows), inputs_(rows), network_(network), m_(models.m),
          most_rows_(most_rows), team_(team), blocks_(rows.d, kLongestBlock),
          // Other models would read the tile.
          rereads_(m_ == 1 && network.factor()),
          block_sums_(k_, blocks_.count, elements_of_block(), owned_blocks(), phases()),
          staging_(k_, inputs_, images, most_rows_, blocks_, staged_blocks()) {
        if (network.factor()) inputs_.inverse_scale_T = nullptr;
        for (Index l = 0; l < network.depth(); ++l) {
            const LayerShape& shape = network.shape(l);
            // Nothing lies below the first layer.
            transposed_.emplace_back(l == 0 ? 0 : checked_product(m_, shape.transposed));
        }
        for (int thread = 0; thread < team; ++thread) {
            const Share tasks(first_layer_tasks(), thread, team);
            tiles_.emplace_back(checked_product(tile_size(), rereads_ ? 1 : blocks_of(tasks)));
            if (thread == 0 || !shares_rows()) passes_.emplace_back(network, m_, most_rows);
        }
        one_ = Buffer<T>(1);
        one_[0] = T(1);
    }

    // Whether the rows of phase B are shared out, and a barrier must follow it.
    bool shares_rows() const { return network_.depth() > 1; }

    // To be called once the network has its parameters.
    void begin() {
        for (Index model = 0; model < m_; ++model) {
            for (Index l = 1; l < network_.depth(); ++l) transpose(l, model, 0, network_.shape(l).in);
            for (Pass& pass : passes_) std::copy_n(network_.bias(0, model), pass.width, pass.bias_of(model));
        }
    }

    // `t` counts the updates.
    void forward_first(Index t, Batch batch, const std::uint8_t* active, int thread) {
        const LayerShape& shape = network_.shape(0);
        each_first_layer_task(
            thread, Order::forwards, [&](Index block, Index model, Index group, T* tile, bool first_visit) {
                const Index i0 = blocks_.begin(block), i1 = blocks_.end(block);
                T* Z = block_sums_.of(phase(t), block) + model * elements_of_model();
                // Later batches were asked for while their predecessor was worked on.
                if (first_visit && t == 0 && batch.which) k_.prefetch(rows_, batch.which, batch.rows, i0, i1);
                if (first_visit) staging_.stage(batch, block, thread);
                const auto [rows, which] = staging_.source(batch, block, thread);
                if (!active[model]) {
                    if (first_visit) k_.gather(tile, blocks_.width(), rows, which, 0, batch.rows, i0, i1, 0);
                } else if (first_visit) {
                    k_.gather_product(Z, shape.width, tile, blocks_.width(), !rereads_, rows, which, 0,
                                      batch.rows, first_panel(model), shape.in, shape.out, i0, i1, 0, group,
                                      group + 1, false);
                } else {
                    k_.product(Z, shape.width, tile, blocks_.width(), batch.rows, first_panel(model),
                               shape.in, shape.out, i0, i1, group, group + 1, false);
                }
            });
        for (Index model = 0; model < m_; ++model)
            if (active[model])
                block_sums_.add_own(phase(t), thread, model * elements_of_model(), batch.rows * shape.width);
    }

    void forward_backward(Index t, Batch batch, const std::uint8_t* active, int thread) {
        const Share rows = shares_rows() ? Share(batch.rows, thread, team_) : Share(batch.rows, 0, 1);
        const Index count = rows.end - rows.begin;
        if (count == 0) return;
        const LayerShape &first = network_.shape(0), &last = network_.shape(network_.depth() - 1);
        Pass& pass = pass_of(thread);
        for (Index model = 0; model < m_; ++model) {
            if (!active[model]) continue;
            const Index at = rows.begin * first.width;
            const T* sums =
                block_sums_.total(phase(t), thread, model * elements_of_model() + at, count * first.width);
            k_.finish(pass.A.of(0, model) + at, first.width, sums, bias_of(pass, model), count, first.out,
                      network_.depth() > 1);
            forward_upper(k_, network_, model, pass.A, model, rows.begin, rows.end);
            const Index top = network_.depth() - 1, place = model * most_rows_ + rows.begin;
            k_.loss(network_.loss(), pass.losses.data() + place, pass.correct.data() + place,
                    pass.dZ.of(top, model) + rows.begin * last.width,
                    pass.A.of(top, model) + rows.begin * last.width, last.width, count, last.out, rows_.y,
                    rows_.weight_of(model), batch.which ? batch.which + rows.begin : nullptr, rows.begin,
                    1.0 / static_cast<double>(batch.rows));
            backward(pass, model, rows.begin, count);
        }
    }

    // Sums over the rows of the batch just seen; the same on every thread that asks after phase B.
    BatchSums sums(Index model, Index rows, int thread) const {
        const Pass& pass = pass_of(thread);
        BatchSums sums{0, 0};
        for (Index r = model * most_rows_; r < model * most_rows_ + rows; ++r) {
            sums.loss += pass.losses[r];
            sums.correct += pass.correct[r];
        }
        return sums;
    }

    // Writes the new parameters to `to`, which may be the network that the step reads. The rows of the
    // next batch are asked for meanwhile.
    void update(const Network<T>& to, const Coefficients<T>* coefficients, Batch batch, Batch next,
                const std::uint8_t* active, int thread) {
        const Pass& pass = pass_of(thread);
        const Index rows = batch.rows;
        // Backwards, so that what was touched last, and is in the cache, is touched first.
        each_first_layer_task(thread, Order::backwards,
                              [&](Index block, Index model, Index group, T* tile, bool first_visit) {
                                  if (!active[model]) return;
                                  update_block(to, coefficients[model], batch, first_visit ? next : Batch{},
                                               pass.dZ.of(0, model), block, model, group, tile, thread);
                                  if (block == 0 && group == 0)
                                      update_bias(to.bias(0, model), network_.bias(0, model), pass, 0, model,
                                                  coefficients[model], rows);
                              });
        update_upper(to, pass, coefficients, rows, active, thread);
        for (Index model = 0; model < m_; ++model)
            if (!shares_rows() && active[model])
                update_bias(pass.bias_of(model), pass.bias_of(model), pass, 0, model, coefficients[model],
                            rows);
    }

private:
    // Shorter than the best one, for the sake of many threads.
    static constexpr Index kLongestBlock = 384;
    static constexpr Index kSlice = 64;  // inputs that are updated at a time

    // What phase B leaves for phase C; and the first layer's bias, which another thread may have updated
    // already when this one comes to read it.
    struct Pass {
        Activations<T> A;
        Activations<T> dZ;
        Buffer<double> losses;   // (m, b)
        Buffer<double> correct;  // (m, b)
        Index width;
        Buffer<T> bias;  // (m, width)

        T* bias_of(Index model) const { return bias.data() + model * width; }

        Pass(const Network<T>& network, Index m, Index b)
            : A(network, m, b), dZ(network, m, b), losses(checked_product(m, b)), correct(m * b),
              width(network.shape(0).width), bias(m * width) {}
    };

    // What the products of the first layer read.
    const T* first_panel(Index model) const {
        return network_.factor() ? network_.scaling(model).panel : network_.panel(0, model);
    }

    const T* bias_of(const Pass& pass, Index model) const {
        return shares_rows() ? network_.bias(0, model) : pass.bias_of(model);
    }

    Pass& pass_of(int thread) { return passes_[shares_rows() ? 0 : static_cast<std::size_t>(thread)]; }
    const Pass& pass_of(int thread) const {
        return passes_[shares_rows() ? 0 : static_cast<std::size_t>(thread)];
    }

    // With a single barrier, a thread may begin the next update while others still read this one's sums.
    Index phases() const { return shares_rows() || team_ == 1 ? 1 : 2; }
    Index phase(Index t) const { return t % phases(); }

    Index first_layer_tasks() const { return blocks_.count * m_ * network_.shape(0).groups; }
    Index tile_size() const { return checked_product(most_rows_, blocks_.width()); }
    Index elements_of_model() const { return checked_product(most_rows_, network_.shape(0).width); }
    Index elements_of_block() const { return checked_product(m_, elements_of_model()); }
    Index blocks_of(Share tasks) const {
        const Index per_block = m_ * network_.shape(0).groups;
        return tasks.begin == tasks.end ? 0 : (tasks.end - 1) / per_block - tasks.begin / per_block + 1;
    }

    enum class Order { forwards, backwards };

    template <class F>
    void each_first_layer_task(int thread, Order order, F&& f) {
        const Share tasks(first_layer_tasks(), thread, team_);
        const Index groups = network_.shape(0).groups, per_block = m_ * groups;
        for (Index i = tasks.begin; i < tasks.end; ++i) {
            const Index task = order == Order::forwards ? i : tasks.begin + tasks.end - 1 - i;
            const Index block = task / per_block;
            T* tile = tiles_[static_cast<std::size_t>(thread)].data() +
                      (rereads_ ? 0 : (block - tasks.begin / per_block) * tile_size());
            const bool first_visit = task == tasks.begin || task % per_block == 0;
            f(block, task % per_block / groups, task % groups, tile, first_visit);
        }
    }

    // The blocks of which a thread has every task.
    std::vector<Share> owned_blocks() const {
        const Index per_block = m_ * network_.shape(0).groups;
        std::vector<Share> owned;
        for (int thread = 0; thread < team_; ++thread) {
            const Share tasks(first_layer_tasks(), thread, team_);
            owned.emplace_back((tasks.begin + per_block - 1) / per_block, tasks.end / per_block);
        }
        return owned;
    }

    // What a thread's staging holds at once: where rows are read again, all of its blocks.
    std::vector<Share> staged_blocks() const {
        const Index per_block = m_ * network_.shape(0).groups;
        std::vector<Share> staged;
        for (int thread = 0; thread < team_; ++thread) {
            const Share tasks(first_layer_tasks(), thread, team_);
            const Index begin = tasks.begin / per_block, blocks = blocks_of(tasks);
            staged.emplace_back(begin, begin + (rereads_ ? blocks : std::min(blocks, Index{1})));
        }
        return staged;
    }

    // Slice by slice, with a share of the next batch's rows asked for before each: memory is slow to
    // answer and takes few questions at a time.
    void update_block(const Network<T>& to, const Coefficients<T>& c, Batch batch, Batch next, const T* dZ,
                      Index block, Index model, Index group, const T* tile, int thread) {
        const LayerShape& shape = network_.shape(0);
        const Index begin = blocks_.begin(block), end = blocks_.end(block);
        const auto [rows, which] = staging_.source(batch, block, thread);
        const Index slices = next.rows ? (end - begin + kSlice - 1) / kSlice : 1;
        for (Index slice = 0; slice < slices; ++slice) {
            const Index i0 = begin + slice * kSlice, i1 = slice + 1 < slices ? i0 + kSlice : end;
            const Index r0 = next.rows * slice / slices, r1 = next.rows * (slice + 1) / slices;
            k_.prefetch(rows_, next.which + r0, r1 - r0, begin, end);
            T *W = to.panel(0, model), *from = network_.panel(0, model);
            const Scaling<T> scaling{network_.factor(), to.scaling(model).panel};
            if (rereads_)
                k_.reread_update(W, from, c.W_factor, c.gradient_factor, scaling, rows, which, dZ,
                                 shape.width, batch.rows, shape.in, shape.out, i0, i1);
            else
                k_.update(W, from, c.W_factor, c.gradient_factor, scaling, tile + (i0 - begin),
                          blocks_.width(), dZ, shape.width, batch.rows, shape.in, shape.out, i0, i1, group,
                          group + 1);
        }
    }

    void backward(Pass& pass, Index model, Index r0, Index count) {
        for (Index l = network_.depth() - 1; l > 0; --l) {
            const LayerShape& shape = network_.shape(l);
            const Index below = network_.shape(l - 1).width;
            T* dA = pass.dZ.of(l - 1, model) + r0 * below;
            k_.backward(dA, pass.A.of(l - 1, model) + r0 * below, below,
                        pass.dZ.of(l, model) + r0 * shape.width, shape.width, count, network_.panel(l, model),
                        transposed(l, model), shape.in, shape.out);
        }
    }

    void update_upper(const Network<T>& to, const Pass& pass, const Coefficients<T>* coefficients, Index rows,
                      const std::uint8_t* active, int thread) {
        for (Index l = 1; l < network_.depth(); ++l) {
            const LayerShape& shape = network_.shape(l);
            const Index below = network_.shape(l - 1).width, slices = (shape.in + kSlice - 1) / kSlice;
            const Share share(m_ * slices, thread, team_);
            for (Index task = share.begin; task < share.end; ++task) {
                const Index model = task / slices, slice = task % slices;
                if (!active[model]) continue;
                const Coefficients<T>& c = coefficients[model];
                const Index i0 = slice * kSlice, i1 = i0 + kSlice < shape.in ? i0 + kSlice : shape.in;
                k_.update(to.panel(l, model), network_.panel(l, model), c.W_factor, c.gradient_factor, {},
                          pass.A.of(l - 1, model) + i0, below, pass.dZ.of(l, model), shape.width, rows,
                          shape.in, shape.out, i0, i1, 0, shape.groups);
                if (slice == 0)
                    update_bias(to.bias(l, model), network_.bias(l, model), pass, l, model, c, rows);
                if (&to == &network_) transpose(l, model, i0, i1);
            }
        }
    }

    // A bias is the weight of an input that is always 1: a layer (1, out), with column groups of its own.
    void update_bias(T* to, const T* from, const Pass& pass, Index l, Index model, const Coefficients<T>& c,
                     Index rows) {
        const LayerShape& shape = network_.shape(l);
        k_.update(to, from, c.b_factor, c.gradient_factor, {}, one_.data(), 0, pass.dZ.of(l, model),
                  shape.width, rows, 1, shape.out, 0, 1, 0, k_.column_groups(1, shape.out));
    }

    T* transposed(Index l, Index model) const {
        return transposed_[static_cast<std::size_t>(l)].data() + model * network_.shape(l).transposed;
    }
    void transpose(Index l, Index model, Index i0, Index i1) {
        const LayerShape& shape = network_.shape(l);
        if (shape.transposed == 0) return;
        k_.transpose(transposed(l, model), network_.panel(l, model), shape.in, shape.out, i0, i1);
    }

    const Kernels<T>& k_;
    const Rows<T>& rows_;
    Rows<T> inputs_;  // the same, unscaled where the network takes them so
    const Network<T>& network_;
    Index m_;
    Index most_rows_;
    int team_;
    InputBlocks blocks_;
    bool rereads_;  // tiles are not kept
    BlockSums<T> block_sums_;
    Staging<T> staging_;
    std::vector<Pass> passes_;           // one, or one a thread where rows are not shared
    std::vector<Buffer<T>> transposed_;  // per layer, (m, transposed)
    std::vector<Buffer<T>> tiles_;       // per thread, (blocks, b, width) gathered rows
    Buffer<T> one_;
};

}  // namespace gradstep
