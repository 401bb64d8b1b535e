// Forward passes over whole sets of rows: their figures and their scores. Rows are shared out in chunks of a
// fixed length, and figures are summed in the order of chunks.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include "blocks.hpp"
#include "byte_layer.hpp"
#include "gradstep/parallel.hpp"
#include "network.hpp"

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

enum class Gives { figures, scores };

template <class T>
class Forward {
public:
    // Of `count` sets of rows; every call packs its parameters into the network.
    Forward(const Models<T>& models, Network<T>& network, const Rows<T>* sets, Index count, int team,
            Gives gives)
        : models_(models), network_(network), sets_(sets, sets + count), team_(team),
          blocks_(network.shape(0).in, kLongestBlock), at_once_(models.m) {
        if (all_bytes_alike()) take_bytes(gives);
        Index longest = 0;
        for (const Rows<T>& rows : sets_) {
            longest = std::max(longest, std::min(rows.n, kChunkRows));
            first_chunk_.push_back(chunks_);
            chunks_ += (rows.n + kChunkRows - 1) / kChunkRows;
        }
        losses_ = Buffer<double>(checked_product(models.m, chunks_));
        correct_ = Buffer<double>(checked_product(models.m, chunks_));
        for (int thread = 0; thread < team; ++thread)
            workspaces_.emplace_back(network, at_once_, longest, blocks_.width(),
                                     bytes_ ? bytes_->sums() : 0);
    }

    // Whether the network gets weights that are not the parameters'.
    bool packs_factor() const { return factor_ != nullptr; }

    // `packed`: the network has the parameters already.
    void evaluate(const T* parameters, const Figures* figures, bool packed = false) {
        if (!packed || factor_) network_.pack(parameters, factor_);
        for (Index first = 0; first < models_.m; first += at_once_)
            each_chunk(parameters, Share(first, std::min(models_.m, first + at_once_)),
                       [&](const Workspace& w, Share models, const Rows<T>& rows, Index first_row, Index b,
                           Index chunk) { judge(w, models, rows, first_row, b, chunk); });
        for (Index model = 0; model < models_.m; ++model) {
            const double penalty =
                models_.l2[model] *
                sum_of_squares(models_.layers, parameters + model * models_.layers.parameters);
            for (std::size_t set = 0; set < sets_.size(); ++set)
                sum_up(figures[set], model, penalty, static_cast<Index>(set));
        }
    }

    // (m, n, k), of the first set.
    void scores(const T* parameters, T* scores__mnk) {
        network_.pack(parameters, factor_);
        const Index classes = models_.layers.sizes[models_.layers.count];
        each_chunk(parameters, Share(0, models_.m),
                   [&](const Workspace& w, Share, const Rows<T>& rows, Index first, Index b, Index) {
                       const Index top = network_.depth() - 1, width = network_.shape(top).width;
                       for (Index model = 0; model < models_.m; ++model)
                           for (Index r = 0; r < b; ++r)
                               std::memcpy(scores__mnk + (model * rows.n + first + r) * classes,
                                           w.A.of(top, model) + r * width,
                                           sizeof(T) * static_cast<std::size_t>(classes));
                   });
    }

private:
    static constexpr Index kChunkRows = 96;
    // Weights of ten outputs for so many inputs leave room in the first cache.
    static constexpr Index kLongestBlock = 512;

    // What one thread needs for one chunk; models are counted from the first of those at once.
    struct Workspace {
        Buffer<T> tile;
        Buffer<std::int32_t> sums;
        Activations<T> A;
        Buffer<double> losses;
        Buffer<double> correct;

        Workspace(const Network<T>& network, Index m, Index rows, Index width, Index sums_of_row)
            : tile(rows * width), sums(checked_product(rows, sums_of_row)), A(network, m, rows), losses(rows),
              correct(rows) {}
    };

    // Whether all rows are bytes, standardised alike.
    bool all_bytes_alike() const {
        return !sets_.empty() && std::all_of(sets_.begin(), sets_.end(), [&](const Rows<T>& rows) {
            const Rows<T>& first = sets_.front();
            return rows.type == RowType::uint8 && same(rows.mean, first.mean) &&
                   same(rows.inverse_scale, first.inverse_scale);
        });
    }
    template <class Number>
    bool same(const Number* a, const Number* b) const {
        return std::memcmp(a, b, sizeof(Number) * static_cast<std::size_t>(network_.shape(0).in)) == 0;
    }

    // Nothing comes after the forward pass: of bytes, which no scale makes imprecise, the weights take it
    // over. Figures need not have the bits of scores, which may be wanted of one row: for that one, to make
    // whole numbers of the weights would take longer than all the rest.
    void take_bytes(Gives gives) {
        const LayerShape& shape = network_.shape(0);
        const Kernels<T>& k = *models_.kernels;
        if (const Index models =
                gives == Gives::figures ? ByteLayer<T>::models_at_once(k, shape, models_.m) : 0) {
            at_once_ = models;
            bytes_.emplace(k, shape, sets_.front(), models);
        }
        const T* scale = sets_.front().inverse_scale_T;
        scaled_by_network_ = network_.factor() && same(network_.factor(), scale);
        if (!scaled_by_network_ && !bytes_) factor_ = scale;
        if (scaled_by_network_ || factor_)
            for (Rows<T>& rows : sets_) rows.inverse_scale_T = nullptr;
    }

    // What the products of the first layer read.
    const T* first_panel(Index model) const {
        return scaled_by_network_ ? network_.scaling(model).panel : network_.panel(0, model);
    }

