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
//
// Why so: docs/adr/0004, docs/adr/0012, docs/adr/0014 and docs/adr/0031.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "engine/blocks.hpp"
#include "engine/clipping.hpp"
#include "engine/pass.hpp"
#include "engine/sparse_batch.hpp"
#include "engine/staging.hpp"
#include "engine/update.hpp"
#include "gradstep/buffer.hpp"
#include "gradstep/parallel.hpp"

namespace gradstep {

template <class T>
class Step {
public:
    Step(const Models<T>& models, const Rows<T>& rows, const Network<T>& network, Index most_rows, int team,
         std::optional<Images> images = std::nullopt)
        : k_(*models.kernels), models_(models), rows_(rows), inputs_(rows), network_(network), m_(models.m),
          most_rows_(most_rows), team_(team), blocks_(rows.d, kLongestBlock),
          // Other models would read the tile, and what is dropped is not in the rows.
          drops_inputs_(models.drops(0)), rereads_(m_ == 1 && network.factor() && !drops_inputs_),
          block_sums_(k_, blocks_.count, elements_of_block(), owned_blocks(), phases()),
          staging_(k_, inputs_, images, most_rows_, blocks_, staged_blocks()), squares_(square_sums()),
          one_(1) {
        if (network.factor()) inputs_.inverse_scale_T = nullptr;
        for (Index l = 0; l < network.depth(); ++l) {
            const LayerShape& shape = network.shape(l);
            // Nothing lies below the first layer.
            transposed_.emplace_back(l == 0 ? 0 : checked_product(m_, shape.transposed));
        }
        for (int thread = 0; thread < team; ++thread) {
            const Slice tasks(first_layer_tasks(), thread, team);
            if (rows.sparse())
                sparse_.emplace_back(blocks_, most_rows, seen_blocks(thread), true);
            else
                tiles_.emplace_back(checked_product(tile_size(), rereads_ ? 1 : blocks_of(tasks)));
            if (thread == 0 || !shares_rows()) passes_.emplace_back(models, network, most_rows);
            const bool at_once = models.rule->with_product && !models.limits.value;
            gradients_.emplace_back(at_once ? 0 : RuleUpdate<T>::room(k_, network));
        }
        one_[0] = T(1);
    }

    // Whether the rows of phase B are shared out, and a barrier must follow it.
    bool shares_rows() const { return network_.depth() > 1; }

    // Makes room for batches of so many elements, of sparse rows.
    void reserve(Index elements) {
        for (SparseBatch<T>& batch : sparse_) batch.reserve(elements);
    }

    // Makes room for what is noted of so many parts.
    void reserve_parts(Index parts) { squares_.reserve(parts); }

    // To be called once the network has its parameters and slots.
    void begin(Index parts) {
        squares_.clear(parts);
        for (Index model = 0; model < m_; ++model) {
            for (Index l = 1; l < network_.depth(); ++l) transpose(l, model, {0, network_.shape(l).in});
            for (Pass& pass : passes_)
                for (Index slot = 0; slot <= network_.slots(); ++slot)
                    std::copy_n(network_.bias(0, model) + slot * network_.bias_stride(0), pass.width,
                                pass.bias_of(model) + slot * pass.bias_stride());
        }
    }

    // `t` counts the updates.
    void forward_first(Index t, Batch batch, const std::uint8_t* active, int thread) {
        const LayerShape& shape = network_.shape(0);
        if (rows_.sparse()) sparse_of(thread).begin(rows_, {batch.in_X, 0, batch.rows});
        each_first_layer_task(thread, Order::forwards, [&](Task task, Tile<T> tile, bool first_visit) {
            const auto [block, model, group] = task;
            const Span inputs = blocks_.span(block);
            const Tile<T> Z{block_sums_.of(phase(t), block) + model * elements_of_model(), shape.width};
            const Weights<const T> W{first_panel(model), shape.in, shape.out};
            if (rows_.sparse()) {
                SparseBatch<T>& sparse = sparse_of(thread);
                if (first_visit) gather_sparse(sparse, task, batch);
                if (active[model])
                    k_.sparse_product(Z, sparse.by_row(), batch.rows, W, inputs, {group, group + 1}, false);
                return;
            }
            // Later batches were asked for while their predecessor was worked on.
            if (first_visit && t == 0 && batch.in_X) k_.prefetch(rows_, {batch.in_X, 0, batch.rows}, inputs);
            if (first_visit) staging_.stage(batch, block, thread);
            const auto [rows, in_X] = staging_.source(batch, block, thread);
            const Incoming<T> from{rows, {in_X, 0, batch.rows}};
            const bool gathers_apart = first_visit && (drops_inputs_ || !active[model]);
            if (gathers_apart) k_.gather(tile, from, inputs);
            if (gathers_apart && drops_inputs_)
                k_.drop(tile, tile, batch.rows, inputs, models_.drop(0, model, batch.drop_keys, 0));
            if (!active[model]) return;
            if (first_visit && !gathers_apart) {
                k_.gather_product(Z, tile, !rereads_, from, W, inputs, {group, group + 1}, false);
            } else {
                k_.product(Z, tile, batch.rows, W, inputs, {group, group + 1}, false);
            }
        });
        for (Index model = 0; model < m_; ++model)
            if (active[model])
                block_sums_.add_own(phase(t), thread, model * elements_of_model(), batch.rows * shape.width);
    }

