// What becomes of a gradient, piece by piece of a layer: new weights by the models' rule, or the gradient of
// the cost. No number depends on how a layer is cut into pieces.
// Why so: docs/adr/0004, docs/adr/0016, docs/adr/0021, docs/adr/0027 and docs/adr/0032.
#pragma once

#include <algorithm>
#include <optional>

#include "engine/network.hpp"
#include "engine/square_sums.hpp"

namespace gradstep {

// Inputs of a layer that are updated at a time: few enough that threads can share out those of a small one.
constexpr Index slice_length(Index in) { return in > 256 ? 64 : 32; }

inline Index ceiling(Index a, Index b) { return (a + b - 1) / b; }

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
    Index slice;  // number of the first of its slices in the layer
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

// Of every model: its weights' squares before a step times `factors`, added up to the sums of a part.
struct SquaresNote {
    const double* factors;  // (m,)
    const SquareSums& sums;
    Index part;
};

// f(inputs, number of the slice, column group, its run), slice by slice of a piece, whatever the piece: sums
// are the same for every cut.
template <class T, class F>
void each_run(const Kernels<T>& kernels, const Piece<T>& piece, const LayerShape& shape, F&& f) {
    const Index length = slice_length(shape.in);
    Index slice = piece.slice;
    for (Index i0 = piece.inputs.i0; i0 < piece.inputs.i1; i0 += length, ++slice) {
        const Span inputs{i0, std::min(i0 + length, piece.inputs.i1)};
        for (Index group = piece.groups.g0; group < piece.groups.g1; ++group)
            f(inputs, slice, group, kernels.run(shape.in, shape.out, inputs, group));
    }
}

// A step of the models' rule, in place. The plainest rule is done together with the product. Others follow a
// slice of inputs behind it, while the slice's gradient is in the first cache:
//
//     for each slice of inputs, for each column group:
//         g = dW + decay * W                  to a buffer
//         W, slots = rule(W, slots, g)        over one run of each
//         mean = mean + share * (W - mean)    where averages are kept, in the last slot
//     scaled W = factor * W                   for rows that are read unscaled
template <class T>
struct RuleUpdate {
    static constexpr bool in_place = true;

    const Kernels<T>& kernels;
    const Rule<T>& rule;
    const Network<T>& network;
    const T* numbers;  // (m, 2, r) of the rule, for weights and for biases
    const T* shares;   // (m,) of weights in their averages, or null
    T* g;              // room for a slice of a column group, and for a bias
    std::optional<SquaresNote> note;

    // Elements of g.
    static Index room(const Kernels<T>& kernels, const Network<T>& network) {
        Index most = 0;
        for (const LayerShape& shape : network.shapes()) {
            most = std::max(most, shape.width);
            for (Index group = 0; group < shape.groups; ++group)
                most = std::max(
                    most,
                    kernels.run(shape.in, shape.out, {0, std::min(slice_length(shape.in), shape.in)}, group)
                        .count);
        }
        return most;
    }

    const T* of_weights(Index model) const { return numbers + 2 * model * rule.numbers; }
    const T* of_biases(Index model) const { return of_weights(model) + rule.numbers; }

    // What the first layer's weights are scaled by.
    Scaling<T> scaling(const Piece<T>& piece) const {
        return piece.layer == 0 ? network.scaling(piece.model) : Scaling<T>{};
    }

    void weights(const Piece<T>& piece) const {
        const T* n = of_weights(piece.model);
        const Weights<T> W = network.weights(piece.layer, piece.model);
        const Scaling<T> scaled = scaling(piece);
        note_squares(piece);
        if (rule.with_product) {
            kernels.update(W.panel, W, {n[0], n[1], scaled}, piece.X, piece.dZ, piece.b, piece.inputs,
                           piece.groups);
            return average_weights(piece);
        }
        each_run(kernels, piece, network.shape(piece.layer), [&](Span inputs, Index, Index group, Run run) {
            kernels.gradient(g, W, {n[0], T(1), {scaled.factor}}, piece.X.from(inputs.i0 - piece.inputs.i0),
                             piece.dZ, piece.b, inputs, group);
            step_weights(piece, run, g);
        });
        if (scaled.panel) kernels.rescale(scaled, W, piece.inputs);
    }

    void bias(Bias<T> bias, const Piece<T>& piece) const {
        const T* n = of_biases(piece.model);
        const LinearStep<T> step = rule.with_product ? LinearStep<T>{n[0], n[1]} : LinearStep<T>{n[0], T(1)};
        kernels.update(rule.with_product ? bias.data : g, bias.weights(), step, piece.X, piece.dZ, piece.b,
                       {0, 1}, bias.groups(kernels));
        if (rule.with_product)
            average_bias(bias, piece);
        else
            step_bias(bias, piece, g);
    }

    // Steps by a gradient that is there.
    void step_weights(const Piece<T>& piece, Run run, const T* gradient) const {
        T* W = network.panel(piece.layer, piece.model) + run.start;
        rule.step(W, network.panel_stride(piece.layer), gradient, run.count, of_weights(piece.model));
        average(W, network.panel_stride(piece.layer), run.count, piece.model);
    }
    void step_bias(Bias<T> bias, const Piece<T>& piece, const T* gradient) const {
        rule.step(bias.data, bias.stride, gradient, network.shape(piece.layer).width, of_biases(piece.model));
        average_bias(bias, piece);
    }

    void average_weights(const Piece<T>& piece) const {
        if (!shares) return;
        each_run(kernels, piece, network.shape(piece.layer), [&](Span, Index, Index, Run run) {
            average(network.panel(piece.layer, piece.model) + run.start, network.panel_stride(piece.layer),
                    run.count, piece.model);
        });
    }
    void average_bias(Bias<T> bias, const Piece<T>& piece) const {
        average(bias.data, bias.stride, network.shape(piece.layer).width, piece.model);
    }

    void note_squares(const Piece<T>& piece) const {
        if (!note) return;
        const T* W = network.panel(piece.layer, piece.model);
        each_run(kernels, piece, network.shape(piece.layer), [&](Span, Index slice, Index group, Run run) {
            note->sums.of(piece.layer, piece.model, slice, group, note->part) +=
                note->factors[piece.model] * kernels.sum_of_squares(W + run.start, run.count);
        });
    }

private:
    void average(T* W, Index stride, Index count, Index model) const {
        if (shares && shares[model] != T(0))
            kernels.average(W + network.slots() * stride, W, count, shares[model]);
    }
};

}  // namespace gradstep
