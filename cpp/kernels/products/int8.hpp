// Products of bytes with whole numbers of three bytes, for sets that multiply four pairs of bytes and add
// them up in one instruction. A weight is q steps of its output's size, and
//
//     q = 65536 d2 + 256 d1 + d0      with digits from -128 to 127
//
// Digit by digit every sum is exact: in any order and any tile it has the same bits. A layer goes by as
//
//     pack:     for each output: step = longest weight / 8,355,711; q = nearest(W * factor / step)
//               offset = sum over the inputs of q * mean
//     product:  for each digit: sums[digit] = sum over the inputs of byte * digit
//     scores:   Z = step * (65536 sums[2] + 256 sums[1] + sums[0] - offset)      in float64
//
// Where an instruction takes no signs, digits lie there 128 larger, and 128 times the sum of the bytes is
// taken away behind the last input.
//
// Why so: docs/adr/0018.
#pragma once

#include "products/wide.hpp"
#include "simd/some_lanes.hpp"

#if defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>
#endif

namespace gradstep::GRADSTEP_ISA {
namespace {

constexpr Index kInputsOfWord = 4;
constexpr Index kDigits = 3;
constexpr double kLargest = 127 * (65536 + 256 + 1);
// Nearly as fine as float32 are steps for weights no longer than this times their root mean square.
constexpr double kMostUneven = 32;
// A sum of more products might leave 32 bits.
constexpr Index kMostInputs = 65536;

// Words of digits of four inputs each. A column of them is a digit of an output: first those of digit 0 of
// all outputs, then digits 1, then 2. Columns are cut into groups of two vectors and perhaps one of one, and
// a group holds all its inputs.
struct Digits {
    static constexpr Index kVector = kLanes<float>, kGroup = 2 * kVector;
    Index words;    // of a column
    Index vectors;  // of columns

    Digits(Index in, Index outputs)
        : words(ceiling(in, kInputsOfWord)), vectors(ceiling(kDigits * outputs, kVector)) {}

    Index columns() const { return vectors * kVector; }
    Index vectors_of(Index group) const { return smaller(2, vectors - 2 * group); }
    Index place(Index word, Index column) const {
        const Index group = column / kGroup;
        return group * words * kGroup + word * vectors_of(group) * kVector + column % kGroup;
    }
};

using Steps = Int8Products<float>::Steps;
using Part = Int8Products<float>::Part;

inline Int8Products<float>::Sizes int8_sizes(Index in, Index outputs) {
    if (in > kMostInputs) return {0, 0};
    const Digits layout(in, outputs);
    return {layout.words * layout.columns(), layout.columns()};
}

// What the instruction multiplies and adds up.
#if defined(__AVX512VNNI__)
constexpr bool kDigitsAreSigned = true;
GRADSTEP_INLINE Integers<float> dot(Integers<float> sums, Integers<float> inputs, Integers<float> digits) {
    return (Integers<float>)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)inputs, (__m512i)digits);
}
#else
constexpr bool kDigitsAreSigned = false;
GRADSTEP_INLINE Integers<float> dot(Integers<float> sums, Integers<float> inputs, Integers<float> digits) {
    return (Integers<float>)vdotq_u32((uint32x4_t)sums, (uint8x16_t)inputs, (uint8x16_t)digits);
}
#endif

// Outputs are rounded in double precision, a vector of them at a time.
constexpr Index kAtOnce = kLanes<double>;
using Doubles = Vector<double>;
using Words = HalfVector<std::int32_t>;

GRADSTEP_INLINE Doubles nearest(Doubles x) {
    constexpr double kUnitsOnly = 6755399441055744;  // so large that doubles beside it are whole
    return (x + kUnitsOnly) - kUnitsOnly;
}

// Outputs of one W (in, out), those from `column` on, as whole numbers.
struct Rounding {
    const float* W__io;
    const double* factor;
    Index in, out, column;
    Lanes inside = first_lanes(out - column);
    Doubles most{}, steps_of_one{};

    GRADSTEP_INLINE Doubles weights(Index input) const {
        const HalfVector<float> w = load_lanes(W__io + input * out + column, inside);
        return __builtin_convertvector(w, Doubles) * factor[input];
    }

