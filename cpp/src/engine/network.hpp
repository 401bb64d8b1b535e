// Parameters of m models in the kernels' own layout, and slots likewise, for the length of a call.
// Why so: docs/adr/0016 and docs/adr/0019.
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
        shapes.push_back({
            .in = in,
            .out = out,
            .weights_at = models.layers.offsets[2 * l],
            .biases_at = models.layers.offsets[2 * l + 1],
            .width = k.padded(out),
            .panel = k.panel_size(in, out),
            .transposed = k.transposed_size(in, out),
            .groups = k.column_groups(in, out),
        });
    }
    return shapes;
}

template <class T>
class Network {
public:
    // With `rows` whose first layer takes them unscaled, its weights are there scaled as well (ADR 0016).
    explicit Network(const Models<T>& models, const Rows<T>* rows = nullptr, Index slots = 0)
        : kernels_(*models.kernels), m_(models.m), stored_(models.m), slots_(slots),
          parameters_(models.layers.parameters), shapes_(layer_shapes(models)) {
        if (rows && !rows->sparse() && kernels_.prefers_unscaled(rows->type, shape(0).in, shape(0).out)) {
            factor_ = rows->inverse_scale_T;
            memory_.emplace_back(checked_product(m_, shape(0).panel));
            scaled_ = memory_.back().data();
        }
        for (const LayerShape& shape : shapes_) {
            memory_.emplace_back(checked_product(1 + slots, checked_product(m_, shape.panel)));
            panels_.push_back(memory_.back().data());
            memory_.emplace_back(checked_product(1 + slots, checked_product(m_, shape.width)));
            biases_.push_back(memory_.back().data());
        }
    }

    // Some models of another network, where they lie.
    Network(const Network& whole, Slice models)
        : kernels_(whole.kernels_), m_(models.end - models.begin), stored_(whole.stored_),
          slots_(whole.slots_), parameters_(whole.parameters_), shapes_(whole.shapes_),
          factor_(whole.factor_), scaled_(whole.scaling(models.begin).panel) {
        for (Index layer = 0; layer < depth(); ++layer) {
            panels_.push_back(whole.panel(layer, models.begin));
            biases_.push_back(whole.bias(layer, models.begin));
        }
    }

    const std::vector<LayerShape>& shapes() const { return shapes_; }
    Index depth() const { return static_cast<Index>(shapes_.size()); }
    Index slots() const { return slots_; }
    const LayerShape& shape(Index layer) const { return shapes_[static_cast<std::size_t>(layer)]; }
    T* panel(Index layer, Index model) const {
        return panels_[static_cast<std::size_t>(layer)] + model * shape(layer).panel;
    }
    T* bias(Index layer, Index model) const {
        return biases_[static_cast<std::size_t>(layer)] + model * shape(layer).width;
    }
    Weights<T> weights(Index layer, Index model) const {
        return {panel(layer, model), shape(layer).in, shape(layer).out};
    }

    // From a panel, or a bias, to that of the model's first slot, and from one slot to the next.
    Index panel_stride(Index layer) const { return stored_ * shape(layer).panel; }
    Index bias_stride(Index layer) const { return stored_ * shape(layer).width; }

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
            kernels_.pack(weights(layer, model), W, layer == 0 ? factor : nullptr);
            if (layer == 0 && factor_) kernels_.pack({scaling(model).panel, shape.in, shape.out}, W, factor_);
            std::memcpy(bias(layer, model), block + shape.biases_at, bytes_of(shape.out));
        });
    }

    void unpack(T* parameters) const {
        each([&](Index layer, Index model, const LayerShape& shape) {
            T* block = parameters + model * parameters_;
            kernels_.unpack(block + shape.weights_at, weights(layer, model));
            std::memcpy(block + shape.biases_at, bias(layer, model), bytes_of(shape.out));
        });
    }

    // Slots (m, s, P), which may be null where there are none.
    void pack_slots(const T* slots) const {
        each_slot([&](Index place, T* panel, T* bias, const LayerShape& shape) {
            kernels_.pack({panel, shape.in, shape.out}, slots + place + shape.weights_at, nullptr);
            std::memcpy(bias, slots + place + shape.biases_at, bytes_of(shape.out));
        });
    }

    void unpack_slots(T* slots) const {
        each_slot([&](Index place, const T* panel, const T* bias, const LayerShape& shape) {
            kernels_.unpack(slots + place + shape.weights_at, {panel, shape.in, shape.out});
            std::memcpy(slots + place + shape.biases_at, bias, bytes_of(shape.out));
        });
    }

