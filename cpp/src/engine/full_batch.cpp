// Loss and gradient over all rows in one pass, some rows at a time while they are in a cache:
//
//     for each stretch of rows, for each model:
//         for my share of the rows:     forward, loss, backward        rows are gathered for the first model
//         --- barrier ---
//         for my share of the weights:  dW += X^T dZ                   the gradient lies as the weights do
//
// Rows of X and what the layers make of them are there twice, so that a thread may begin the next stretch
// while others still read this one. The length of a stretch depends on d and the type alone, and stretches
// are added up in their order: bits depend neither on threads nor on the company of other models.
//
// Why so: docs/adr/0004 and docs/adr/0030.
#include <algorithm>
#include <vector>

#include "engine/blocks.hpp"
#include "engine/evaluator.hpp"
#include "engine/network.hpp"
#include "engine/sparse_batch.hpp"
#include "system/flush_to_zero.hpp"

namespace gradstep {

namespace {

// Rows of a stretch: so many that what they take stays near a thread, and whole chunks of an evaluation,
// whose order of sums is that of losses here.
Index rows_of_stretch(Index d, Index bytes_of_number) {
    constexpr Index kTileBytes = 1 << 20, kMostChunks = 4;
    const Index rows = kTileBytes / (d * bytes_of_number);
    return kChunkRows * std::clamp(rows / kChunkRows, Index{1}, kMostChunks);
}

}  // namespace

template <class T>
class FullBatch<T>::Impl {
public:
    Impl(const Models<T>& models, const Rows<T>& rows, int n_threads)
        : k_(*models.kernels), models_(models), rows_(rows), inputs_(rows), team_(team_size(n_threads)),
          flushes_(!has_tiny_inputs(rows)), network_(models_, &rows_), dnetwork_(models_),
          blocks_(rows.d, kLongestBlock), stretch_(std::min(rows_of_stretch(rows.d, sizeof(T)), rows.n)),
          A_(network_, 2, stretch_), dZ_(network_, 2, stretch_),
          tiles_(rows.sparse() ? 0 : checked_product(2 * blocks_.count, tile_size())), losses_(2 * stretch_),
          hits_(2 * stretch_), one_(1) {
        if (network_.factor()) inputs_.inverse_scale_T = nullptr;
        one_[0] = T(1);
        for (Index l = 0; l < network_.depth(); ++l)
            transposed_.emplace_back(l == 0 ? 0 : checked_product(models_.m, network_.shape(l).transposed));
        for (Index model = 0; model < models_.m; ++model) {
            networks_.emplace_back(network_, Slice(model, model + 1));
            dnetworks_.emplace_back(dnetwork_, Slice(model, model + 1));
        }
        plan_pieces();
        for (int member = 0; member < team_; ++member) shares_.push_back(share_of_pieces(member));
        if (rows.sparse()) prepare_sparse();
    }

    void loss_and_gradient(const T* parameters, const std::uint8_t* active, const Metrics& metrics,
                           T* dparameters) {
        parallel(team_, [&](int thread, int team) {
            const FlushToZero mode(flushes_);
            const Slice own(models_.m, thread, team);
            each_active(own, active, [&](Index model) { begin(parameters, model, metrics); });
            barrier_.wait(team);
            walk(active, metrics, thread, team);
            barrier_.wait(team);
            each_active(own, active, [&](Index model) { end(parameters, model, metrics, dparameters); });
        });
    }

private:
    // As long as the blocks of an evaluation: losses have its bits.
    static constexpr Index kLongestBlock = 512;
    static constexpr Index kSlice = 32;  // inputs of a piece

    // Rows first <= r < first + b, and which of the two places they have.
    struct Stretch {
        Index first;
        Index b;
        Index place;
    };

    // A model on a stretch. What its layers make of the rows is at one of two places, too.
    struct Turn {
        Stretch stretch;
        Index model;
        Index place;
        bool gathered;  // for a model before
    };

    // What is added to the gradient at a time: some inputs of a column group, or with none of them a bias.
    struct Piece {
        Index layer;
        Span inputs;
        Index group;
        bool is_bias;
        Index cost_before;
    };

    template <class F>
    static void each_active(Slice models, const std::uint8_t* active, F&& f) {
        for (Index model = models.begin; model < models.end; ++model)
            if (active[model]) f(model);
    }

    void begin(const T* parameters, Index model, const Metrics& metrics) {
        const Network<T>& own = networks_[static_cast<std::size_t>(model)];
        own.pack(parameters + model * models_.layers.parameters);
        for (Index l = 1; l < network_.depth(); ++l)
            if (network_.shape(l).transposed > 0)
                k_.transpose(transposed(l, model), network_.weights(l, model), {0, network_.shape(l).in});
        metrics.loss[model] = metrics.hits[model] = 0;
    }