    // Finds the outputs' steps; false where one size of step is too coarse for an output's weights.
    inline bool measure() {
        Doubles squares{};
        for (Index input = 0; input < in; ++input) {
            const Doubles w = weights(input), length = w < 0 ? -w : w;
            most = length > most ? length : most;
            squares += w * w;  // and where a weight is no number, nor are they
        }
        const Doubles allowed = squares * (kMostUneven * kMostUneven / static_cast<double>(in));
        for (Index lane = 0; lane < kAtOnce; ++lane)
            if (!(most[lane] * most[lane] <= allowed[lane] && most[lane] < __builtin_inf())) return false;
        steps_of_one = most > 0 ? kLargest / most : most;
        return true;
    }

    GRADSTEP_INLINE Doubles steps(Index input) const { return nearest(weights(input) * steps_of_one); }
    GRADSTEP_INLINE void store_numbers(double* to, Doubles numbers) const {
        store_lanes(to + column, numbers, inside);
    }
};

// Four inputs' bytes of one digit, from numbers that were increased so that each byte is a digit + 128.
template <int Digit>
GRADSTEP_INLINE Words word_of(const Words* increased) {
    Words word{};
    for (int k = 0; k < kInputsOfWord; ++k) word |= (increased[k] >> (8 * Digit) & 255) << (8 * k);
    return kDigitsAreSigned ? word ^ static_cast<std::int32_t>(0x80808080) : word;
}

// Writes words of a vector's columns, which may belong to two groups.
inline void write_words(std::int32_t* panel, const Digits& layout, Index word, Index column, Words words,
                        Lanes inside) {
#if defined(__AVX512F__)
    const Index room = smaller(kAtOnce, Digits::kGroup - column % Digits::kGroup);
    const Lanes here = static_cast<Lanes>(inside & first_lanes(room));
    _mm256_mask_storeu_epi32(panel + layout.place(word, column), here, (__m256i)words);
    if (const Lanes behind = static_cast<Lanes>(inside & ~here); behind)
        _mm256_mask_storeu_epi32(panel + layout.place(word, column + room),
                                 static_cast<Lanes>(behind >> room),
                                 _mm256_maskz_compress_epi32(behind, (__m256i)words));
#else
    for (Index lane = 0; lane < inside; ++lane) panel[layout.place(word, column + lane)] = words[lane];
#endif
}

inline bool pack_int8(std::int32_t* panel, Steps steps, const float* W__io, const double* factor,
                      const double* mean, Part part) {
    const auto [in, out, first, outputs] = part;
    const Digits layout(in, outputs);
    for (Index column = 0; column < out; column += kAtOnce) {
        Rounding rounding{W__io, factor, in, out, column};
        if (!rounding.measure()) return false;
        Doubles means{};
        for (Index word = 0; word < layout.words; ++word) {
            Words increased[kInputsOfWord];
            for (Index k = 0; k < kInputsOfWord; ++k) {
                const Index input = word * kInputsOfWord + k;
                const Doubles q = input < in ? rounding.steps(input) : Doubles{};
                means += q * (input < in ? mean[input] : 0);
                increased[k] = __builtin_convertvector(q, Words) + 0x808080;
            }
            const auto write = [&](Index digit, Words words) GRADSTEP_LAMBDA {
                write_words(panel, layout, word, digit * part.outputs + part.first + column, words,
                            rounding.inside);
            };
            write(0, word_of<0>(increased));
            write(1, word_of<1>(increased));
            write(2, word_of<2>(increased));
        }
        rounding.store_numbers(steps.step + first, rounding.most / kLargest);
        rounding.store_numbers(steps.offset + first, means);
    }
    return true;
}

struct Int8Product {
    std::int32_t* sums;
    Index lds;
    Tile<const std::uint8_t> X;
    const std::int32_t* panel;
    Index in;

