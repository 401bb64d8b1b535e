// The table of functions that every instruction set fills. Nothing outside cpp/kernels/ knows how a
// set lays out weights; the rest of the core only asks for sizes and column groups.
//
// Suffixes name the axes: b rows of a batch, i inputs, o outputs. Rows of X, Z and dZ are padded:
// `padded(out)` elements apart or more, the padding of Z and dZ being zero.
#pragma once

#include "gradstep/types.hpp"

namespace gradstep {

// Of a first layer whose inputs come unscaled, x - mean: what they are to be multiplied by, and the packed
// weights that have been. Both null for inputs as they should be.
template <class T>
struct Scaling {
    const T* factor = nullptr;  // (in,)
    T* panel = nullptr;         // factor * W, or null where nobody needs it
};

// Products of bytes with the weights of `outputs` outputs, several models' or one's, each weight a whole
// number of its output's steps. Sums are exact; scores are as close as those of other products.
template <class T>
struct ByteProducts {
    struct Sizes {
        Index panel;  // words of all weights, 0 where there are too many inputs
        Index sums;   // of a row
    };
    Sizes (*sizes)(Index in, Index outputs);

    // The weights W__io * factor as outputs first ... first + out - 1. An output's step, and the sum of its
    // numbers times `mean`, are left at its place in `step` and `offset`. False, and nothing of use is left,
    // where no step is both long and fine enough for an output's weights.
    bool (*pack)(std::int32_t* panel, double* step, double* offset, const T* W__io, const double* factor,
                 const double* mean, Index in, Index out, Index first, Index outputs);

    // Sums over the inputs of b rows, `stride` bytes apart.
    void (*product)(std::int32_t* sums, const std::uint8_t* X, Index stride, Index b,
                    const std::int32_t* panel, Index in, Index outputs);

    // Z__bo = step * (sums - offset) of outputs first ... first + out - 1.
    void (*scores)(T* Z__bo, Index ldz, const std::int32_t* sums, const double* step, const double* offset,
                   Index b, Index in, Index out, Index first, Index outputs);
};

template <class T>
struct Kernels {
    const char* isa;

    // out rounded up to whole vectors: the least distance between rows of Z and dZ.
    Index (*padded)(Index out);

    // Columns of W (in, out) are worked on in groups; no result depends on how groups are shared out.
    Index (*column_groups)(Index in, Index out);

    // Elements of a packed W (in, out).
    Index (*panel_size)(Index in, Index out);
    // `factor` (in,) of the inputs' weights, or null.
    void (*pack)(T* panel, const T* W__io, const T* factor, Index in, Index out);
    void (*unpack)(T* W__io, const T* panel, Index in, Index out);

    // Elements of what `backward` needs of a packed W (in, out) beside it: none, or W^T, of which `transpose`
    // writes columns i0 <= i < i1.
    Index (*transposed_size)(Index in, Index out);
    void (*transpose)(T* panel__oi, const T* panel__io, Index in, Index out, Index i0, Index i1);

    // X__bi = standardised inputs i0 <= i < i1 of rows which[0..b), or of rows first + 0..b when
    // `which` is null; column i0 lands in column 0 of X. Behind the last input a row is zero up to
    // the next whole vector. What lies `ahead` elements behind a row's inputs is asked for, if not 0.
    void (*gather)(T* X__bi, Index ldx, const Rows<T>& rows, const std::int32_t* which, Index first, Index b,
                   Index i0, Index i1, Index ahead);

    // Ask for inputs i0 <= i < i1 of rows which[0..b) before they are gathered.
    void (*prefetch)(const Rows<T>& rows, const std::int32_t* which, Index b, Index i0, Index i1);

    // to__bi = inputs i0 <= i < i1 of rows which[0..b) as they lie, elements of their own type, but flipped
    // and then shifted as coins (b, 3) say: flip, dy, dx. Column 0 of `to` is input i0. Less than 16 bytes
    // behind a row are written as they were.
    void (*stage)(void* to__bi, Index ldto, const Rows<T>& rows, const std::int32_t* which,
                  const std::int16_t* coins, const Images& images, Index b, Index i0, Index i1);

