// One vector of this instruction set's width, written once for all sets by the compiler's vector
// extensions. The rest of the kernels is in terms of these few names.
#pragma once

namespace gradstep::GRADSTEP_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64, kRegisters = 32;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32, kRegisters = 16;
#else
constexpr int kVectorBytes = 16, kRegisters = 16;
#endif

template <class T>
constexpr Index kLanes = kVectorBytes / static_cast<Index>(sizeof(T));

template <class T>
struct VectorOf {
    typedef T type __attribute__((vector_size(kVectorBytes), may_alias, aligned(sizeof(T))));
};

// Loads and stores need no alignment; whole panels are aligned all the same.
template <class T>
using Vector = typename VectorOf<T>::type;

template <class T>
inline Vector<T> load(const T* from) {
    return *reinterpret_cast<const Vector<T>*>(from);
}

template <class T>
inline void store(T* to, Vector<T> v) {
    *reinterpret_cast<Vector<T>*>(to) = v;
}

template <class T>
inline Index round_up(Index count) {
    return (count + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
}

inline Index smaller(Index a, Index b) { return a < b ? a : b; }

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