    template <int M, int V>
    inline void tile(Index row) const {
        Integers<float> acc[M][V];
        repeat<M, V>([&](int r, int v) GRADSTEP_LAMBDA { acc[r][v] = Integers<float>{}; });
        const std::int32_t* digits = panel;
        const auto multiply = [&](const std::uint8_t* x, Index ld) GRADSTEP_LAMBDA {
            Integers<float> columns[V];
            repeat<V>([&](int v) GRADSTEP_LAMBDA {
                columns[v] = load(digits + v * Digits::kVector);
                keep_in_register(columns[v]);
            });
            repeat<M>([&](int r) GRADSTEP_LAMBDA {
                std::int32_t word;
                __builtin_memcpy(&word, x + r * ld, sizeof(word));
                Integers<float> inputs = word - Integers<float>{};
                keep_in_register(inputs);
                repeat<V>([&](int v) GRADSTEP_LAMBDA { acc[r][v] = dot(acc[r][v], inputs, columns[v]); });
            });
            digits += V * Digits::kVector;
        };
        const std::uint8_t* x = X.data + row * X.ld;
        for (Index word = 0; word < in / kInputsOfWord; ++word, x += kInputsOfWord) multiply(x, X.ld);
        // What lies behind the last input is not ours to read.
        if (const Index rest = in % kInputsOfWord; rest > 0) {
            std::uint8_t last[M][kInputsOfWord] = {};
            for (Index r = 0; r < M; ++r)
                for (Index k = 0; k < rest; ++k) last[r][k] = x[r * X.ld + k];
            multiply(last[0], kInputsOfWord);
        }
        if constexpr (!kDigitsAreSigned) take_surplus(acc, row);
        std::int32_t* to = sums + row * lds;
        repeat<M, V>([&](int r, int v) GRADSTEP_LAMBDA {
            store<std::int32_t>(to + r * lds + v * Digits::kVector, acc[r][v]);
        });
    }

    // Of digits that are 128 too large; what goes round in between comes out right.
    template <int M, int V>
    GRADSTEP_INLINE void take_surplus(Integers<float> (&acc)[M][V], Index row) const {
        using Unsigned = VectorOf<std::uint32_t, kVectorBytes>::type;
        for (Index r = 0; r < M; ++r) {
            const std::uint8_t* x = X.data + (row + r) * X.ld;
            std::uint32_t sum = 0;
            for (Index i = 0; i < in; ++i) sum += x[i];
            for (Index v = 0; v < V; ++v) acc[r][v] = (Integers<float>)((Unsigned)acc[r][v] - 128 * sum);
        }
    }
};

inline void int8_product(std::int32_t* sums, Tile<const std::uint8_t> X, Index b, const std::int32_t* panel,
                         Index in, Index outputs) {
    const Digits layout(in, outputs);
    for (Index column = 0; column < layout.columns(); column += Digits::kGroup) {
        const Int8Product task{sums + column, layout.columns(), X, panel + layout.place(0, column), in};
        cover_group(task, layout.vectors_of(column / Digits::kGroup), b);
    }
}

inline void int8_scores(Tile<float> Z__bo, const std::int32_t* sums, Steps steps, Index b, Part part) {
    const auto [in, out, first, outputs] = part;
    const Index lds = Digits(in, outputs).columns();
    const auto numbers = [](const std::int32_t* from)
                             GRADSTEP_LAMBDA { return __builtin_convertvector(load_half(from), Doubles); };
    for (Index column = 0; column < out; column += kAtOnce) {
        const Lanes inside = first_lanes(out - column);
        const Doubles step = load_lanes(steps.step + first + column, inside),
                      means = load_lanes(steps.offset + first + column, inside);
        for (Index r = 0; r < b; ++r) {
            const std::int32_t* from = sums + r * lds + first + column;
            const Doubles q =
                65536 * numbers(from + 2 * outputs) + (256 * numbers(from + outputs) + numbers(from));
            store_lanes(Z__bo.data + r * Z__bo.ld + column,
                        __builtin_convertvector(step * (q - means), HalfVector<float>), inside);
        }
    }
}

constexpr Int8Products<float> kInt8Products{
    .sizes = int8_sizes,
    .pack = pack_int8,
    .product = int8_product,
    .scores = int8_scores,
};

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
