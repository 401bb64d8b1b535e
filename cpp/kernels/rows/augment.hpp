// Images flipped and shifted on their way from a data set into a staging tile. Elements are copied as they
// are, bytes and floats alike. A row is cut into planes, a plane into lines that are inside the shifted image
// and lines that are not, a line likewise:
//
//     to[y][x] = from[y - dy][x - dx]             by vectors, reversed where the image is flipped
//     to[y][x] = nearest pixel, or 0              by masked vectors
//
// Why so: docs/adr/0013.
#pragma once

#include "rows/gather.hpp"
#include "simd/reduce.hpp"

namespace gradstep::GRADSTEP_ISA {
namespace {

template <class Elements, int... P>
GRADSTEP_INLINE Elements reversed(Elements vector, Places<P...>) {
    return __builtin_shufflevector(vector, vector, (static_cast<int>(sizeof...(P)) - 1 - P)...);
}

typedef std::uint8_t Bytes __attribute__((vector_size(16)));
constexpr std::uint8_t kInsideThenNot[32] = {255, 255, 255, 255, 255, 255, 255, 255,
                                             255, 255, 255, 255, 255, 255, 255, 255};

// A part of several lines: where it goes, and where that of the first one comes from.
template <class Element>
struct Lines {
    Element* to;
    Index to_step;  // from one line to the next
    const Element* from;
    Index from_step;
    Index lines;

    // to[i] = from[i], or from[-i] if Reversed, for one vector of each line.
    template <bool Reversed, Index Bytes>
    GRADSTEP_INLINE void copy_vectors(Index i) const {
        constexpr int count = static_cast<int>(Bytes / static_cast<Index>(sizeof(Element)));
        typedef Element Elements __attribute__((vector_size(Bytes)));
        Element* target = to + i;
        const Element* source = Reversed ? from - i - (count - 1) : from + i;
        for (Index line = 0; line < lines; ++line) {
            Elements vector;
            __builtin_memcpy(&vector, source + line * from_step, Bytes);
            if constexpr (Reversed) vector = reversed(vector, typename PlacesUpTo<count>::type{});
            __builtin_memcpy(target + line * to_step, &vector, Bytes);
        }
    }

    // For i < count, by whole vectors, of which the last may overlap the one before it. False where there is
    // none.
    template <bool Reversed, Index Bytes>
    GRADSTEP_INLINE bool copy_by(Index count) const {
        constexpr Index elements = Bytes / static_cast<Index>(sizeof(Element));
        if (count < elements) return false;
        for (Index i = 0; i + elements <= count; i += elements) copy_vectors<Reversed, Bytes>(i);
        if (count % elements != 0) copy_vectors<Reversed, Bytes>(count - elements);
        return true;
    }

    template <bool Reversed>
    inline void copy(Index count) const {
        if constexpr (kVectorBytes >= 32)
            if (copy_by<Reversed, 32>(count)) return;
        if (copy_by<Reversed, 16>(count)) return;
        for (Index line = 0; line < lines; ++line)
            for (Index i = 0; i < count; ++i)
                to[line * to_step + i] = from[line * from_step + (Reversed ? -i : i)];
    }

    // to[i] = value, or from[0] where that is null, for i < count. What lies less than a vector behind is
    // written as it was.
    inline void fill(Index count, const Element* value) const {
        constexpr int kCount = static_cast<int>(16 / sizeof(Element));
        typedef Element Elements __attribute__((vector_size(16)));
        for (Index i = 0; i < count; i += kCount) {
            const Index bytes = smaller(count - i, kCount) * static_cast<Index>(sizeof(Element));
            Bytes inside;
            __builtin_memcpy(&inside, kInsideThenNot + 16 - bytes, sizeof(inside));
            for (Index line = 0; line < lines; ++line) {
                const Element one = value ? *value : from[line * from_step];
                const Elements values = one - Elements{};
                Bytes old, wanted;
                __builtin_memcpy(&wanted, &values, sizeof(values));
                __builtin_memcpy(&old, to + line * to_step + i, sizeof(old));
                old = (wanted & inside) | (old & ~inside);
                __builtin_memcpy(to + line * to_step + i, &old, sizeof(old));
            }
        }
    }
};

// Planes of height x width, each flipped if Flipped and then moved by dy and dx.
template <bool Flipped, class Element>
struct Moved {
    Index height;
    Index width;
    Index dy;
    Index dx;
    const Element* outside;  // what is there, or null for the nearest pixel

