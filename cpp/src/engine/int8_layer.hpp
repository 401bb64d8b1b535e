// The first layer of several models for rows of bytes, by products of whole numbers.
// Why so: docs/adr/0018.
#pragma once

#include <algorithm>

#include "engine/network.hpp"

namespace gradstep {

template <class T>
class Int8Layer {
public:
    // Of up to `most` models at once.
    Int8Layer(const Kernels<T>& kernels, const LayerShape& shape, const Rows<T>& rows, Index most)
        : int8_(*kernels.int8), shape_(shape), mean_(rows.mean), factor_(rows.inverse_scale),
          sizes_(int8_.sizes(shape.in, checked_product(most, shape.out))), panel_(sizes_.panel),
          steps_(most * shape.out), offsets_(most * shape.out), holds_(most) {}

    // How many models to take at once: so many that the numbers stay in a cache. None where there are no
    // such products.
    static Index models_at_once(const Kernels<T>& kernels, const LayerShape& shape, Index models) {
        constexpr Index kMostWords = 1 << 20;
        if (!kernels.int8) return 0;
        const Index words = kernels.int8->sizes(shape.in, shape.out).panel;
        return words == 0 ? 0 : std::clamp(kMostWords / words, Index{1}, models);
    }

    // Elements of a row's sums.
    Index sums() const { return sizes_.sums; }

    // What follows is about these models; by one thread, before all of them pack.
    void take(Slice models) { models_ = models; }

    // The models' weights out of `parameters` (m, P), by every thread of a team, which meets afterwards.
    void pack(const T* parameters, Index P, int thread, int team) const {
        const Slice own(count(), thread, team);
        for (Index model = own.begin; model < own.end; ++model)
            holds_[model] = int8_.pack(panel_.data(), steps(),
                                       parameters + (models_.begin + model) * P + shape_.weights_at, factor_,
                                       mean_, part(model));
    }

    // Whether the weights of a model, counted from the first, could be taken as whole numbers.
    bool holds(Index model) const { return holds_[model] != 0; }

    void product(std::int32_t* sums, Tile<const std::uint8_t> X, Index b) const {
        int8_.product(sums, X, b, panel_.data(), shape_.in, outputs());
    }

    void scores(T* Z__bo, const std::int32_t* sums, Index b, Index model) const {
        int8_.scores({Z__bo, shape_.width}, sums, steps(), b, part(model));
    }

private:
    Index count() const { return models_.end - models_.begin; }
    Index outputs() const { return count() * shape_.out; }
    typename Int8Products<T>::Part part(Index model) const {
        return {shape_.in, shape_.out, model * shape_.out, outputs()};
    }
    typename Int8Products<T>::Steps steps() const { return {steps_.data(), offsets_.data()}; }

    const Int8Products<T>& int8_;
    const LayerShape shape_;
    const double *mean_, *factor_;  // (d,)
    const typename Int8Products<T>::Sizes sizes_;
    Buffer<std::int32_t> panel_;
    Buffer<double> steps_, offsets_;  // (m, out)
    Buffer<std::uint8_t> holds_;      // (m,)
    Slice models_{0, 0};
};

}  // namespace gradstep
