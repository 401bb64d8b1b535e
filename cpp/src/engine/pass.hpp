// What the forward and backward passes of an update leave for its step.
// Why so: docs/adr/0012 and docs/adr/0031.
#pragma once

#include "engine/network.hpp"
#include "gradstep/buffer.hpp"

namespace gradstep {

struct BatchSums {
    double loss;
    double hits;
};

// Of m models on b rows: outputs and their gradients, and what rows come to; and the first layer's bias and
// its slots, which another thread may have updated already when this one comes to read it.
template <class T>
struct BatchPass {
    const Models<T>& models;
    Index most_rows;       // b
    LayerOutputs<T> A;
    LayerOutputs<T> kept;  // of A, where units are dropped: what the layers above read
    LayerOutputs<T> dZ;
    Buffer<double> losses;  // (m, b)
    Buffer<double> hits;    // (m, b)
    Index width;
    Buffer<T> bias;  // (1 + s, m, width)

    BatchPass(const Models<T>& of, const Network<T>& network, Index b)
        : models(of), most_rows(b), A(network, of.m, b), kept(network, of.drop_limits ? of.m : 0, b),
          dZ(network, of.m, b), losses(checked_product(of.m, b)), hits(of.m * b),
          width(network.shape(0).width), bias((1 + network.slots()) * of.m * width) {}

    T* bias_of(Index model) const { return bias.data() + model * width; }
    Index bias_stride() const { return models.m * width; }

    // What a layer above the first reads.
    Tile<T> inputs_of(Index layer, Index model, Index row = 0) const {
        return (models.drops(layer) ? kept : A).of(layer - 1, model, row);
    }

    // Rows of a layer's inputs, or of their gradient, without the units that the update leaves out.
    void drop(Tile<T> to, Tile<const T> from, const std::uint64_t* keys, Index layer, Index model,
              Slice rows) const {
        if (models.drops(layer))
            models.kernels->drop(to, from, rows.end - rows.begin, {0, models.layers.sizes[layer]},
                                 models.drop(layer, model, keys, rows.begin));
    }

    // The layers above the first, whose output is there already.
    void forward_upper(const Network<T>& network, const std::uint64_t* keys, Index model, Slice rows) const {
        for (Index l = 1; l < network.depth(); ++l) {
            const Tile<T> X = inputs_of(l, model, rows.begin);
            drop(X, A.of(l - 1, model, rows.begin), keys, l, model, rows);
            forward_layer<T>(models, network, l, model, A.of(l, model, rows.begin), X, rows.end - rows.begin);
        }
    }

    // Judges rows of a model by their scores. `places` are those of the batch in the data set; the sum over
    // it is multiplied by `scale`.
    void judge(const Rows<T>& all, const std::int32_t* places, Index model, Slice rows, double scale) {
        const Index top = models.layers.count - 1, place = model * most_rows + rows.begin;
        models.loss->judge({.losses = losses.data() + place,
                            .hits = hits.data() + place,
                            .dS = dZ.of(top, model, rows.begin).data},
                           A.of(top, model, rows.begin), models.layers.sizes[top + 1], all,
                           all.weight_of(model),
                           {places ? places + rows.begin : nullptr, rows.begin, rows.end - rows.begin},
                           models.loss_numbers_of(model), scale);
    }

    // Of the first rows of a model.
    BatchSums sums(Index model, Index rows) const {
        BatchSums sums{0, 0};
        const Index first = model * most_rows;
        for (Index r = first; r < first + rows; ++r) {
            sums.loss += losses[r];
            sums.hits += hits[r];
        }
        return sums;
    }
};

}  // namespace gradstep
