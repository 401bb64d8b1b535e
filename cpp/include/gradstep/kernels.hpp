// The table of functions that every instruction set fills. Nothing outside cpp/kernels/ knows how a set lays
// out weights, or which losses, activations and rules there are; the rest of the core asks for sizes, column
// groups and names.
//
// Suffixes name the axes: b rows of a batch, i inputs, o outputs. Rows of X, Z and dZ are padded:
// `padded(out)` elements apart or more, the padding of Z and dZ being zero.
//
// Why so: docs/adr/0004 and docs/adr/0017.
#pragma once

#include <type_traits>

#include "gradstep/types.hpp"

namespace gradstep {

// Rows of a matrix, `ld` elements apart.
template <class T>
struct Tile {
    T* data;
    Index ld;

    operator Tile<const T>() const
        requires(!std::is_const_v<T>)
    {
        return {data, ld};
    }
};

// Inputs i0 <= i < i1 of a layer. i0 is the first of a vector.
struct Span {
    Index i0;
    Index i1;
};

// Columns of W (in, out) are worked on in groups; no result depends on how groups are shared out. Here those
// with g0 <= g < g1.
struct Groups {
    Index g0;
    Index g1;
};

// A packed W (in, out).
template <class T>
struct Weights {
    T* panel;
    Index in;
    Index out;

    operator Weights<const T>() const
        requires(!std::is_const_v<T>)
    {
        return {panel, in, out};
    }
};

// Elements of a panel that lie together.
struct Run {
    Index start;
    Index count;  // whole vectors
};

// Rows indices[0..count) of a data set, or first + 0..count where that is null.
struct RowNumbers {
    const std::int32_t* indices;
    Index first;
    Index count;
};

// Rows on their way into a batch. What lies `ahead` elements behind a row's inputs is asked for, if not 0.
template <class T>
struct Incoming {
    const Rows<T>& rows;
    RowNumbers numbers;
    Index ahead = 0;
};

// Of a first layer whose inputs come unscaled, x - mean (ADR 0016): what they are to be multiplied by, and
// the packed weights that have been. Both null for inputs as they should be.
template <class T>
struct Scaling {
    const T* factor = nullptr;  // (in,)
    T* panel = nullptr;         // factor * W, or null where nobody needs it
};

// a * W + c * factor * dW.
template <class T>
struct LinearStep {
    T a;
    T c;
    Scaling<T> scaling{};
};

// Elements that are not zero, line by line: those of line l from starts[l] to starts[l + 1], ascending in
// their places within the line.
template <class T>
struct SparseLines {
    const std::int32_t* starts;  // (lines + 1,)
    const std::int32_t* places;
    const T* values;
};

// Inputs of a layer, from the first one of a span on: a tile; or rows that are read anew, unscaled and column
// by column; or of sparse rows a line for each input, whose places are rows. Two of them are null.
template <class T>
struct Inputs {
    Tile<const T> tile;
    const Rows<T>* rows = nullptr;
    RowNumbers numbers{};
    SparseLines<T> lines{};

    // The same from the i-th input of the span on.
    Inputs from(Index i) const {
        Inputs later = *this;
        if (tile.data) later.tile.data += i;
        if (lines.starts) later.lines.starts += i;
        return later;
    }
};

// What is left of every row that a loss has seen.
template <class T>
struct Judged {
    double* losses;  // weight * loss
    double* hits;    // weight if the row is answered right, else 0
    T* dS;           // weight * scale * the loss's gradient, as far apart as the scores; or null
};

// A loss: one struct of cpp/kernels/losses.hpp.
template <class T>
struct Loss {
    const char* name;
    TargetKind targets;
    Index numbers;  // that it takes

    // Scores S__bo (b, k) of the rows `of`. `weight` (n,) is 1 where null.
    void (*judge)(const Judged<T>& to, Tile<const T> S__bo, Index k, const Rows<T>& rows,
                  const double* weight, const RowNumbers& of, const double* numbers, double scale);
};

// An activation: one struct of cpp/kernels/activations.hpp. It takes one number at most.
template <class T>
struct Activation {
    const char* name;
    Index numbers;

    // Z__bo = of(sums__bo + bias); Z may be the sums, and has their distance between rows.
    void (*add_bias_activate)(Tile<T> Z__bo, const T* sums, const T* bias, Index b, Index out, T number);

