// Sums of squares of m models, of their weights or of their gradients.
// Why so: docs/adr/0027 and docs/adr/0032.
#pragma once

#include <algorithm>
#include <vector>

#include "gradstep/buffer.hpp"

namespace gradstep {

// Every slice of inputs of every column group has a place of its own, and every bias: whoever adds them up
// does so in one order.
class SquareSums {
public:
    SquareSums() = default;
    // Of layers of so many slices and column groups.
    SquareSums(Index m, const std::vector<Index>& slices, const std::vector<Index>& groups)
        : groups_(groups) {
        for (std::size_t layer = 0; layer < slices.size(); ++layer) {
            starts_.push_back(places_);
            places_ += 1 + checked_product(slices[layer], groups[layer]);
        }
        m_ = m;
        reserve(1);
    }

    double& of_bias(Index layer, Index model) const { return sums_[model * places_ + start(layer)]; }
    double& of(Index layer, Index model, Index slice, Index group, Index part = 0) const {
        const Index own = 1 + slice * groups_[static_cast<std::size_t>(layer)] + group;
        return sums_[(part * m_ + model) * places_ + start(layer) + own];
    }
    double total(Index model, Index part = 0) const {
        const double* own = sums_.data() + (part * m_ + model) * places_;
        double sum = 0;
        for (Index place = 0; place < places_; ++place) sum += own[place];
        return sum;
    }
    // Makes room for those of so many parts.
    void reserve(Index parts) {
        const Index wanted = checked_product(checked_product(m_, places_), parts);
        if (sums_.size() < wanted) sums_ = Buffer<double>(wanted);
    }
    // Makes those of so many parts 0, for which there must be room.
    void clear(Index parts) const { std::fill_n(sums_.data(), parts * m_ * places_, 0.0); }

private:
    Index start(Index layer) const { return starts_[static_cast<std::size_t>(layer)]; }

    std::vector<Index> groups_, starts_;
    Index m_ = 0, places_ = 0;
    Buffer<double> sums_;  // (parts, m, places)
};

}  // namespace gradstep
