// Sums over the lanes of several vectors at once, in a fixed order. Two vectors are halved together: the
// upper halves of both are added to the lower ones and what is left shares one vector. After log2(lanes)
// such steps lane i holds the sum of vector i.
//
// Why so: docs/adr/0004.
#pragma once

#include "simd/vector.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

template <int... P>
struct Places {};

template <int Count, int... P>
struct PlacesUpTo : PlacesUpTo<Count - 1, Count - 1, P...> {};
template <int... P>
struct PlacesUpTo<0, P...> {
    typedef Places<P...> type;
};

// One step: sums of `Half` lanes from sums of 2 * Half. Down to 16 bytes whole vectors are rearranged, then
// only within each 16 bytes, which is what shuffles do at once.
template <class T, int Half>
struct Halving {
    static constexpr int kAll = static_cast<int>(kLanes<T>);
    static constexpr int kQuarter = 16 / static_cast<int>(sizeof(T));
    static constexpr int kUnit = Half >= kQuarter ? kAll : kQuarter;
    static constexpr int kSums = kUnit / (2 * Half);  // of each vector in a unit

    static constexpr bool from_second(int place) { return place % kUnit / Half >= kSums; }
    static constexpr int source(int place) {
        return place / kUnit * kUnit + place % kUnit / Half % kSums * 2 * Half + place % Half;
    }
    static constexpr int index(int place) { return (from_second(place) ? kAll : 0) + source(place); }

    template <int... P>
    static GRADSTEP_INLINE Vector<T> apply(Vector<T> a, Vector<T> b, Places<P...>) {
        return __builtin_shufflevector(a, b, index(P)...) +
               __builtin_shufflevector(a, b, (index(P) + Half)...);
    }
};

// The way from the last step back to the vector whose sum arrives in lane `place`, one bit a step.
template <class T, int Half>
constexpr int way_to(int place, int way) {
    if constexpr (Half == static_cast<int>(kLanes<T>)) {
        return way;
    } else {
        using Step = Halving<T, Half>;
        return way_to<T, 2 * Half>(Step::source(place), 2 * way + (Step::from_second(place) ? 1 : 0));
    }
}

template <class T>
constexpr int lane_of_way(int way) {
    int place = 0;
    while (way_to<T, 1>(place, 0) != way) ++place;
    return place;
}

template <class T, int Count, int Half = 1, int Way = 0>
GRADSTEP_INLINE Vector<T> sums_of_lanes(const Vector<T>* vectors) {
    if constexpr (Half == static_cast<int>(kLanes<T>)) {
        constexpr int place = lane_of_way<T>(Way);
        if constexpr (place < Count) return vectors[place];
        return Vector<T>{};
    } else {
        return Halving<T, Half>::apply(sums_of_lanes<T, Count, 2 * Half, 2 * Way>(vectors),
                                       sums_of_lanes<T, Count, 2 * Half, 2 * Way + 1>(vectors),
                                       typename PlacesUpTo<static_cast<int>(kLanes<T>)>::type{});
    }
}

// to[i] (+)= sum over the lanes of vectors[i], for Count of them. Reads whole vectors, writes Count elements.
template <class T, int Count>
GRADSTEP_INLINE void sum_lanes(T* to, const Vector<T>* vectors, bool add) {
    constexpr int lanes = static_cast<int>(kLanes<T>), now = Count < lanes ? Count : lanes;
    Vector<T> sums = sums_of_lanes<T, now>(vectors);
    if (add) sums += load(to);
    __builtin_memcpy(to, &sums, now * sizeof(T));
    if constexpr (Count > lanes) sum_lanes<T, Count - lanes>(to + lanes, vectors + lanes, add);
}

// Every lane of the result is f over all lanes of x, taken in one fixed order.
template <class T, int Distance, class F, int... P>
GRADSTEP_INLINE Vector<T> fold_from(Vector<T> x, F f, Places<P...> places) {
    x = f(x, __builtin_shufflevector(x, x, (P ^ Distance)...));
    if constexpr (Distance > 1) x = fold_from<T, Distance / 2>(x, f, places);
    return x;
}

template <class T, class F>
GRADSTEP_INLINE Vector<T> fold_lanes(Vector<T> x, F f) {
    constexpr int lanes = static_cast<int>(kLanes<T>);
    return fold_from<T, lanes / 2>(x, f, typename PlacesUpTo<lanes>::type{});
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
