// Packed weights. The columns of W (in, out) are cut into groups; a group holds all its inputs, one
// group after the other. A group has one of two layouts:
//
//     wide    lanes along the outputs: input by input, a row of up to kGroupVectors whole vectors.
//             Columns behind `out` are zero.
//     narrow  lanes along the inputs: a vector of inputs for each of up to kGroupOutputs columns,
//             then the next inputs. Inputs behind `in` are zero.
//
// Wide groups come first. Columns that do not fill a last vector are narrow where there are many inputs and
// the wide layout would leave a fifth of that vector's lanes idle or more.
//
// Why so: docs/adr/0004, docs/adr/0017 and docs/adr/0019.
#pragma once

#include "simd/vector.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

constexpr Index kGroupVectors = kRegisters == 32 ? 4 : 2;
constexpr Index kGroupOutputs = 10;
constexpr Index kNarrowFromVectors = 2;

// One column group: where it starts in the panel, its columns, and the elements from one input (wide)
// or one vector of inputs (narrow) to the next.
struct Group {
    Index start;
    Index first;
    Index columns;
    Index step;
    bool narrow;
};

inline Index ceiling(Index a, Index b) { return (a + b - 1) / b; }

// The layout of one W (in, out).
template <class T>
struct Panel {
    Index in;
    Index out;
    Index narrow_out;   // columns of narrow groups, the last ones
    Index wide_out;     // of wide groups
    Index wide_groups;
    Index most_narrow;  // columns of a narrow group

    Panel(Index inputs, Index outputs) : in(inputs), out(outputs) {
        const Index rest = out % kLanes<T>;
        narrow_out = 5 * rest < 4 * kLanes<T> && in >= kNarrowFromVectors * kLanes<T> ? rest : 0;
        wide_out = out - narrow_out;
        wide_groups = ceiling(wide_out, kMostWide);
        most_narrow = ceiling(narrow_out, larger(narrow_groups(), 1));
    }

    Index groups() const { return wide_groups + narrow_groups(); }
    Index size() const { return in * round_up<T>(wide_out) + round_up<T>(in) * narrow_out; }

    Group group(Index g) const {
        if (g < wide_groups) {
            const Index first = g * kMostWide, columns = smaller(wide_out - first, kMostWide);
            return {first * in, first, columns, round_up<T>(columns), false};
        }
        const Index before = (g - wide_groups) * most_narrow,
                    columns = smaller(narrow_out - before, most_narrow);
        return {wide_out * in + before * round_up<T>(in), wide_out + before, columns, columns * kLanes<T>,
                true};
    }

    // Place of input i of column o of a group.
    Index place(const Group& group, Index i, Index o) const {
        if (group.narrow) return group.start + i / kLanes<T> * group.step + o * kLanes<T> + i % kLanes<T>;
        return group.start + i * group.step + o;
    }

    // f(elements, from, to, by) for runs of elements: `elements` of them that lie together in the panel at
    // `to`, and in W (in, out) from `from` on, `by` apart.
    template <class F>
    void each_run(F&& f) const {
        for (Index g = 0; g < groups(); ++g) {
            const Group group_g = group(g);
            for (Index i = 0; i < in; i += group_g.narrow ? kLanes<T> : 1)
                if (group_g.narrow)
                    for (Index o = 0; o < group_g.columns; ++o)
                        f(smaller(in - i, kLanes<T>), i * out + group_g.first + o, place(group_g, i, o), out);
                else
                    f(group_g.columns, i * out + group_g.first, place(group_g, i, 0), Index{1});
        }
    }

private:
    static constexpr Index kMostWide = kGroupVectors * kLanes<T>;

    Index narrow_groups() const { return ceiling(narrow_out, kGroupOutputs); }
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
void pack(const Weights<T>& to, const T* W__io, const T* factor) {
    const Panel<T> layout(to.in, to.out);
    T* panel = to.panel;
    const Index out = to.out;
    __builtin_memset(panel, 0, static_cast<std::size_t>(layout.size()) * sizeof(T));
    layout.each_run([=](Index elements, Index from, Index place, Index by) {
        if (!factor) {
            for (Index e = 0; e < elements; ++e) panel[place + e] = W__io[from + e * by];
            return;
        }
        // A run within one input, or down the inputs.
        const Index step = by == out;
        for (Index e = 0; e < elements; ++e)
            panel[place + e] = W__io[from + e * by] * factor[from / out + e * step];
    });
}

template <class T>
void unpack(T* W__io, const Weights<const T>& from) {
    Panel<T>(from.in, from.out).each_run([=](Index elements, Index to, Index place, Index by) {
        for (Index e = 0; e < elements; ++e) W__io[to + e * by] = from.panel[place + e];
    });
}

template <class T>
Run run(Index in, Index out, Span inputs, Index group) {
    const Panel<T> layout(in, out);
    const Group columns = layout.group(group);
    const Index count = inputs.i1 - inputs.i0;
    return {layout.place(columns, inputs.i0, 0),
            (columns.narrow ? ceiling(count, kLanes<T>) : count) * columns.step};
}

// A layer that is narrow as a whole lies there transposed already.
template <class T>
Index transposed_size(Index in, Index out) {
    return Panel<T>(in, out).wide_groups == 0 ? 0 : Panel<T>(out, in).size();
}

template <class T>
void transpose(T* panel__oi, const Weights<const T>& W, Span inputs) {
    const Panel<T> from(W.in, W.out), to(W.out, W.in);
    for (Index h = 0; h < to.groups(); ++h) {
        const Group columns = to.group(h);
        const Index begin = larger(columns.first, inputs.i0),
                    end = smaller(columns.first + columns.columns, inputs.i1);
        for (Index g = 0; g < from.groups(); ++g) {
            const Group rows = from.group(g);
            for (Index o = 0; o < rows.columns; ++o)
                for (Index i = begin; i < end; ++i)
                    panel__oi[to.place(columns, rows.first + o, i - columns.first)] =
                        W.panel[from.place(rows, i, o)];
        }
    }
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
