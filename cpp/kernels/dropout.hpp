// Which units an update leaves out. Whether unit u of row r is dropped says a word of 32 bits, a pure
// function of a key and of both numbers, the same in every instruction set and backend
// (gradstep/nn/dropout.py):
//
//     row = mixed(key + r)                          64 bits: Steele, Lea and Flood (2014), SplitMix
//     x   = low half of row ^ u                     32 bits, on vectors
//     x   = (x ^ x >> 16) * a ^ high half of row    two rounds of multiply and xorshift with the
//     x   = (x ^ x >> 15) * b                       constants of Wellons (2018), Hash Prospector
//     x   = x ^ x >> 16
//
// Why so: docs/adr/0031.
#pragma once

#include "simd/vector.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

// As many lanes as Vector<T> has, of 32 bits.
template <class T>
using Words = typename VectorOf<std::uint32_t, 4 * static_cast<int>(kLanes<T>)>::type;
template <class T>
using SignedWords = typename VectorOf<std::int32_t, 4 * static_cast<int>(kLanes<T>)>::type;

inline std::uint64_t mixed(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

// The words of units, one or a vector; `row` is of their row.
template <class Units>
GRADSTEP_INLINE Units words_of(Units units, std::uint64_t row) {
    Units x = units ^ static_cast<std::uint32_t>(row);
    x = ((x ^ (x >> 16)) * 0x7feb352du) ^ static_cast<std::uint32_t>(row >> 32);
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    return x ^ (x >> 16);
}

template <class T>
inline std::uint64_t row_of(const Drop<T>& drop, Index r) {
    return mixed(drop.key + static_cast<std::uint64_t>(drop.row + r));
}

// All ones in the lanes of the units that are dropped.
template <class T>
GRADSTEP_INLINE Integers<T> dropped(Words<T> units, std::uint64_t row, std::int32_t limit) {
    const SignedWords<T> is_dropped = reinterpret_cast<SignedWords<T>>(words_of(units, row)) < limit;
    return __builtin_convertvector(is_dropped, Integers<T>);
}

template <class T>
void drop(Tile<T> to__bu, Tile<const T> from__bu, Index b, Span units, Drop<T> drop) {
    Words<T> first{};
    for (Index lane = 0; lane < kLanes<T>; ++lane) first[lane] = static_cast<std::uint32_t>(units.i0 + lane);
    for (Index r = 0; r < b; ++r) {
        const std::uint64_t row = row_of(drop, r);
        T* to = to__bu.data + r * to__bu.ld;
        const T* from = from__bu.data + r * from__bu.ld;
        for (Index u = 0; u < units.i1 - units.i0; u += kLanes<T>) {
            const Vector<T> kept = load(from + u) * drop.scale;
            const Integers<T> is_dropped = dropped<T>(first + static_cast<std::uint32_t>(u), row, drop.limit);
            store<T>(to + u, is_dropped ? Vector<T>{} : kept);
        }
    }
}

template <class T>
void drop_elements(T* values, const std::int32_t* places, Index count, Index i0, Drop<T> drop) {
    const std::uint64_t row = row_of(drop, 0);
    for (Index e = 0; e < count; ++e) {
        const std::uint32_t word = words_of(static_cast<std::uint32_t>(i0 + places[e]), row);
        values[e] = static_cast<std::int32_t>(word) < drop.limit ? T(0) : values[e] * drop.scale;
    }
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
