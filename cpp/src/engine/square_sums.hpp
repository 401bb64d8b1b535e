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
        sums_ = Buffer<double>(checked_product(m, places_));
    }

    double& of_bias(Index layer, Index model) const { return sums_[model * places_ + start(layer)]; }
    double& of(Index layer, Index model, Index slice, Index group) const {
        const Index own = 1 + slice * groups_[static_cast<std::size_t>(layer)] + group;
        return sums_[model * places_ + start(layer) + own];
    }
    double total(Index model) const {
        double sum = 0;
        for (Index place = 0; place < places_; ++place) sum += sums_[model * places_ + place];
        return sum;
    }
    void clear() const { std::fill_n(sums_.data(), sums_.size(), 0.0); }

private:
    Index start(Index layer) const { return starts_[static_cast<std::size_t>(layer)]; }

    std::vector<Index> groups_, starts_;
    Index places_ = 0;
    Buffer<double> sums_;  // (m, places)
};

}  // namespace gradstep
