// What the forward and backward passes of an update leave for its step.
// Why so: docs/adr/0012.
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
    LayerOutputs<T> A;
    LayerOutputs<T> dZ;
    Buffer<double> losses;  // (m, b)
    Buffer<double> hits;    // (m, b)
    Index m;
    Index width;
    Buffer<T> bias;  // (1 + s, m, width)

    BatchPass(const Network<T>& network, Index models, Index b)
        : A(network, models, b), dZ(network, models, b), losses(checked_product(models, b)), hits(models * b),
          m(models), width(network.shape(0).width), bias((1 + network.slots()) * m * width) {}

    T* bias_of(Index model) const { return bias.data() + model * width; }
    Index bias_stride() const { return m * width; }

    // Of the first rows of a model, each of which has room for b.
    BatchSums sums(Index model, Index b, Index rows) const {
        BatchSums sums{0, 0};
        for (Index r = model * b; r < model * b + rows; ++r) {
            sums.loss += losses[r];
            sums.hits += hits[r];
        }
        return sums;
    }
};

}  // namespace gradstep