    // Pixels x0 <= x < x1 of some lines; that of the first comes out of `line`, the next is `step` further.
    inline void write_lines(Element* to, const Element* line, Index step, Index lines, Index x0,
                            Index x1) const {
        const Index begin = smaller(larger(dx, x0), x1), end = larger(smaller(width + dx, x1), begin);
        const Index first = Flipped ? width - 1 - (begin - dx) : begin - dx;
        const Element* nearest = line + ((dx > 0) == Flipped ? width - 1 : 0);
        if (begin < end) {
            const Lines<Element> moved{to + (begin - x0), width, line + first, step, lines};
            // Lines that follow each other are moved as one; what comes over their borders is outside.
            if (!Flipped && x1 - x0 == width && step == width)
                __builtin_memcpy(
                    moved.to, moved.from,
                    sizeof(Element) * static_cast<std::size_t>((lines - 1) * width + end - begin));
            else
                moved.template copy<Flipped>(end - begin);
        }
        Lines<Element>{to, width, nearest, step, lines}.fill(begin - x0, outside);
        Lines<Element>{to + (end - x0), width, nearest, step, lines}.fill(x1 - end, outside);
    }

    // So many lines that lie above or below; `line` is the nearest.
    inline void write_outside(Element* to, const Element* line, Index lines, Index x0, Index x1) const {
        if (outside)
            Lines<Element>{to, width, line, 0, lines}.fill(x1 - x0, outside);
        else if (lines > 0)
            write_lines(to, line, 0, lines, x0, x1);
    }

    // Pixels x0 <= x < x1 of lines y0 <= y < y1.
    inline void write(Element* to, const Element* plane, Index y0, Index y1, Index x0, Index x1) const {
        const Index begin = smaller(larger(dy, y0), y1), end = larger(smaller(height + dy, y1), begin);
        write_outside(to, plane, begin - y0, x0, x1);
        if (begin < end)
            write_lines(to + (begin - y0) * width, plane + (begin - dy) * width, width, end - begin, x0, x1);
        write_outside(to + (end - y0) * width, plane + (height - 1) * width, y1 - end, x0, x1);
    }

    // Inputs i0 <= i < i1 of a row: of each plane a rest of a line, whole lines, and a part of one.
    inline void write(Element* to, const Element* row, Index i0, Index i1) const {
        for (Index i = i0, step; i < i1; i += step, to += step) {
            const Index line = i / width, x = i % width, y = line % height;
            const Index lines = x == 0 ? smaller((i1 - i) / width, height - y) : 0;
            const Element* plane = row + (line - y) * width;
            step = lines > 0 ? lines * width : smaller(width - x, i1 - i);
            write(to, plane, y, y + larger(lines, 1), x, lines > 0 ? width : x + step);
        }
    }
};

template <bool Flipped, class Element>
inline void augment_row(Element* to, const Element* row, const Images& images, Index dy, Index dx, Index i0,
                        Index i1) {
    const Element zero{};
    // Where nothing moves up or down, all channels are one plane.
    const Index height = dy ? images.height : images.channels * images.height;
    const Moved<Flipped, Element> moved{height, images.width, dy, dx, images.edge ? nullptr : &zero};
    moved.write(to, row, i0, i1);
}

template <class T>
void augment_rows(Tile<void> to__bi, const Rows<T>& rows, const RowNumbers& numbers,
                  const std::int16_t* draws, const Images& images, Span inputs) {
    const Index i0 = inputs.i0, i1 = inputs.i1;
    const auto augment_all = [=, &rows, &images]<class Element>(const Element* X) {
        const Index bytes = (i1 - i0) * static_cast<Index>(sizeof(Element));
        for (Index r = 0; r < numbers.count; ++r) {
            if (r + kRowsAhead < numbers.count)
                prefetch_lines(X + number_of(numbers, r + kRowsAhead) * rows.stride + i0, bytes);
            Element* to = static_cast<Element*>(to__bi.data) + r * to__bi.ld;
            const Element* row = X + number_of(numbers, r) * rows.stride;
            const Index flip = draws[3 * r], dy = draws[3 * r + 1], dx = draws[3 * r + 2];
            if (flip)
                augment_row<true>(to, row, images, dy, dx, i0, i1);
            else if (dy || dx)
                augment_row<false>(to, row, images, dy, dx, i0, i1);
            else
                __builtin_memcpy(to, row + i0, static_cast<std::size_t>(bytes));
        }
    };
    switch (rows.type) {
        case RowType::uint8:
            return augment_all(static_cast<const std::uint8_t*>(rows.X));
        case RowType::float32:
            return augment_all(static_cast<const float*>(rows.X));
        case RowType::float64:
            return augment_all(static_cast<const double*>(rows.X));
    }
}

}  // namespace
}  // namespace gradstep::GRADSTEP_ISA