    // The sum over the rows is divided by `divisors` (m,), or by their number; nothing is done by 0.
    void forward_backward(Index t, Batch batch, const std::uint8_t* active, int thread,
                          const double* divisors = nullptr) {
        const Slice rows = shares_rows() ? Slice(batch.rows, thread, team_) : Slice(batch.rows, 0, 1);
        const Index count = rows.end - rows.begin, width = network_.shape(0).width;
        if (count == 0) return;
        Pass& pass = pass_of(thread);
        for (Index model = 0; model < m_; ++model) {
            const double divisor = divisors ? divisors[model] : static_cast<double>(batch.rows);
            if (!active[model] || divisor == 0) continue;
            const T* sums = block_sums_.total(
                phase(t), thread, model * elements_of_model() + rows.begin * width, count * width);
            finish_layer(models_, 0, model, pass.A.of(0, model, rows.begin), sums, bias_of(pass, model),
                         count);
            pass.forward_upper(network_, batch.drop_keys, model, rows);
            judge(pass, batch, model, rows, 1.0 / divisor);
            backward(pass, batch, model, rows);
        }
    }

    // Sums over the rows of the batch just seen; the same on every thread that asks after phase B.
    BatchSums sums(Index model, Index rows, int thread) const {
        return pass_of(thread).sums(model, most_rows_, rows);
    }

    // What `update` is to do with gradients: a step by these numbers (m, 2, r), after which averages take
    // their shares (m,), unless that is null. The weights' squares before it, times `penalties` (m,), are
    // noted for `part` unless that is null.
    RuleUpdate<T> by_rule(const T* numbers, const T* shares, const double* penalties, Index part,
                          int thread) const {
        std::optional<SquaresNote> note;
        if (penalties) note.emplace(SquaresNote{penalties, squares_, part});
        T* g = gradients_[static_cast<std::size_t>(thread)].data();
        return {k_, *models_.rule, network_, numbers, shares, g, note};
    }

    // The sum of what was noted of a part since `begin`.
    double noted(Index model, Index part) const { return squares_.total(model, part); }

    // Room for the squares of all that `update` gives away.
    SquareSums square_sums() const {
        std::vector<Index> slices, groups;
        for (Index l = 0; l < network_.depth(); ++l) {
            slices.push_back(l == 0 ? blocks_.count * slices_of_block() : slices_of(network_.shape(l).in));
            groups.push_back(network_.shape(l).groups);
        }
        return {m_, slices, groups};
    }

    // Gives the pieces of all gradients to `apply`. The rows of the next batch are asked for meanwhile.
    template <class Apply>
    void update(const Apply& apply, Batch batch, Batch next, const std::uint8_t* active, int thread) {
        const Pass& pass = pass_of(thread);
        // Backwards, so that what was touched last, and is in the cache, is touched first.
        each_first_layer_task(thread, Order::backwards, [&](Task task, Tile<T> tile, bool first_visit) {
            if (!active[task.model]) return;
            update_block(apply, task, batch, first_visit ? next : Batch{}, pass, tile, thread);
            if (task.block == 0 && task.group == 0)
                apply.bias({network_.bias(0, task.model), network_.bias_stride(0), network_.shape(0).out},
                           bias_piece(pass, 0, task.model, batch.rows));
        });
        update_upper(apply, pass, batch.rows, active, thread);
        if (!Apply::in_place || shares_rows()) return;
        for (Index model = 0; model < m_; ++model)
            if (active[model])
                apply.bias({pass.bias_of(model), pass.bias_stride(), network_.shape(0).out},
                           bias_piece(pass, 0, model, batch.rows));
    }

private:
    // Shorter than the best one, for the sake of many threads.
    static constexpr Index kLongestBlock = 384;