    // dA__bi times the slope where the output is A__bi, which has the same distance between rows.
    void (*times_slope)(Tile<T> dA__bi, const T* A__bi, Index b, Index in, T number);
};

// Inputs of a layer that an update leaves out: unit u of row r of a batch where the word that is made of
// `key`, r and u is less than `limit`. Those that are kept grow by `scale`.
template <class T>
struct Drop {
    std::uint64_t key;  // of the update and the layer
    Index row;          // of the batch, the first of a tile
    std::int32_t limit;
    T scale;
};

// A rule by which weights are updated: one struct of cpp/kernels/rules.hpp.
template <class T>
struct Rule {
    const char* name;
    Index slots;
    Index numbers;

    // Whether the rule is no more than a LinearStep {numbers[0], numbers[1]} of W and g = dW, which `update`
    // takes together with the product.
    bool with_product;

    // Weights, slots (slot s lies (s + 1) * stride behind W) and g = dW + numbers[0] * W, element by
    // element.
    void (*step)(T* W, Index stride, const T* g, Index count, const T* numbers);
};

// All losses, say, that a set has.
template <class Entry>
struct List {
    const Entry* entries;
    Index count;

    const Entry* begin() const { return entries; }
    const Entry* end() const { return entries + count; }
};

// Products of bytes with the weights of `outputs` outputs, several models' or one's, each weight a whole
// number of its output's steps (ADR 0018). Sums are exact; scores are as close as those of other products.
template <class T>
struct Int8Products {
    struct Sizes {
        Index panel;  // words of all weights, 0 where there are too many inputs
        Index sums;   // of a row
    };
    // Outputs first ... first + out - 1 of a layer (in, outputs).
    struct Part {
        Index in;
        Index out;
        Index first;
        Index outputs;
    };
    // By output: the length of a step, and the sum of its numbers times `mean`.
    struct Steps {
        double* step;
        double* offset;
    };
    Sizes (*sizes)(Index in, Index outputs);

    // The weights W__io * factor of a part, whose steps are left at its places. False, and nothing of use is
    // left, where no step is both long and fine enough for an output's weights.
    bool (*pack)(std::int32_t* panel, Steps steps, const T* W__io, const double* factor, const double* mean,
                 Part part);

    // Sums over the inputs of b rows.
    void (*product)(std::int32_t* sums, Tile<const std::uint8_t> X, Index b, const std::int32_t* panel,
                    Index in, Index outputs);

    // Z__bo = step * (sums - offset) of a part.
    void (*scores)(Tile<T> Z__bo, const std::int32_t* sums, Steps steps, Index b, Part part);
};

template <class T>
struct Kernels {
    const char* isa;

    List<Loss<T>> losses;
    List<Activation<T>> activations;
    List<Rule<T>> rules;

    // out rounded up to whole vectors: the least distance between rows of Z and dZ.
    Index (*padded)(Index out);

    Index (*column_groups)(Index in, Index out);

    // Elements of a packed W (in, out).
    Index (*panel_size)(Index in, Index out);
    // `factor` (in,) of the inputs' weights, or null.
    void (*pack)(const Weights<T>& to, const T* W__io, const T* factor);
    void (*unpack)(T* W__io, const Weights<const T>& from);

    // Where the weights of a span of inputs and of one column group lie.
    Run (*run)(Index in, Index out, Span inputs, Index group);

    // Elements of what `backward` needs of a packed W (in, out) beside it: none, or W^T, of which `transpose`
    // writes some columns (ADR 0019).
    Index (*transposed_size)(Index in, Index out);
    void (*transpose)(T* panel__oi, const Weights<const T>& from, Span inputs);

    // X__bi = standardised inputs of rows; column i0 lands in column 0 of X. Behind the last input a row is
    // zero up to the next whole vector.
    void (*gather)(Tile<T> X__bi, const Incoming<T>& from, Span inputs);

    // Ask for inputs of rows before they are gathered.
    void (*prefetch)(const Rows<T>& rows, const RowNumbers& numbers, Span inputs);

