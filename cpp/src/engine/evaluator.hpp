// Forward passes over whole sets of rows: their metrics and their scores. Rows are shared out in chunks of a
// fixed length, and metrics are summed in the order of chunks.
//
//     for each chunk of 96 rows:                          shared out over the threads
//         for each block of inputs, model:  Z += X W      rows are gathered once, for the first model
//         or, of bytes:                     Z = scores of products of whole numbers, of all models at once
//         for each model:                   the layers above, then the loss of the chunk's rows
//     loss = sum over the chunks / n
//
// Why so: docs/adr/0004, docs/adr/0012 and docs/adr/0018.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "engine/blocks.hpp"
#include "engine/int8_layer.hpp"
#include "engine/network.hpp"
#include "engine/sparse_batch.hpp"
#include "gradstep/parallel.hpp"
#include "system/flush_to_zero.hpp"

namespace gradstep {

// Sum of squares of every weight of a model, in eight interleaved chains.
template <class T>
double sum_of_squares(const Layers& layers, const T* block) {
    constexpr Index kChains = 8;
    double chains[kChains] = {};
    for (Index l = 0; l < layers.count; ++l) {
        const T* W = block + layers.offsets[2 * l];
        const Index count = layers.sizes[l] * layers.sizes[l + 1];
        Index i = 0;
        for (; i + kChains <= count; i += kChains)
            for (Index chain = 0; chain < kChains; ++chain) {
                const double w = static_cast<double>(W[i + chain]);
                chains[chain] += w * w;
            }
        for (; i < count; ++i) chains[0] += static_cast<double>(W[i]) * static_cast<double>(W[i]);
    }
    double sum = 0;
    for (const double chain : chains) sum += chain;
    return sum;
}

enum class Output { metrics, scores };

template <class T>
class Evaluator {
public:
    // Of `count` sets of rows; every call packs its parameters into the network.
    Evaluator(const Models<T>& models, Network<T>& network, const Rows<T>* sets, Index count, int team,
              Output output, EarlierPieces earlier = {})
        : models_(models), network_(network), sets_(sets, sets + count), threads_(team), earlier_(earlier),
          blocks_(network.shape(0).in, kLongestBlock), at_once_(models.m) {
        if (all_bytes_alike()) take_int8(output);
        Index longest = 0;
        for (const Rows<T>& rows : sets_) {
            longest = std::max(longest, std::min(rows.n, kChunkRows));
            first_chunk_.push_back(chunks_);
            flushes_.push_back(!has_tiny_inputs(rows));
            chunks_ += (rows.n + kChunkRows - 1) / kChunkRows;
        }
        losses_ = Buffer<double>(checked_product(models.m, chunks_));
        hits_ = Buffer<double>(checked_product(models.m, chunks_));
        for (int thread = 0; thread < team; ++thread)
            workspaces_.emplace_back(network, at_once_, longest, blocks_.width(), gathered_bytes(),
                                     int8_ ? int8_->sums() : 0);
        if (const Index most = most_elements(); most >= 0)
            for (Workspace& w : workspaces_) {
                w.sparse.emplace(blocks_, longest, Slice(0, blocks_.count), false);
                w.sparse->reserve(most);
            }
    }

    // To be shared out over so many threads, at most those of the team.
    void use(int threads) { threads_ = threads; }

    // Whether the network gets weights that are not the parameters'.
    bool packs_factor() const { return factor_ != nullptr; }

    // Writes the metrics of every set and, where `scores` is not null, its scores (m, n, k) to scores[set].
    // `packed`: the network has the parameters already.
    void evaluate(const T* parameters, const Metrics* metrics, T* const* scores = nullptr,
                  bool packed = false) {
        if (!packed || factor_) network_.pack(parameters, factor_);
        for (Index first = 0; first < models_.m; first += at_once_)
            each_chunk(parameters, Slice(first, std::min(models_.m, first + at_once_)),
                       [&](const Workspace& w, Slice models, const Chunk& chunk) {
                           judge(w, models, chunk);
                           if (scores) copy_scores(w, models, chunk, scores[chunk.set]);
                       });
        for (Index model = 0; model < models_.m; ++model) {
            const double penalty =
                models_.l2[model] *
                sum_of_squares(models_.layers, parameters + model * models_.layers.parameters);
            for (std::size_t set = 0; set < sets_.size(); ++set)
                sum_up(metrics[set], model, penalty, static_cast<Index>(set));
        }
    }

