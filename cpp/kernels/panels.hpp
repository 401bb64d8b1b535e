// Packed weights. The columns of W (in, out) are cut into groups; a group holds all its inputs, one
// group after the other. Two layouts, chosen by in and out alone:
//
//     wide    lanes along the outputs: input by input, a row of up to kGroupVectors whole vectors.
//             Columns behind `out` are zero.
//     narrow  lanes along the inputs: a vector of inputs for each of up to kGroupOutputs columns,
//             then the next inputs. Inputs behind `in` are zero.
//
// Narrow is for many inputs and few outputs, where the wide layout would leave a fifth of its lanes idle
// or more.
#pragma once

#include "vector.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

constexpr Index kGroupVectors = kRegisters == 32 ? 4 : 2;
constexpr Index kGroupOutputs = 10;
constexpr Index kNarrowFromVectors = 16;

template <class T>
inline bool is_narrow(Index in, Index out) {
    return 5 * out < 4 * round_up<T>(out) && in >= kNarrowFromVectors * kLanes<T>;
}

// One column group: where it starts in the panel, its columns, and the elements from one input (wide)
// or one vector of inputs (narrow) to the next.
struct Group {
    Index start;
    Index first;
    Index columns;
    Index step;
};

inline Index ceiling(Index a, Index b) { return (a + b - 1) / b; }

// The layout of one W (in, out).
template <class T>
struct Panel {
    Index in;
    Index out;
    bool narrow;
    Index most_columns;  // of a group

    Panel(Index inputs, Index outputs) : in(inputs), out(outputs), narrow(is_narrow<T>(in, out)) {
        most_columns = narrow ? ceiling(out, ceiling(out, kGroupOutputs)) : kGroupVectors * kLanes<T>;
    }

    Index groups() const { return ceiling(out, most_columns); }
    Index size() const { return narrow ? round_up<T>(in) * out : in * round_up<T>(out); }

    Group group(Index g) const {
        const Index first = g * most_columns, columns = smaller(out - first, most_columns);
        if (narrow) return {first * round_up<T>(in), first, columns, columns * kLanes<T>};
        return {first * in, first, columns, round_up<T>(columns)};
    }

    // Place of input i of column o of a group.
    Index place(const Group& group, Index i, Index o) const {
        if (narrow) return group.start + i / kLanes<T> * group.step + o * kLanes<T> + i % kLanes<T>;
        return group.start + i * group.step + o;
    }

    // f(elements, from, to, by) for runs of elements: `elements` of them that lie together in the panel at
    // `to`, and in W (in, out) from `from` on, `by` apart.
    template <class F>
    void each_run(F&& f) const {
        for (Index g = 0; g < groups(); ++g) {
            const Group group_g = group(g);
            for (Index i = 0; i < in; i += narrow ? kLanes<T> : 1)
                if (narrow)
                    for (Index o = 0; o < group_g.columns; ++o)
                        f(smaller(in - i, kLanes<T>), i * out + group_g.first + o, place(group_g, i, o), out);
                else
                    f(group_g.columns, i * out + group_g.first, place(group_g, i, 0), Index{1});
        }
    }
};

template <class T>
Index padded(Index out) {
    return round_up<T>(out);
}

template <class T>
Index column_groups(Index in, Index out) {
    return Panel<T>(in, out).groups();
}

template <class T>
Index panel_size(Index in, Index out) {
    return Panel<T>(in, out).size();
}

template <class T>
void pack(T* panel, const T* W__io, const T* factor, Index in, Index out) {
    const Panel<T> layout(in, out);
    __builtin_memset(panel, 0, static_cast<unsigned long>(layout.size()) * sizeof(T));
    layout.each_run([=](Index elements, Index from, Index to, Index by) {
        if (!factor) {
            for (Index e = 0; e < elements; ++e) panel[to + e] = W__io[from + e * by];
            return;
        }
        // A run within one input, or down the inputs.
        const Index step = by == out;
        for (Index e = 0; e < elements; ++e)
            panel[to + e] = W__io[from + e * by] * factor[from / out + e * step];
    });
}

template <class T>
void unpack(T* W__io, const T* panel, Index in, Index out) {
    Panel<T>(in, out).each_run([=](Index elements, Index to, Index from, Index by) {
        for (Index e = 0; e < elements; ++e) W__io[to + e * by] = panel[from + e];
    });
}

template <class T>
void transpose(T* panel__oi, const T* panel__io, Index in, Index out, Index i0, Index i1) {
    const Panel<T> from(in, out), to(out, in);
    for (Index h = i0 / to.most_columns; h * to.most_columns < i1; ++h) {
        const Group columns = to.group(h);
        const Index begin = columns.first > i0 ? columns.first : i0;
        const Index end = smaller(columns.first + columns.columns, i1);
        for (Index g = 0; g < from.groups(); ++g) {
            const Group rows = from.group(g);
            for (Index o = 0; o < rows.columns; ++o)
                for (Index i = begin; i < end; ++i)
                    panel__oi[to.place(columns, rows.first + o, i - columns.first)] =
                        panel__io[from.place(rows, i, o)];
        }
    }
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