    // Z__bo (+)= X__bi W__io over inputs i0 <= i < i1, for column groups g0 <= g < g1; i0 is the first of
    // a vector, and rows of X are zero behind i1 up to the next whole vector. An element is summed in an
    // order that depends on in, out, i0 and i1 alone, wherever it lies in its tile.
    void (*product)(T* Z__bo, Index ldz, const T* X__bi, Index ldx, Index b, const T* panel, Index in,
                    Index out, Index i0, Index i1, Index g0, Index g1, bool add);

    // Both at once: gather into X__bi, and product. Where `keep` is false, what X holds afterwards is
    // nobody's business.
    void (*gather_product)(T* Z__bo, Index ldz, T* X__bi, Index ldx, bool keep, const Rows<T>& rows,
                           const std::int32_t* which, Index first, Index b, const T* panel, Index in,
                           Index out, Index i0, Index i1, Index ahead, Index g0, Index g1, bool add);

    // to__io = a * from__io + c * factor * X^T dZ for inputs i0 <= i < i1 and column groups g0 <= g < g1;
    // column 0 of X is input i0. `to` may be `from`: then this is the step of gradient descent.
    void (*update)(T* to, const T* from, T a, T c, Scaling<T> scaling, const T* X__bi, Index ldx,
                   const T* dZ__bo, Index ldz, Index b, Index in, Index out, Index i0, Index i1, Index g0,
                   Index g1);

    // Whether a first layer had better take its rows unscaled, which its weights make up for ...
    bool (*takes_unscaled)(RowType type, Index in, Index out);

    // ... and then, for one model, read them anew than keep their tile: the update with rows which[0..b), or
    // 0..b when `which` is null.
    void (*reread_update)(T* to, const T* from, T a, T c, Scaling<T> scaling, const Rows<T>& rows,
                          const std::int32_t* which, const T* dZ__bo, Index ldz, Index b, Index in, Index out,
                          Index i0, Index i1);

    // to = a + b; `count` is whole vectors, and `to` may be a or b.
    void (*add)(T* to, const T* a, const T* b, Index count);

    // Z__bo = sums__bo + bias, then ReLU where asked; Z may be the sums.
    void (*finish)(T* Z__bo, Index ldz, const T* sums, const T* bias, Index b, Index out, bool relu);

    // dA__bi = dZ__bo W^T where A__bi is positive, else 0.
    void (*backward)(T* dA__bi, const T* A__bi, Index ld, const T* dZ__bo, Index ldz, Index b, const T* panel,
                     const T* transposed, Index in, Index out);

    // Loss of rows 0..b. losses[r] = weight * loss, correct[r] = weight if the highest score is that of
    // y[r], else 0; where dS is not null, dS__bo = weight * scale * the loss's gradient: softmax(S) - y, or
    // (sigmoid(S) - y) / k. y and weight, which is 1 where null, are indexed by which[r], or by first + r
    // when `which` is null.
    void (*loss)(Loss kind, double* losses, double* correct, T* dS__bo, const T* S__bo, Index lds, Index b,
                 Index k, const std::int32_t* y, const double* weight, const std::int32_t* which, Index first,
                 double scale);

    // x = a * x + b, `rounds` times, on values that stay in registers and do not wait for each other; the
    // first vector of them starts at 0, the next at 1 and so on. Returns how many operations that were, a
    // multiplication and an addition counting as two, and in *sum the sum of all values.
    Index (*multiply_adds)(T* sum, T a, T b, Index rounds);

    // The sum of all elements, each read once.
    T (*read)(const T* from, Index count);

    // Null where a set has no instruction for them.
    const ByteProducts<T>* bytes = nullptr;
};

}  // namespace gradstep
