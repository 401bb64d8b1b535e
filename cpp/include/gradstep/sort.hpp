// The order of rows: they are sorted by random words.
#pragma once

#include "gradstep/types.hpp"

namespace gradstep {

// Sorts fewer than 2^32 words in place; fast where they are spread evenly over all their values, as a
// generator draws them.
void sort_words(std::uint64_t* words, Index n);

}  // namespace gradstep
