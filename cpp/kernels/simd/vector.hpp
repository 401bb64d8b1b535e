// One vector of this instruction set's width, written once for all sets by the compiler's vector
// extensions. The rest of the kernels is in terms of these few names.
// Why so: docs/adr/0017.
#pragma once

#include <utility>

#if defined(__AVX2__) || defined(__SSE2__)
#include <immintrin.h>
#endif

// For what works on vectors in registers: in a call they would go through memory.
#if defined(__GNUC__) || defined(__clang__)
#define GRADSTEP_LAMBDA __attribute__((always_inline))
#define GRADSTEP_INLINE GRADSTEP_LAMBDA inline
#else
#define GRADSTEP_LAMBDA
#define GRADSTEP_INLINE inline
#endif

namespace gradstep::GRADSTEP_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64, kRegisters = 32;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32, kRegisters = 16;
#elif defined(__aarch64__)
constexpr int kVectorBytes = 16, kRegisters = 32;
#else
constexpr int kVectorBytes = 16, kRegisters = 16;
#endif

template <class T>
constexpr Index kLanes = kVectorBytes / static_cast<Index>(sizeof(T));

// `anywhere` is the same vector at any address of a T: what loads and stores see.
template <class T, int Bytes>
struct VectorOf {
    typedef T type __attribute__((vector_size(Bytes)));
    typedef T anywhere __attribute__((vector_size(Bytes), may_alias, aligned(sizeof(T))));
};

template <class T>
using Vector = typename VectorOf<T, kVectorBytes>::type;

template <class T>
GRADSTEP_INLINE Vector<T> load(const T* from) {
    return *reinterpret_cast<const typename VectorOf<T, kVectorBytes>::anywhere*>(from);
}

template <class T>
GRADSTEP_INLINE void store(T* to, Vector<T> v) {
    *reinterpret_cast<typename VectorOf<T, kVectorBytes>::anywhere*>(to) = v;
}

// Half as many bytes: as many lanes as a vector of a type twice as wide has.
template <class T>
using HalfVector = typename VectorOf<T, kVectorBytes / 2>::type;

template <class T>
GRADSTEP_INLINE HalfVector<T> load_half(const T* from) {
    return *reinterpret_cast<const typename VectorOf<T, kVectorBytes / 2>::anywhere*>(from);
}

// Compilers like to fold a load into every instruction that uses it; where there are several, the loads
// and not the arithmetic would set the pace.
template <class V>
GRADSTEP_INLINE void keep_in_register(V& v) {
#if defined(__AVX512F__)
    __asm__("" : "+v"(v));
#elif defined(__x86_64__)
    __asm__("" : "+x"(v));
#elif defined(__aarch64__)
    __asm__("" : "+w"(v));
#else
    (void)v;
#endif
}

// The same lanes as integers: what comparisons give and what bits are made of.
template <class T>
struct IntegerOf;
template <>
struct IntegerOf<float> {
    typedef std::int32_t type;
};
template <>
struct IntegerOf<double> {
    typedef std::int64_t type;
};

template <class T>
using Integers = typename VectorOf<typename IntegerOf<T>::type, kVectorBytes>::type;

// The number of every lane: 0, 1, 2, ...
template <class T>
GRADSTEP_INLINE Integers<T> lane_numbers() {
    Integers<T> numbers{};
    for (Index lane = 0; lane < kLanes<T>; ++lane)
        numbers[lane] = static_cast<typename IntegerOf<T>::type>(lane);
    return numbers;
}

template <class T>
GRADSTEP_INLINE Vector<T> all_lanes(T x) {
    return x - Vector<T>{};
}

// Rounds x: a product is not fused with what is added to it later on. GCC would fuse across statements, other
// compilers do it within an expression alone (docs/adr/0037).
template <class V>
GRADSTEP_INLINE void keep_unfused(V& x) {
#if defined(__x86_64__) || defined(__aarch64__)
    keep_in_register(x);
#elif !defined(__clang__)
    x = __builtin_assoc_barrier(x);
#else
    (void)x;
#endif
}

// a * x + step, with the step rounded first: of two products GCC would fuse either one, and not the same in
// tiles of every size.
template <class T>
GRADSTEP_INLINE Vector<T> stepped(T a, Vector<T> x, Vector<T> step) {
    keep_unfused(step);
    return a * x + step;
}

template <class F, int... I>
GRADSTEP_INLINE void repeat_at(F& f, std::integer_sequence<int, I...>) {
    (f(I), ...);
}

// f(0), ..., f(Count - 1), written out: arrays that only such indices reach live in registers.
template <int Count, class F>
GRADSTEP_INLINE void repeat(F f) {
    repeat_at(f, std::make_integer_sequence<int, Count>{});
}

// f(0, 0), f(0, 1), ..., f(Rows - 1, Columns - 1), likewise.
template <int Rows, int Columns, class F>
GRADSTEP_INLINE void repeat(F f) {
    repeat<Rows>([&](int r)
                     GRADSTEP_LAMBDA { repeat<Columns>([&](int column) GRADSTEP_LAMBDA { f(r, column); }); });
}

// The lanes of the vector of elements first ... that lie before `count`.
template <class T>
GRADSTEP_INLINE Integers<T> lanes_before(Index count, Index first) {
    return lane_numbers<T>() < static_cast<typename IntegerOf<T>::type>(count - first);
}

template <class T>
inline Index round_up(Index count) {
    return (count + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
}

// Types that the kernel table has an entry for each.
template <class... Members>
struct TypeList {};

inline Index smaller(Index a, Index b) { return a < b ? a : b; }
inline Index larger(Index a, Index b) { return a < b ? b : a; }

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