    using Pass = BatchPass<T>;

    // One column group of one model on one block of inputs of the first layer.
    struct Task {
        Index block;
        Index model;
        Index group;
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
    Index blocks_of(Slice tasks) const {
        const Index per_block = m_ * network_.shape(0).groups;
        return tasks.begin == tasks.end ? 0 : (tasks.end - 1) / per_block - tasks.begin / per_block + 1;
    }

    enum class Order { forwards, backwards };

    template <class F>
    void each_first_layer_task(int thread, Order order, F&& f) {
        const Slice tasks(first_layer_tasks(), thread, team_);
        const Index groups = network_.shape(0).groups, per_block = m_ * groups;
        for (Index i = tasks.begin; i < tasks.end; ++i) {
            const Index task = order == Order::forwards ? i : tasks.begin + tasks.end - 1 - i;
            const Index block = task / per_block;
            T* tile = nullptr;
            if (!tiles_.empty())
                tile = tiles_[static_cast<std::size_t>(thread)].data() +
                       (rereads_ ? 0 : (block - tasks.begin / per_block) * tile_size());
            const bool first_visit = task == tasks.begin || task % per_block == 0;
            f(Task{block, task % per_block / groups, task % groups}, Tile<T>{tile, blocks_.width()},
              first_visit);
        }
    }

    // The blocks of which a thread has every task.
    std::vector<Slice> owned_blocks() const {
        const Index per_block = m_ * network_.shape(0).groups;
        std::vector<Slice> owned;
        for (int thread = 0; thread < team_; ++thread) {
            const Slice tasks(first_layer_tasks(), thread, team_);
            owned.emplace_back((tasks.begin + per_block - 1) / per_block, tasks.end / per_block);
        }
        return owned;
    }

    // What a thread's staging holds at once: where rows are read again, all of its blocks.
    std::vector<Slice> staged_blocks() const {
        const Index per_block = m_ * network_.shape(0).groups;
        std::vector<Slice> staged;
        for (int thread = 0; thread < team_; ++thread) {
            const Slice tasks(first_layer_tasks(), thread, team_);
            const Index begin = tasks.begin / per_block, blocks = blocks_of(tasks);
            staged.emplace_back(begin, begin + (rereads_ ? blocks : std::min(blocks, Index{1})));
        }
        return staged;
    }

    // The blocks of which a thread has a task.
    Slice seen_blocks(int thread) const {
        const Slice tasks(first_layer_tasks(), thread, team_);
        const Index begin = tasks.begin / (m_ * network_.shape(0).groups);
        return Slice(begin, begin + blocks_of(tasks));
    }
    void gather_sparse(SparseBatch<T>& sparse, Task task, Batch batch) const {
        if (!drops_inputs_) return sparse.gather(task.block);
        const Index i0 = blocks_.begin(task.block);
        sparse.gather(task.block, [&](Index r, T* values, const std::int32_t* places, Index count) {
            k_.drop_elements(values, places, count, i0, models_.drop(0, task.model, batch.drop_keys, r));
        });
    }
    SparseBatch<T>& sparse_of(int thread) { return sparse_[static_cast<std::size_t>(thread)]; }

    // Slice by slice, with a share of the next batch's rows asked for before each: memory is slow to
    // answer and takes few questions at a time.
    template <class Apply>
    void update_block(const Apply& apply, Task task, Batch batch, Batch next, const Pass& pass, Tile<T> tile,
                      int thread) {
        const Span block = blocks_.span(task.block);
        const auto [rows, in_X] = staging_.source(batch, task.block, thread);
        const Index slices = next.rows ? slices_of(block.i1 - block.i0) : 1;
        for (Index slice = 0; slice < slices; ++slice) {
            const Index i0 = block.i0 + slice * kSlice, i1 = slice + 1 < slices ? i0 + kSlice : block.i1;
            const Slice ahead(next.rows, slice, slices);
            k_.prefetch(rows_, {next.in_X + ahead.begin, 0, ahead.end - ahead.begin}, block);
            Inputs<T> X{{tile.data + (i0 - block.i0), tile.ld}};
            if (rereads_) X = {.tile = {}, .rows = &rows, .numbers = {in_X, 0, batch.rows}};
            if (rows_.sparse())
                X = {.tile = {}, .lines = sparse_of(thread).by_input(task.block, i0 - block.i0)};
            apply.weights({
                .layer = 0,
                .model = task.model,
                .X = X,
                .dZ = pass.dZ.of(0, task.model),
                .b = batch.rows,
                .inputs = {i0, i1},
                .groups = {task.group, task.group + 1},
                .slice = task.block * slices_of_block() + slice,
            });
        }
    }