    // to__bi = inputs of rows as they lie, elements of their own type, but flipped and then shifted as draws
    // (b, 3) say: flip, dy, dx. Column 0 of `to` is input i0. Less than 16 bytes behind a row are written as
    // they were.
    void (*augment_rows)(Tile<void> to__bi, const Rows<T>& rows, const RowNumbers& numbers,
                         const std::int16_t* draws, const Images& images, Span inputs);

    // Z__bo (+)= X__bi W__io; rows of X are zero behind i1 up to the next whole vector. An element is summed
    // in an order that depends on in, out, i0 and i1 alone, wherever it lies in its tile (ADR 0004).
    void (*product)(Tile<T> Z__bo, Tile<const T> X__bi, Index b, const Weights<const T>& W, Span inputs,
                    Groups groups, bool add);

    // Both at once: gather into X__bi, and product. Where `keep` is false, what X holds afterwards is
    // nobody's business.
    void (*gather_product)(Tile<T> Z__bo, Tile<T> X__bi, bool keep, const Incoming<T>& from,
                           const Weights<const T>& W, Span inputs, Groups groups, bool add);

    // The product of sparse rows, a line of X__bi for each; places are counted from i0. It has the bits of
    // `product`, as long as all weights are finite.
    void (*sparse_product)(Tile<T> Z__bo, const SparseLines<T>& X__bi, Index b, const Weights<const T>& W,
                           Span inputs, Groups groups, bool add);

    // to = the linear step of W with dW = X^T dZ, a panel likewise, which may be W itself.
    void (*update)(T* to, const Weights<const T>& W, const LinearStep<T>& step, const Inputs<T>& X__bi,
                   Tile<const T> dZ__bo, Index b, Span inputs, Groups groups);

    // The same of one column group, but `to` is no panel: its run alone.
    void (*gradient)(T* to, const Weights<const T>& W, const LinearStep<T>& step, const Inputs<T>& X__bi,
                     Tile<const T> dZ__bo, Index b, Span inputs, Index group);

    // Whether a first layer had better take its rows unscaled, which its weights make up for, and then, for
    // one model, read them anew than keep their tile.
    bool (*prefers_unscaled)(RowType type, Index in, Index out);

    // The panel factor * W of such a layer, anew after a step.
    void (*rescale)(const Scaling<T>& to, const Weights<const T>& W, Span inputs);

    // Of a run of weights, or of gradients; `count` is whole vectors, here and below.
    double (*sum_of_squares)(const T* from, Index count);

    // g = the nearest to it from -most to most.
    void (*clip)(T* g, Index count, T most);

    // to = factor * from.
    void (*scale)(T* to, const T* from, Index count, T factor);

    // mean = (1 - share) * mean + share * W.
    void (*average)(T* mean, const T* W, Index count, T share);

    // to = a + b; `to` may be a or b.
    void (*add)(T* to, const T* a, const T* b, Index count);

    // Z__bo = sums__bo + bias, of a last layer; Z may be the sums, and has their distance between rows.
    void (*add_bias)(Tile<T> Z__bo, const T* sums, const T* bias, Index b, Index out);

    // dA__bi = dZ__bo W^T.
    void (*backward)(Tile<T> dA__bi, Tile<const T> dZ__bo, Index b, const Weights<const T>& W,
                     const T* transposed);

    // to__bu = from__bu * scale, and 0 where a unit is dropped (ADR 0031). Column 0 of both is unit i0; whole
    // vectors are written, and `to` may be `from`.
    void (*drop)(Tile<T> to__bu, Tile<const T> from__bu, Index b, Span units, Drop<T> drop);

    // The same in place of `count` inputs of a row, which lie places[...] behind input i0.
    void (*drop_elements)(T* values, const std::int32_t* places, Index count, Index i0, Drop<T> drop);

    // x = a * x + b, `rounds` times, on values that stay in registers and do not wait for each other; the
    // first vector of them starts at 0, the next at 1 and so on. Returns how many operations that were, a
    // multiplication and an addition counting as two, and in *sum the sum of all values.
    Index (*multiply_adds)(T* sum, T a, T b, Index rounds);

    // The sum of all elements, each read once.
    T (*read)(const T* from, Index count);

    // Null where a set has no instruction for them.
    const Int8Products<T>* int8 = nullptr;
};

}  // namespace gradstep
