// The words of design and docs as plain structs: what crosses the border of the core.
#pragma once

#include <cstdint>

namespace gradstep {

using Index = std::int64_t;

// Elements behind an array that a kernel may read, and does not look at: less than a vector.
constexpr Index kReadPadding = 16;

enum class RowType : int { uint8, float32, float64 };

// What the scores (k,) of a row are judged by: the index of its class, or k values.
enum class TargetKind : int { labels, values };

// Rows of a data set, read where they lie, with what turns them into network inputs. A row is known by its
// place among the n; where in X it lies, `index` says. Of sparse rows X has those elements alone that are
// told of, one row after the other; all others are zero, and so is `mean`.
template <class T>
struct Rows {
    const void* X;  // (rows, d) elements of `type`; adjacent within a row
    RowType type;
    Index n;
    Index d;
    Index stride;                         // elements from one row to the next
    const double* mean;  // (d,), readable for kReadPadding elements more, like the next three
    const double* inverse_scale;  // (d,)
    const T* mean_T;  // (d,) the same, rounded to T
    const T* inverse_scale_T;  // (d,), or null for bytes whose scale is in the weights already
    const std::int32_t* labels = nullptr;  // (n,) class indices, or else
    const T* values = nullptr;  // (n, k)
    const double* weight = nullptr;  // (n,) of mean 1, or null when every row counts the same
    Index weight_stride = 0;  // elements from one model's weights to the next; 0 where all share them
    const std::int32_t* index = nullptr;  // (n,) rows of X, or null for its first n
    // Of sparse rows: where in X the elements of each row begin, and the input of every element, ascending
    // within a row.
    const Index* starts = nullptr;  // (rows + 1,)
    const std::int32_t* inputs = nullptr;  // (starts[rows],)

    bool sparse() const { return starts != nullptr; }

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

// A fully connected network; an activation follows each hidden layer, the last layer gives scores.
struct Layers {
    Index count;  // layers of weights, l
    const Index* sizes;  // (l + 1,) d, h, ..., k
    const Index* offsets;  // (l, 2) start of W (in, out) and of b (out,) in a model's block
    Index parameters;  // length of a model's block, P
};

}  // namespace gradstep
