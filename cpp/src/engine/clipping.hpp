// A step by clipped gradients, in two halves with a barrier between: how long a model's gradient is, is known
// when all of it is there.
// Why so: docs/adr/0032.
#pragma once

#include <cmath>
#include <limits>

#include "engine/update.hpp"

namespace gradstep {

// The first half of a step whose gradients are clipped: they are kept, as another network, until it is known
// how long all of a model's are together.
//
//     g = dW + decay * W, each element clipped by its value
template <class T>
struct ClippedGradient {
    static constexpr bool in_place = false;

    const Kernels<T>& kernels;
    const Models<T>& models;
    const Network<T>& network;
    const Network<T>& dnetwork;
    const SquareSums& squares;
    const T* decays;  // (m,)

    void weights(const Piece<T>& piece) const {
        const T decay = decays[piece.model];
        const T* factor = piece.layer == 0 ? network.factor() : nullptr;
        const Weights<T> W = network.weights(piece.layer, piece.model);
        each_run(
            kernels, piece, network.shape(piece.layer), [&](Span inputs, Index slice, Index group, Run run) {
                T* g = dnetwork.panel(piece.layer, piece.model) + run.start;
                kernels.gradient(g, W, {decay, T(1), {factor}}, piece.X.from(inputs.i0 - piece.inputs.i0),
                                 piece.dZ, piece.b, inputs, group);
                squares.of(piece.layer, piece.model, slice, group) = clip(g, run.count, piece.model);
            });
    }

    void bias(Bias<T> bias, const Piece<T>& piece) const {
        T* g = dnetwork.bias(piece.layer, piece.model);
        kernels.update(g, bias.weights(), {T(0), T(1)}, piece.X, piece.dZ, piece.b, {0, 1},
                       bias.groups(kernels));
        squares.of_bias(piece.layer, piece.model) = clip(g, network.shape(piece.layer).width, piece.model);
    }

private:
    // Returns the sum of the squares of what is left.
    double clip(T* g, Index count, Index model) const {
        const T most = static_cast<T>(models.limits.value[model]);
        if (most <= std::numeric_limits<T>::max()) kernels.clip(g, count, most);
        return kernels.sum_of_squares(g, count);
    }
};

// What a gradient is multiplied by, so that it is no longer than `most`.
inline double shortening(double squares, double most) {
    const double norm = std::sqrt(squares);
    return norm > most ? most / norm : 1;
}

// The second half: a step by gradients that were kept, each model's times its factor.
template <class T>
struct ClippedUpdate {
    static constexpr bool in_place = true;

    const RuleUpdate<T> by_rule;
    const Network<T>& dnetwork;
    const T* factors;  // (m,)

    void weights(const Piece<T>& piece) const {
        const Network<T>& network = by_rule.network;
        by_rule.note_squares(piece);
        each_run(by_rule.kernels, piece, network.shape(piece.layer), [&](Span, Index, Index, Run run) {
            const T* g = dnetwork.panel(piece.layer, piece.model) + run.start;
            by_rule.step_weights(piece, run, shortened(g, run.count, piece.model));
        });
        const Scaling<T> scaled = by_rule.scaling(piece);
        if (scaled.panel)
            by_rule.kernels.rescale(scaled, network.weights(piece.layer, piece.model), piece.inputs);
    }

    void bias(Bias<T> bias, const Piece<T>& piece) const {
        const T* g = dnetwork.bias(piece.layer, piece.model);
        by_rule.step_bias(bias, piece, shortened(g, by_rule.network.shape(piece.layer).width, piece.model));
    }

private:
    const T* shortened(const T* g, Index count, Index model) const {
        if (factors[model] == T(1)) return g;
        by_rule.kernels.scale(by_rule.g, g, count, factors[model]);
        return by_rule.g;
    }
};

// Of a batch that a model passes over: its average takes its share of the weights all the same.
template <class T>
struct AverageAlone {
    static constexpr bool in_place = true;

    const RuleUpdate<T> by_rule;

    void weights(const Piece<T>& piece) const { by_rule.average_weights(piece); }
    void bias(Bias<T> bias, const Piece<T>& piece) const { by_rule.average_bias(bias, piece); }
};

}  // namespace gradstep