    // (m, n, k), of the first set.
    void scores(const T* parameters, T* scores__mnk) {
        network_.pack(parameters, factor_);
        each_chunk(parameters, Slice(0, models_.m),
                   [&](const Workspace& w, Slice models, const Chunk& chunk) {
                       copy_scores(w, models, chunk, scores__mnk);
                   });
    }

private:
    // Weights of ten outputs for so many inputs leave room in the first cache.
    static constexpr Index kLongestBlock = 512;

    // Some rows of a set.
    struct Chunk {
        const Rows<T>& rows;
        std::size_t set;
        Index number;  // of all sets' chunks
        Index first;   // row
        Index b;

        RowNumbers places() const { return {nullptr, first, b}; }
        RowNumbers in_X() const { return rows.index ? RowNumbers{rows.index + first, 0, b} : places(); }
    };

    // What one thread needs for one chunk; models are counted from the first of those at once.
    struct Workspace {
        Buffer<T> tile;
        std::optional<SparseBatch<T>> sparse;
        Buffer<std::uint8_t> bytes;  // rows that do not lie together, for int8 products
        Buffer<std::int32_t> sums;
        LayerOutputs<T> A;
        Buffer<double> losses;
        Buffer<double> hits;

        Workspace(const Network<T>& network, Index m, Index rows, Index width, Index bytes_of_row,
                  Index sums_of_row)
            : tile(rows * width), bytes(checked_product(rows, bytes_of_row)),
              sums(checked_product(rows, sums_of_row)), A(network, m, rows), losses(rows), hits(rows) {}
    };

    // Whether all rows are bytes, standardised alike.
    bool all_bytes_alike() const {
        return !sets_.empty() && std::all_of(sets_.begin(), sets_.end(), [&](const Rows<T>& rows) {
            const Rows<T>& first = sets_.front();
            return rows.type == RowType::uint8 && !rows.sparse() && same(rows.mean, first.mean) &&
                   same(rows.inverse_scale, first.inverse_scale);
        });
    }
    template <class Number>
    bool same(const Number* a, const Number* b) const {
        return std::memcmp(a, b, sizeof(Number) * static_cast<std::size_t>(network_.shape(0).in)) == 0;
    }

    // Nothing comes after the forward pass: of bytes, which no scale makes imprecise, the weights take it
    // over. Metrics need not have the bits of scores, which may be wanted of one row: for that one, to make
    // whole numbers of the weights would take longer than all the rest.
    void take_int8(Output output) {
        const LayerShape& shape = network_.shape(0);
        const Kernels<T>& k = *models_.kernels;
        if (const Index models =
                output == Output::metrics ? Int8Layer<T>::models_at_once(k, shape, models_.m) : 0) {
            at_once_ = models;
            int8_.emplace(k, shape, sets_.front(), models);
        }
        const T* scale = sets_.front().inverse_scale_T;
        scaled_by_network_ = network_.factor() && same(network_.factor(), scale);
        if (!scaled_by_network_ && !int8_) factor_ = scale;
        if (scaled_by_network_ || factor_)
            for (Rows<T>& rows : sets_) rows.inverse_scale_T = nullptr;
    }

    // Of a row that is copied for int8 products.
    Index gathered_bytes() const {
        const bool some = std::any_of(sets_.begin(), sets_.end(),
                                      [](const Rows<T>& rows) { return rows.index != nullptr; });
        return int8_ && some ? network_.shape(0).in : 0;
    }

    // Of a chunk of sparse rows, or -1 where there are none.
    Index most_elements() const {
        Index most = -1;
        for (const Rows<T>& rows : sets_)
            for (Index first = 0; rows.sparse() && first < rows.n; first += kChunkRows)
                most = std::max(
                    most,
                    elements_of(rows, Chunk{rows, 0, 0, first, std::min(rows.n - first, kChunkRows)}.in_X()));
        return most;
    }