    void end(const T* parameters, Index model, const Metrics& metrics, T* dparameters) const {
        const Index at = model * models_.layers.parameters;
        dnetworks_[static_cast<std::size_t>(model)].unpack(dparameters + at);
        const double n = static_cast<double>(rows_.n);
        metrics.loss[model] /= n;
        metrics.hits[model] /= n;
        metrics.cost[model] =
            metrics.loss[model] + models_.l2[model] * sum_of_squares(models_.layers, parameters + at);
    }

    // Work is cut for a team; where fewer threads are there, each does that of several of its members.
    void walk(const std::uint8_t* active, const Metrics& metrics, int thread, int crew) {
        const Slice members(team_, thread, crew);
        Index turn = 0, place = 0;
        for (Index first = 0; first < rows_.n; first += stretch_, place = 1 - place) {
            const Stretch stretch{first, std::min(stretch_, rows_.n - first), place};
            bool gathered = false;
            each_active(Slice(0, models_.m), active, [&](Index model) {
                const Turn now{stretch, model, turn++ % 2, gathered};
                for (Index member = members.begin; member < members.end; ++member)
                    forward_backward(now, Slice(stretch.b, member, team_), static_cast<std::size_t>(member));
                barrier_.wait(crew);
                if (thread == 0) add_losses(now, metrics);
                for (Index member = members.begin; member < members.end; ++member)
                    add_gradients(now, static_cast<std::size_t>(member));
                gathered = true;
            });
        }
    }

    // A member's rows of a stretch, some at a time.
    void forward_backward(const Turn& turn, Slice share, std::size_t member) {
        for (Index r = share.begin; r < share.end; r += kChunkRows)
            forward_backward_chunk(turn, Slice(r, std::min(r + kChunkRows, share.end)), member);
    }

    void forward_backward_chunk(const Turn& turn, Slice rows, std::size_t member) {
        const Index b = rows.end - rows.begin, model = turn.model, at = turn.place;
        const Tile<T> Z = A_.of(0, at, rows.begin);
        if (rows_.sparse())
            first_layer_sparse(turn, rows, Z, by_row_[member]);
        else
            first_layer(turn, rows, Z);
        finish_layer(models_, 0, model, Z, Z.data, network_.bias(0, model), b);
        forward_upper(models_, network_, model, A_, at, rows);
        judge(turn, rows);
        for (Index l = network_.depth() - 1; l > 0; --l) {
            const Tile<T> dA = dZ_.of(l - 1, at, rows.begin);
            k_.backward(dA, dZ_.of(l, at, rows.begin), b, network_.weights(l, model), transposed(l, model));
            models_.activations[l - 1]->times_slope(dA, A_.of(l - 1, at, rows.begin).data, b,
                                                    network_.shape(l).in,
                                                    models_.activation_number(model, l - 1));
        }
    }

    RowNumbers in_X(Index first, Index b) const {
        return rows_.index ? RowNumbers{rows_.index + first, 0, b} : RowNumbers{nullptr, first, b};
    }

    // What the products of the first layer read.
    Weights<const T> first_weights(Index model) const {
        const LayerShape& shape = network_.shape(0);
        return {network_.factor() ? network_.scaling(model).panel : network_.panel(0, model), shape.in,
                shape.out};
    }

    void first_layer(const Turn& turn, Slice rows, Tile<T> Z) {
        const Weights<const T> W = first_weights(turn.model);
        const Groups groups{0, network_.shape(0).groups};
        const Stretch& stretch = turn.stretch;
        const Index b = rows.end - rows.begin;
        const RowNumbers numbers = in_X(stretch.first + rows.begin, b);
        for (Index block = 0; block < blocks_.count; ++block) {
            const Span inputs = blocks_.span(block);
            const Tile<T> X = tile(stretch, block, rows.begin);
            // Read next: the rows' next block, or the first one of the rows behind.
            const Index behind = rows_.index ? 0 : b * rows_.stride - inputs.i0;
            const Index ahead = block + 1 < blocks_.count ? inputs.i1 - inputs.i0 : behind;
            if (turn.gathered)
                k_.product(Z, X, b, W, inputs, groups, block > 0);
            else
                k_.gather_product(Z, X, true, Incoming<T>{inputs_, numbers, ahead}, W, inputs, groups,
                                  block > 0);
        }
    }

