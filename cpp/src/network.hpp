// Parameters of m models in the kernels' own layout, for the length of a call.
#pragma once

#include <vector>

#include "gradstep/buffer.hpp"
#include "gradstep/core.hpp"
#include "gradstep/parallel.hpp"

namespace gradstep {

// Sizes of one layer and of its packed parts.
struct LayerShape {
    Index in;
    Index out;
    Index weights_at;  // in a model's flat block
    Index biases_at;
    Index width;       // distance between rows of Z and dZ
    Index panel;       // elements of packed W
    Index transposed;  // of what the backward product needs beside it
    Index groups;      // column groups
};

template <class T>
std::vector<LayerShape> layer_shapes(const Models<T>& models) {
    std::vector<LayerShape> shapes;
    const Kernels<T>& k = *models.kernels;
    for (Index l = 0; l < models.layers.count; ++l) {
        const Index in = models.layers.sizes[l], out = models.layers.sizes[l + 1];
        shapes.push_back({in, out, models.layers.offsets[2 * l], models.layers.offsets[2 * l + 1],
                          k.padded(out), k.panel_size(in, out), k.transposed_size(in, out),
                          k.column_groups(in, out)});
    }
    return shapes;
}

template <class T>
class Network {
public:
    // With `rows` whose first layer takes them unscaled, its weights are there scaled as well.
    explicit Network(const Models<T>& models, const Rows<T>* rows = nullptr)
        : kernels_(*models.kernels), loss_(models.loss), m_(models.m), parameters_(models.layers.parameters),
          shapes_(layer_shapes(models)) {
        if (rows && kernels_.takes_unscaled(rows->type, shape(0).in, shape(0).out)) {
            factor_ = rows->inverse_scale_T;
            memory_.emplace_back(checked_product(m_, shape(0).panel));
            scaled_ = memory_.back().data();
        }
        for (const LayerShape& shape : shapes_) {
            memory_.emplace_back(checked_product(m_, shape.panel));
            panels_.push_back(memory_.back().data());
            memory_.emplace_back(checked_product(m_, shape.width));
            biases_.push_back(memory_.back().data());
        }
    }

    // Some models of another network, where they lie.
    Network(const Network& whole, Share models)
        : kernels_(whole.kernels_), loss_(whole.loss_), m_(models.end - models.begin),
          parameters_(whole.parameters_), shapes_(whole.shapes_), factor_(whole.factor_),
          scaled_(whole.scaling(models.begin).panel) {
        for (Index layer = 0; layer < depth(); ++layer) {
            panels_.push_back(whole.panel(layer, models.begin));
            biases_.push_back(whole.bias(layer, models.begin));
        }
    }

    Loss loss() const { return loss_; }
    const std::vector<LayerShape>& shapes() const { return shapes_; }
    Index depth() const { return static_cast<Index>(shapes_.size()); }
    const LayerShape& shape(Index layer) const { return shapes_[static_cast<std::size_t>(layer)]; }
    T* panel(Index layer, Index model) const {
        return panels_[static_cast<std::size_t>(layer)] + model * shape(layer).panel;
    }
    T* bias(Index layer, Index model) const {
        return biases_[static_cast<std::size_t>(layer)] + model * shape(layer).width;
    }

    // What the first layer's inputs are to be multiplied by, where they come unscaled, or null.
    const T* factor() const { return factor_; }
    Scaling<T> scaling(Index model) const {
        if (!factor_) return {};
        return {factor_, scaled_ + model * shape(0).panel};
    }

    // The weights of the first layer times `factor`, unless it is null.
    void pack(const T* parameters, const T* factor = nullptr) const {
        each([&](Index layer, Index model, const LayerShape& shape) {
            const T* block = parameters + model * parameters_;
            const T* W = block + shape.weights_at;
            kernels_.pack(panel(layer, model), W, layer == 0 ? factor : nullptr, shape.in, shape.out);
            if (layer == 0 && factor_) kernels_.pack(scaling(model).panel, W, factor_, shape.in, shape.out);
            std::memcpy(bias(layer, model), block + shape.biases_at,
                        sizeof(T) * static_cast<std::size_t>(shape.out));
        });
    }

    void unpack(T* parameters) const {
        each([&](Index layer, Index model, const LayerShape& shape) {
            T* block = parameters + model * parameters_;
            kernels_.unpack(block + shape.weights_at, panel(layer, model), shape.in, shape.out);
            std::memcpy(block + shape.biases_at, bias(layer, model),
                        sizeof(T) * static_cast<std::size_t>(shape.out));
        });
    }

private:
    template <class F>
    void each(F&& f) const {
        for (Index layer = 0; layer < depth(); ++layer)
            for (Index model = 0; model < m_; ++model) f(layer, model, shape(layer));
    }

    const Kernels<T>& kernels_;
    Loss loss_;
    Index m_;
    Index parameters_;
    std::vector<LayerShape> shapes_;
    std::vector<T*> panels_;         // per layer, (m, panel)
    std::vector<T*> biases_;         // per layer, (m, width)
    const T* factor_ = nullptr;      // (d,)
    T* scaled_ = nullptr;            // (m, panel) of the first layer, with it
    std::vector<Buffer<T>> memory_;  // of them all, unless it is another's
};

// Outputs of every layer for up to b rows of m models: scores last.
template <class T>
class Activations {
public:
    Activations(const Network<T>& network, Index m, Index b) : rows_(b) {
        for (const LayerShape& shape : network.shapes()) {
            widths_.push_back(shape.width);
            layers_.emplace_back(checked_product(checked_product(m, b), shape.width));
        }
    }

    // (b, width) of one model.
    T* of(Index layer, Index model) const {
        const std::size_t l = static_cast<std::size_t>(layer);
        return layers_[l].data() + model * rows_ * widths_[l];
    }

private:
    Index rows_;
    std::vector<Index> widths_;
    std::vector<Buffer<T>> layers_;
};

// Rows r0 <= r < r1 of the layers above the first, whose output is at `place` of A already.
template <class T>
void forward_upper(const Kernels<T>& k, const Network<T>& network, Index model, const Activations<T>& A,
                   Index place, Index r0, Index r1) {
    for (Index l = 1; l < network.depth(); ++l) {
        const LayerShape& shape = network.shape(l);
        const Index below = network.shape(l - 1).width;
        T* Z = A.of(l, place) + r0 * shape.width;
        k.product(Z, shape.width, A.of(l - 1, place) + r0 * below, below, r1 - r0, network.panel(l, model),
                  shape.in, shape.out, 0, shape.in, 0, shape.groups, false);
        k.finish(Z, shape.width, Z, network.bias(l, model), r1 - r0, shape.out, l + 1 < network.depth());
    }
}

}  // namespace gradstep