    // What the products of the first layer read.
    const T* first_panel(Index model) const {
        return scaled_by_network_ ? network_.scaling(model).panel : network_.panel(0, model);
    }

    // Runs f(workspace, models, chunk) with the models' scores of the chunk in workspace.A.
    template <class F>
    void each_chunk(const T* parameters, Slice models, F&& f) {
        if (int8_) int8_->take(models);
        parallel(threads_, [&](int thread, int team) {
            Workspace& w = workspaces_[static_cast<std::size_t>(thread)];
            if (int8_) {
                int8_->pack(parameters, models_.layers.parameters, thread, team);
                barrier_.wait(team);
            }
            const Slice share(chunks_, thread, team);
            std::size_t set = 0;
            for (Index number = share.begin; number < share.end; ++number) {
                while (set + 1 < sets_.size() && first_chunk_[set + 1] <= number) ++set;
                const Rows<T>& rows = sets_[set];
                const Index first = (number - first_chunk_[set]) * kChunkRows;
                const FlushToZero mode(flushes_[set] != 0);
                const Chunk chunk{rows, set, number, first, std::min(rows.n - first, kChunkRows)};
                forward(w, models, chunk);
                f(w, models, chunk);
            }
        });
    }

    void forward(Workspace& w, Slice models, const Chunk& chunk) {
        const Index count = models.end - models.begin;
        if (int8_) first_layer_int8(w, count, chunk);
        if (chunk.rows.sparse())
            first_layer_sparse(w, models, chunk);
        else
            first_layer(w, models, chunk);
        for (Index place = 0; place < count; ++place) {
            const Index model = models.begin + place;
            const Tile<T> Z = w.A.of(0, place);
            finish_layer(models_, 0, model, Z, Z.data, network_.bias(0, model), chunk.b);
            forward_upper(models_, network_, model, w.A, place, Slice(0, chunk.b));
        }
    }

    void first_layer_int8(const Workspace& w, Index count, const Chunk& chunk) {
        bool multiplied = false;
        for (Index place = 0; place < count; ++place) {
            if (!int8_->holds(place)) continue;
            if (!multiplied) int8_->product(w.sums.data(), bytes_of(w, chunk), chunk.b);
            multiplied = true;
            int8_->scores(w.A.of(0, place).data, w.sums.data(), chunk.b, place);
        }
    }

    // The rows of a chunk at one distance: where they lie, or copied together.
    static Tile<const std::uint8_t> bytes_of(const Workspace& w, const Chunk& chunk) {
        const Rows<T>& rows = chunk.rows;
        const std::uint8_t* X = static_cast<const std::uint8_t*>(rows.X);
        if (!rows.index) return {X + chunk.first * rows.stride, rows.stride};
        for (Index r = 0; r < chunk.b; ++r)
            std::copy_n(X + rows.index[chunk.first + r] * rows.stride, rows.d, w.bytes.data() + r * rows.d);
        return {w.bytes.data(), rows.d};
    }

    // Of the models whose weights are not whole numbers.
    void first_layer(const Workspace& w, Slice models, const Chunk& chunk) {
        const Kernels<T>& k = *models_.kernels;
        const LayerShape& shape = network_.shape(0);
        const Index count = models.end - models.begin;
        const Tile<T> tile{w.tile.data(), blocks_.width()};
        for (Index block = 0; block < blocks_.count; ++block) {
            const Span inputs = blocks_.span(block);
            // Read next: the rows' next block, or the first one of the next chunk's rows.
            const Index behind = chunk.rows.index ? 0 : chunk.b * chunk.rows.stride - inputs.i0;
            const Index ahead = block + 1 < blocks_.count ? inputs.i1 - inputs.i0 : behind;
            const Incoming<T> from{chunk.rows, chunk.in_X(), ahead};
            bool gathered = false;
            for (Index place = 0; place < count; ++place) {
                if (int8_ && int8_->holds(place)) continue;
                const Tile<T> Z = w.A.of(0, place);
                const Weights<const T> W{first_panel(models.begin + place), shape.in, shape.out};
                if (gathered)
                    k.product(Z, tile, chunk.b, W, inputs, {0, shape.groups}, block > 0);
                else
                    k.gather_product(Z, tile, count > 1, from, W, inputs, {0, shape.groups}, block > 0);
                gathered = true;
            }
        }
    }