    // Of rows with few elements, which are gathered for every model anew.
    void first_layer_sparse(const Turn& turn, Slice rows, Tile<T> Z, SparseBatch<T>& batch) {
        const Index b = rows.end - rows.begin;
        const Groups groups{0, network_.shape(0).groups};
        batch.begin(rows_, in_X(turn.stretch.first + rows.begin, b));
        for (Index block = 0; block < blocks_.count; ++block) {
            batch.gather(block);
            k_.sparse_product(Z, batch.by_row(), b, first_weights(turn.model), blocks_.span(block), groups,
                              block > 0);
        }
    }

    void judge(const Turn& turn, Slice rows) {
        const Index top = network_.depth() - 1, place = turn.place * stretch_ + rows.begin;
        models_.loss->judge({.losses = losses_.data() + place,
                             .hits = hits_.data() + place,
                             .dS = dZ_.of(top, turn.place, rows.begin).data},
                            A_.of(top, turn.place, rows.begin), network_.shape(top).out, rows_,
                            rows_.weight_of(turn.model),
                            {nullptr, turn.stretch.first + rows.begin, rows.end - rows.begin},
                            models_.loss_numbers_of(turn.model), 1.0 / static_cast<double>(rows_.n));
    }

    void add_losses(const Turn& turn, const Metrics& metrics) const {
        for (Index first = 0; first < turn.stretch.b; first += kChunkRows) {
            double loss = 0, hits = 0;
            for (Index r = first; r < std::min(first + kChunkRows, turn.stretch.b); ++r) {
                loss += losses_[turn.place * stretch_ + r];
                hits += hits_[turn.place * stretch_ + r];
            }
            metrics.loss[turn.model] += loss;
            metrics.hits[turn.model] += hits;
        }
    }

    void add_gradients(const Turn& turn, std::size_t member) {
        const Slice& share = shares_[member];
        if (rows_.sparse() && !turn.gathered) sort_by_input(turn.stretch, member);
        for (Index number = share.begin; number < share.end; ++number) {
            const Piece& piece = pieces_[static_cast<std::size_t>(number)];
            if (piece.is_bias)
                add_bias_gradient(piece.layer, turn);
            else
                add_gradient(piece, turn, inputs_of(piece, turn, member));
        }
    }

    // The first stretch begins with the gradient of the penalty.
    void add_gradient(const Piece& piece, const Turn& turn, const Inputs<T>& X) {
        const Index l = piece.layer;
        const bool begins = turn.stretch.first == 0;
        const Weights<T> dW = dnetwork_.weights(l, turn.model);
        const Weights<const T> from = begins ? network_.weights(l, turn.model) : dW;
        const T a = begins ? static_cast<T>(2 * models_.l2[turn.model]) : T(1);
        const Scaling<T> scaling{l == 0 ? network_.factor() : nullptr};
        k_.update(dW.panel, from, {a, T(1), scaling}, X, dZ_.of(l, turn.place), turn.stretch.b, piece.inputs,
                  {piece.group, piece.group + 1});
    }

    void add_bias_gradient(Index l, const Turn& turn) {
        const bool begins = turn.stretch.first == 0;
        T* db = dnetwork_.bias(l, turn.model);
        // What an earlier call left may be no number.
        const T* from = begins ? network_.bias(l, turn.model) : db;
        const Index out = network_.shape(l).out;
        k_.update(db, {from, 1, out}, {begins ? T(0) : T(1), T(1)}, {{one_.data(), 0}}, dZ_.of(l, turn.place),
                  turn.stretch.b, {0, 1}, {0, k_.column_groups(1, out)});
    }

    Inputs<T> inputs_of(const Piece& piece, const Turn& turn, std::size_t member) const {
        const Index i0 = piece.inputs.i0;
        if (piece.layer > 0) {
            const Tile<T> A = A_.of(piece.layer - 1, turn.place);
            return {{A.data + i0, A.ld}};
        }
        const Index block = i0 / blocks_.length, i = i0 - blocks_.begin(block);
        if (rows_.sparse()) return {.tile = {}, .lines = by_input_[member].by_input(block, i)};
        const Tile<T> X = tile(turn.stretch, block, 0);
        return {{X.data + i, X.ld}};
    }

    // The elements of a stretch, at the inputs of a member's pieces.
    void sort_by_input(const Stretch& stretch, std::size_t member) {
        const Slice blocks = blocks_of(shares_[member]);
        if (blocks.begin == blocks.end) return;
        by_input_[member].begin(rows_, in_X(stretch.first, stretch.b));
        for (Index block = blocks.begin; block < blocks.end; ++block) by_input_[member].gather(block);
    }

