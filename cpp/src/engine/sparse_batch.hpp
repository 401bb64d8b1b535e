// Sparse rows on their way into a batch: block by block of inputs, the elements that the batch has there,
// converted and scaled; row by row, and where a gradient is to follow input by input, too. What is done for a
// block is proportional to its elements, its inputs and the rows.
//
//     begin(rows of the batch)            a cursor into each row, at the first block's first element
//     for each block, ascending:
//         gather(block)                   moves the cursors on
//         by_row()                        for the forward product; until the next block
//         by_input(block, i)              for the update; until the next batch
//
// Why so: docs/adr/0029.
#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "engine/blocks.hpp"
#include "gradstep/buffer.hpp"
#include "gradstep/kernels.hpp"

namespace gradstep {

// Elements of some rows.
template <class T>
Index elements_of(const Rows<T>& rows, RowNumbers numbers) {
    if (!numbers.indices) return rows.starts[numbers.first + numbers.count] - rows.starts[numbers.first];
    Index elements = 0;
    for (Index r = 0; r < numbers.count; ++r)
        elements += rows.starts[numbers.indices[r] + Index{1}] - rows.starts[numbers.indices[r]];
    return elements;
}

// For one thread.
template <class T>
class SparseBatch {
public:
    // `kept` are the blocks to be seen of a batch, and kept input by input if it `trains`.
    SparseBatch(const InputBlocks& blocks, Index most_rows, Slice kept, bool trains)
        : blocks_(blocks), first_block_(kept.begin), trains_(trains), cursors_(most_rows), ends_(most_rows),
          by_row_(most_rows), by_input_(trains ? checked_product(kept.end - kept.begin, blocks.length) : 0),
          counts_(trains ? blocks.length : 0) {}

    // Makes room for batches of so many elements.
    void reserve(Index elements) {
        if (elements > std::numeric_limits<std::int32_t>::max())
            throw OutOfMemory("a batch of " + std::to_string(elements) + " elements is too large");
        by_row_.reserve(elements);
        if (trains_) by_input_.reserve(elements);
    }

    void begin(const Rows<T>& rows, RowNumbers numbers) {
        rows_ = &rows;
        count_ = numbers.count;
        used_ = 0;
        const Index i0 = blocks_.begin(first_block_);
        for (Index r = 0; r < count_; ++r) {
            const Index row = numbers.indices ? Index{numbers.indices[r]} : numbers.first + r;
            const std::int32_t *first = rows.inputs + rows.starts[row],
                               *last = rows.inputs + rows.starts[row + 1];
            cursors_[r] = (i0 == 0 ? first : std::lower_bound(first, last, i0)) - rows.inputs;
            ends_[r] = last - rows.inputs;
        }
    }

    // The block after the last one. `change` may write other values: it is given a row's number, its values
    // there, their places and how many they are.
    template <class F>
    void gather(Index block, F&& change) {
        switch (rows_->type) {
            case RowType::uint8:
                return gather_of(static_cast<const std::uint8_t*>(rows_->X), block, change);
            case RowType::float32:
                return gather_of(static_cast<const float*>(rows_->X), block, change);
            case RowType::float64:
                return gather_of(static_cast<const double*>(rows_->X), block, change);
        }
    }
    void gather(Index block) {
        gather(block, [](Index, T*, const std::int32_t*, Index) {});
    }

    SparseLines<T> by_row() const { return by_row_.lines(0); }

    // From the i-th input of a block on.
    SparseLines<T> by_input(Index block, Index i) const { return by_input_.lines(line_of(block) + i); }

private:
    // Lines, with room for more elements than they have.
    struct Lines {
        Buffer<std::int32_t> starts, places;
        Buffer<T> values;

        explicit Lines(Index count) : starts(count + 1) {}

        void reserve(Index elements) {
            if (elements <= places.size()) return;
            places = Buffer<std::int32_t>(elements);
            values = Buffer<T>(elements);
        }
        SparseLines<T> lines(Index first) const {
            return {starts.data() + first, places.data(), values.data()};
        }
    };

    Index line_of(Index block) const { return (block - first_block_) * blocks_.length; }

    // As dense rows are read: scaled in the wider of their type and the network's.
    template <class Element>
    T scaled(Element x, Index input) const {
        if constexpr (sizeof(Element) > sizeof(T))
            return static_cast<T>(x * rows_->inverse_scale[input]);
        else
            return static_cast<T>(x) * rows_->inverse_scale_T[input];
    }

    template <class Element, class F>
    void gather_of(const Element* X, Index block, F&& change) {
        const Span inputs = blocks_.span(block);
        std::int32_t elements = 0;
        for (Index r = 0; r < count_; ++r) {
            by_row_.starts[r] = elements;
            Index at = cursors_[r];
            for (; at < ends_[r] && rows_->inputs[at] < inputs.i1; ++at, ++elements) {
                const Index input = rows_->inputs[at];
                by_row_.places[elements] = static_cast<std::int32_t>(input - inputs.i0);
                by_row_.values[elements] = scaled(X[at], input);
            }
            cursors_[r] = at;
            const Index first = by_row_.starts[r];
            change(r, by_row_.values.data() + first, by_row_.places.data() + first, elements - first);
        }
        by_row_.starts[count_] = elements;
        if (trains_) sort_by_input(block, inputs.i1 - inputs.i0);
    }

    // The block's elements by input, and of an input by row.
    void sort_by_input(Index block, Index inputs) {
        const std::int32_t elements = by_row_.starts[count_];
        std::fill_n(counts_.data(), inputs, 0);
        for (Index e = 0; e < elements; ++e) ++counts_[by_row_.places[e]];
        std::int32_t* const starts = by_input_.starts.data() + line_of(block);
        for (Index i = 0; i < inputs; ++i) {
            starts[i] = used_;
            used_ += std::exchange(counts_[i], used_);
        }
        starts[inputs] = used_;
        for (Index r = 0; r < count_; ++r)
            for (Index e = by_row_.starts[r]; e < by_row_.starts[r + 1]; ++e) {
                const Index to = counts_[by_row_.places[e]]++;
                by_input_.places[to] = static_cast<std::int32_t>(r);
                by_input_.values[to] = by_row_.values[e];
            }
    }

    const Rows<T>* rows_ = nullptr;
    const InputBlocks& blocks_;
    Index first_block_;
    bool trains_;
    Index count_ = 0;  // rows of the batch
    std::int32_t used_ = 0;  // elements by input
    Buffer<Index> cursors_, ends_;  // (b,) into the elements of X
    Lines by_row_;  // b of the block gathered last
    Lines by_input_;  // (blocks, length) of all kept
    Buffer<std::int32_t> counts_;  // (length,)
};

}  // namespace gradstep