    // Of rows with few elements.
    void first_layer_sparse(Workspace& w, Slice models, const Chunk& chunk) {
        const LayerShape& shape = network_.shape(0);
        w.sparse->begin(chunk.rows, chunk.in_X());
        for (Index block = 0; block < blocks_.count; ++block) {
            w.sparse->gather(block);
            for (Index model = models.begin; model < models.end; ++model)
                models_.kernels->sparse_product(w.A.of(0, model - models.begin), w.sparse->by_row(), chunk.b,
                                                {first_panel(model), shape.in, shape.out},
                                                blocks_.span(block), {0, shape.groups}, block > 0);
        }
    }

    // Leaves the sums over a chunk's rows.
    void judge(const Workspace& w, Slice models, const Chunk& chunk) {
        const Index top = network_.depth() - 1;
        for (Index model = models.begin; model < models.end; ++model) {
            models_.loss->judge({.losses = w.losses.data(), .hits = w.hits.data(), .dS = nullptr},
                                w.A.of(top, model - models.begin), network_.shape(top).out, chunk.rows,
                                chunk.rows.weight_of(model), chunk.places(), models_.loss_numbers_of(model),
                                0.0);
            double loss = 0, hits = 0;
            for (Index r = 0; r < chunk.b; ++r) {
                loss += w.losses[r];
                hits += w.hits[r];
            }
            losses_[model * chunks_ + chunk.number] = loss;
            hits_[model * chunks_ + chunk.number] = hits;
        }
    }

    void copy_scores(const Workspace& w, Slice models, const Chunk& chunk, T* scores__mnk) const {
        const Index top = network_.depth() - 1, k = network_.shape(top).out;
        for (Index model = models.begin; model < models.end; ++model)
            for (Index r = 0; r < chunk.b; ++r)
                std::memcpy(scores__mnk + (model * chunk.rows.n + chunk.first + r) * k,
                            w.A.of(top, model - models.begin, r).data,
                            sizeof(T) * static_cast<std::size_t>(k));
    }

    void sum_up(const Metrics& metrics, Index model, double penalty, Index set) const {
        const Rows<T>& rows = sets_[static_cast<std::size_t>(set)];
        const Index begin = first_chunk_[static_cast<std::size_t>(set)];
        const Index end = begin + (rows.n + kChunkRows - 1) / kChunkRows;
        double loss = earlier_.loss ? earlier_.loss[model] : 0,
               hits = earlier_.hits ? earlier_.hits[model] : 0;
        for (Index chunk = begin; chunk < end; ++chunk) {
            loss += losses_[model * chunks_ + chunk];
            hits += hits_[model * chunks_ + chunk];
        }
        if (earlier_.loss) earlier_.loss[model] = loss;
        if (earlier_.hits) earlier_.hits[model] = hits;
        const double n = static_cast<double>(earlier_.rows + rows.n);
        metrics.loss[model] = loss / n;
        metrics.hits[model] = hits / n;
        metrics.cost[model] = loss / n + penalty;
    }

    const Models<T>& models_;
    Network<T>& network_;
    std::vector<Rows<T>> sets_;
    std::vector<std::uint8_t> flushes_;  // by set
    bool scaled_by_network_ = false;  // the weights have the scale already,
    const T* factor_ = nullptr;       // (d,) or take it over when they are packed
    int threads_;
    EarlierPieces earlier_;
    Barrier barrier_;
    InputBlocks blocks_;
    Index at_once_;                        // models of a pass over the rows
    std::optional<Int8Layer<T>> int8_;
    std::vector<Index> first_chunk_;  // by set
    Index chunks_ = 0;
    Buffer<double> losses_;   // (m, chunks)
    Buffer<double> hits_;  // (m, chunks)
    std::vector<Workspace> workspaces_;
};

}  // namespace gradstep
