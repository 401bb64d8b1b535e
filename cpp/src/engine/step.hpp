// One update of m models on one batch, in three phases:
//
//     A  first layer forward: tasks are (input block, model, column group); a thread gathers the
//        blocks of its own tasks and keeps them for phase C
//     B  all else forward, loss, backward. With hidden layers each thread has its rows of the batch, and
//        there is a barrier behind; without, every thread does all rows for itself, which costs less
//        than to wait once more
//     C  updates: the same tasks as in A, and slices of the upper layers
//
// with a barrier between A and B. Where the first layer is a single block of inputs, below hidden layers,
// each thread has its rows in A as well; there is a barrier behind C in place of the first one, and C is
// shared out anew, by what its parts cost.
//
// Work is shared out by thread number, but every number is the same whoever computes it.
//
// Why so: docs/adr/0004, docs/adr/0012, docs/adr/0014, docs/adr/0031 and docs/adr/0040.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "engine/blocks.hpp"
#include "engine/clipping.hpp"
#include "engine/first_layer_tasks.hpp"
#include "engine/pass.hpp"
#include "engine/sparse_batch.hpp"
#include "engine/staging.hpp"
#include "engine/update_shares.hpp"
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
          tasks_(blocks_.count, m_, network.shape(0).groups, team),
          // Other models would read the tile, and what is dropped is not in the rows.
          drops_inputs_(models.drops(0)), rereads_(m_ == 1 && network.factor() && !drops_inputs_),
          splits_rows_(shares_rows() && team > 1 && blocks_.count == 1 && !rows.sparse() && !images &&
                       !drops_inputs_ && !rereads_),
          block_sums_(k_, blocks_.count, elements_of_block(), tasks_.owned(), phases()),
          // What staging holds at once: where rows are read again, all blocks of a thread.
          staging_(k_, inputs_, images, most_rows_, blocks_, tasks_.seen_by_all(!rereads_)),
          squares_(square_sums()), one_(1) {
        if (network.factor()) inputs_.inverse_scale_T = nullptr;
        for (Index l = 0; l < network.depth(); ++l) {
            const LayerShape& shape = network.shape(l);
            // Nothing lies below the first layer.
            transposed_.emplace_back(l == 0 ? 0 : checked_product(m_, shape.transposed));
        }
        for (int thread = 0; thread < team; ++thread) {
            const Slice seen = tasks_.seen(thread);
            if (rows.sparse())
                sparse_.emplace_back(blocks_, most_rows, seen, true);
            else if (!splits_rows_)
                tiles_.emplace_back(checked_product(tile_size(), rereads_ ? 1 : seen.end - seen.begin));
            if (thread == 0 || !shares_rows()) passes_.emplace_back(models, network, most_rows);
            const bool at_once = models.rule->with_product && !models.limits.value;
            gradients_.emplace_back(at_once ? 0 : RuleUpdate<T>::room(k_, network));
        }
        if (splits_rows_) {
            tiles_.emplace_back(tile_size());
            shares_ = update_shares(k_, network, m_, team);
        }
        one_[0] = T(1);
    }

    // Whether the rows of phase B are shared out, and a barrier must follow it.
    bool shares_rows() const { return network_.depth() > 1; }

    // Whether those of phase A are as well: then there is no barrier between A and B, but one behind C.
    bool splits_rows() const { return splits_rows_; }

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
        if (splits_rows_) return forward_own_rows(t, batch, active, thread);
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
            pass.judge(rows_, batch.places, model, rows, 1.0 / divisor);
            backward(pass, batch, model, rows);
        }
    }

    // Sums over the rows of the batch just seen; the same on every thread that asks after phase B.
    BatchSums sums(Index model, Index rows, int thread) const { return pass_of(thread).sums(model, rows); }

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
            const Index in = network_.shape(l).in;
            slices.push_back(l == 0 ? blocks_.count * slices_of_block() : ceiling(in, slice_length(in)));
            groups.push_back(network_.shape(l).groups);
        }
        return {m_, slices, groups};
    }

    // Gives the pieces of all gradients to `apply`. The rows of the next batch are asked for meanwhile.
    template <class Apply>
    void update(const Apply& apply, Batch batch, Batch next, const std::uint8_t* active, int thread) {
        const Pass& pass = pass_of(thread);
        if (splits_rows_) return update_own_tasks(apply, pass, batch.rows, next, active, thread);
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

    // Inputs that are updated in one call of a kernel, whole slices: of a block, between two looks ahead, and
    // above it by a thread that has nobody to share them with.
    static constexpr Index kPieceOfBlock = 64, kPieceAlone = 256;

    using Pass = BatchPass<T>;

    using Task = FirstLayerTask;

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

    Index tile_size() const { return checked_product(most_rows_, blocks_.width()); }
    Index elements_of_model() const { return checked_product(most_rows_, network_.shape(0).width); }
    Index elements_of_block() const { return checked_product(m_, elements_of_model()); }
    // The first layer of the rows that are this thread's in phase B, which need nobody else's.
    void forward_own_rows(Index t, Batch batch, const std::uint8_t* active, int thread) {
        const Slice own(batch.rows, thread, team_);
        const LayerShape& shape = network_.shape(0);
        const Index count = own.end - own.begin;
        if (count == 0) return;
        const Span inputs = blocks_.span(0);
        const Tile<T> X = tile_from(own.begin);
        const RowNumbers numbers{batch.in_X ? batch.in_X + own.begin : nullptr, own.begin, count};
        // Later batches were asked for while their predecessor was worked on.
        if (t == 0 && batch.in_X) k_.prefetch(rows_, numbers, inputs);
        k_.gather(X, {inputs_, numbers}, inputs);
        for (Index model = 0; model < m_; ++model) {
            if (!active[model]) continue;
            const Weights<const T> W{first_panel(model), shape.in, shape.out};
            T* sums = block_sums_.of(phase(t), 0) + model * elements_of_model();
            const Tile<T> Z{sums + own.begin * shape.width, shape.width};
            k_.product(Z, X, count, W, inputs, {0, shape.groups}, false);
        }
    }

    template <class Apply>
    void update_own_tasks(const Apply& apply, const Pass& pass, Index rows, Batch next,
                          const std::uint8_t* active, int thread) {
        const Slice ahead(next.rows, thread, team_);
        k_.prefetch(rows_, {next.in_X + ahead.begin, 0, ahead.end - ahead.begin}, blocks_.span(0));
        for (const UpdateTask& task : shares_[static_cast<std::size_t>(thread)]) {
            if (!active[task.model]) continue;
            const Tile<T> X = task.layer == 0 ? tile_from(0) : pass.inputs_of(task.layer, task.model);
            update_task(apply, task, {X.data + task.inputs.i0, X.ld}, pass, rows);
        }
    }

    Tile<T> tile_from(Index row) { return {tiles_[0].data() + row * blocks_.width(), blocks_.width()}; }

    // f(task, its tile, whether the tile's block is new)
    template <class F>
    void each_first_layer_task(int thread, Order order, F&& f) {
        T* tiles = tiles_.empty() ? nullptr : tiles_[static_cast<std::size_t>(thread)].data();
        tasks_.each(thread, order, [&](Task task, Index place, bool first_visit) {
            T* tile = tiles ? tiles + (rereads_ ? 0 : place * tile_size()) : nullptr;
            f(task, Tile<T>{tile, blocks_.width()}, first_visit);
        });
    }

    void gather_sparse(SparseBatch<T>& sparse, Task task, Batch batch) const {
        if (!drops_inputs_) return sparse.gather(task.block);
        const Index i0 = blocks_.begin(task.block);
        sparse.gather(task.block, [&](Index r, T* values, const std::int32_t* places, Index count) {
            k_.drop_elements(values, places, count, i0, models_.drop(0, task.model, batch.drop_keys, r));
        });
    }
    SparseBatch<T>& sparse_of(int thread) { return sparse_[static_cast<std::size_t>(thread)]; }

    // Piece by piece, with a share of the next batch's rows asked for before each: memory is slow to answer
    // and takes few questions at a time.
    template <class Apply>
    void update_block(const Apply& apply, Task task, Batch batch, Batch next, const Pass& pass, Tile<T> tile,
                      int thread) {
        const Span block = blocks_.span(task.block);
        const auto [rows, in_X] = staging_.source(batch, task.block, thread);
        const Index pieces = next.rows ? ceiling(block.i1 - block.i0, kPieceOfBlock) : 1;
        Piece<T> piece =
            piece_of({0, task.model, 0, block, {task.group, task.group + 1}}, {}, pass, batch.rows);
        if (rereads_) piece.X = {.tile = {}, .rows = &rows, .numbers = {in_X, 0, batch.rows}};
        for (Index number = 0; number < pieces; ++number) {
            const Index begin = number * kPieceOfBlock;
            const Slice ahead(next.rows, number, pieces);
            k_.prefetch(rows_, {next.in_X + ahead.begin, 0, ahead.end - ahead.begin}, block);
            piece.inputs = {block.i0 + begin,
                            number + 1 < pieces ? block.i0 + begin + kPieceOfBlock : block.i1};
            piece.slice = task.block * slices_of_block() + begin / slice_length(rows_.d);
            if (rows_.sparse())
                piece.X.lines = sparse_of(thread).by_input(task.block, begin);
            else if (!rereads_)
                piece.X.tile = {tile.data + begin, tile.ld};
            apply.weights(piece);
        }
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
            const Index slice = slice_length(shape.in), length = team_ == 1 ? kPieceAlone : slice;
            const Index pieces = ceiling(shape.in, length);
            const Slice share(m_ * pieces, thread, team_);
            for (Index task = share.begin; task < share.end; ++task) {
                const Index model = task / pieces, i0 = task % pieces * length;
                if (!active[model]) continue;
                const Span inputs{i0, std::min(i0 + length, shape.in)};
                const Tile<T> A = pass.inputs_of(l, model);
                update_task(apply, {l, model, i0 / slice, inputs, {0, shape.groups}}, {A.data + i0, A.ld},
                            pass, rows);
            }
        }
    }

    // X begins at the task's first input.
    template <class Apply>
    void update_task(const Apply& apply, UpdateTask task, Tile<const T> X, const Pass& pass, Index rows) {
        const auto [l, model, slice, inputs, groups] = task;
        apply.weights(piece_of(task, {X}, pass, rows));
        if (task.has_bias())
            apply.bias({network_.bias(l, model), network_.bias_stride(l), network_.shape(l).out},
                       bias_piece(pass, l, model, rows));
        if (Apply::in_place && l > 0) transpose(l, model, inputs);
    }

    Piece<T> piece_of(const UpdateTask& task, const Inputs<T>& X, const Pass& pass, Index rows) const {
        return {.layer = task.layer,
                .model = task.model,
                .X = X,
                .dZ = pass.dZ.of(task.layer, task.model),
                .b = rows,
                .inputs = task.inputs,
                .groups = task.groups,
                .slice = task.slice};
    }
    Piece<T> bias_piece(const Pass& pass, Index l, Index model, Index rows) const {
        return piece_of({l, model, 0, {0, 1}, {}}, {{one_.data(), 0}}, pass, rows);
    }

    Index slices_of_block() const { return ceiling(blocks_.length, slice_length(rows_.d)); }

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
    FirstLayerTasks tasks_;
    bool drops_inputs_;
    bool rereads_;  // tiles are not kept
    bool splits_rows_;
    BlockSums<T> block_sums_;
    Staging<T> staging_;
    SquareSums squares_;  // noted
    std::vector<Pass> passes_;  // one, or one a thread where rows are not shared
    std::vector<Buffer<T>> transposed_;  // per layer, (m, transposed)
    std::vector<std::vector<UpdateTask>> shares_;  // per thread, where rows are split
    std::vector<Buffer<T>> tiles_;  // per thread, or one that all fill, (blocks, b, width) gathered rows
    std::vector<SparseBatch<T>> sparse_;  // per thread, of sparse rows
    std::vector<Buffer<T>> gradients_;  // per thread, of a slice
    Buffer<T> one_;
};

}  // namespace gradstep