    // No number depends on how a layer is cut into pieces.
    void plan_pieces() {
        for (Index l = 0; l < network_.depth(); ++l) {
            const LayerShape& shape = network_.shape(l);
            const Index length = l == 0 ? blocks_.length : shape.in;
            for (Index i0 = 0, i1 = 0; i0 < shape.in; i0 = i1) {
                i1 = std::min({i0 + kSlice, (i0 / length + 1) * length, shape.in});
                for (Index group = 0; group < shape.groups; ++group)
                    add_piece({l, {i0, i1}, group, false, 0},
                              k_.run(shape.in, shape.out, {i0, i1}, group).count);
            }
            add_piece({l, {0, 1}, 0, true, 0}, shape.width);
        }
    }
    void add_piece(Piece piece, Index cost) {
        piece.cost_before = cost_;
        cost_ += cost;
        pieces_.push_back(piece);
    }

    // Those that begin in the member's share of the costs.
    Slice share_of_pieces(int member) const {
        const Slice costs(cost_, member, team_);
        const auto from = [this](Index cost) {
            return std::lower_bound(pieces_.begin(), pieces_.end(), cost,
                                    [](const Piece& piece, Index c) { return piece.cost_before < c; }) -
                   pieces_.begin();
        };
        return {from(costs.begin), from(costs.end)};
    }

    // Of the first layer that some pieces have a part of.
    Slice blocks_of(Slice share) const {
        Slice blocks(0, 0);
        for (Index number = share.begin; number < share.end; ++number) {
            const Piece& piece = pieces_[static_cast<std::size_t>(number)];
            if (piece.layer > 0 || piece.is_bias) continue;
            const Index block = piece.inputs.i0 / blocks_.length;
            if (blocks.begin == blocks.end) blocks.begin = block;
            blocks.end = block + 1;
        }
        return blocks;
    }

    void prepare_sparse() {
        Index most = 0;
        for (Index first = 0; first < rows_.n; first += stretch_)
            most = std::max(most, elements_of(rows_, in_X(first, std::min(stretch_, rows_.n - first))));
        for (const Slice& share : shares_) {
            by_row_.emplace_back(blocks_, kChunkRows, Slice(0, blocks_.count), false);
            by_row_.back().reserve(most);
            by_input_.emplace_back(blocks_, stretch_, blocks_of(share), true);
            by_input_.back().reserve(most);
        }
    }

    Index tile_size() const { return checked_product(stretch_, blocks_.width()); }
    Tile<T> tile(const Stretch& stretch, Index block, Index row) const {
        const Index width = blocks_.width();
        return {tiles_.data() + (stretch.place * blocks_.count + block) * tile_size() + row * width, width};
    }
    T* transposed(Index l, Index model) const {
        return transposed_[static_cast<std::size_t>(l)].data() + model * network_.shape(l).transposed;
    }

    const Kernels<T>& k_;
    const Models<T> models_;
    const Rows<T> rows_;
    Rows<T> inputs_;  // the same, unscaled where the network takes them so
    const int team_;
    const bool flushes_;
    Network<T> network_;
    Network<T> dnetwork_;
    std::vector<Network<T>> networks_;  // of one model each
    std::vector<Network<T>> dnetworks_;
    InputBlocks blocks_;
    Index stretch_;  // rows
    LayerOutputs<T> A_;
    LayerOutputs<T> dZ_;
    Buffer<T> tiles_;  // (2, blocks, rows, width) gathered; none of sparse rows
    Buffer<double> losses_;  // (2, rows)
    Buffer<double> hits_;  // (2, rows)
    Buffer<T> one_;
    std::vector<Buffer<T>> transposed_;  // per layer, (m, transposed)
    std::vector<Piece> pieces_;
    Index cost_ = 0;
    std::vector<Slice> shares_;  // by member, of the pieces
    std::vector<SparseBatch<T>> by_row_;  // by member, where rows are sparse
    std::vector<SparseBatch<T>> by_input_;
    Barrier barrier_;
};

template <class T>
FullBatch<T>::FullBatch(const Models<T>& models, const Rows<T>& rows, int n_threads)
    : impl_(std::make_unique<Impl>(models, rows, n_threads)) {}

template <class T>
FullBatch<T>::~FullBatch() = default;

template <class T>
void FullBatch<T>::loss_and_gradient(const T* parameters, const std::uint8_t* active, const Metrics& metrics,
                                     T* dparameters) {
    impl_->loss_and_gradient(parameters, active, metrics, dparameters);
}

template class FullBatch<float>;
template class FullBatch<double>;

}  // namespace gradstep
