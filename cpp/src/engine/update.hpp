// What becomes of a gradient, piece by piece of a layer: new weights by the models' rule, or the gradient of
// the cost. No number depends on how a layer is cut into pieces.
// Why so: docs/adr/0004, docs/adr/0016, docs/adr/0021 and docs/adr/0027.
#pragma once

#include <algorithm>
#include <optional>

#include "engine/network.hpp"

namespace gradstep {

// The gradient of some inputs and column groups of a layer of a model: the product of X, from the piece's
// first input on, and dZ over b rows.
template <class T>
struct Piece {
    Index layer;
    Index model;
    Inputs<T> X;
    Tile<const T> dZ;
    Index b;
    Span inputs;
    Groups groups;
    Index place;  // among the model's pieces, or sums of some of them; one thread has them all
};

// A bias (out,) and its slots, `stride` apart. It is the weight of an input that is always 1: a layer (1,
// out) with column groups of its own, which lie one after the other.
template <class T>
struct Bias {
    T* data;
    Index stride;
    Index out;

    Weights<const T> weights() const { return {data, 1, out}; }
    Groups groups(const Kernels<T>& kernels) const { return {0, kernels.column_groups(1, out)}; }
};

// Of every model: its weights' squares before a step times `factors`, added up by place.
struct SquaresNote {
    const double* factors;  // (m,)
    double* sums;           // (m, places)
    Index places;
};

// A step of the models' rule, in place. A rule without slots is done together with the product. Others follow
// a slice of inputs behind it, while the slice's gradient is in the first cache:
//
//     for each slice of 64 inputs, for each column group:
//         g = dW + decay * W                  to a buffer
//         W, slots = rule(W, slots, g)        over one run of each
//         scaled W = factor * W               for rows that are read unscaled
template <class T>
struct RuleUpdate {
    static constexpr bool in_place = true;
    static constexpr Index kSlice = 64;

    const Kernels<T>& kernels;
    const Rule<T>& rule;
    const Network<T>& network;
    const T* numbers;  // (m, 2, r) of the rule, for weights and for biases
    T* g;              // room for a slice of a column group, and for a bias
    std::optional<SquaresNote> note;

    // Elements of g.
    static Index room(const Kernels<T>& kernels, const Network<T>& network) {
        Index most = 0;
        for (const LayerShape& shape : network.shapes()) {
            most = std::max(most, shape.width);
            for (Index group = 0; group < shape.groups; ++group)
                most = std::max(
                    most, kernels.run(shape.in, shape.out, {0, std::min(kSlice, shape.in)}, group).count);
        }
        return most;
    }

    const T* of_weights(Index model) const { return numbers + 2 * model * rule.numbers; }
    const T* of_biases(Index model) const { return of_weights(model) + rule.numbers; }

    void weights(const Piece<T>& piece) const {
        const T* n = of_weights(piece.model);
        const Weights<T> W = network.weights(piece.layer, piece.model);
        const Scaling<T> scaling = piece.layer == 0 ? network.scaling(piece.model) : Scaling<T>{};
        if (note) note_squares(piece, W);
        if (!rule.step)
            return kernels.update(W.panel, W, {n[0], n[1], scaling}, piece.X, piece.dZ, piece.b, piece.inputs,
                                  piece.groups);
        for (Index i0 = piece.inputs.i0; i0 < piece.inputs.i1; i0 += kSlice) {
            const Span slice{i0, std::min(i0 + kSlice, piece.inputs.i1)};
            const Inputs<T> X = piece.X.from(i0 - piece.inputs.i0);
            for (Index group = piece.groups.g0; group < piece.groups.g1; ++group) {
                const Run run = kernels.run(W.in, W.out, slice, group);
                kernels.gradient(g, W, {n[0], T(1), {scaling.factor}}, X, piece.dZ, piece.b, slice, group);
                rule.step(W.panel + run.start, network.panel_stride(piece.layer), g, run.count, n);
            }
            if (scaling.panel) kernels.rescale(scaling, W, slice);
        }
    }

    void bias(Bias<T> bias, const Piece<T>& piece) const {
        const T* n = of_biases(piece.model);
        const bool at_once = !rule.step;
        const LinearStep<T> step = at_once ? LinearStep<T>{n[0], n[1]} : LinearStep<T>{n[0], T(1)};
        kernels.update(at_once ? bias.data : g, bias.weights(), step, piece.X, piece.dZ, piece.b, {0, 1},
                       bias.groups(kernels));
        if (!at_once) rule.step(bias.data, bias.stride, g, network.shape(piece.layer).width, n);
    }

private:
    // Slice by slice, whatever the piece: the sums are the same for every cut.
    void note_squares(const Piece<T>& piece, Weights<T> W) const {
        double& sum = note->sums[piece.model * note->places + piece.place];
        for (Index i0 = piece.inputs.i0; i0 < piece.inputs.i1; i0 += kSlice)
            for (Index group = piece.groups.g0; group < piece.groups.g1; ++group) {
                const Run run = kernels.run(W.in, W.out, {i0, std::min(i0 + kSlice, piece.inputs.i1)}, group);
                sum += note->factors[piece.model] * kernels.sum_of_squares(W.panel + run.start, run.count);
            }
    }
};

// The gradient of the cost, dW + 2 * l2 * W, as another network.
template <class T>
struct CostGradient {
    static constexpr bool in_place = false;

    const Kernels<T>& kernels;
    const Network<T>& network;
    const Network<T>& dnetwork;
    const double* l2;  // (m,)

    void weights(const Piece<T>& piece) const {
        const T decay = static_cast<T>(2 * l2[piece.model]);
        const T* factor = piece.layer == 0 ? network.factor() : nullptr;
        kernels.update(dnetwork.panel(piece.layer, piece.model), network.weights(piece.layer, piece.model),
                       {decay, T(1), {factor}}, piece.X, piece.dZ, piece.b, piece.inputs, piece.groups);
    }

    void bias(Bias<T> bias, const Piece<T>& piece) const {
        kernels.update(dnetwork.bias(piece.layer, piece.model), bias.weights(), {T(0), T(1)}, piece.X,
                       piece.dZ, piece.b, {0, 1}, bias.groups(kernels));
    }
};

}  // namespace gradstep