private:
    static std::size_t bytes_of(Index elements) { return sizeof(T) * static_cast<std::size_t>(elements); }

    template <class F>
    void each(F&& f) const {
        for (Index layer = 0; layer < depth(); ++layer)
            for (Index model = 0; model < m_; ++model) f(layer, model, shape(layer));
    }

    // f(start of a model's slot, its panel, its bias, shape)
    template <class F>
    void each_slot(F&& f) const {
        each([&](Index layer, Index model, const LayerShape& shape) {
            for (Index slot = 0; slot < slots_; ++slot)
                f((model * slots_ + slot) * parameters_,
                  panel(layer, model) + (1 + slot) * panel_stride(layer),
                  bias(layer, model) + (1 + slot) * bias_stride(layer), shape);
        });
    }

    const Kernels<T>& kernels_;
    Index m_;
    Index stored_;  // models of the whole network
    Index slots_;
    Index parameters_;
    std::vector<LayerShape> shapes_;
    std::vector<T*> panels_;         // per layer, (1 + s, m, panel)
    std::vector<T*> biases_;         // per layer, (1 + s, m, width)
    const T* factor_ = nullptr;      // (d,)
    T* scaled_ = nullptr;            // (m, panel) of the first layer, with it
    std::vector<Buffer<T>> memory_;  // of them all, unless it is another's
};

// Outputs of every layer for up to b rows of m models: scores last.
template <class T>
class LayerOutputs {
public:
    LayerOutputs(const Network<T>& network, Index m, Index b) : rows_(b) {
        for (const LayerShape& shape : network.shapes()) {
            widths_.push_back(shape.width);
            layers_.emplace_back(checked_product(checked_product(m, b), shape.width));
        }
    }

    // (b, width) of one model, from one of its rows on.
    Tile<T> of(Index layer, Index model, Index row = 0) const {
        const std::size_t l = static_cast<std::size_t>(layer);
        return {layers_[l].data() + (model * rows_ + row) * widths_[l], widths_[l]};
    }

private:
    Index rows_;
    std::vector<Index> widths_;
    std::vector<Buffer<T>> layers_;
};

// Z from sums: bias, and what follows the layer. Z may be the sums, and has their distance between rows.
template <class T>
void finish_layer(const Models<T>& models, Index layer, Index model, Tile<T> Z__bo, const T* sums,
                  const T* bias, Index b) {
    const Index out = models.layers.sizes[layer + 1];
    if (layer + 1 == models.layers.count)
        models.kernels->add_bias(Z__bo, sums, bias, b, out);
    else
        models.activations[layer]->add_bias_activate(Z__bo, sums, bias, b, out,
                                                     models.activation_number(model, layer));
}

// Z of a layer above the first, from b rows of its inputs X.
template <class T>
void forward_layer(const Models<T>& models, const Network<T>& network, Index layer, Index model, Tile<T> Z,
                   Tile<const T> X, Index b) {
    const LayerShape& shape = network.shape(layer);
    models.kernels->product(Z, X, b, network.weights(layer, model), {0, shape.in}, {0, shape.groups}, false);
    finish_layer(models, layer, model, Z, Z.data, network.bias(layer, model), b);
}

// Rows r0 <= r < r1 of the layers above the first, whose output is at `place` of A already.
template <class T>
void forward_upper(const Models<T>& models, const Network<T>& network, Index model, const LayerOutputs<T>& A,
                   Index place, Slice rows) {
    for (Index l = 1; l < network.depth(); ++l)
        forward_layer<T>(models, network, l, model, A.of(l, place, rows.begin),
                         A.of(l - 1, place, rows.begin), rows.end - rows.begin);
}

}  // namespace gradstep