    // Runs f(workspace, models, rows, first row, row count, chunk) with the models' scores of the chunk in
    // workspace.A.
    template <class F>
    void each_chunk(const T* parameters, Share models, F&& f) {
        if (bytes_) bytes_->take(models);
        parallel(team_, [&](int thread, int team) {
            const Workspace& w = workspaces_[static_cast<std::size_t>(thread)];
            if (bytes_) {
                bytes_->pack(parameters, models_.layers.parameters, thread, team);
                barrier_.wait(team);
            }
            const Share share(chunks_, thread, team);
            std::size_t set = 0;
            for (Index chunk = share.begin; chunk < share.end; ++chunk) {
                while (set + 1 < sets_.size() && first_chunk_[set + 1] <= chunk) ++set;
                const Rows<T>& rows = sets_[set];
                const Index first = (chunk - first_chunk_[set]) * kChunkRows;
                const Index b = rows.n - first < kChunkRows ? rows.n - first : kChunkRows;
                forward(w, models, rows, first, b);
                f(w, models, rows, first, b, chunk);
            }
        });
    }

    void forward(const Workspace& w, Share models, const Rows<T>& rows, Index first, Index b) {
        const Kernels<T>& k = *models_.kernels;
        const LayerShape& shape = network_.shape(0);
        const Index count = models.end - models.begin;
        if (bytes_) first_layer_of_bytes(w, count, rows, first, b);
        first_layer(w, models, rows, first, b);
        for (Index place = 0; place < count; ++place) {
            const Index model = models.begin + place;
            T* Z = w.A.of(0, place);
            k.finish(Z, shape.width, Z, network_.bias(0, model), b, shape.out, network_.depth() > 1);
            forward_upper(k, network_, model, w.A, place, 0, b);
        }
    }

    void first_layer_of_bytes(const Workspace& w, Index count, const Rows<T>& rows, Index first, Index b) {
        bool multiplied = false;
        for (Index place = 0; place < count; ++place) {
            if (!bytes_->holds(place)) continue;
            if (!multiplied) bytes_->product(w.sums.data(), rows, first, b);
            multiplied = true;
            bytes_->scores(w.A.of(0, place), w.sums.data(), b, place);
        }
    }

    // Of the models whose weights are not whole numbers.
    void first_layer(const Workspace& w, Share models, const Rows<T>& rows, Index first, Index b) {
        const Kernels<T>& k = *models_.kernels;
        const LayerShape& shape = network_.shape(0);
        const Index count = models.end - models.begin;
        for (Index block = 0; block < blocks_.count; ++block) {
            const Index i0 = blocks_.begin(block), i1 = blocks_.end(block);
            // Read next: the rows' next block, or the first one of the next chunk's rows.
            const Index ahead = block + 1 < blocks_.count ? i1 - i0 : b * rows.stride - i0;
            bool gathered = false;
            for (Index place = 0; place < count; ++place) {
                if (bytes_ && bytes_->holds(place)) continue;
                T *Z = w.A.of(0, place), *tile = w.tile.data();
                const T* panel = first_panel(models.begin + place);
                if (gathered)
                    k.product(Z, shape.width, tile, blocks_.width(), b, panel, shape.in, shape.out, i0, i1, 0,
                              shape.groups, block > 0);
                else
                    k.gather_product(Z, shape.width, tile, blocks_.width(), count > 1, rows, nullptr, first,
                                     b, panel, shape.in, shape.out, i0, i1, ahead, 0, shape.groups,
                                     block > 0);
                gathered = true;
            }
        }
    }

    // Leaves the sums over a chunk's rows.
    void judge(const Workspace& w, Share models, const Rows<T>& rows, Index first, Index b, Index chunk) {
        const Index top = network_.depth() - 1;
        for (Index model = models.begin; model < models.end; ++model) {
            models_.kernels->loss(models_.loss, w.losses.data(), w.correct.data(), nullptr,
                                  w.A.of(top, model - models.begin), network_.shape(top).width, b,
                                  network_.shape(top).out, rows.y, rows.weight_of(model), nullptr, first,
                                  0.0);
            double loss = 0, correct = 0;
            for (Index r = 0; r < b; ++r) {
                loss += w.losses[r];
                correct += w.correct[r];
            }
            losses_[model * chunks_ + chunk] = loss;
            correct_[model * chunks_ + chunk] = correct;
        }
    }

    void sum_up(const Figures& figures, Index model, double penalty, Index set) const {
        const Rows<T>& rows = sets_[static_cast<std::size_t>(set)];
        const Index begin = first_chunk_[static_cast<std::size_t>(set)];
        const Index end = begin + (rows.n + kChunkRows - 1) / kChunkRows;
        double loss = 0, correct = 0;
        for (Index chunk = begin; chunk < end; ++chunk) {
            loss += losses_[model * chunks_ + chunk];
            correct += correct_[model * chunks_ + chunk];
        }
        const double n = static_cast<double>(rows.n);
        figures.loss[model] = loss / n;
        figures.accuracy[model] = correct / n;
        figures.cost[model] = loss / n + penalty;
    }

    const Models<T>& models_;
    Network<T>& network_;
    std::vector<Rows<T>> sets_;
    bool scaled_by_network_ = false;  // the weights have the scale already,
    const T* factor_ = nullptr;       // (d,) or take it over when they are packed
    int team_;
    Barrier barrier_;
    InputBlocks blocks_;
    Index at_once_;                        // models of a pass over the rows
    std::optional<ByteLayer<T>> bytes_;
    std::vector<Index> first_chunk_;  // by set
    Index chunks_ = 0;
    Buffer<double> losses_;   // (m, chunks)
    Buffer<double> correct_;  // (m, chunks)
    std::vector<Workspace> workspaces_;
};

}  // namespace gradstep
