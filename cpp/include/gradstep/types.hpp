// The words of design and docs as plain structs: what crosses the border of the core.
#pragma once

#include <cstdint>

namespace gradstep {

using Index = std::int64_t;

// Elements behind an array that a kernel may read, and does not look at: less than a vector.
constexpr Index kBehind = 16;

enum class RowType : int { uint8, float32, float64 };

// Rows of a data set, read where they lie, with what turns them into network inputs.
template <class T>
struct Rows {
    const void* X;            // (n, d) elements of `type`; adjacent within a row
    RowType type;
    Index n;
    Index d;
    Index stride;             // elements from one row to the next
    const double* mean;       // (d,), and readable for kBehind elements more, as are the next three
    const double* inverse_scale;  // (d,)
    const T* mean_T;          // (d,) the same, rounded to T
    const T* inverse_scale_T; // (d,), or null for bytes whose scale is in the weights already
    const std::int32_t* y;    // (n,) class indices
    const double* weight;     // (n,) of mean 1, or null when every row counts the same
    Index weight_stride;      // elements from one model's weights to the next; 0 where all share them

    const double* weight_of(Index model) const { return weight ? weight + model * weight_stride : nullptr; }
};

// What rows are where they are images: channel by channel, line by line. Outside of them lies their nearest
// pixel, or the raw value 0.
struct Images {
    Index channels;
    Index height;
    Index width;
    bool edge;
};

// What a row's scores (k,) are judged by: cross-entropy of their softmax, or the mean over the classes of the
// binary cross-entropies of their sigmoids.
enum class Loss : int { softmax, sigmoid };

// A fully connected network; hidden layers are ReLU, the last one gives scores.
struct Layers {
    Index count;              // layers of weights, l
    const Index* sizes;       // (l + 1,) d, h, ..., k
    const Index* offsets;     // (l, 2) start of W (in, out) and of b (out,) in a model's block
    Index parameters;         // length of a model's block, P
};

}  // namespace gradstep
