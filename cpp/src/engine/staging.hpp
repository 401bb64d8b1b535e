// The rows of a batch as they are trained on: those of the data set where they lie or, augmented, copies
// that each thread makes of its own inputs.
// Why so: docs/adr/0013.
#pragma once

#include <optional>
#include <vector>

#include "engine/blocks.hpp"
#include "gradstep/buffer.hpp"
#include "gradstep/kernels.hpp"

namespace gradstep {

// Some rows: their places in the data set, and where in X they lie; null stands for 0, 1, 2, ...
struct Batch {
    const std::int32_t* places = nullptr;
    const std::int32_t* in_X = nullptr;
    Index rows = 0;
    const std::int16_t* draws = nullptr;  // (rows, 3), or null to leave them as they are
    const std::uint64_t* drop_keys = nullptr;  // (l,) of the update's dropout
};

template <class T>
class Staging {
public:
    // What kernels read, in place of the batch's own rows.
    struct Source {
        Rows<T> rows;
        const std::int32_t* in_X;
    };

    // `blocks_kept[thread]` are staged together and stay until the next batch.
    Staging(const Kernels<T>& kernels, const Rows<T>& rows, std::optional<Images> images, Index most_rows,
            const InputBlocks& blocks, const std::vector<Slice>& blocks_kept)
        : kernels_(kernels), rows_(rows), images_(images), blocks_(blocks), most_rows_(most_rows),
          kept_(blocks_kept), element_(rows.type == RowType::uint8     ? 1
                                       : rows.type == RowType::float32 ? 4
                                                                       : 8) {
        if (!images_) return;
        for (const Slice& kept : kept_)
            buffers_.emplace_back(checked_product(kept.end - kept.begin, bytes_of_block()));
    }

    // Writes a block of a batch that has draws.
    void stage(Batch batch, Index block, int thread) const {
        if (batch.draws)
            kernels_.augment_rows({place(block, thread), blocks_.width()}, rows_, {batch.in_X, 0, batch.rows},
                                  batch.draws, *images_, blocks_.span(block));
    }

    // Where a block of the batch is read, at its own inputs alone.
    Source source(Batch batch, Index block, int thread) const {
        if (!batch.draws) return {rows_, batch.in_X};
        Rows<T> staged = rows_;
        staged.X = place(block, thread) - blocks_.begin(block) * element_;
        staged.stride = blocks_.width();
        return {staged, nullptr};
    }

private:
    Index bytes_of_block() const {
        return checked_product(checked_product(most_rows_, blocks_.width()), element_);
    }
    std::uint8_t* place(Index block, int thread) const {
        const std::size_t t = static_cast<std::size_t>(thread);
        const Index slots = kept_[t].end - kept_[t].begin;
        return buffers_[t].data() + (block - kept_[t].begin) % slots * bytes_of_block();
    }

    const Kernels<T>& kernels_;
    const Rows<T>& rows_;
    std::optional<Images> images_;
    const InputBlocks& blocks_;
    Index most_rows_;
    std::vector<Slice> kept_;                     // by thread
    Index element_;                               // bytes
    std::vector<Buffer<std::uint8_t>> buffers_;  // by thread, (blocks, b, width) elements
};

}  // namespace gradstep