    void judge(Pass& pass, Batch batch, Index model, Slice rows, double scale) {
        const Index top = network_.depth() - 1, place = model * most_rows_ + rows.begin;
        models_.loss->judge(
            {.losses = pass.losses.data() + place,
             .hits = pass.hits.data() + place,
             .dS = pass.dZ.of(top, model, rows.begin).data},
            pass.A.of(top, model, rows.begin), network_.shape(top).out, rows_, rows_.weight_of(model),
            {batch.places ? batch.places + rows.begin : nullptr, rows.begin, rows.end - rows.begin},
            models_.loss_numbers_of(model), scale);
    }

    void backward(Pass& pass, Batch batch, Index model, Slice rows) {
        const Index r0 = rows.begin, count = rows.end - rows.begin;
        for (Index l = network_.depth() - 1; l > 0; --l) {
            const Tile<T> dA = pass.dZ.of(l - 1, model, r0);
            k_.backward(dA, pass.dZ.of(l, model, r0), count, network_.weights(l, model),
                        transposed(l, model));
            pass.drop(dA, dA, batch.drop_keys, l, model, rows);
            models_.activations[l - 1]->times_slope(dA, pass.A.of(l - 1, model, r0).data, count,
                                                    network_.shape(l).in,
                                                    models_.activation_number(model, l - 1));
        }
    }

    template <class Apply>
    void update_upper(const Apply& apply, const Pass& pass, Index rows, const std::uint8_t* active,
                      int thread) {
        for (Index l = 1; l < network_.depth(); ++l) {
            const LayerShape& shape = network_.shape(l);
            const Index slices = slices_of(shape.in);
            const Slice share(m_ * slices, thread, team_);
            for (Index task = share.begin; task < share.end; ++task) {
                const Index model = task / slices, i0 = task % slices * kSlice;
                if (!active[model]) continue;
                const Span inputs{i0, std::min(i0 + kSlice, shape.in)};
                const Tile<T> A = pass.inputs_of(l, model);
                apply.weights({
                    .layer = l,
                    .model = model,
                    .X = {{A.data + i0, A.ld}},
                    .dZ = pass.dZ.of(l, model),
                    .b = rows,
                    .inputs = inputs,
                    .groups = {0, shape.groups},
                    .slice = task % slices,
                });
                if (i0 == 0)
                    apply.bias({network_.bias(l, model), network_.bias_stride(l), shape.out},
                               bias_piece(pass, l, model, rows));
                if (Apply::in_place) transpose(l, model, inputs);
            }
        }
    }

    Piece<T> bias_piece(const Pass& pass, Index l, Index model, Index rows) const {
        return {
            .layer = l,
            .model = model,
            .X = {{one_.data(), 0}},
            .dZ = pass.dZ.of(l, model),
            .b = rows,
            .inputs = {0, 1},
            .groups = {},
            .slice = 0,
        };
    }

    static Index slices_of(Index inputs) { return (inputs + kSlice - 1) / kSlice; }
    Index slices_of_block() const { return slices_of(blocks_.length); }

    T* transposed(Index l, Index model) const {
        return transposed_[static_cast<std::size_t>(l)].data() + model * network_.shape(l).transposed;
    }
    void transpose(Index l, Index model, Span inputs) {
        if (network_.shape(l).transposed > 0)
            k_.transpose(transposed(l, model), network_.weights(l, model), inputs);
    }

    const Kernels<T>& k_;
    const Models<T>& models_;
    const Rows<T>& rows_;
    Rows<T> inputs_;  // the same, unscaled where the network takes them so
    const Network<T>& network_;
    Index m_;
    Index most_rows_;
    int team_;
    InputBlocks blocks_;
    bool drops_inputs_;
    bool rereads_;  // tiles are not kept
    BlockSums<T> block_sums_;
    Staging<T> staging_;
    SquareSums squares_;  // noted
    std::vector<Pass> passes_;  // one, or one a thread where rows are not shared
    std::vector<Buffer<T>> transposed_;  // per layer, (m, transposed)
    std::vector<Buffer<T>> tiles_;  // per thread, (blocks, b, width) gathered rows; none of sparse rows
    std::vector<SparseBatch<T>> sparse_;  // per thread, of sparse rows
    std::vector<Buffer<T>> gradients_;  // per thread, of a slice
    Buffer<T> one_;
};

}  // namespace gradstep
