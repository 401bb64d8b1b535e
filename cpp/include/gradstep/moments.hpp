// Sums over the rows of a data set, from which come mean and scale of its columns.
#pragma once

#include "gradstep/types.hpp"

namespace gradstep {

// Of every column of n rows of d bytes, `stride` bytes apart: the sum, and behind those of all columns the
// sums of squares, (2, d).
void sums_of_bytes(const std::uint8_t* X, Index n, Index d, Index stride, std::uint64_t* sums, int n_threads);

}  // namespace gradstep
